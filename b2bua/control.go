package b2bua

import (
	"time"

	"bulkhead/dialog"
)

// control says what a signal of one leg means to the others. It is the only
// place where legs meet, and signals are all that it knows of them.
func (c *Call) control(now time.Time, from *dialog.Leg, sig dialog.Signal) {
	if c.moves(now, from, sig) {
		return
	}
	switch sig := sig.(type) {
	case dialog.Setup:
		c.Setup = sig
		if !c.Choosing.IsZero() {
			return
		}
		c.hunt(now, dialog.End{Cause: c.Ended})
	case dialog.Progress:
		c.progress(now, from, sig)
	case dialog.Answer:
		var err error
		if sig.Body, err = c.carried(from, c.In, sig.Body, from.Offer); err != nil {
			c.unheardOf(now, from, noMedia(err))
			return
		}
		c.Winner = len(c.Out) - 1
		c.Answered, c.Expires = now, now.Add(c.Limit)
		c.Targets = nil // nothing more is tried
		c.settled(from)
		c.step(now, c.In, sig)
	case dialog.Modified:
		if other := c.facing(from); other != nil {
			c.step(now, other, c.modified(now, from, other, across(sig)))
		}
	case dialog.Informed:
		if other := c.other(from); other != nil {
			sig.Code, sig.Phrase, sig.RetryAfter = outward(sig.Code, sig.Phrase, sig.RetryAfter)
			c.transferred(other, sig.Ref, sig.Code)
			c.step(now, other, sig)
		}
	case dialog.Confirm:
		c.confirm(now, from, sig)
	case dialog.Modify:
		if other := c.facing(from); other != nil && c.modify(now, from, other, &sig) {
			c.step(now, other, sig)
		}
	case dialog.Info:
		if other := c.other(from); other != nil {
			c.step(now, other, sig)
		}
	case dialog.Refer:
		c.refer(now, from, sig)
	case dialog.Notify:
		if other := c.other(from); other != nil {
			c.transferred(other, sig.Of, sig.Code)
			c.step(now, other, sig)
		}
	case dialog.End:
		c.ended(now, from, sig)
	case dialog.Alone: // told, and never tells
	}
}

// settled lets go of what only other attempts would have been made with. What a transfer that
// we carry out shows of the caller is kept where there can be one; and what is withheld,
// always.
func (c *Call) settled(winner *dialog.Leg) {
	s := &c.Setup
	s.Body, s.Headers, s.Params, s.Domain, s.EarlyMedia, s.Diversions = dialog.Body{}, nil, "", "", "", nil
	if winner.Policy.Transfers != dialog.FollowTransfers {
		s.Asserted.Display = ""
	}
}

// confirm passes the caller's acknowledgement on. That of a reliable provisional
// goes to the carrier that is being tried; the answer in it is what the carriers
// tried after that are offered: the caller has one session.
func (c *Call) confirm(now time.Time, from *dialog.Leg, sig dialog.Confirm) {
	switch other := c.other(from); {
	case sig.Early && len(c.Out) > 0:
		if other == nil {
			other = c.Out[len(c.Out)-1]
			c.Setup.Body = sig.Body
		}
		c.step(now, other, c.confirmed(from, other, sig))
	case other != nil:
		c.step(now, other, c.confirmed(from, other, sig))
	}
}

// other is the leg that a leg of an answered call is joined to.
func (c *Call) other(from *dialog.Leg) *dialog.Leg {
	switch {
	case c.Winner < 0:
		return nil
	case from == c.In:
		return c.Out[c.Winner]
	}
	return c.In
}

// facing is the leg that a change of the session concerns: before the answer that of the
// carrier which is being tried.
func (c *Call) facing(from *dialog.Leg) *dialog.Leg {
	switch {
	case c.Winner >= 0 || len(c.Out) == 0:
		return c.other(from)
	case from == c.In:
		return c.Out[len(c.Out)-1]
	}
	return c.In
}

// ended is a leg that is over by its own decision or its peer's.
func (c *Call) ended(now time.Time, from *dialog.Leg, end dialog.End) {
	cause := end.Cause
	switch {
	case from == c.In:
		c.close(now, cause, c.endedBy("trunk", cause))
		for _, leg := range c.Out {
			c.step(now, leg, dialog.End{Cause: cause, Headers: end.Headers})
		}
	case c.Winner >= 0:
		c.close(now, cause, c.endedBy("carrier", cause))
		c.step(now, c.In, dialog.End{Cause: cause, Headers: end.Headers})
	default:
		c.hunt(now, end)
	}
}

// endedBy names who ended the call: what a peer did not do is our decision.
func (c *Call) endedBy(peer string, cause dialog.Cause) string {
	switch cause.Why {
	case dialog.Cancelled, dialog.HungUp, dialog.Rejected, dialog.Unauthorized:
		return peer
	case dialog.NoResponse, dialog.NoRinging, dialog.NoAnswer, dialog.NotSent, dialog.NoACK,
		dialog.Expired, dialog.Operator, dialog.Drained, dialog.Fault, dialog.PeerLost,
		dialog.NoRoute, dialog.Elsewhere, dialog.Transferred, dialog.NoCodec,
		dialog.NoMedia, dialog.Silent:
	}
	return "bulkhead"
}

// hangup ends every leg for a reason of ours.
func (c *Call) hangup(now time.Time, cause dialog.Cause) {
	c.close(now, cause, "bulkhead")
	c.step(now, c.In, dialog.End{Cause: cause})
	for _, leg := range c.Out {
		c.step(now, leg, dialog.End{Cause: cause})
	}
}

// close notes the end of the call: nothing more is tried for it (P5).
func (c *Call) close(now time.Time, cause dialog.Cause, by string) {
	c.Targets, c.Expires, c.Choosing, c.Moving = nil, time.Time{}, time.Time{}, Moving{}
	if c.EndedAt.IsZero() {
		c.Ended, c.EndedBy, c.EndedAt = cause, by, now
	}
}
