package dialog

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// sdp is lines with the line ends of RFC 4566 §5.
func sdp(lines ...string) Body {
	return Body{Type: "application/sdp", Data: []byte(strings.Join(lines, "\r\n") + "\r\n")}
}

var session = []string{"v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10", "t=0 0", "a=rtpmap:18 of the session"}

func with(lines ...string) Body { return sdp(append(slices.Clone(session), lines...)...) }

func TestCodecsOfAnOffer(t *testing.T) {
	audio := []string{
		"m=audio 40000 RTP/AVP 18 0 8 101 96",
		"a=rtpmap:18 G729/8000", "a=fmtp:18 annexb=no", "a=rtpmap:0 PCMU/8000",
		"a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=rtpmap:96 AMR-WB/16000", "a=rtcp-fb:96 nack", "a=rtcp-fb:* nack",
		"a=ptime:20", "a=sendrecv",
	}
	video := []string{
		"m=video 40002/2 RTP/AVPF 97 98 99", "a=rtpmap:97 H264/90000", "a=rtpmap:98 rtx/90000", "a=fmtp:98 apt=97;rtx-time=3000",
		"a=rtpmap:99 VP8/90000", "a=imageattr:97 send [x=800]", "a=rtcp-fb:97 nack pli",
	}
	fax := []string{"m=image 40004 udptl t38", "a=T38FaxVersion:0"}
	for _, c := range []struct {
		name   string
		codecs Codecs
		offer  Body
		want   Body
		none   bool
	}{
		{"nothing is configured", Codecs{}, with(audio...), with(audio...), false},
		{"all of it may pass", Codecs{Deny: []string{"opus"}}, with(audio...), with(audio...), false},
		{
			"static types by name, without an rtpmap", Codecs{Allow: []string{"pcma", "Telephone-Event"}}, with(audio...),
			with("m=audio 40000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=rtcp-fb:* nack", "a=ptime:20", "a=sendrecv"), false,
		},
		{
			"denied", Codecs{Deny: []string{"G729", "AMR-WB/16000", "telephone-event/16000"}}, with(audio...),
			with("m=audio 40000 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000",
				"a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=rtcp-fb:* nack", "a=ptime:20", "a=sendrecv"), false,
		},
		{
			"order is a preference, what it does not list follows as it came", Codecs{Order: []string{"PCMA", "opus", "AMR-WB"}}, with(audio...),
			with(append([]string{"m=audio 40000 RTP/AVP 8 96 18 0 101"}, audio[1:]...)...), false,
		},
		{
			"digits alone are no audio", Codecs{Allow: []string{"telephone-event", "CN"}}, with(audio...),
			with(append([]string{"m=audio 0 RTP/AVP 18 0 8 101 96"}, audio[1:]...)...), true,
		},
		{
			"what repeats a codec goes with it", Codecs{Deny: []string{"H264"}}, with(slices.Concat(audio, video)...),
			with(slices.Concat(audio, []string{"m=video 40002/2 RTP/AVPF 99", "a=rtpmap:99 VP8/90000"})...), false,
		},
		{
			"a stream that is left with none has port 0, the others go on", Codecs{Allow: []string{"PCMU", "PCMA", "G729", "AMR-WB", "telephone-event"}},
			with(slices.Concat(video, audio, fax)...),
			with(slices.Concat([]string{"m=video 0 RTP/AVPF 97 98 99"}, video[1:], audio, fax)...), false,
		},
		{
			"of two streams of audio one is enough", Codecs{Deny: []string{"G729"}},
			with(slices.Concat([]string{"m=audio 40010 RTP/AVP 18"}, audio)...),
			with(slices.Concat([]string{"m=audio 0 RTP/AVP 18", "m=audio 40000 RTP/AVP 0 8 101 96"}, audio[3:])...), false,
		},
		{"what is refused already", Codecs{Deny: []string{"G729"}}, with("m=audio 0 RTP/AVP 18", fax[0]), with("m=audio 0 RTP/AVP 18", fax[0]), false},
		{"video alone that is left with none", Codecs{Allow: []string{"PCMA"}}, with(video...), with(append([]string{"m=video 0 RTP/AVPF 97 98 99"}, video[1:]...)...), true},
		{"no RTP", Codecs{Allow: []string{"PCMA"}}, with(fax...), with(fax...), false},
		{"a dynamic type without an rtpmap has no name", Codecs{Allow: []string{"PCMA"}}, with("m=audio 1 RTP/AVP 8 97"), with("m=audio 1 RTP/AVP 8"), false},
		{"which no list denies", Codecs{Deny: []string{"PCMA"}}, with("m=audio 1 RTP/AVP 8 97"), with("m=audio 1 RTP/AVP 97"), false},
		{"a static type is what it is", Codecs{Deny: []string{"G729"}}, with("m=audio 1 RTP/AVP 18 8", "a=rtpmap:18 PCMA/8000"), with("m=audio 1 RTP/AVP 8"), false},
		{"lines that end with LF alone", Codecs{Deny: []string{"G729"}},
			Body{Type: "application/sdp", Data: []byte("v=0\nm=audio 1 RTP/AVP 18 8\na=fmtp:18 x\na=x")},
			Body{Type: "application/sdp", Data: []byte("v=0\nm=audio 1 RTP/AVP 8\na=x")}, false},
		{"malformed lines pass as they are", Codecs{Allow: []string{"PCMA"}},
			with("m=audio", "m=audio 1", "m=audio 1 RTP/AVP", "m=", "m= audio 1 RTP/AVP 18", "a=rtpmap:", "a=fmtp:18"),
			with("m=audio", "m=audio 1", "m=audio 1 RTP/AVP", "m=", "m= audio 1 RTP/AVP 18", "a=rtpmap:", "a=fmtp:18"), false},
		{"no description", Codecs{Allow: []string{"PCMA"}}, Body{Type: "text/plain", Data: []byte("m=audio 1 RTP/AVP 18\r\n")}, Body{Type: "text/plain", Data: []byte("m=audio 1 RTP/AVP 18\r\n")}, false},
		{"no body", Codecs{Allow: []string{"PCMA"}}, Body{}, Body{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := bytes.Clone(c.offer.Data)
			got, ok := c.codecs.offer(c.offer)
			if string(got.Data) != string(c.want.Data) || got.Type != c.want.Type || ok == c.none {
				t.Errorf("%t\n%s\nwant %t\n%s", ok, got.Data, !c.none, c.want.Data)
			}
			if !bytes.Equal(before, c.offer.Data) {
				t.Error("what came has been changed")
			}
		})
	}
}

