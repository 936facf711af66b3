package ops_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"bulkhead/b2bua/ops"
)

// TestR19_OneCall: its legs, their transactions, and every attempt.
func TestR19_OneCall(t *testing.T) {
	s, _ := busy(t)
	id := s.lists("?attempts=2").Calls[0].ID
	a := s.ask("viewer", "GET", "/v1/calls/"+id)
	var d ops.CallDetail
	if err := json.Unmarshal([]byte(a.text), &d); err != nil || a.StatusCode != 200 {
		t.Fatal(err, a.text)
	}
	if d.ID != id || d.State != "hunting" || len(d.Record.Attempts) != 2 || d.Record.Attempts[0].Code != 503 || d.Record.Attempts[1].Trying.IsZero() || d.Due.IsZero() {
		t.Errorf("%+v", d)
	}
	if len(d.Legs) != 3 || d.Legs[0].Peer != "pbx" || d.Legs[0].Remote != "127.0.11.5:5060" || d.Legs[0].State != "trying" ||
		d.Legs[1].Peer != "tc1" || d.Legs[1].State != "leaving" || d.Legs[1].Cause != "rejected" || d.Legs[2].Peer != "tc2" || d.Legs[2].State != "trying" {
		t.Errorf("%+v", d.Legs)
	}
	if tx := d.Legs[2].Transactions; len(tx) != 1 || tx[0].Method != "INVITE" || tx[0].Machine != "INVITE client" || tx[0].State != "proceeding" {
		t.Errorf("%+v", tx)
	}
	for _, id := range []string{"nothing", strings.Repeat("a", len(id))} {
		s.ask("viewer", "GET", "/v1/calls/"+id).problem(t, 404)
	}
}

// TestR19_OneCallInFull: its legs in words, what each has described and was shown, what the
// profile of the carrier has changed, and every timer that is armed.
func TestR19_OneCallInFull(t *testing.T) {
	s, b := serve(t), newBorder(t)
	s.node.engine, s.node.unit, s.node.epoch = b.engine, "u1", 3
	b.watch.add(&s.node.media)
	described := func(text, port string) string {
		body := "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio " + port + " RTP/AVP 8 0\r\na=rtpmap:8 PCMA/8000\r\n"
		return strings.Replace(text, "Content-Length: 0\r\n\r\n", fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", len(body), body), 1)
	}
	invite := b.first(b.says("core", "127.0.11.5:5060", described(request("INVITE", 1, "127.0.11.5", "+4101", "+3301", ""), "20000")), "INVITE ")
	second := b.first(b.answers(invite, "503 Service Unavailable", "127.0.21.1"), "INVITE ")
	show := func() (d ops.CallDetail) {
		a := s.ask("viewer", "GET", "/v1/calls/"+s.lists("").Calls[0].ID)
		if err := json.Unmarshal([]byte(a.text), &d); err != nil {
			t.Fatal(err, a.text)
		}
		return d
	}
	names := func(d ops.CallDetail) (all string) {
		for i, timer := range d.Timers {
			all += fmt.Sprintf("%d %s\n", timer.Leg, timer.Name)
			if timer.Due.IsZero() || i > 0 && timer.Due.Before(d.Timers[i-1].Due) {
				t.Errorf("%+v", d.Timers)
			}
		}
		return all
	}
	d := show()
	if d.Node != "sbc-a" || d.Unit != "u1" || d.Epoch != 3 || !d.Saved.IsZero() || d.Timers[0].Due != d.Due {
		t.Errorf("%+v", d)
	}
	for i, want := range []string{"no carrier rings yet", "over: what the peer repeats is absorbed", "the INVITE is sent, and nothing has come"} {
		if d.Legs[i].Words != want {
			t.Errorf("leg %d: %s", i, d.Legs[i].Words)
		}
	}
	if got := names(d); !strings.Contains(got, "-1 longest setup: the call fails\n") || !strings.Contains(got, "2 no answer: the next target is tried\n") ||
		!strings.Contains(got, "2 INVITE is sent again\n") || !strings.Contains(got, "1 the INVITE transaction (INVITE client, completed) ends\n") {
		t.Error(got)
	}
	if c := d.Legs[2].Changed; len(c) != 2 || c[0] != (ops.Altered{Name: "number", From: "+3301", To: "+49555"}) || c[1].Name != "Diversion" || c[1].From != "" {
		t.Errorf("%+v", c)
	}
	if len(d.Legs[0].Said) != 1 || d.Legs[0].Said[0].Address != "192.0.2.1:20000" || d.Legs[0].Shown != nil || len(d.Legs[2].Shown) != 1 || d.Legs[2].Said != nil {
		t.Errorf("%+v %+v", d.Legs[0], d.Legs[2])
	}
	var status []string
	for _, name := range []string{"Via", "From", "Call-ID", "CSeq"} {
		status = append(status, name+": "+header(second, name))
	}
	ok := b.first(b.says("peering", "127.0.22.1:5060", described("SIP/2.0 200 OK\r\n"+strings.Join(status, "\r\n")+"\r\nTo: "+header(second, "To")+
		";tag=carrier\r\nContact: <sip:127.0.22.1>\r\nContent-Length: 0\r\n\r\n", "30000")), "SIP/2.0 200")
	if d = show(); d.Legs[0].Words != "answered, and not acknowledged yet" {
		t.Errorf("%+v", d.Legs[0])
	}
	_, tag, _ := strings.Cut(header(ok, "To"), ">")
	b.says("core", "127.0.11.5:5060", request("ACK", 1, "127.0.11.5", "+4101", "+3301", tag))
	d = show()
	if d.State != "up" || d.Legs[0].Words != "up" || d.Legs[2].Words != "up" || !strings.Contains(names(d), "-1 longest duration: the call ends\n") {
		t.Errorf("%+v", d)
	}
	if l := d.Legs[2]; l.Said[0].Address != "192.0.2.1:30000" || strings.Join(l.Said[0].Codecs, " ") != "PCMA/8000 PCMU/8000" || l.Said[0].Direction != "sendrecv" {
		t.Errorf("%+v", l.Said)
	}
	if l := d.Legs[0]; l.Shown[0].Address != "192.0.2.1:30000" {
		t.Errorf("%+v", l.Shown)
	}
}
