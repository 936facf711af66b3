package dialog

import "strings"

// Change is a re-INVITE (RFC 3261 §14) or UPDATE (RFC 3311) under way on a leg,
// from either side. There is never more than one.
type Change struct {
	Seq   uint16 // of its transaction; 0: none
	Ours  bool
	Early bool // it began before the answer
	Offer Body // that it brings
	Again bool // it has been asked once more, for a longer session interval
}

// change takes a re-INVITE or UPDATE of the peer's.
func (s *step) change(d *Dialog, m *Message, from Path) {
	kind := server
	if m.Method == "INVITE" {
		kind = inviteServer
	}
	t := s.accept(m, from, kind)
	s.number()
	t.Seq, t.Offer = s.Seq, !m.Body.Empty()
	refusal, refused := inspect(m)
	if !refused {
		refusal, refused = s.Policy.TooSmall(m)
	}
	switch {
	case s.State == Leaving || d.Left:
		s.respond(t, 481, "", reply{})
	case refused:
		s.respond(t, refusal.Code, "", reply{Extra: refusal.Extra})
	case s.State < Answered && m.Method == "UPDATE":
		s.changeEarly(d, t, m)
	case d.Early:
		s.respond(t, 491, "", reply{}) // §14.2: the INVITE that we have sent has no final response yet
	case s.State < Answered:
		s.respond(t, 500, "", s.retryAfter()) // §14.2: nor has the one that we have received
	case s.State != Confirmed || s.Change.Ours && s.Change.Seq != 0:
		s.respond(t, 491, "", reply{}) // §14.2; RFC 5407 §3.1.4: not before the first ACK
	case s.Change.Seq != 0:
		s.respond(t, 500, "", s.retryAfter()) // §14.2
	case m.Method == "UPDATE" && m.Body.Empty():
		d.retarget(m)
		s.respond(t, 200, "", reply{Contact: true, Extra: s.grant(m.wish())}) // a refresh of the target or session alone
	default:
		t.Target = m.target()
		if m.Method == "INVITE" {
			s.respond(t, 100, "", reply{Extra: timestamp(m)})
		}
		s.Change, s.Interval.Wish = Change{Seq: t.Seq}, m.wish()
		s.tell(Modify{Method: m.Method, Body: m.Body, Headers: s.heardOf(m)})
	}
}

// retarget takes the remote target of a target refresh request or its 2xx
// (RFC 3261 §12.2).
func (d *Dialog) retarget(m *Message) {
	if target := m.target(); target != "" {
		d.Target = target
	}
}

// modified is the other side's answer to the change that the peer asked for.
func (s *step) modified(ev Modified) {
	t := s.changing()
	if t == nil || s.Change.Ours {
		if ev.Code < 300 { // who has asked for it is gone: what the other side describes now, the peer is to be shown
			s.owe(Modify{Body: ev.Body, Unasked: 1})
		}
		return
	}
	change := s.Change
	s.Change = Change{}
	if ev.Code < 300 && !t.Offer { // the other side's offer (RFC 3261 §14.1)
		ev.Body = s.muted(ev.Body)
	}
	r := reply{Body: ev.Body, Extra: s.show(ev.Headers, false)}
	for _, v := range ev.Reasons {
		r.Extra = append(r.Extra, Header{"Reason", v})
	}
	if ev.RetryAfter > 0 {
		r.Extra = append(r.Extra, Header{"Retry-After", itoa(ev.RetryAfter)})
	}
	if t.Method == "PRACK" && ev.Code >= 300 {
		s.respond(t, 488, "", reply{}) // what a PRACK acknowledges has arrived, whatever became of its offer
		return
	}
	if ev.Code < 300 {
		r.Contact = t.Method != "PRACK"
		s.said(ev.Body)
		d := s.dialogOf(t)
		if d != nil && t.Target != "" {
			d.Target = t.Target
		}
		if change.Early {
			s.changedEarly(d, change, ev.Body)
		} else {
			r.Extra = append(r.Extra, s.grant(s.Interval.Wish)...)
		}
	}
	s.respond(t, ev.Code, ev.Phrase, r)
}