// TestCodecsOfMultipart: the description among the parts is filtered, what stands around it
// passes byte for byte.
func TestCodecsOfMultipart(t *testing.T) {
	around := func(m string) Body {
		return Body{Type: `multipart/mixed; boundary="b 1"`, Data: []byte("preamble\r\nm=audio 1 RTP/AVP 18 8\r\n--b 1\r\nContent-Type: application/pidf+xml\r\n\r\n" +
			"<a>\r\nm=audio 1 RTP/AVP 18 8\r\n</a>\r\n--b 1\r\ncontent-type:\r\n application/sdp\r\n\r\nv=0\r\n" + m + "\r\n--b 1--\r\nepilogue\r\nm=audio 1 RTP/AVP 18 8\r\n")}
	}
	c := Codecs{Deny: []string{"G729"}}
	if got, ok := c.offer(around("m=audio 1 RTP/AVP 18 8")); !ok || string(got.Data) != string(around("m=audio 1 RTP/AVP 8").Data) {
		t.Errorf("%t\n%s", ok, got.Data)
	}
	if got, ok := c.offer(around("m=audio 1 RTP/AVP 18")); ok || string(got.Data) != string(around("m=audio 0 RTP/AVP 18").Data) {
		t.Errorf("%t\n%s", ok, got.Data)
	}
}

// TestCodecsOfAnAnswer: an answer may list more than it was offered (RFC 3264 §6.1), and
// keeps the answerer's order.
func TestCodecsOfAnAnswer(t *testing.T) {
	c := Codecs{Allow: []string{"PCMA", "PCMU"}, Order: []string{"PCMA"}}
	if got, ok := c.answer(with("m=audio 1 RTP/AVP 0 8 18")); !ok || string(got.Data) != string(with("m=audio 1 RTP/AVP 0 8").Data) {
		t.Errorf("%t\n%s", ok, got.Data)
	}
	if got, ok := c.answer(with("m=audio 1 RTP/AVP 18")); ok || string(got.Data) != string(with("m=audio 0 RTP/AVP 18").Data) {
		t.Errorf("%t\n%s", ok, got.Data)
	}
}

// names draws descriptions with the codecs of a small world, and lists of them.
var (
	world   = []string{"PCMU", "PCMA", "G722", "G729", "opus/48000", "AMR-WB", "telephone-event", "H264"}
	numbers = []string{"0", "8", "9", "18", "96", "97", "101", "98"}
	maps    = []string{"", "", "", "a=rtpmap:18 G729/8000", "a=rtpmap:96 opus/48000/2", "a=rtpmap:97 AMR-WB/16000", "a=rtpmap:101 telephone-event/8000", "a=rtpmap:98 H264/90000"}
)

