package simtest

import (
	"fmt"
	"strings"

	"bulkhead/b2bua"
)

// close judges what can only be said at the end.
func (c *court) close() {
	s := c.stage
	say := func(format string, args ...any) { c.faults = append(c.faults, fmt.Sprintf(format, args...)) }
	for id, a := range c.out {
		for what, n := range a.finals {
			cseq, _, _ := strings.Cut(what, " ")
			if got := a.acks[what]; got != n && (!a.late[cseq] || got == 0 || got > n) && c.lossless() {
				say("P3, P4: %d finals %q of %s got %d ACKs", n, what, id, got)
			}
		}
		for tag := range a.answered {
			if !a.over[tag] && s.Settled {
				say("P4: the dialog %s was answered and never ended", tag)
			}
		}
	}
	if s.Engine == nil || s.Faulty {
		return
	}
	if n := s.Counter("invariant_violations_total"); n != 0 {
		say("%g violations", n)
	}
	if n := s.Counter("panics_total"); n != 0 {
		say("%g panics", n)
	}
	if n, want := len(s.Records()), int(s.Counter("calls_total")); n != want && s.Settled {
		say("P8: %d records of %d calls", n, want)
	}
	seen := map[string]bool{}
	for _, r := range s.Records() {
		if seen[r.Call] {
			say("P8: two records of call %s", r.Call)
		}
		seen[r.Call] = true
		c.consistent(r, say)
	}
	if s.Settled && (s.Engine.Active() != 0 || s.Engine.Strands() != 0) {
		say("P7: %d calls active, %d kept", s.Engine.Active(), s.Engine.Strands())
	}
}

// lossless says that no rule of the network makes counting vain.
func (c *court) lossless() bool { return len(c.stage.Net.rules) == 0 }

// consistent: R19, a record contradicts neither itself nor the clock.
func (c *court) consistent(r b2bua.Record, say func(string, ...any)) {
	if r.Began.IsZero() || r.Ended.Before(r.Began) || r.Trunk == "" || r.Call == "" || r.Cause == "" || r.EndedBy == "" {
		say("R19: a record with holes: %+v", r)
	}
	if (r.Result == "answered") == r.Answered.IsZero() || r.Duration < 0 || r.Answered.IsZero() && r.Duration != 0 {
		say("R19: the record's answer contradicts itself: %+v", r)
	}
	for _, a := range r.Attempts {
		if a.Began.Before(r.Began) || a.Carrier == "" || a.Gateway == "" || a.Number == "" || a.CallID == "" ||
			!a.Final.IsZero() && (a.Code == 0 || a.Final.Before(a.Began)) {
			say("R19: an attempt with holes: %+v", a)
		}
	}
}
