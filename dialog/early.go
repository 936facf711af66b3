package dialog

// Changes of the session before the answer (RFC 3311, RFC 6337 §3): by UPDATE within an
// early dialog, once an exchange of descriptions is complete there, which takes a
// reliable provisional and its PRACK (RFC 3262 §5). What may not be asked yet can be
// asked later, 500 with Retry-After; what the other side cannot be asked before the
// answer at all is 504, as for whatever cannot be answered at once (RFC 3311 §5.2).

// later is the Retry-After of what may be asked again: 1 to 10 s.
func (s *step) later() int { return int(s.Seq)%10 + 1 }

// retryAfter writes it.
func (s *step) retryAfter() reply {
	return reply{Extra: []Header{{"Retry-After", itoa(s.later())}}}
}

// changeEarly takes an UPDATE of the peer's within an early dialog (RFC 3311 §5.2).
func (s *step) changeEarly(d *Dialog, t *Tx, m *Message) {
	switch pending := s.Change.Seq != 0; {
	case pending && s.Change.Ours, !m.Body.Empty() && s.offering(d):
		s.respond(t, 491, "", reply{}) // it has yet to answer an offer of ours
	case pending, !m.Body.Empty() && !s.exchanged(d):
		s.respond(t, 500, "", s.retryAfter()) // we have yet to answer one of its
	case m.Body.Empty():
		d.retarget(m)
		s.respond(t, 200, "", reply{Contact: true})
	default:
		t.Target = m.target()
		s.Change = Change{Seq: t.Seq, Early: true, Offer: m.Body}
		s.Reliable.Changed = s.Side == In
		s.tell(Modify{Method: m.Method, Body: m.Body, Headers: s.heardOf(m)})
	}
}

// offering says that the peer of an early dialog has an offer of ours to answer: that
// of our INVITE, or of a reliable provisional without its PRACK.
func (s *step) offering(d *Dialog) bool {
	if s.Side == Out {
		return s.Offer && d.Answer.Empty()
	}
	u := s.unacked()
	return !s.Offer && u != nil && u.Offer
}

// exchanged says that an early dialog is the one whose session can be changed: an
// exchange is complete in it and in no other, since which of several forks is to be the
// call, nobody knows yet. A caller has to have been shown what holds.
func (s *step) exchanged(d *Dialog) bool {
	if s.Side == Out {
		return s.agreed() == d
	}
	u := s.unacked()
	return s.Reliable.Given != 0 && s.Reliable.Owed.Empty() && (u == nil || !u.Offer)
}

// agreed is the early dialog of a carrier's in which an exchange is complete; nil: it is
// in none, or in several.
func (l *Leg) agreed() (one *Dialog) {
	for _, d := range l.Dialogs {
		switch {
		case d.Answer.Empty() || d.Left:
		case one != nil:
			return nil
		default:
			one = d
		}
	}
	return one
}

// modifyEarly asks the peer for a change that the other side wants before the answer
// (RFC 3311 §5.1).
func (s *step) modifyEarly(ev Modify) {
	d := s.agreed()
	if s.Side == In {
		d = s.Dialogs[0]
	}
	switch {
	case s.Change.Seq != 0 || s.Reliable.Answer.Code != 0:
		s.tell(Modified{Code: 491})
	case d == nil:
		s.tell(Modified{Code: 500, RetryAfter: s.later()})
	case !d.Update || s.Side == In && s.Reliable.Peer == lacks:
		s.tell(Modified{Code: 504})
	case !s.exchanged(d):
		s.tell(Modified{Code: 500, RetryAfter: s.later()})
	default:
		s.Reliable.Changed = s.Side == In
		if t := s.pracking(d); t != nil {
			s.Change = Change{Seq: t.Seq, Ours: true, Early: true, Offer: ev.Body} // when it is answered (RFC 6337 §4.3)
			return
		}
		s.ask(d, "UPDATE", ev.Body, s.show(ev.Headers, false)...)
	}
}

// pracking is a PRACK of ours in an early dialog that has no final response yet.
func (l *Leg) pracking(d *Dialog) *Tx {
	for _, t := range l.Tx {
		if t.machine == client && t.Method == "PRACK" && t.Of == d.Tag && t.state < completed {
			return t
		}
	}
	return nil
}

// prackAnswered is the final response to a PRACK of ours, or the end of the wait for it
// where m is nil: what has waited for it is asked, if it can be asked still.
func (s *step) prackAnswered(t *Tx, m *Message) {
	if !s.Change.Ours || s.Change.Seq != t.Seq {
		return
	}
	if m == nil || m.Code >= 300 {
		s.unchangedEarly(nil, 408)
		return
	}
	offer := s.Change.Offer
	s.Change = Change{}
	s.modify(Modify{Method: "UPDATE", Body: offer})
}

// agreedEarly is the 2xx to an UPDATE of ours in an early dialog. One without an answer
// has agreed to nothing.
func (s *step) agreedEarly(d *Dialog, c Change, m *Message) {
	if m.Body.Empty() {
		s.tell(Modified{Code: 488})
		return
	}
	s.changedEarly(d, c, m.Body)
	s.tell(Modified{Code: m.Code, Phrase: m.Phrase, Body: m.Body, Headers: s.heardOf(m)})
}

// changedEarly keeps what holds after a change before the answer: what the carrier
// describes, and what the caller has been shown and describes itself. When the answer is
// there, nobody asks for it any more.
func (s *step) changedEarly(d *Dialog, c Change, answer Body) {
	shown, said := c.Offer, answer // to the peer, and by it
	if !c.Ours {
		shown, said = answer, c.Offer
	}
	switch {
	case s.State >= Answered:
	case s.Side == In:
		s.Reliable.Given, s.Reliable.Said = sum(shown), said
	case d != nil:
		d.Answer = said
	}
}

// unchangedEarly is a refusal of an UPDATE of ours in an early dialog, or no answer. The
// call goes on as it was: what becomes of it, the INVITE says.
func (s *step) unchangedEarly(m *Message, code int) {
	s.Change = Change{}
	said := Modified{Code: code}
	if code == 408 || code == 481 {
		said.Code = 504 // not the other side's dialog
	} else if m != nil {
		said.Phrase, said.Reasons, said.RetryAfter = m.Phrase, m.Reasons, m.RetryAfter
	}
	s.tell(said)
}

// leaveForks gives up the change that is under way in another early dialog than that of
// the answer, which has ended with it (RFC 3261 §13.2.2.4).
func (s *step) leaveForks(answered *Dialog) {
	t, ours := s.changing(), s.Change.Ours
	if t == nil || t.Of == answered.Tag {
		return
	}
	if s.Change = (Change{}); ours {
		s.tell(Modified{Code: 500, RetryAfter: s.later()})
	}
}

// concludeForks answers, when the step ends, the request that was given up.
func (s *step) concludeForks() {
	for _, t := range s.Tx {
		if t.machine == server && (t.Method == "UPDATE" || t.Method == "PRACK") && t.state == trying && (s.Change.Ours || s.Change.Seq != t.Seq) {
			s.respond(t, 481, "", reply{})
		}
	}
}

// early says that a request may come within an early dialog: a carrier has nothing else
// to ask there, least of all a BYE (RFC 3261 §15).
func (l *Leg) early(m *Message) bool {
	return l.State < Answered && (m.Method == "UPDATE" || m.Method == "INVITE")
}