// TestPropertyCodecs: whatever is offered, what the profile does not let pass is not in what
// goes out, what it lets pass is, in the order wanted; lines that speak of neither are the
// same; streams are as many; and what has been filtered stays as it is.
func TestPropertyCodecs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lists := func(name string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(world), 0, 4, rapid.ID[string]).Draw(t, name)
		}
		c := Codecs{Allow: lists("allow"), Deny: lists("deny"), Order: lists("order")}
		var lines []string
		var streams [][]int
		for range rapid.IntRange(1, 3).Draw(t, "streams") {
			which := rapid.SliceOfNDistinct(rapid.IntRange(0, len(world)-1), 1, 5, rapid.ID[int]).Draw(t, "formats")
			streams = append(streams, which)
			m := "m=audio 4000 RTP/AVP"
			var attributes []string
			for _, i := range which {
				m += " " + numbers[i]
				if maps[i] != "" {
					attributes = append(attributes, maps[i], "a=fmtp:"+numbers[i]+" x="+numbers[i])
				}
			}
			lines = append(append(lines, m, "a=mid:"+numbers[which[0]]), append(attributes, "a=sendrecv")...)
		}
		got, ok := c.offer(with(lines...))
		again, _ := c.offer(got)
		if string(again.Data) != string(got.Data) {
			t.Fatalf("filtered once more:\n%s\nbefore:\n%s", again.Data, got.Data)
		}
		passes := func(i int) bool {
			return !slices.Contains(c.Deny, world[i]) && (len(c.Allow) == 0 || slices.Contains(c.Allow, world[i]))
		}
		out, any := strings.Split(string(got.Data), "m=")[1:], false
		if len(out) != len(streams) {
			t.Fatalf("%d streams of %d", len(out), len(streams))
		}
		for n, which := range streams {
			kept := slices.DeleteFunc(slices.Clone(which), func(i int) bool { return !passes(i) })
			digits := func(i int) bool { return world[i] == "telephone-event" }
			left := slices.ContainsFunc(kept, func(i int) bool { return !digits(i) }) || len(kept) > 0 && !slices.ContainsFunc(which, func(i int) bool { return !digits(i) })
			any = any || left
			f := strings.Fields(out[n][:strings.Index(out[n], "\r\n")])
			if left != (f[1] != "0") {
				t.Fatalf("stream %d has port %s, left %t", n, f[1], left)
			}
			if !left {
				continue
			}
			rank := func(i int) int {
				if r := slices.Index(c.Order, world[i]); r >= 0 {
					return r
				}
				return len(c.Order)
			}
			slices.SortStableFunc(kept, func(a, b int) int { return rank(a) - rank(b) })
			var want []string
			for _, i := range kept {
				want = append(want, numbers[i])
			}
			if !slices.Equal(f[3:], want) {
				t.Fatalf("stream %d has %v, want %v", n, f[3:], want)
			}
			for _, i := range which {
				if has := maps[i] != "" && strings.Contains(out[n], maps[i]+"\r\n"); maps[i] != "" && has != passes(i) {
					t.Fatalf("stream %d: %s is there: %t", n, maps[i], has)
				}
			}
			if !strings.Contains(out[n], "a=mid:"+numbers[which[0]]+"\r\n") || !strings.HasSuffix(out[n], "a=sendrecv\r\n") {
				t.Fatalf("stream %d lost what is nobody's:\n%s", n, out[n])
			}
		}
		if ok != any {
			t.Fatalf("suits: %t, audio is left: %t", ok, any)
		}
	})
}

// FuzzCodecs: whatever the bytes, lines come out as they went in or not at all, unless they are
// m= lines, and no more are there; who is not filtered gets the same bytes.
func FuzzCodecs(f *testing.F) {
	f.Add([]byte("v=0\r\nm=audio 1 RTP/AVP 18 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"), "application/sdp", "PCMA", "")
	f.Add([]byte("m=audio\t1 RTP/AVP 18\nm=audio 1 1 RTP/AVP\na=fmtp:18 apt=18"), "application/sdp", "", "G729")
	f.Add([]byte("--b\r\nContent-Type: application/sdp\r\n\r\nm=video 1/2 RTP/AVP 96\r\n--b--"), "multipart/mixed;boundary=b", "opus/48000", "H264")
	f.Fuzz(func(t *testing.T, data []byte, kind, allow, deny string) {
		body := Body{Type: kind, Data: data}
		c := Codecs{Order: []string{"PCMA"}}
		if allow != "" {
			c.Allow = []string{allow}
		}
		if deny != "" {
			c.Deny = []string{deny}
		}
		before := bytes.Clone(data)
		got, _ := c.offer(body)
		if !bytes.Equal(before, data) {
			t.Fatal("what came has been changed")
		}
		if same, ok := new(Codecs).offer(body); !ok || !bytes.Equal(same.Data, data) {
			t.Fatal("nothing is configured, and yet it was changed")
		}
		had := slices.Collect(bytes.Lines(data))
		for line := range bytes.Lines(got.Data) {
			for len(had) > 0 && !bytes.Equal(had[0], line) && !(bytes.HasPrefix(had[0], []byte("m=")) && bytes.HasPrefix(line, []byte("m="))) {
				if _, number, _ := ofFormat(had[0]); number == "" {
					t.Fatalf("lost %q", had[0])
				}
				had = had[1:]
			}
			if len(had) == 0 {
				t.Fatalf("made %q", line)
			}
			had = had[1:]
		}
		for _, line := range had {
			if _, number, _ := ofFormat(line); number == "" {
				t.Fatalf("lost %q", line)
			}
		}
		if again, _ := c.offer(got); !bytes.Equal(again.Data, got.Data) {
			t.Fatalf("filtered once more: %q, before %q", again.Data, got.Data)
		}
	})
}
