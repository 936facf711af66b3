package dialog

import "time"

// What the arrows of tables.go do with timers and bytes. The names of the
// timers are those of RFC 3261 table 4.

func (s *step) t1() time.Duration { return s.Policy.Timers.T1 }

// lifetime is 64·T1: Timers B, F, H, L, M and the wait for a final after CANCEL.
func (s *step) lifetime() time.Duration { return 64 * s.t1() }

// start arms a client transaction: Timer A or E, and B or F.
func (s *step) start(t *Tx) {
	if !t.Path.Transport.Reliable() {
		t.Every = s.t1()
		t.Repeat = s.now.Add(t.Every)
	}
	t.End = s.now.Add(s.lifetime())
}

// again sends the kept bytes once more.
func (s *step) again(t *Tx) {
	method, code := t.Method, 0
	if !t.ours() {
		code = t.Code
	}
	s.send(t, method, code, t.Path, s.fallback(t.Path), t.Last, true)
}

// repeatDoubling is Timer A: 2·T1, 4·T1, ... without a cap.
func (s *step) repeatDoubling(t *Tx, _ *Message) {
	s.again(t)
	t.Every *= 2
	t.Repeat = s.now.Add(t.Every)
}

// repeatToT2 is Timer E, Timer G and the repeats of a 2xx: doubling up to T2.
func (s *step) repeatToT2(t *Tx, _ *Message) {
	s.again(t)
	t.Every = min(2*t.Every, s.Policy.Timers.T2)
	t.Repeat = s.now.Add(t.Every)
}

// repeatAtT2 is Timer E after a provisional.
func (s *step) repeatAtT2(t *Tx, _ *Message) {
	s.again(t)
	t.Every = s.Policy.Timers.T2
	t.Repeat = s.now.Add(t.Every)
}

// slowDown is a provisional to a request other than INVITE: Timer F goes on, the
// next repeats are T2 apart.
func (s *step) slowDown(t *Tx, _ *Message) {
	if !t.Path.Transport.Reliable() {
		t.Every = s.Policy.Timers.T2
		t.Repeat = s.now.Add(t.Every)
	}
}

// resend answers a repeat with the bytes of the first time.
func (s *step) resend(t *Tx, m *Message) {
	s.drop(DropAbsorbed, m)
	if t.Last != nil {
		s.again(t)
	}
}

// absorb takes a repeat that needs no answer.
func (s *step) absorb(_ *Tx, m *Message) { s.drop(DropAbsorbed, m) }

// awaitACK repeats the 2xx until its ACK, for 64·T1 (RFC 3261 §13.3.1.4: also
// over reliable transports), and absorbs the INVITE for Timer L.
func (s *step) awaitACK(t *Tx, _ *Message) {
	t.Every = min(s.t1(), s.Policy.Timers.T2)
	t.Repeat = s.now.Add(t.Every)
	t.End = s.now.Add(s.lifetime())
}

// awaitACKOfFail arms Timers G and H.
func (s *step) awaitACKOfFail(t *Tx, _ *Message) {
	if !t.Path.Transport.Reliable() {
		t.Every = min(s.t1(), s.Policy.Timers.T2)
		t.Repeat = s.now.Add(t.Every)
	}
	t.End = s.now.Add(s.lifetime())
}

// stopRepeats is the ACK of a non-2xx: Timer I, T4 or at once.
func (s *step) stopRepeats(t *Tx, _ *Message) {
	t.End = s.now
	if !t.Path.Transport.Reliable() {
		t.End = s.now.Add(s.Policy.Timers.T4)
	}
	t.Last, t.Vias, t.Routes = nil, nil, nil
}

// awaitQuiet arms Timer J.
func (s *step) awaitQuiet(t *Tx, _ *Message) {
	t.End = s.now
	if !t.Path.Transport.Reliable() {
		t.End = s.now.Add(s.lifetime())
	}
	t.Vias, t.Routes = nil, nil
}

// linger goes on acknowledging for the carrier's linger beyond Timer D, Timer B or
// the wait after CANCEL.
func (s *step) linger(t *Tx, _ *Message) { t.End = s.now.Add(s.Policy.Linger) }

// timerD is 64·T1 over UDP and zero over a reliable transport. The linger after
// it is the same for both: a carrier may repeat by another connection.
func (s *step) timerD(t *Tx) time.Time {
	if t.Path.Transport.Reliable() {
		return s.now
	}
	return s.now.Add(s.lifetime())
}

// afterTakeover is how long a peer has to speak before what we may have sent
// already is sent again.
const afterTakeover = 200 * time.Millisecond

// Resume arms a leg that another node has stepped so far: what that node may not
// have sent any more, or what may have been lost with it, goes out again as an
// ordinary repeat, also where a transport needs none.
func (l *Leg) Resume(now time.Time) {
	s := step{Leg: l, now: now}
	for _, t := range l.Tx {
		if t.resumes() {
			t.Every = max(t.Every, s.t1())
			t.Repeat = now.Add(afterTakeover)
		}
	}
	if l.waiting() {
		l.Refresh = now
	}
}

// Resumes says that Resume has something to do.
func (l *Leg) Resumes() bool {
	for _, t := range l.Tx {
		if t.resumes() {
			return true
		}
	}
	return l.waiting()
}

// resumes says that the peer may not have heard, or heard of, what was sent last.
func (t *Tx) resumes() bool {
	waits := t.ours() && (t.state == calling || t.state == trying) ||
		t.machine == inviteServer && (t.state == completed || t.state == accepted) ||
		t.machine == reliable && t.state == proceeding
	return waits && t.Last != nil
}

// waiting says that the caller has no final response yet.
func (l *Leg) waiting() bool {
	t := l.invite()
	return l.Side == In && t != nil && t.state == proceeding
}
