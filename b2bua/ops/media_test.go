package ops

import (
	"encoding/json"
	"strings"
	"testing"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// TestStreams: addresses and directions of the session and of a stream, codecs with and without
// an rtpmap, streams that are off, IPv6, and what is no description.
func TestStreams(t *testing.T) {
	for text, want := range map[string]string{
		"v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 20000 RTP/AVP 8 0 101 97\na=rtpmap:101 telephone-event/8000\na=ptime:20\na=sendonly\n":       `[{"kind":"audio","address":"192.0.2.1:20000","transport":"RTP/AVP","direction":"sendonly","codecs":["PCMA/8000","PCMU/8000","telephone-event/8000","97"]}]`,
		"v=0\r\nc=IN IP4 192.0.2.1\r\na=recvonly\r\nm=audio 20000/2 RTP/SAVP 0\r\nc=IN IP6 2001:db8::1\r\nm=video 0 RTP/AVP 31\r\na=inactive\r\nm=image 30000 udptl t38\r\n": `[{"kind":"audio","address":"[2001:db8::1]:20000","transport":"RTP/SAVP","direction":"recvonly","codecs":["PCMU/8000"]},{"kind":"video","transport":"RTP/AVP","codecs":["31"],"off":true},{"kind":"image","address":"192.0.2.1:30000","transport":"udptl","direction":"recvonly","codecs":["t38"]}]`,
		"v=0\nm=audio 1 RTP/AVP 0\n\n--boundary\nm=audio 2 RTP/AVP 0\n": `[{"kind":"audio","address":"-:1","transport":"RTP/AVP","direction":"sendrecv","codecs":["PCMU/8000"]}]`,
		"v=0\nm=audio\nm=\nc=\na=\n":                                    "null",
		"":                                                              "null",
	} {
		got, err := json.Marshal(streams(digest([]byte(text))))
		if err != nil || string(got) != want {
			t.Errorf("%q:\n%s\nwant\n%s", text, got, want)
		}
	}
}

// TestMediaIsForgotten with its call, and what is described again takes the place of what was.
func TestMediaIsForgotten(t *testing.T) {
	var m Media
	call := dialog.CallID{1, 2, 3}
	saw := func(leg uint8, in, repeat bool, port string) {
		m.Saw(b2bua.Sight{Call: call, Leg: leg, In: in, Repeat: repeat, Data: []byte("INVITE x\r\nTo: y\r\n\r\nv=0\r\nc=IN IP4 192.0.2.1\r\nm=audio " + port + " RTP/AVP 8\r\n")})
	}
	is := func(leg uint8, want string) {
		t.Helper()
		said, shown := m.Of(call, leg)
		var all []string
		for _, s := range append(said, shown...) {
			all = append(all, s.Address)
		}
		if got := strings.Join(all, " "); got != want {
			t.Errorf("leg %d: %s, want %s", leg, got, want)
		}
	}
	saw(0, true, false, "1000")
	saw(1, false, false, "1000")
	saw(1, false, true, "9")
	saw(1, true, false, "2000")
	m.Saw(b2bua.Sight{Call: call, Leg: 1, In: true, Data: []byte("SIP/2.0 180 Ringing\r\n\r\n")})
	is(0, "192.0.2.1:1000")
	is(1, "192.0.2.1:2000 192.0.2.1:1000")
	saw(1, true, false, "3000")
	is(1, "192.0.2.1:3000 192.0.2.1:1000")
	m.Ended(call, b2bua.Record{})
	is(1, "")
	if n := len(m.shards[call[7]%64].calls); n != 0 {
		t.Errorf("%d calls are kept", n)
	}
	(*Media)(nil).Of(call, 0)
}

func BenchmarkMedia(b *testing.B) {
	var m Media
	data := []byte("INVITE x\r\nTo: y\r\n\r\nv=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n")
	b.ReportAllocs()
	for b.Loop() {
		m.Saw(b2bua.Sight{Leg: 1, Data: data})
	}
}
