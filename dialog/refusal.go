package dialog

// refused takes the first final response of 300 or above: its ACK goes out, and
// the leg is over.
func (s *step) refused(t *Tx, m *Message) {
	t.Code = m.Code
	request := t.Last
	t.Last = s.ackRefusal(t, m)
	t.End = s.timerD(t)
	s.send(t, "ACK", 0, t.Path, Path{}, t.Last, false)
	met, unmet := s.challenged(t, m, request)
	switch {
	case met:
		return
	case !s.makes(t):
		s.changeRefused(t, m)
		return
	}
	s.final(m)
	if m.Code == 422 {
		s.MinSE = delta(m.minSE)
	}
	c := Cause{
		Why: Rejected, Code: m.Code, Phrase: s.Marks.Phrase, Q850: m.Q850(),
		Reasons: s.given(m), RetryAfter: m.RetryAfter,
	}
	if unmet != "" {
		c.Why, c.Text = Unauthorized, unmet
	}
	if up := s.State != Leaving; m.redirects() && up {
		s.finish(c, false)
		s.tell(End{Cause: c, Contacts: m.contacts(), Headers: s.heardOf(m)})
		return
	}
	s.tells = s.heardOf(m)
	s.finish(c, true)
}

// ackAgain answers a repeat of a refusal with the bytes of the first ACK (P3);
// under another To-tag, the same ACK with that To.
func (s *step) ackAgain(t *Tx, m *Message) {
	if t.Code < 300 {
		s.ackAnew(t, m)
		return
	}
	s.drop(DropAbsorbed, m)
	s.send(t, "ACK", 0, t.Path, Path{}, withTo(t.Last, m.To), true)
}

// ackAnew acknowledges a refusal of which no ACK is kept: it follows a 2xx, or
// came when the wait for it was over.
func (s *step) ackAnew(t *Tx, m *Message) {
	s.drop(DropAbsorbed, m)
	ack, first := s.ackRefusal(t, m), s.makes(t)
	if first { // of a re-INVITE the ACK of its 2xx is kept
		t.Code, t.Last = m.Code, ack
	}
	s.send(t, "ACK", 0, t.Path, Path{}, ack, !first)
}

// finished takes the final response to a request other than INVITE: Timer K.
func (s *step) finished(t *Tx, m *Message) {
	t.Code = m.Code
	request := t.Last
	s.quiet(t, m)
	met, unmet := s.challenged(t, m, request)
	switch {
	case met:
	case s.registration != nil:
		s.registered(m, unmet)
	case t.Method == "UPDATE":
		s.changed(t, m)
	case t.Method == "PRACK":
		s.prackAnswered(t, m)
	case t.Sub:
		s.notifyAnswered(t, m.Code, m.Phrase)
	case t.Method == "OPTIONS":
		s.audited(m)
	case t.For != 0:
		s.informedBy(t, m)
	}
}

// quiet arms Timer K: the request is not sent again, its answers are absorbed.
func (s *step) quiet(t *Tx, _ *Message) {
	t.Last, t.End = nil, s.now
	if !t.Path.Transport.Reliable() {
		t.End = s.now.Add(s.Policy.Timers.T4)
	}
}

// timedOut is a client transaction without an answer (RFC 3261 §17.1).
func (s *step) timedOut(t *Tx, m *Message) {
	if t.machine == inviteClient {
		t.Last = nil
		s.linger(t, m)
	}
	switch {
	case s.registration != nil:
		s.unregistered(408, "", 0)
	case s.makes(t):
		s.finish(Cause{Why: NoResponse, Code: 408, Q850: 18}, true)
	case t.Method == "INVITE" || t.Method == "UPDATE":
		s.changeUnanswered(t, Cause{Why: PeerLost, Code: 408, Q850: 102})
	case t.Method == "PRACK":
		s.prackAnswered(t, nil)
	case t.Sub:
		s.notifyAnswered(t, 408, "")
	case t.Method == "OPTIONS":
		s.unaudited()
	case t.For != 0:
		s.uninformed(t, 504)
	}
}

// notSent is a client transaction whose request could not be sent.
func (s *step) notSent(t *Tx, _ *Message) {
	switch {
	case s.registration != nil:
		s.unregistered(0, s.why, 0)
	case s.makes(t):
		s.finish(Cause{Why: NotSent, Code: 503, Text: s.why, Q850: 38}, true)
	case t.Method == "INVITE" || t.Method == "UPDATE":
		s.changeUnanswered(t, Cause{Why: PeerLost, Code: 503, Q850: 38})
	case t.Method == "PRACK":
		s.prackAnswered(t, nil)
	case t.Sub:
		s.notifyAnswered(t, 503, "")
	case t.Method == "OPTIONS":
		s.unaudited()
	case t.For != 0:
		s.uninformed(t, 503)
	}
}

// loosePatience gives the attempt up when one of the carrier's three timers has
// passed, and leaves at once: what the carrier still says is its own affair.
func (s *step) loosePatience() {
	for i, c := range [...]Cause{
		{Why: NoResponse, Code: 408, Q850: 18},
		{Why: NoRinging, Code: 408, Q850: 18},
		{Why: NoAnswer, Code: 480, Q850: 19},
	} {
		if due(s.now, s.Patience[i]) {
			s.finish(c, true)
			s.abandon(c)
			return
		}
	}
}
