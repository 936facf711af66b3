package dialog_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"bulkhead/b2bua/wire"
	"bulkhead/dialog"
)

// rig is a leg with a peer and a clock that are moved by hand. What the leg does
// is compared as text: "ACK", "200 to INVITE", "INVITE again", "(absorbed)",
// "Answer 200", "End cancelled 487".
type rig struct {
	*testing.T
	leg  *dialog.Leg
	now  time.Time
	path dialog.Path
	sent []dialog.Send // all of it, the last one last
}

var began = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

const offer = "v=0\r\no=peer 7 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n"

func seal() *dialog.Seal { return dialog.NewSeal([32]byte{1, 2, 3}, "u1") }

func policy() *dialog.Policy {
	return &dialog.Policy{
		Seal: seal(), Local: dialog.Local{"203.0.113.7:5060", "203.0.113.7:5060", "203.0.113.7:5061"},
		Timers:   dialog.Timers{T1: 500 * time.Millisecond, T2: 4 * time.Second, T4: 5 * time.Second},
		NoAnswer: 3 * time.Minute, Linger: time.Minute,
	}
}

func path(remote string, t dialog.Transport) dialog.Path {
	return dialog.Path{Realm: "outside", Transport: t, Local: netip.MustParseAddrPort("203.0.113.7:5060"), Remote: netip.MustParseAddrPort(remote)}
}

// read parses a message written with bare line feeds; an SDP body is added where
// body is not empty.
func read(t testing.TB, head, body string) *dialog.Message {
	t.Helper()
	return dialog.Read(parsed(t, head, body))
}

func parsed(t testing.TB, head, body string) sip.Message {
	t.Helper()
	s := strings.ReplaceAll(strings.TrimSpace(head), "\n", "\r\n") + "\r\n"
	if body != "" {
		s += "Content-Type: application/sdp\r\n"
	}
	s += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	return parse(t, []byte(s))
}

// parse reads as the wire does, and refuses what it refuses: what a leg sends has
// to pass, too.
func parse(t testing.TB, data []byte) sip.Message {
	t.Helper()
	m, fault, err := wire.Parse(data, wire.Limits{})
	if err != nil || fault != nil {
		t.Fatalf("parse %q: %v %v", data, fault, err)
	}
	return m
}

const trunkInvite = `INVITE sip:4930@203.0.113.7 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKi;rport
Max-Forwards: 70
From: "A" <sip:a@192.0.2.1>;tag=ta
To: <sip:4930@203.0.113.7>
Call-ID: c1
CSeq: 1 INVITE
Contact: <sip:a@192.0.2.1>
`

// inbound is a leg with an INVITE received; the text is in place of trunkInvite.
func inbound(t *testing.T, p *dialog.Policy, from dialog.Path, invite string) *rig {
	t.Helper()
	r := &rig{T: t, now: began, path: from}
	leg, actions := dialog.Inbound(dialog.ID{Call: dialog.CallID{9}}, r.now, "acme", read(t, invite, offer), from, p, nil)
	r.leg = leg
	r.does(actions, "100 to INVITE, Setup")
	return r
}

func udpIn(t *testing.T) *rig {
	t.Helper()
	return inbound(t, policy(), path("192.0.2.1:5060", dialog.UDP), trunkInvite)
}

