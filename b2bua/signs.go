package b2bua

import (
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// What calls show of the gateways that they are tried at.

// observe takes what has become of the call's attempts since it was last called: each
// counts once when something is heard, and once when it has come to something.
func (s *strand) observe(now time.Time) {
	if s.call == nil {
		return
	}
	watches := s.profiles.watches
	for s.told < len(s.call.Out) {
		leg := s.call.Out[s.told]
		if leg.State < dialog.Answered {
			if watches && responded(leg) && s.alive != leg.ID.Leg {
				s.alive = leg.ID.Leg
				s.engine.sign(now, leg, carriers.CallAnswered)
			}
			return
		}
		s.told++
		s.engine.metrics.attempted(leg)
		if s.call.Winner == s.told-1 {
			s.engine.metrics.answered(s.call)
		}
		if watches {
			s.engine.became(now, leg)
		}
	}
}

// passed leaves out the attempts that another node, or this one before the call was
// packed, has taken account of.
func (s *strand) passed() {
	s.told, s.alive = 0, 0
	s.begun = !s.call.Answered.IsZero()
	for s.told < len(s.call.Out) && s.call.Out[s.told].State >= dialog.Answered {
		s.told++
	}
	if n := len(s.call.Out); n > s.told && responded(s.call.Out[n-1]) {
		s.alive = s.call.Out[n-1].ID.Leg
	}
}

// responded says that a leg's peer has said something to the INVITE.
func responded(l *dialog.Leg) bool {
	return !l.Marks.Trying.IsZero() || !l.Marks.Ringing.IsZero() || l.Marks.Code != 0
}

// became takes account of an attempt that is answered or over.
func (e *Engine) became(now time.Time, l *dialog.Leg) {
	sign, outcome, counts := judgement(l)
	e.sign(now, l, sign)
	if !counts {
		return
	}
	p := &e.probes
	p.mu.Lock()
	defer p.mu.Unlock()
	if q := p.quality[l.Target.Carrier]; q != nil {
		was := q.Capped()
		q.Step(now, outcome)
		if q.Capped() != was {
			e.noteCap(l.Target.Carrier, q)
		}
	}
}

// judgement is what an attempt says of its gateway and of its carrier; what could not be
// sent says nothing of the second (R18), and a caller that left before anything was
// heard nothing of either.
func judgement(l *dialog.Leg) (carriers.Sign, carriers.Outcome, bool) {
	if l.State < dialog.Leaving || l.Marks.Code/100 == 2 && !l.Marks.Late {
		return carriers.CallAnswered, carriers.Success, true
	}
	switch l.Cause.Why {
	case dialog.NotSent:
		return carriers.CallFailed, carriers.Failure, false
	case dialog.NoResponse:
		return carriers.CallFailed, carriers.Failure, true
	case dialog.NoRinging:
		return carriers.CallAnswered, carriers.Failure, true
	case dialog.Rejected, dialog.Unauthorized:
		sign, outcome := carriers.CallAnswered, carriers.Effective
		if l.Marks.Code == 503 {
			sign = carriers.CallFailed
		}
		if failure(l.Marks.Code) {
			outcome = carriers.Failure
		}
		return sign, outcome, true
	default: // nobody was at home, or the caller has left
		if responded(l) {
			return carriers.CallAnswered, carriers.Effective, true
		}
		return carriers.CallLeft, carriers.Effective, false
	}
}

// failure says that a final response is the network's or the carrier's failure, not the
// callee's word (ITU-T E.425): a callee that is not there, busy, unwilling or unknown
// has been reached as far as a carrier can.
func failure(code int) bool {
	switch code {
	case 401, 403, 407, 408, 488:
		return true
	}
	return code >= 500 && code < 600
}

// sign gives a sign to the gateway of a leg.
func (e *Engine) sign(now time.Time, l *dialog.Leg, s carriers.Sign) {
	p := &e.probes
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.gates[gateOf(l.Target)]
	if w == nil {
		return
	}
	var rest time.Duration
	if s == carriers.CallFailed {
		rest = time.Duration(l.Cause.RetryAfter) * time.Second
	}
	w.health.Step(now, s, rest)
	e.noteState(now, w, l.Cause.Why.String())
}

// unfit says why a target is not to be tried, or not well; empty: it is, as far as anybody
// knows. Of several reasons it says the one that keeps most back.
func (e *Engine) unfit(now time.Time, call dialog.CallID, t dialog.Target) string {
	stands := e.config.Standings.skip(now, call, t.Carrier)
	if stands != "" && !carriers.Last(stands) {
		return stands
	}
	if why := e.unwell(now, call, t); why != "" {
		return why
	}
	return stands
}

// unwell says why a target is not well; empty: it is, as far as anybody knows.
func (e *Engine) unwell(now time.Time, call dialog.CallID, t dialog.Target) string {
	if !e.profiles().watches {
		return ""
	}
	p := &e.probes
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.watch(now, e.profiles().Carrier(t.Carrier), t); w != nil {
		if why := w.health.Skip(now); why != "" {
			return why
		}
	}
	if q := p.quality[t.Carrier]; q != nil {
		return q.Skip(now, carriers.Uniform(call, t.Carrier))
	}
	return ""
}

// goes notes that a call goes to a target.
func (e *Engine) goes(now time.Time, t dialog.Target) {
	e.config.Standings.begin(now, t.Carrier)
	if !e.profiles().watches {
		return
	}
	p := &e.probes
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.gates[gateOf(t)]; w != nil {
		w.health.Begin(now)
	}
	if q := p.quality[t.Carrier]; q != nil {
		q.Begin(now)
	}
}
