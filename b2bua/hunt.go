package b2bua

import (
	"time"

	"bulkhead/dialog"
)

// hunt tries the next target, or tells the trunk that there is none.
func (c *Call) hunt(now time.Time, last dialog.Cause) {
	tried := len(c.Out)
	if tried > 0 && !c.reroutes(last) {
		c.Targets = nil
	}
	if tried > 0 {
		f := Failover{Attempt: tried, Carrier: c.Out[tried-1].Target.Carrier, Cause: last}
		if len(c.Targets) > 0 {
			f.Next = c.Targets[0].Carrier
		}
		c.out = append(c.out, f)
	}
	if len(c.Targets) == 0 {
		by := "bulkhead"
		if tried > 0 {
			by = c.endedBy("carrier", last)
		}
		c.close(now, last, by)
		c.step(now, c.In, dialog.End{Cause: toTrunk(last)})
		return
	}
	next := c.Targets[0]
	c.Targets = c.Targets[1:]
	setup := c.Setup
	id := dialog.ID{Call: c.ID, Leg: uint8(tried + 1)}
	leg, actions := dialog.Outbound(id, now, setup, next.Target, next.Policy)
	c.Out = append(c.Out, leg)
	c.rerouters = append(c.rerouters, next.Reroute)
	c.run(now, leg, actions)
}

// reroutes asks the carrier that failed whether its failure lets us go on.
func (c *Call) reroutes(last dialog.Cause) bool {
	return c.rerouters[len(c.rerouters)-1].Reroute(last)
}

// toTrunk is the failure as the trunk is to see it. What concerns only us and
// the carrier does not pass: a challenge was for our credentials, a redirection
// for our eyes, and 503 would say that we are out of service (RFC 3261 §16.7
// item 6, §21.5.4).
func toTrunk(c dialog.Cause) dialog.Cause {
	switch {
	case c.Code >= 300 && c.Code < 400, c.Code == 487:
		c.Code, c.Phrase = 480, "" // 487 would say that the trunk has cancelled
	case c.Code == 401 || c.Code == 407:
		c.Code, c.Phrase = 500, ""
	case c.Code == 503 && (c.Why == dialog.Rejected || c.Why == dialog.NotSent):
		c.Code, c.Phrase, c.RetryAfter = 500, "", 0
	}
	return c
}
