package dialog_test

import (
	"strings"
	"testing"
	"time"

	"bulkhead/dialog"
)

var described = dialog.Body{Type: "application/sdp", Data: []byte(strings.Replace(offer, "4000", "4002", 1))}

func TestRFC3261_14_1_ByUs(t *testing.T) {
	r := udpOut(t).up()
	r.told(dialog.Modify{Method: "INVITE", Body: described}, "INVITE")
	re := r.find("INVITE", 0)
	if m := r.read(re); m.CSeq != 2 || m.ToTag != "b" || m.Contact == "" {
		t.Errorf("the re-INVITE is\n%s", re.Data)
	}
	r.gets(r.response(re, 100, "", ""), "")
	again := r.response(re, 200, "b", offer)
	r.gets(again, "ACK, Modified 200")
	r.gets(again, "(absorbed), ACK again")
	if m := r.last(); m.CSeq != 2 {
		t.Errorf("the ACK is\n%s", r.find("ACK", 0).Data)
	}
	r.gets(r.response(r.sent[0], 200, "b", offer), "(absorbed), ACK again") // of the first 200 still
	if r.last().CSeq != 1 {
		t.Error("a copy of the first 200 gets another ACK than its own")
	}
}

func TestRFC3261_14_1_Refused(t *testing.T) {
	r := udpOut(t).up()
	r.told(dialog.Modify{Method: "INVITE", Body: described}, "INVITE")
	refusal := r.response(r.find("INVITE", 0), 488, "b", "")
	r.gets(refusal, "ACK, Modified 488")
	r.gets(refusal, "(absorbed), ACK again")
	if r.leg.State != dialog.Confirmed {
		t.Error("a refused change has ended the call")
	}
}

// A 2xx after the refusal changes nothing any more, and still wants its ACK (P4).
func TestRFC3261_14_1_AnsweredAfterTheRefusal(t *testing.T) {
	r := udpOut(t).up()
	r.told(dialog.Modify{Method: "INVITE", Body: described}, "INVITE")
	re := r.find("INVITE", 0)
	r.gets(r.response(re, 488, "b", ""), "ACK, Modified 488")
	late := r.response(re, 200, "b", offer)
	r.gets(late, "(absorbed), ACK")
	if m := r.last(); m.CSeq != 2 || m.ToTag != "b" {
		t.Errorf("the ACK is\n%s", r.find("ACK", 0).Data)
	}
	one := r.find("ACK", 0)
	r.gets(late, "(absorbed), ACK")
	if again := r.find("ACK", 0); string(again.Data) != string(one.Data) {
		t.Errorf("another copy gets another ACK:\n%s\n%s", one.Data, again.Data)
	}
}

func TestRFC3261_12_2_1_2_PeerKnowsNoSuchCall(t *testing.T) {
	for code, want := range map[int]string{481: "ACK, End peer_lost 481, BYE", 408: "ACK, End peer_lost 408, BYE"} {
		r := udpOut(t).up()
		r.told(dialog.Modify{Method: "INVITE", Body: described}, "INVITE")
		r.gets(r.response(r.find("INVITE", 0), code, "b", ""), want)
	}
}

func TestRFC3261_14_1_Unanswered(t *testing.T) {
	r := udpOut(t).up()
	r.told(dialog.Modify{Method: "INVITE", Body: described}, "INVITE")
	if got := r.idles(); !strings.Contains(got, "End peer_lost 408, BYE") {
		t.Errorf("in silence: %s", got)
	}
}

// The offer is in the 2xx of the re-INVITE: its ACK waits for the other side's,
// and comes also where that brings nothing.
func TestRFC3261_14_1_WithoutOffer(t *testing.T) {
	for _, body := range []dialog.Body{described, {}} {
		r := udpOut(t).up()
		r.told(dialog.Modify{Method: "INVITE"}, "INVITE")
		again := r.response(r.find("INVITE", 0), 200, "b", offer)
		r.gets(again, "Modified 200")
		r.gets(again, "(absorbed)")
		r.told(dialog.Confirm{Body: body}, "ACK")
		r.gets(again, "(absorbed), ACK again")
	}
	r := udpIn(t).talks()
	r.gets(r.trunk("INVITE", true, 2, "re", ""), "100 to INVITE, Modify INVITE")
	r.told(dialog.Modified{Code: 200, Body: described}, "200 to INVITE")
	r.gets(r.trunk("ACK", true, 2, "k2", ""), "Confirm")
	r.gets(r.trunk("ACK", true, 2, "k2", ""), "(absorbed)")
}

