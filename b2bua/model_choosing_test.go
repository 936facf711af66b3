package b2bua

import (
	"fmt"
	"testing"
	"time"

	"bulkhead/carriers"
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

// probed is a Judge by which the first target is found out about by another call.
type probed struct{ unwell string }

func (j probed) Begin(_ time.Time, t dialog.Target, anyway bool) string {
	if t.Carrier == j.unwell && !anyway {
		return carriers.SkipProbing
	}
	return ""
}

// TestP11_WhoIsNotWellAnyMoreIsSkippedByName: well when the targets were chosen, and not when
// it was to be tried.
func TestP11_WhoIsNotWellAnyMoreIsSkippedByName(t *testing.T) {
	x := newExplorer(config{chooses: true, targets: 2, offer: true})
	n, v := x.first()
	if v != "" {
		t.Fatal(v)
	}
	decision := x.decision(0)
	first, second := decision.Targets[0], decision.Targets[1]
	n.call.judge = probed{first.Carrier}
	n.call.Step(noon, decision)
	if len(n.call.Out) != 1 || n.call.Out[0].Target.Carrier != second.Carrier {
		t.Fatalf("%d attempts", len(n.call.Out))
	}
	if u := n.call.Untried; len(u) != 1 || u[0].Carrier != first.Carrier || u[0].Why != carriers.SkipProbing {
		t.Errorf("skipped: %+v", u)
	}
}

// TestR18_ANameThatLeadsNowhereIsNoOther target: who is not well is tried after it.
func TestR18_ANameThatLeadsNowhereIsNoOther(t *testing.T) {
	x := newExplorer(config{chooses: true, targets: 2, offer: true})
	n, v := x.first()
	if v != "" {
		t.Fatal(v)
	}
	decision := x.decision(0)
	dead, unwell := &decision.Targets[0], decision.Targets[1]
	dead.Carrier, dead.Dead = "nowhere", "carrier.example: no such name"
	n.call.judge = probed{unwell.Carrier}
	n.call.Step(noon, decision)
	if len(n.call.Out) != 2 || n.call.Out[1].Target.Carrier != unwell.Carrier || len(n.call.Untried) > 0 {
		t.Fatalf("%d attempts, skipped %+v", len(n.call.Out), n.call.Untried)
	}
}
