package dialog

import "strings"

// What the application says within the dialog: INFO (RFC 6086) and whatever else
// the profiles of both sides list. Such a request changes nothing of the session;
// it crosses as an Info, and its final response as an Informed.

// maxInfos is how many requests of one peer may wait for the other side at once: a
// burst of digits, and no more than that.
const maxInfos = 8

// passedOn are the header fields that say what the body is or what it is about; all
// others belong to one side.
var passedOn = [...]string{
	"Info-Package", "Event", "Subscription-State", "Content-Disposition", "Content-Encoding", "Content-Language",
	"MIME-Version", "Subject", "Expires",
}

// passedBack are those of the response: what the peer would have understood.
var passedBack = [...]string{"Recv-Info", "Accept", "Accept-Encoding", "Accept-Language", "Allow-Events"}

// picked are the header fields of a message that have one of the names.
func picked(m *Message, names []string) (list []Header) {
	for _, name := range names {
		if v := m.Value(name); v != "" {
			list = append(list, Header{name, strings.Clone(v)})
		}
	}
	return list
}

// relays says that a method is passed to and from the peer within a dialog.
func (p *Policy) relays(method string) bool {
	for _, m := range p.Relay {
		if m == method {
			return true
		}
	}
	return false
}

// Allow is the Allow header field of all that we say to a peer.
func (p *Policy) Allow() string {
	return strings.TrimSuffix(strings.TrimPrefix(string(text(nil).allow(p)), "Allow: "), "\r\n")
}

// allow writes it.
func (t text) allow(p *Policy) text {
	t = append(append(t, "Allow: "+Methods...), p.Transfers.methods()...)
	for _, m := range p.Relay {
		if m != "NOTIFY" || p.Transfers != RelayTransfers { // which has named it
			t = append(append(t, ", "...), m...)
		}
	}
	return append(t, "\r\n"...)
}

// unserved is the answer to a method that does not pass: 405 where SIP or one of its
// extensions defines it, 501 where nobody knows it (RFC 3261 §21.4.6, §21.5.2).
func unserved(method string) int {
	if Defined(method) {
		return 405
	}
	return 501
}

// Defined says that SIP or an extension that we know of defines a method.
func Defined(method string) bool {
	switch method {
	case "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE",
		"REFER", "INFO", "PRACK", "UPDATE":
		return true
	}
	return false
}

// inform takes a request of the peer's that is the other side's to answer.
func (s *step) inform(d *Dialog, m *Message, from Path) {
	t := s.accept(m, from, server)
	switch asked := Extensions(m); {
	case s.State == Leaving || d.Left:
		s.respond(t, 481, "", reply{})
	case !s.Policy.relays(m.Method):
		s.respond(t, unserved(m.Method), "", reply{Extra: s.Policy.Capabilities()})
	case len(asked) > 0:
		s.respond(t, 420, "", reply{Extra: Unsupported(asked).Extra})
	case s.State < Answered || s.informing() > maxInfos:
		s.respond(t, 500, "", reply{Extra: []Header{{"Retry-After", "1"}}})
	default:
		s.number()
		t.Seq = s.Seq
		s.tell(Info{Ref: t.Seq, Method: strings.Clone(m.Method), Body: m.Body, Headers: append(picked(m, passedOn[:]), s.heardOf(m)...)})
	}
}

// informing is how many requests of the peer's wait for the other side.
func (l *Leg) informing() (n int) {
	for _, t := range l.Tx {
		if t.machine == server && t.state == trying {
			n++
		}
	}
	return n
}

// relay sends the request that the other side has sent.
func (s *step) relay(ev Info) {
	d := s.current()
	switch {
	case s.State == Leaving:
		return // the other side hears of the End
	case !s.Policy.relays(ev.Method):
		s.tell(Informed{Ref: ev.Ref, Code: unserved(ev.Method)})
		return
	case d == nil || s.State != Confirmed:
		s.tell(Informed{Ref: ev.Ref, Code: 500, RetryAfter: 1})
		return
	}
	s.asksWithin(d, ev.Method, ev.Ref, s.show(ev.Headers, false), ev.Body)
}

// informedBy is the final response to what the other side has asked. 481 says that
// the peer has no such call (RFC 3261 §12.2.1.2). A peer that does not answer such
// a request may still be in the call, so 408 is the request's own affair, and the
// other side must not take it for its call's.
func (s *step) informedBy(t *Tx, m *Message) {
	s.referAnswered(t, m)
	switch {
	case s.State == Leaving:
	case m.Code == 481:
		s.changeLost(Cause{Why: PeerLost, Code: 481, Q850: 102})
	case m.Code == 408:
		s.tell(Informed{Ref: t.For, Code: 504})
	default:
		told := Informed{
			Ref: t.For, Code: m.Code, Phrase: m.Phrase, Body: m.Body,
			Headers: append(picked(m, passedBack[:]), s.heardOf(m)...), RetryAfter: m.RetryAfter,
		}
		if t.Method == "REFER" && m.silent() {
			told.Headers = append(told.Headers, NotSubscribed)
		}
		s.tell(told)
	}
}

// uninformed is a request of the other side's that had no answer, or could not be
// sent.
func (s *step) uninformed(t *Tx, code int) {
	s.referAnswered(t, nil)
	if s.State != Leaving {
		s.tell(Informed{Ref: t.For, Code: code})
	}
}

// informed is the other side's answer to what the peer has asked.
func (s *step) informed(ev Informed) {
	for _, t := range s.Tx {
		if t.machine != server || t.state != trying || t.Seq != ev.Ref {
			continue
		}
		r := reply{Body: ev.Body, Extra: s.show(ev.Headers, false), Contact: t.Method == "REFER" && ev.Code < 300}
		if d := s.dialogOf(t); d != nil && t.Target != "" && ev.Code < 300 {
			d.Target = t.Target // RFC 6665 §4.4.1: a REFER and a NOTIFY refresh it
		}
		if ev.Code == 405 || ev.Code == 501 {
			r.Extra = append(r.Extra, Header{"Allow", s.Policy.Allow()})
		}
		if ev.RetryAfter > 0 {
			r.Extra = append(r.Extra, Header{"Retry-After", itoa(ev.RetryAfter)})
		}
		s.respond(t, ev.Code, ev.Phrase, r)
		s.referred(t, ev)
		return
	}
}
