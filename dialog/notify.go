package dialog

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// The subscription that a REFER implies (RFC 3515 §2.4.4): NOTIFYs with the status line
// of the call that was asked for. They cross as that status line and no more: what else
// a message/sipfrag may hold is of one side (RFC 3515 §5.2).

// Referral is a REFER that is being carried out, and its subscription.
type Referral struct {
	Ref   uint16    // Refer.Ref; 0: none is
	CSeq  uint32    // of the REFER on this leg: the id of its event
	Count uint16    // REFERs of this side so far
	Until time.Time // when the subscription ends; zero: the REFER has no answer yet

	// The status that waits for the answer to the last NOTIFY; Code 0: none does.
	Code   int
	Phrase string
}

// over forgets it; how many there were stays.
func (r *Referral) over() { *r = Referral{Count: r.Count} }

// event is the Event of its NOTIFYs: from the second REFER of a dialog on with an id
// (RFC 3515 §2.4.6).
func (r *Referral) event() string {
	if r.Count > 1 {
		return "refer;id=" + strconv.FormatUint(uint64(r.CSeq), 10)
	}
	return "refer"
}

// notified takes a NOTIFY of the peer's on a REFER of ours; false: it is of something
// else.
func (s *step) notified(d *Dialog, m *Message, from Path) bool {
	event, params, _ := strings.Cut(m.Value("Event"), ";")
	if s.Policy.Transfers != RelayTransfers || !strings.EqualFold(strings.TrimSpace(event), "refer") {
		return false
	}
	id, given := param(";"+params, "id")
	state, _, _ := strings.Cut(m.Value("Subscription-State"), ";")
	code, phrase, sound := sipfrag(m.Body)
	t := s.accept(m, from, server)
	switch asked := Extensions(m); {
	case s.State == Leaving || d.Left || s.Refers.Ref == 0 || given && id != strconv.FormatUint(uint64(s.Refers.CSeq), 10):
		s.respond(t, 481, "", reply{}) // RFC 6665 §4.1.3
	case len(asked) > 0:
		s.respond(t, 420, "", reply{Extra: Unsupported(asked).Extra})
	case !sound:
		s.respond(t, 400, "", reply{}) // RFC 3515 §2.4.5
	case s.informing() > maxInfos:
		s.respond(t, 500, "", reply{Extra: []Header{{"Retry-After", "1"}}})
	default:
		s.number()
		t.Seq, t.Target = s.Seq, m.target()
		ev := Notify{Ref: t.Seq, Of: s.Refers.Ref, Code: code, Phrase: phrase}
		if ev.Over = strings.EqualFold(strings.TrimSpace(state), "terminated"); ev.Over {
			s.Refers.over()
		}
		s.tell(ev)
	}
	return true
}

// sipfrag reads the status line that a body begins with.
func sipfrag(b Body) (code int, phrase string, ok bool) {
	kind, _, _ := strings.Cut(b.Type, ";")
	line, _, _ := strings.Cut(string(b.Data[:min(len(b.Data), 256)]), "\n")
	version, rest, _ := strings.Cut(strings.TrimRight(line, "\r"), " ")
	digits, phrase, _ := strings.Cut(rest, " ")
	code, err := strconv.Atoi(digits)
	ok = err == nil && code >= 100 && code <= 699 && len(digits) == 3
	return code, phrase, ok && strings.EqualFold(strings.TrimSpace(kind), "message/sipfrag") && strings.EqualFold(version, "SIP/2.0")
}

// notify tells the peer how the transfer that it has asked for goes.
func (s *step) notify(ev Notify) {
	d := s.current()
	if s.State == Leaving {
		return // the other side hears of the End
	}
	if d == nil || s.Referred.Ref == 0 || s.Referred.Ref != ev.Of {
		if ev.Ref != 0 {
			s.tell(Informed{Ref: ev.Ref, Code: 481})
		}
		return
	}
	if !ev.Over && ev.Ref == 0 && ev.Code > 100 && s.notifying(nil) {
		s.Referred.Code, s.Referred.Phrase = ev.Code, ev.Phrase // in the place of an older one
		return
	}
	state := "terminated;reason=noresource"
	if !ev.Over {
		left := s.Policy.Referral()
		if !s.Referred.Until.IsZero() {
			left = s.Referred.Until.Sub(s.now)
		}
		state = "active;expires=" + itoa(max(1, int(left/time.Second)))
	}
	s.notifies(d, ev.Ref, state, ev.Code, ev.Phrase)
	if ev.Over {
		s.Referred.over()
	}
}

// notifying says that a NOTIFY of ours, another than the given one, has no answer yet.
func (l *Leg) notifying(but *Tx) bool {
	return slices.ContainsFunc(l.Tx, func(t *Tx) bool { return t.Sub && t != but && t.state < completed })
}

// notifies sends a NOTIFY of the subscription.
func (s *step) notifies(d *Dialog, ref uint16, state string, code int, phrase string) {
	body := Body{Type: "message/sipfrag;version=2.0", Data: []byte("SIP/2.0 " + itoa(code) + " " + phraseOf(code, phrase) + "\r\n")}
	t := s.asksWithin(d, "NOTIFY", ref, []Header{{"Event", s.Referred.event()}, {"Subscription-State", state}}, body)
	t.Sub = true
}

// notifyAnswered is the final response to such a NOTIFY, 408 where none came. A peer that knows of no subscription, or can take no NOTIFY, has none any
// more (RFC 6665 §4.2.2); its dialog is another matter.
func (s *step) notifyAnswered(t *Tx, code int, phrase string) {
	if s.State == Leaving {
		return
	}
	switch code {
	case 404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 503, 504, 604:
		s.Referred.over()
	}
	if code == 408 {
		code, phrase = 504, ""
	}
	if t.For != 0 {
		s.tell(Informed{Ref: t.For, Code: code, Phrase: phrase})
	}
	if held := s.Referred; held.Code != 0 && !s.notifying(t) {
		s.Referred.Code, s.Referred.Phrase = 0, ""
		t.Sub = false
		s.notify(Notify{Of: held.Ref, Code: held.Code, Phrase: held.Phrase})
	}
}

// passReferrals ends the subscriptions that have lived too long. Who waits for news hears
// that there will be none.
func (s *step) passReferrals() {
	if due(s.now, s.Refers.Until) {
		s.Refers.over()
	}
	if !due(s.now, s.Referred.Until) {
		return
	}
	if d := s.current(); d != nil && s.State != Leaving {
		s.notifies(d, 0, "terminated;reason=timeout", 408, "")
	}
	s.Referred.over()
}
