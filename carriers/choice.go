package carriers

import (
	"time"

	"bulkhead/dialog"
)

// Choice is where a call may go, and why not elsewhere.
type Choice struct {
	Route   int             // number of the route that matched, from 0; NoRoute: none did
	Targets []dialog.Target // in the order in which they are to be tried
	Skipped []Skipped       // what the route leads to as well, in the order of the route
	Refusal dialog.Cause    // how to say so to who calls, where there are no targets
	Ask     *Ask            // not nil: nothing is chosen yet, who decides has to be asked (Decide)
}

// NoRoute is the number of no route.
const NoRoute = -1

// Skipped is a target that is not tried.
type Skipped struct {
	dialog.Target
	Why string // one word, such as down
}

// Judge knows how things stand at the moment: who is down, who has as many calls as it
// may. Its methods are called for each new call and must not block.
type Judge interface {
	// Skip says why a target is not to be tried; empty: it is.
	Skip(now time.Time, t dialog.Target) string
}

// refuse is the choice of a call that goes nowhere.
func refuse(route, code int, phrase string) Choice {
	return Choice{Route: route, Refusal: dialog.Cause{Why: dialog.NoRoute, Code: code, Phrase: phrase}}
}

// judge takes away what a judge does not let through.
func (c *Choice) judge(now time.Time, j Judge) {
	fit := c.Targets[:0]
	for _, t := range c.Targets {
		why := ""
		if j != nil {
			why = j.Skip(now, t)
		}
		if why != "" {
			c.Skipped = append(c.Skipped, Skipped{t, why})
		} else {
			fit = append(fit, t)
		}
	}
	c.Targets = fit
	if len(fit) == 0 {
		c.Refusal = dialog.Cause{Why: dialog.NoRoute, Code: 503, Phrase: "No carrier available"}
	}
}
