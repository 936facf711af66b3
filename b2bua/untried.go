package b2bua

import (
	"slices"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Judge says at the moment of an attempt whether it may be made. A call holds one, as
// it does Redirects: who is at a limit changes while it hunts.
type Judge interface {
	// Begin says why an attempt is not to be made, in a word of carriers.Judge; empty: it
	// is, and takes its place in every limit. Anyway, where there is nothing better to
	// try: only what is firm counts.
	Begin(now time.Time, t dialog.Target, anyway bool) string
}

// Untried is a target that was skipped.
type Untried struct {
	Carrier string
	Gateway string
	Why     string // a reason of carriers.Judge
}

// maxUntried is how many the record of a call tells of.
const maxUntried = 16

func (u *Untried) fields(r *dialog.Coder) {
	r.String(&u.Carrier)
	r.String(&u.Gateway)
	r.String(&u.Why)
}

// pick takes the next target that may have the call now. Those that are not well are
// tried where there is no other, and none has been tried. The offer, nil where it does
// not matter, has to suit. Without any target it says why.
func (c *Call) pick(now time.Time, tried bool, offer *dialog.Body) (next Target, ok bool, why dialog.Cause) {
	var unwell []Target
	var ails []string // why each is not
	for {
		if offer != nil && c.unsuited(*offer) && why.Code == 0 {
			why = dialog.Cause{Why: dialog.NoCodec, Code: 488, Q850: 65}
		}
		if len(c.Targets) == 0 {
			break
		}
		next = c.Targets[0]
		reason := ""
		if c.judge != nil {
			reason = c.judge.Begin(now, next.Target, false)
		}
		if reason == "" {
			c.Targets = c.Targets[1:]
			for i, t := range unwell {
				c.untried(t.Target, ails[i])
			}
			return next, true, why
		}
		c.drop()
		if !tried && !carriers.Firm(reason) {
			unwell, ails = append(unwell, next), append(ails, reason)
		} else {
			c.untried(next.Target, reason)
		}
		why = carriers.Unavailable()
	}
	for i, t := range unwell {
		if reason := c.judge.Begin(now, t.Target, true); reason != "" {
			c.untried(t.Target, reason)
			continue
		}
		c.next(0, unwell[i:]...)
		c.Targets = c.Targets[1:]
		return t, true, why
	}
	return Target{}, false, why
}

// drop takes the first target away that is left, and what is known of it.
func (c *Call) drop() {
	c.Targets = c.Targets[1:]
	if n := len(c.Out); n < len(c.By) {
		c.By = slices.Delete(slices.Clone(c.By), n, n+1)
	}
}

// untried notes a target that is skipped.
func (c *Call) untried(t dialog.Target, why string) {
	u := Untried{Carrier: t.Carrier, Gateway: t.Gateway, Why: why}
	c.out = append(c.out, u)
	if len(c.Untried) < maxUntried {
		c.Untried = append(slices.Clip(c.Untried), u)
	}
}