func TestRFC3261_14_2(t *testing.T) {
	r := udpIn(t)
	r.told(dialog.Answer{Code: 200}, "200 to INVITE")
	r.gets(r.trunk("INVITE", true, 2, "early", offer), "491 to INVITE") // before its ACK (RFC 5407 §3.1.4)
	r.gets(r.trunk("ACK", true, 2, "early", ""), "")
	r.gets(r.trunk("ACK", true, 1, "k", ""), "Confirm")
	r.gets(r.trunk("INVITE", true, 3, "re", offer), "100 to INVITE, Modify INVITE")
	r.gets(r.trunk("INVITE", true, 3, "re", offer), "(absorbed), 100 to INVITE again")
	r.gets(r.trunk("INVITE", true, 4, "re2", offer), "500 to INVITE")
	if r.last().RetryAfter == 0 {
		t.Errorf("no Retry-After:\n%s", r.find("INVITE", 500).Data)
	}
	r.told(dialog.Modified{Code: 200, Body: described}, "200 to INVITE")
	if m := r.last(); m.CSeq != 3 || m.Contact == "" {
		t.Errorf("the answer is\n%s", r.find("INVITE", 200).Data)
	}
	if got := r.idles(); !strings.Contains(got, "End no_ack 408, BYE") { // nobody acknowledges it
		t.Errorf("in silence: %s", got)
	}
}

func TestRFC3261_14_1_Glare(t *testing.T) {
	r := udpOut(t).up()
	r.told(dialog.Modify{Method: "INVITE", Body: described}, "INVITE")
	r.gets(r.request("INVITE", "b", 1, "re", offer), "491 to INVITE")
	r.gets(r.response(r.find("INVITE", 0), 491, "b", ""), "ACK, Modified 491")
	r.gets(r.request("INVITE", "b", 2, "re2", offer), "100 to INVITE, Modify INVITE")
	r.told(dialog.Modify{Method: "INVITE", Body: described}, "Modified 491") // by the other side meanwhile
}

func TestRFC3261_14_PendingChangeIsAnsweredAtTheEnd(t *testing.T) {
	r := udpIn(t).talks()
	r.gets(r.trunk("UPDATE", true, 3, "up", offer), "Modify UPDATE")
	r.told(dialog.End{}, "BYE, 487 to UPDATE")
	r = udpIn(t).talks()
	r.gets(r.trunk("INVITE", true, 3, "re", offer), "100 to INVITE, Modify INVITE")
	r.gets(r.trunk("BYE", true, 4, "b", ""), "200 to BYE, End hung_up 480, 487 to INVITE")
	r.gets(r.trunk("INVITE", true, 5, "re2", offer), "481 to INVITE")
	if got := r.idles(); strings.Contains(got, "End") {
		t.Errorf("in silence: %s", got)
	}
}

func TestRFC3311_5_1(t *testing.T) {
	r := udpOut(t)
	r.gets(r.response(r.sent[0], 200, "b", offer, "Allow: INVITE, UPDATE\n"), "ACK, Answer 200")
	r.told(dialog.Modify{Method: "UPDATE", Body: described}, "UPDATE")
	r.gets(r.response(r.find("UPDATE", 0), 200, "b", offer), "Modified 200")
	r = udpOut(t).up() // a peer that does not allow it gets a re-INVITE
	r.told(dialog.Modify{Method: "UPDATE", Body: described}, "INVITE")
}

// A target refresh without a description is between us and the peer (RFC 3311
// §5.2); what follows goes to the new target (RFC 3261 §12.2.2).
func TestRFC3261_12_2_2_TargetRefresh(t *testing.T) {
	r := udpOut(t).up()
	up := read(t, strings.NewReplacer("FROM", r.leg.Peer, "TO", r.read(r.sent[0]).From).Replace("UPDATE sip:203.0.113.7 SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKu\nFrom: FROM;tag=b\nTo: TO\nCall-ID: "+r.leg.CallID+"\nCSeq: 1 UPDATE\nContact: <sip:moved@198.51.100.77>\n"), "")
	r.gets(up, "200 to UPDATE")
	r.told(dialog.End{}, "BYE")
	if s := r.find("BYE", 0); s.Path.Remote.String() != "198.51.100.77:5060" || r.last().URI.User != "moved" {
		t.Errorf("the BYE goes to %v:\n%s", s.Path.Remote, s.Data)
	}
}