// changing is the transaction of the change under way.
func (l *Leg) changing() *Tx {
	for _, t := range l.Tx {
		if l.Change.Seq != 0 && t.Seq == l.Change.Seq && t.ours() == l.Change.Ours && t.Method != "CANCEL" {
			return t
		}
	}
	return nil
}

// Bare says that the change which the peer has asked for describes nothing: what the other
// side answers is an offer (RFC 3261 §14.1).
func (l *Leg) Bare() bool {
	t := l.changing()
	return t != nil && !l.Change.Ours && !t.Offer
}

// modify asks the peer for the change that the other side wants.
func (s *step) modify(ev Modify) {
	d := s.current()
	if ev.Unasked > 0 {
		s.owe(ev)
		return
	}
	if s.State == Leaving {
		return // the other side hears of the End
	}
	body, ok := s.Policy.Codecs.offer(ev.Body)
	if !ok {
		s.drop(DropCodec, nil)
		s.tell(Modified{Code: 488, Join: ev.Join})
		return
	}
	ev.Body = body
	if ev.Join {
		s.joins(ev.Body)
		return
	}
	if s.State < Answered {
		s.modifyEarly(ev)
		return
	}
	if s.State != Confirmed || s.Change.Seq != 0 || d == nil {
		s.tell(Modified{Code: 491})
		return
	}
	s.ask(d, ev.Method, ev.Body, s.show(ev.Headers, false)...)
}

// changed is a 2xx to a re-INVITE of ours, or any final to an UPDATE.
func (s *step) changed(t *Tx, m *Message) {
	d := s.dialogOf(t)
	change, live := s.Change, s.Change.Ours && s.Change.Seq == t.Seq
	if t.Method == "UPDATE" && !live {
		return // of a leg that has ended, or of a fork that is not the call
	}
	if m.Code >= 300 {
		s.changeRefused(t, m)
		return
	}
	if live {
		s.Change = Change{}
	}
	if d == nil {
		return
	}
	d.retarget(m)
	s.said(change.Offer)
	if change.Early {
		s.agreedEarly(d, change, m)
		return
	}
	s.granted(m)
	if t.Method == "INVITE" {
		t.Last = nil
		switch {
		case t.Offer:
			s.acknowledgeChange(d, t, Body{})
		case s.State == Leaving:
			s.acknowledgeChange(d, t, decline(m.Body))
		default:
			d.Offer = m.Body
		}
	}
	switch {
	case t.Own:
		s.ownDone(t, change, m)
	case s.State != Leaving:
		s.tell(Modified{Code: m.Code, Phrase: m.Phrase, Body: m.Body, Headers: s.heardOf(m)})
	}
}

// acknowledgeChange sends the ACK of the 2xx to a re-INVITE and keeps it.
func (s *step) acknowledgeChange(d *Dialog, t *Tx, body Body) {
	s.number()
	t.Last, t.Path = s.within(d, "ACK", t.CSeq, s.Seq, nil, body)
	d.Offer = Body{}
	s.said(body)
	s.send(nil, "ACK", 0, t.Path, s.fallback(t.Path), t.Last, false)
}

// answeredAgain is a copy of the 2xx to a re-INVITE, or one after its refusal: what
// is kept then is the ACK of the refusal, so this one is made anew, the same for every
// copy.
func (s *step) answeredAgain(t *Tx, m *Message) {
	s.drop(DropAbsorbed, m)
	switch d := s.dialogOf(t); {
	case t.Code < 300 && t.Last != nil:
		s.send(nil, "ACK", 0, t.Path, s.fallback(t.Path), t.Last, true)
	case t.Code >= 300 && d != nil:
		answer := Body{}
		if !t.Offer {
			answer = decline(m.Body)
		}
		ack, to := s.within(d, "ACK", t.CSeq, afterwards|t.Seq, nil, answer)
		s.send(nil, "ACK", 0, to, s.fallback(to), ack, false)
	}
}

