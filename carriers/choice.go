package carriers

import (
	"slices"
	"strings"
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
	Why string // one word, such as down, and what is to be said besides: see Word
}

// Judge knows how things stand at the moment: who is down, who has as many calls as it
// may. Its methods are called for each new call and must not block.
type Judge interface {
	// Skip says why a target is not to be tried, in one of the words below, perhaps with a
	// colon and what is to be said besides; empty: it is.
	// Asking changes nothing.
	Skip(now time.Time, t dialog.Target) string
}

// Why a target is skipped. What is said of its health is a guess: where it would leave a
// call without any target, those are tried all the same. A limit is none, nor is what an
// operator has drained.
const (
	SkipDown      = "down"      // the gateway does not answer OPTIONS
	SkipResting   = "resting"   // it has failed calls in a row, or has asked for rest (503 with Retry-After)
	SkipProbing   = "probing"   // one call, or as many as have to succeed, finds out whether it is well again
	SkipCapped    = "capped"    // too few of the carrier's calls come to something: it is tried last
	SkipCalls     = "calls"     // the carrier has as many calls as it may
	SkipCPS       = "cps"       // as many new ones a second
	SkipRestoring = "restoring" // a unit has just been taken over, and how many it has is not known yet

	SkipDeprioritised = "deprioritised" // the carrier's scorecard is beyond its thresholds: it is tried last
	SkipQuarantined   = "quarantined"   // an operator, or its scorecard, has it tried only where there is nobody else
	SkipDrained       = "drained"       // an operator has it take no new calls
)

// Word is the word of a reason to skip, without what is said besides.
func Word(why string) string {
	word, _, _ := strings.Cut(why, ": ")
	return word
}

// Besides is what is said besides the word; empty: nothing.
func Besides(why string) string {
	_, text, _ := strings.Cut(why, ": ")
	return text
}

func because(word, text string) string { return word + ": " + text }

// Last says that who is skipped for it is tried all the same, after the others.
func Last(why string) bool {
	word := Word(why)
	return word == SkipCapped || word == SkipDeprioritised
}

// Firm says that a reason to skip holds also where it leaves a call without a target.
func Firm(why string) bool {
	switch Word(why) {
	case SkipCalls, SkipCPS, SkipRestoring, SkipDrained:
		return true
	}
	return false
}

// nobody is why a call fails that its route leads nowhere.
func nobody() dialog.Cause {
	return dialog.Cause{Why: dialog.NoRoute, Code: 503, Phrase: "No carrier available"}
}

// Unavailable is why a call fails whose every target is skipped (Q.850 cause 34: no
// circuit available).
func Unavailable() dialog.Cause {
	return dialog.Cause{Why: dialog.NoRoute, Code: 503, Phrase: "No carrier available", Q850: 34, RetryAfter: retryCalls}
}

// retryCalls is how many seconds a trunk is asked to wait for a place to be free. It is
// short: a peer that takes 503 by the letter sends nothing at all meanwhile.
const retryCalls = 2

// refuse is the choice of a call that goes nowhere.
func refuse(route, code int, phrase string) Choice {
	return Choice{Route: route, Refusal: dialog.Cause{Why: dialog.NoRoute, Code: code, Phrase: phrase}}
}

// judge takes away what a judge does not let through, and puts last what is capped.
func (c *Choice) judge(now time.Time, j Judge) {
	if j == nil {
		if len(c.Targets) == 0 {
			c.Refusal = nobody()
		}
		return
	}
	var fit, capped, unwell []dialog.Target
	var skipped []Skipped
	for _, t := range c.Targets {
		switch why := j.Skip(now, t); {
		case why == "":
			fit = append(fit, t)
		case Last(why):
			capped = append(capped, t)
		default:
			skipped = append(skipped, Skipped{t, why})
			if !Firm(why) {
				unwell = append(unwell, t)
			}
		}
	}
	c.Targets = append(fit, capped...)
	// What is known to lead nowhere is an attempt in the record, and no other target.
	leads := func(t dialog.Target) bool { return t.Dead == "" }
	if !slices.ContainsFunc(c.Targets, leads) && len(unwell) > 0 {
		c.Targets = append(c.Targets, unwell...) // the last resort
		skipped = slices.DeleteFunc(skipped, func(s Skipped) bool { return !Firm(s.Why) })
	}
	c.Skipped = append(c.Skipped, skipped...)
	switch {
	case len(c.Targets) > 0:
	case len(skipped) > 0:
		c.Refusal = Unavailable()
	default:
		c.Refusal = nobody()
	}
}
