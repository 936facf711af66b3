package b2bua

import (
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// A call whose targets somebody else decides about is there before they are: the trunk
// has its 100, and may cancel; nothing is tried. Chosen ends that, whatever it says, and
// so does the end of the call (P5). The shell asks, and again after a takeover: of the
// decision nothing is known here but for how long it is waited for.

// Chosen says where a call may go that is choosing. To any other it says nothing.
type Chosen struct {
	Targets []Target
	Skipped []carriers.Skipped
	Refusal dialog.Cause // why, where there are no targets
}

func (Chosen) event() {}

// undecidedAfter is how long a decision is waited for: twice as long as the shell asks for
// it at most.
const undecidedAfter = 2 * carriers.MostAskTimeout

// decided begins the hunt of a call that has been choosing.
func (c *Call) decided(now time.Time, ev Chosen) {
	if c.Choosing.IsZero() {
		return
	}
	c.Choosing = time.Time{}
	c.Targets, c.By = ev.Targets, make([]uint8, len(ev.Targets))
	for _, s := range ev.Skipped {
		c.untried(s.Target, s.Why)
	}
	c.changed, c.promise = true, true // the first attempt is stored before it is made
	c.hunt(now, dialog.End{Cause: ev.Refusal})
}

// undecided is the end of a call about which nothing was heard.
func undecided() Chosen {
	return Chosen{Refusal: dialog.Cause{Why: dialog.NoRoute, Code: 503, Phrase: "No decision"}}
}
