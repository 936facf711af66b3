package dialog

// Join is the description of who takes the other side's place in the call, until the
// peer has answered it.
type Join struct {
	Offer Body   // empty: it is not asked again
	Seq   uint16 // of the re-INVITE that asks for it; 0: it waits for another change to end
}

// joins takes the offer, which is asked at the end of a step, of this one if it can be. None:
// an answer that is still to come is the last, and 491 one like any other.
func (s *step) joins(offer Body) {
	if s.Join.Offer = offer; offer.Empty() && s.Join.Seq == 0 {
		s.tell(Modified{Code: 491, Join: true})
	}
}

// join asks the peer, by a re-INVITE of our own, which it may refuse like any other: once
// no other change is under way, and after a 491 when the time for that has come
// (RFC 3261 §14.1).
func (s *step) join() {
	d := s.current()
	if s.Join.Offer.Empty() || s.Join.Seq != 0 || d == nil || s.State != Confirmed || s.busy() || !s.Again.IsZero() {
		return
	}
	t := s.ask(d, "INVITE", s.Join.Offer)
	t.Own, s.Join.Seq = true, t.Seq
}

// busy says that a change is under way, or that an answer to the last one has not been
// acknowledged, on either side.
func (l *Leg) busy() bool {
	for _, t := range l.Tx {
		if t.machine == inviteServer && (t.state == completed || t.state == accepted && t.Every != 0) || l.waitsForACK(t) {
			return true
		}
	}
	return l.Change.Seq != 0
}

// joined is the final response to it.
func (s *step) joined(m *Message) {
	if m.Code == 491 && !s.Join.Offer.Empty() {
		s.Join.Seq = 0
		s.Again = s.now.Add(s.glare())
		return
	}
	s.Join = Join{}
	s.tell(Modified{Code: m.Code, Phrase: m.Phrase, Body: m.Body, RetryAfter: m.RetryAfter, Reasons: m.Reasons, Join: true})
}

// alone answers what the peer has asked of the other side, and what it has answered to it:
// nobody else will. What it was still to be shown, nobody describes any more. What it is still to answer is told to nobody: the numbers of requests are
// those of who was there.
func (s *step) alone() {
	s.modified(Modified{Code: 491})
	s.Reliable.Owed, s.Reliable.Unasked = Body{}, 0
	for _, t := range s.Tx {
		if t.machine == server && t.state == trying {
			s.informed(Informed{Ref: t.Seq, Code: 500, RetryAfter: 1})
		}
		t.For = 0
		if d := s.dialogOf(t); d != nil && s.waitsForACK(t) {
			s.acknowledgeChange(d, t, decline(d.Offer))
		}
	}
}