func TestRFC3264_8_OriginVersion(t *testing.T) {
	r := udpIn(t)
	origin := func() string {
		_, after, _ := strings.Cut(string(r.last().Body.Data), "o=")
		line, _, _ := strings.Cut(after, "\r\n")
		return line
	}
	first := dialog.Body{Type: "application/sdp;charset=utf-8", Data: []byte(offer)}
	r.told(dialog.Progress{Code: 183, Body: first}, "183 to INVITE")
	one := origin()
	fields := strings.Fields(one)
	if len(fields) != 6 || fields[2] != "1" || fields[5] != "203.0.113.7" {
		t.Fatalf("o= is %q", one)
	}
	r.told(dialog.Progress{Code: 180, Body: first}, "180 to INVITE")
	if origin() != one {
		t.Errorf("the same description has o= %q after %q", origin(), one)
	}
	r.told(dialog.Answer{Code: 200, Body: described}, "200 to INVITE")
	if want := strings.Replace(one, " 1 IN", " 2 IN", 1); origin() != want {
		t.Errorf("o= is %q, want %q", origin(), want)
	}
	if string(r.last().Body.Data) != strings.Replace(string(described.Data), "peer 7 7 IN IP4 192.0.2.1", origin(), 1) {
		t.Errorf("more than o= has changed: %q", r.last().Body.Data)
	}
}

// Where the description is a part of the body, its o= line is ours all the same, and
// not a byte else is touched: the trunk's does not reach the carrier (P6).
func TestRFC2046_5_1_OriginInAPart(t *testing.T) {
	const head, sdp = "Content-ID: <1>\r\ncontent-type:\r\n application/sdp; x=1\r\n\r\n", "v=0\r\no=peer 7 7 IN IP4 192.0.2.1\r\ns=-\r\n"
	flat := "o=preamble\r\n--b\r\nContent-Type: text/plain\r\n\r\no=text\r\n--b \r\n" + head + sdp + "\r\n--bb\r\n--b--\r\no=epilogue"
	for name, c := range map[string]struct{ kind, data string }{
		"flat":      {`multipart/mixed;boundary=b`, flat},
		"quoted":    {`Multipart/Mixed; Boundary="b"`, flat},
		"nested":    {`multipart/mixed;boundary=o`, "--o\r\nContent-Type: multipart/alternative;boundary=b\r\n\r\n" + flat + "\r\n--o--\r\n"},
		"two":       {`multipart/alternative;boundary=b`, "--b\r\n" + head + sdp + "--b\r\n" + head + sdp + "--b--\r\n"},
		"bare":      {`multipart/mixed;boundary=b`, strings.ReplaceAll(flat, "\r\n", "\n")},
		"unclosed":  {`multipart/mixed;boundary=b`, "--b\r\n" + head + sdp},
		"no o= yet": {`multipart/mixed;boundary=b`, "--b\r\n" + head + "v=0\r\n--b\r\n" + head + sdp + "--b--\r\n"},
	} {
		r := udpIn(t)
		r.told(dialog.Progress{Code: 183, Body: dialog.Body{Type: c.kind, Data: []byte(c.data)}}, "183 to INVITE")
		got := string(r.last().Body.Data)
		_, after, _ := strings.Cut(got, "o=- ")
		line, _, _ := strings.Cut(after, "\n")
		want := strings.ReplaceAll(c.data, "peer 7 7 IN IP4 192.0.2.1", "- "+strings.TrimSuffix(line, "\r"))
		if !strings.Contains(line, " 1 IN IP4 203.0.113.7") || got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	r := udpIn(t)
	for _, boundary := range []string{"x", "y"} { // another boundary is not another description
		body := dialog.Body{Type: "multipart/mixed;boundary=" + boundary, Data: []byte("--" + boundary + "\r\n" + head + sdp + "--" + boundary + "--")}
		r.told(dialog.Progress{Code: 183, Body: body}, "183 to INVITE")
		if got := string(r.last().Body.Data); !strings.Contains(got, " 1 IN IP4 203.0.113.7") {
			t.Errorf("with boundary %s: %q", boundary, got)
		}
	}
}

func TestRFC3264_6_DeclineOfALateOffer(t *testing.T) {
	r := outbound(t, policy(), path("198.51.100.1:5060", dialog.UDP), "")
	r.gets(r.response(r.sent[0], 200, "b", offer), "Answer 200")
	r.gets(r.response(r.sent[0], 200, "b", offer), "(absorbed)") // no ACK before the caller's
	r.told(dialog.End{}, "ACK, BYE")
	body := string(r.read(r.find("ACK", 0)).Body.Data)
	if !strings.Contains(body, "m=audio 0 RTP/AVP 0\r\n") || strings.Contains(body, "a=") {
		t.Errorf("the ACK answers with %q", body)
	}
	r.gets(r.response(r.sent[0], 200, "c", offer), "ACK, BYE")
	if body := string(r.read(r.find("ACK", 0)).Body.Data); !strings.Contains(body, "m=audio 0 ") {
		t.Errorf("the ACK of a fork answers with %q", body)
	}
	r.now = r.now.Add(time.Second)
	r.gets(r.response(r.sent[0], 200, "b", offer), "(absorbed), ACK again")
}