// outbound is a leg with an INVITE sent.
func outbound(t *testing.T, p *dialog.Policy, to dialog.Path, body string) *rig {
	t.Helper()
	r := &rig{T: t, now: began, path: to}
	setup := dialog.Setup{Number: "4930", MaxForwards: 69, Caller: dialog.Party{Display: `A "B" \`, User: "a"}}
	if body != "" {
		setup.Body = dialog.Body{Type: "application/sdp", Data: []byte(body)}
	}
	leg, actions := dialog.Outbound(dialog.ID{Call: dialog.CallID{9}, Leg: 1}, r.now, setup, dialog.Target{Carrier: "tc1", Number: "4930", Host: "198.51.100.1", Path: to}, p)
	r.leg = leg
	r.does(actions, "INVITE")
	return r
}

func udpOut(t *testing.T) *rig {
	t.Helper()
	return outbound(t, policy(), path("198.51.100.1:5060", dialog.UDP), offer)
}

// describe writes what a leg did.
func describe(actions []dialog.Action) string {
	var list []string
	for _, a := range actions {
		s := fmt.Sprintf("%T", a)
		switch a := a.(type) {
		case dialog.Send:
			if s = a.Method; a.Code != 0 {
				s = fmt.Sprintf("%d to %s", a.Code, a.Method)
			}
			if a.Repeat {
				s += " again"
			}
		case dialog.Drop:
			s = "(" + a.Name + ")"
		case dialog.Progress:
			s = fmt.Sprintf("Progress %d", a.Code)
		case dialog.Answer:
			s = fmt.Sprintf("Answer %d", a.Code)
		case dialog.Modify:
			s = "Modify " + a.Method
		case dialog.Modified:
			s = fmt.Sprintf("Modified %d", a.Code)
		case dialog.End:
			s = fmt.Sprintf("End %v %d", a.Cause.Why, a.Cause.Code)
		case dialog.Setup:
			s = "Setup"
		case dialog.Confirm:
			s = "Confirm"
		case dialog.Info:
			s = "Info " + a.Method
		case dialog.Informed:
			s = fmt.Sprintf("Informed %d", a.Code)
		case dialog.Refer:
			s = fmt.Sprintf("Refer %s %s", a.URI, a.User)
		case dialog.Alone:
		case dialog.Notify:
			s = fmt.Sprintf("Notify %d", a.Code)
			if a.Over {
				s += " over"
			}
		}
		list = append(list, s)
	}
	return strings.Join(list, ", ")
}

func (r *rig) does(actions []dialog.Action, want string) {
	r.Helper()
	for _, a := range actions {
		if s, ok := a.(dialog.Send); ok {
			r.sent = append(r.sent, s)
		}
	}
	if got := describe(actions); got != want {
		r.Errorf("at %v: %q, want %q", r.now.Sub(began), got, want)
	}
}

// gets gives the leg a message of its peer.
func (r *rig) gets(m *dialog.Message, want string) {
	r.Helper()
	r.does(r.leg.Step(r.now, dialog.Received{Message: m, Path: r.path}), want)
}

// is told a signal.
func (r *rig) told(s dialog.Signal, want string) {
	r.Helper()
	r.does(r.leg.Step(r.now, s), want)
}

// waits until the leg's next deadline, which must be so long after the beginning.
func (r *rig) waits(until time.Duration, want string) {
	r.Helper()
	d := r.leg.Deadline()
	if d.Sub(began) != until {
		r.Errorf("next deadline after %v, want %v", d.Sub(began), until)
	}
	r.now = d
	r.does(r.leg.Step(r.now, dialog.Due{}), want)
}

// idles lets time pass to the end of the leg, and lists what it does meanwhile.
func (r *rig) idles() string {
	r.Helper()
	var list []string
	for range 500 {
		if r.leg.Done() {
			return strings.Join(list, ", ")
		}
		d := r.leg.Deadline()
		if d.IsZero() {
			r.Fatal("neither done nor a deadline")
		}
		r.now = d
		actions := r.leg.Step(r.now, dialog.Due{})
		if s := describe(actions); s != "" {
			list = append(list, s)
		}
	}
	r.Fatal("the leg does not end")
	return ""
}

// last is the last message that the leg has sent, read.
func (r *rig) last() *dialog.Message {
	r.Helper()
	return r.read(r.sent[len(r.sent)-1])
}

func (r *rig) read(s dialog.Send) *dialog.Message {
	r.Helper()
	return dialog.Read(parse(r, s.Data))
}

// find is the last message sent of that method and code.
func (r *rig) find(method string, code int) dialog.Send {
	r.Helper()
	for i := len(r.sent) - 1; i >= 0; i-- {
		if r.sent[i].Method == method && r.sent[i].Code == code {
			return r.sent[i]
		}
	}
	r.Fatalf("no %d %s was sent", code, method)
	return dialog.Send{}
}

// response answers a request of the leg's. Extra lines may follow.
func (r *rig) response(to dialog.Send, code int, tag, body string, extra ...string) *dialog.Message {
	r.Helper()
	m := r.read(to)
	toTag := m.To
	if m.ToTag == "" && tag != "" {
		toTag += ";tag=" + tag
	}
	head := fmt.Sprintf("SIP/2.0 %d Said\nVia: %s\nFrom: %s\nTo: %s\nCall-ID: %s\nCSeq: %d %s\n", code, m.Vias[0], m.From, toTag, m.CallID, m.CSeq, m.Method)
	if code < 300 && code > 100 {
		head += "Contact: <sip:" + tag + "@198.51.100.9>\n"
	}
	return read(r, head+strings.Join(append(extra, ""), "\n"), body)
}

// request is a request of the peer's within the dialog of an outbound leg.
func (r *rig) request(method, tag string, cseq int, branch, body string, extra ...string) *dialog.Message {
	r.Helper()
	m := r.read(r.sent[0])
	return read(r, fmt.Sprintf("%s sip:203.0.113.7 SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK%s\nFrom: %s;tag=%s\nTo: %s\nCall-ID: %s\nCSeq: %d %s\nContact: <sip:%s@198.51.100.9>\n",
		method, branch, m.To, tag, m.From, m.CallID, cseq, method, tag)+strings.Join(append(extra, ""), "\n"), body)
}

// trunk is a request of the trunk's; within its dialog where in is true.
func (r *rig) trunk(method string, in bool, cseq int, branch, body string, extra ...string) *dialog.Message {
	r.Helper()
	to := "<sip:4930@203.0.113.7>"
	if in {
		to += ";tag=" + r.leg.Tag
	}
	return read(r, fmt.Sprintf("%s sip:203.0.113.7 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%s;rport\nFrom: \"A\" <sip:a@192.0.2.1>;tag=ta\nTo: %s\nCall-ID: c1\nCSeq: %d %s\nContact: <sip:a@192.0.2.1>\n",
		method, branch, to, cseq, method)+strings.Join(append(extra, ""), "\n"), body)
}

// invite is the trunk's INVITE once more.
func (r *rig) invite() *dialog.Message { return read(r, trunkInvite, offer) }

// up brings an outbound leg to its answer.
func (r *rig) up() *rig {
	r.Helper()
	r.gets(r.response(r.sent[0], 200, "b", offer), "ACK, Answer 200")
	return r
}

// talks brings an inbound leg to the ACK of its answer.
func (r *rig) talks() *rig {
	r.Helper()
	r.told(dialog.Answer{Code: 200, Body: dialog.Body{Type: "application/sdp", Data: []byte(offer)}}, "200 to INVITE")
	r.gets(r.trunk("ACK", true, 1, "k", ""), "Confirm")
	return r
}
