package dialog

import "time"

// Changes of our own: nobody on the other side has asked for them, and nobody there
// hears how they went.

// own asks the peer for a change of our own, by UPDATE where it allows that.
func (s *step) own(d *Dialog, body Body) {
	t := s.ask(d, "UPDATE", body)
	t.Own = true
}

// ask sends a re-INVITE or UPDATE and notes it as the change under way.
func (s *step) ask(d *Dialog, method string, body Body, extra ...Header) *Tx {
	kind := client
	if method != "UPDATE" || !d.Update {
		method, kind = "INVITE", inviteClient
	}
	t := s.begin(method, kind, Path{})
	t.Of = d.Tag
	early := s.State < Answered
	wishes := s.wishes()
	if early {
		wishes = nil // the INVITE asks for the session timer
	}
	t.Last, t.Path = s.within(d, method, t.CSeq, t.Seq, append(wishes, extra...), body)
	t.Offer = !body.Empty()
	t.Every, t.Repeat = 0, never
	s.start(t)
	s.Change = Change{Seq: t.Seq, Ours: true, Early: early, Offer: body}
	s.send(t, method, 0, t.Path, s.fallback(t.Path), t.Last, false)
	return t
}

// settleUp shows the caller, as soon as no change is under way, the description that it
// has yet to be shown: what it was given reliably was another carrier's (RFC 3261
// §13.2.1). And either peer what the other has described unasked.
func (s *step) settleUp() {
	d := s.current()
	if s.Reliable.Owed.Empty() || s.State != Confirmed || s.Change.Seq != 0 || !s.Again.IsZero() || d == nil {
		return
	}
	s.own(d, s.Reliable.Owed)
}

// toAndFro is how often what a peer describes in answer to a change of our own may make the
// other side describe something new in its turn: peers that never agree are left alone.
const toAndFro = 2

// owe keeps a description of the other side's that the peer has yet to be shown, unless
// it was shown it last.
func (s *step) owe(ev Modify) {
	body, ok := s.Policy.Codecs.offer(ev.Body)
	switch {
	case s.State == Leaving || body.Empty():
	case !ok:
		s.drop(DropCodec, nil)
	case !s.shown(body):
		s.Reliable.Owed, s.Reliable.Unasked = body, ev.Unasked
	}
}

// ownDone is the final response to a change of our own. A peer that had a change
// under way itself is asked again when the bands of RFC 3261 §14.1 say. What it
// describes in its answer may be new (RFC 3264 §8): then the other side is to be shown it.
func (s *step) ownDone(t *Tx, c Change, m *Message) {
	r := &s.Reliable
	owed, unasked := !r.Owed.Empty() && sum(r.Owed) == sum(c.Offer), uint8(0)
	if s.State == Leaving {
		return
	}
	if s.Join.Seq == t.Seq {
		s.joined(m)
		return
	}
	if m.Code == 491 {
		s.Again = s.now.Add(s.glare())
		return
	}
	if owed {
		unasked = r.Unasked
		r.Owed, r.Unasked = Body{}, 0
	}
	switch {
	case m.Code >= 300 && !owed:
		s.refreshRefused(t, m)
	case m.Code < 300 && !m.Body.Empty() && !c.Offer.Empty() && unasked < toAndFro:
		s.tell(Modify{Method: "UPDATE", Body: m.Body, Unasked: unasked + 1})
	}
}

// glare is how long to wait after a 491 (RFC 3261 §14.1): 2.1 to 4 s where the
// Call-ID is ours, up to 2 s where it is the peer's, in units of 10 ms. What is drawn
// is drawn of the leg and its transaction, so that it is the same for a node that
// takes over.
func (s *step) glare() time.Duration {
	const unit = 10 * time.Millisecond
	if s.Side == Out {
		return 2100*time.Millisecond + time.Duration(s.Policy.Seal.Draw(s.ID, s.Seq, 191))*unit
	}
	return time.Duration(s.Policy.Seal.Draw(s.ID, s.Seq, 201)) * unit
}

// tryAgain is the time to ask again after a 491.
func (s *step) tryAgain() {
	if due(s.now, s.Again) {
		s.Again = never
		if s.Reliable.Owed.Empty() && s.Join.Offer.Empty() { // what is owed, or joins, is offered when the step ends
			s.refresh()
		}
	}
}