// answeredTwice is a 2xx under the tag of a dialog that another form of the INVITE has made:
// its peer has accepted both, before it was shown credentials and after. It gets its ACK,
// the same for every copy and hence without a description; one of the two is ended as it is.
func (s *step) answeredTwice(d *Dialog, t *Tx, m *Message) {
	s.drop(DropAbsorbed, m)
	ack, to := s.within(d, "ACK", t.CSeq, afterwards|t.Seq, nil, Body{})
	s.send(nil, "ACK", 0, to, s.fallback(to), ack, false)
	if t.Seq == s.first() && s.State < Answered {
		s.finish(Cause{Why: Rejected, Code: 481, Text: "answered twice"}, true)
	}
}

// changeRefused is a final response of 300 or above to a change of ours. 408 and
// 481 say that the peer has no such call (RFC 3261 §12.2.1.2).
func (s *step) changeRefused(t *Tx, m *Message) {
	change := s.Change
	if change.Ours && change.Seq == t.Seq {
		if change.Early {
			s.unchangedEarly(m, m.Code)
			return
		}
		s.Change = Change{}
	}
	if m.Code == 408 || m.Code == 481 {
		s.changeLost(Cause{Why: PeerLost, Code: m.Code, Q850: 102})
		return
	}
	switch d := s.dialogOf(t); {
	case s.State != Leaving && d != nil && !change.Again && s.tooShort(m):
		again := s.ask(d, t.Method, change.Offer)
		again.Own, s.Change.Again = t.Own, true
		if s.Join.Seq == t.Seq {
			s.Join.Seq = again.Seq
		}
	case t.Own:
		s.ownDone(t, change, m)
	case s.State != Leaving && m.Code == 422:
		s.tell(Modified{Code: 500, RetryAfter: 1}) // our interval, not the other side's
	case s.State != Leaving:
		s.tell(Modified{Code: m.Code, Phrase: m.Phrase, Reasons: s.given(m), RetryAfter: m.RetryAfter, Headers: s.heardOf(m)})
	}
}

// changeUnanswered is a re-INVITE or UPDATE of ours without an answer, or that could not
// be sent.
func (s *step) changeUnanswered(t *Tx, c Cause) {
	live := s.Change.Ours && s.Change.Seq == t.Seq
	switch {
	case live && s.Change.Early:
		s.unchangedEarly(nil, 408)
	case live || t.Method == "INVITE":
		s.changeLost(c)
	}
}

// changeLost ends a leg whose peer no longer answers within the dialog.
func (s *step) changeLost(c Cause) {
	if s.State == Leaving {
		return
	}
	d := s.current()
	s.finish(c, true)
	if d != nil {
		s.bye(d, c)
	}
}

// confirm brings the caller's ACK: it is sent on where the carrier still waits
// for it, because the offer was in its 2xx.
func (s *step) confirm(ev Confirm) {
	if ev.Early && s.State != Leaving {
		s.confirmEarly(ev.Body)
		return
	}
	d := s.current()
	if d == nil || s.State == Leaving {
		return
	}
	if ev.Body.Empty() { // the offer of a 2xx has its answer in the ACK (RFC 3261 §13.2.2.4), if only this one
		ev.Body = decline(d.Offer)
	}
	if s.State == Answered && d.Ack == nil {
		s.State = Confirmed
		s.said(ev.Body)
		s.acknowledge(d, ev.Body)
		return
	}
	for _, t := range s.Tx {
		if s.waitsForACK(t) {
			s.acknowledgeChange(d, t, ev.Body)
			return
		}
	}
}

// allowed takes what the peer's Allow says of UPDATE; absent: it does not say.
func (d *Dialog) allowed(m *Message) {
	if len(m.Values("Allow")) > 0 {
		d.Update = m.allows("UPDATE")
	}
}

// allows says whether a message's Allow lists a method.
func (m *Message) allows(method string) bool {
	for _, v := range m.Values("Allow") {
		if strings.EqualFold(v, method) {
			return true
		}
	}
	return false
}
