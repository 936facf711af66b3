package dialog

import "time"

// Where no session timer runs, a leg may ask its peer by itself whether the call is still
// there: OPTIONS within the dialog (RFC 3261 §11), which changes nothing. 481 says that it
// is not (RFC 5057 §5.1); whatever else is said, somebody is.

// Audit is what a leg knows of that.
type Audit struct {
	Next time.Time // when to ask; zero: not, or there is no answer yet
	Lost uint8     // how often in a row nothing has come
}

// maxLost is how often nothing may come: once may be a restart.
const maxLost = 2

// audit keeps the time of the next question: where a session timer runs there is none.
func (s *step) audit() {
	every := s.Policy.Audit
	switch {
	case every == 0 || s.State != Confirmed || s.Interval.Length != 0:
		s.Audit = Audit{}
	case s.Audit.Next.IsZero() && !s.auditing():
		s.Audit.Next = s.now.Add(every)
	}
}

// auditing says that a question has no answer yet.
func (l *Leg) auditing() bool {
	for _, t := range l.Tx {
		if t.ours() && t.Method == "OPTIONS" && t.state < completed {
			return true
		}
	}
	return false
}

// passAudit is the time to ask.
func (s *step) passAudit() {
	if !due(s.now, s.Audit.Next) {
		return
	}
	s.Audit.Next = never
	d := s.current()
	if s.State != Confirmed || d == nil {
		return
	}
	t := s.begin("OPTIONS", client, Path{})
	t.Of = d.Tag
	t.Last, t.Path = s.within(d, "OPTIONS", t.CSeq, t.Seq, []Header{{"Accept", Accepted}}, Body{})
	t.Every, t.Repeat = 0, never
	s.start(t)
	s.send(t, "OPTIONS", 0, t.Path, s.fallback(t.Path), t.Last, false)
}

// audited is the answer.
func (s *step) audited(m *Message) {
	switch m.Code {
	case 481:
		s.changeLost(Cause{Why: PeerLost, Code: 481, Q850: 102, Text: "audit"})
	case 408:
		s.unaudited()
	default:
		if s.Audit.Lost > 0 {
			s.Audit.Lost = 0
			s.heard++
		}
	}
}

// unaudited is no answer, or one of somebody who had none.
func (s *step) unaudited() {
	if s.State == Leaving {
		return
	}
	if s.Audit.Lost++; s.Audit.Lost >= maxLost {
		s.changeLost(Cause{Why: PeerLost, Code: 408, Q850: 102, Text: "audit"})
		return
	}
	s.Audit.Next = s.now.Add(s.Policy.Timers.T2) // soon again
	s.heard++
}
