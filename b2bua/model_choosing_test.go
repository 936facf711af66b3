package b2bua

import (
	"fmt"
	"testing"
	"time"

	"bulkhead/dialog"
)

// nowhere is the tag of a decision that refuses the call.
const nowhere = 1

// decision is what is heard of where the call may go.
func (x *explorer) decision(tag uint8) Chosen {
	if tag == nowhere {
		return Chosen{Refusal: dialog.Cause{Why: dialog.NoRoute, Code: 603}}
	}
	c := Chosen{}
	for i := range x.targets {
		c.Targets = append(c.Targets, x.target(fmt.Sprintf("192.0.2.%d", i+2), "4930123"))
	}
	return c
}

// chosen checks that nothing is tried before it is decided, that a decision does
// something, and that it means nothing to a call that does not wait for it.
func chosen(s *seen) string {
	waits := !s.before.Choosing.IsZero()
	switch {
	case !s.after.Choosing.IsZero() && (len(s.after.Out) > 0 || !s.after.EndedAt.IsZero()):
		return "P5: a decision is waited for by a call that has an attempt or has ended"
	case s.move.kind != chooses:
	case !waits && len(s.actions) > 0:
		return "P5: a decision that nobody waits for does something"
	case waits && s.move.tag == nowhere && (len(s.after.Out) > 0 || s.after.EndedAt.IsZero()):
		return "P1: a decision to refuse the call has not ended it"
	case waits && s.move.tag != nowhere && len(s.after.Out) != 1:
		return "a decision has led nowhere"
	}
	return ""
}

// TestADecisionIsNotWaitedForForEver: with nobody to tell it, the call is refused.
func TestADecisionIsNotWaitedForForEver(t *testing.T) {
	x := newExplorer(config{chooses: true, targets: 1, offer: true})
	n, v := x.first()
	if v != "" {
		t.Fatal(v)
	}
	n.call.Expires = time.Time{} // a trunk may have no longest setup
	if d := n.call.Deadline(); d != noon.Add(20*time.Second) {
		t.Fatalf("the deadline is %v", d)
	}
	n.call.Step(noon.Add(20*time.Second-1), Due{})
	if !n.call.EndedAt.IsZero() {
		t.Error("ended too soon")
	}
	n.call.Step(noon.Add(20*time.Second), Due{})
	if n.call.Ended.Code != 503 || n.call.EndedBy != "bulkhead" || n.call.In.Marks.Code != 503 {
		t.Errorf("ended by %s: %+v, answered %d", n.call.EndedBy, n.call.Ended, n.call.In.Marks.Code)
	}
	if n.call.Rests() || len(n.call.Out) > 0 {
		t.Error("it rests, or has tried something")
	}
}
