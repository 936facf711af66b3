package b2bua

import (
	"testing"

	"bulkhead/dialog"
)

// TestW2 holds a reliable provisional to the store: RSeq is state, so what is said
// reliably, and the PRACK of what was heard reliably, waits until it is safe. An
// ordinary provisional does not.
func TestW2(t *testing.T) {
	for _, c := range []struct {
		says, rseq string
		want       bool
	}{{"", "", false}, {"Supported: 100rel\r\n", "", false}, {"Require: 100rel\r\n", "", true}, {"", "4", true}} {
		x := newExplorer(config{targets: 1, offer: true, says: c.says})
		n, v := x.first()
		if v != "" {
			t.Fatal(v)
		}
		ringing := x.texts.get(n.obs.Out[0].Invite).replyWith(183, 1, "2001", rseq(c.rseq))
		actions := n.call.Step(noon, Arrived{Leg: 1, Received: dialog.Received{Message: ringing, Path: pathOfLeg(1, dialog.UDP)}})
		save, ok := actions[0].(Save)
		if !ok || save.Wait != c.want {
			t.Errorf("%q and a 183 with RSeq %q: the step begins with %+v, want a wait: %v", c.says, c.rseq, actions[0], c.want)
		}
	}
}
