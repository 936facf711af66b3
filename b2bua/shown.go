package b2bua

import (
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Shown is the call as an attempt was asked for it, n from 0: what the carrier's profile has
// made of what the trunk has asked for. As the profile says today; false: it is not known
// here.
func (c *Call) Shown(n int) (dialog.Setup, bool) {
	if n < 0 || n >= len(c.Out) || n >= len(c.profiles) || c.profiles[n] == nil || c.Out[n].Policy == nil {
		return dialog.Setup{}, false
	}
	leg := c.Out[n]
	a := carriers.Attempt{Number: n + 1, Target: leg.Target, Host: leg.Policy.Host(leg.Path.Transport)}
	if n > c.Begun {
		a.After = c.Out[n-1].Cause
	}
	return c.profiles[n].Dress(c.Setup, a), true
}
