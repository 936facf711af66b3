package b2bua

import (
	"slices"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// hunt tries the next target, or tells the trunk that there is none.
func (c *Call) hunt(now time.Time, last dialog.End) {
	tried := len(c.Out) - c.Begun
	var least time.Duration
	if c.tooShort(last.Cause) {
		n := len(c.Out)
		again := c.Out[n-1]
		c.next(c.by(n), Target{Target: again.Target, Policy: again.Policy, Profile: c.profiles[n-1]})
		least = again.MinSE
	}
	if len(c.Out) >= maxLegs || tried > 0 && c.Moving.By == 0 && c.Out[len(c.Out)-1].Stays() || tried > 0 && least == 0 && !c.redirect(last.Cause, last.Contacts) && !c.alternative(last.Cause) && !c.reroutes(last.Cause) {
		c.Targets = nil
	}
	setup := c.Setup
	if said := c.In.Reliable.Said; !said.Empty() {
		setup.Body = said // the caller has one session
	}
	var offer *dialog.Body
	if c.Moving.By == 0 {
		offer = &setup.Body
	}
	next, found, why := c.pick(now, c.reached(), offer)
	for found {
		body, err := c.offered(next, setup.Body, c.Moving.By != 0)
		if err == nil {
			setup.Body = body
			break
		}
		c.untried(next.Target, NoMedia)
		var passed dialog.Cause
		if next, found, passed = c.pick(now, true, offer); passed.Code != 0 {
			why = passed
		} else {
			why = noMedia(err)
		}
	}
	if tried == 0 && why.Code != 0 {
		last.Cause = why // otherwise what the last one tried has said
	}
	if tried > 0 {
		c.out = append(c.out, Failover{Attempt: len(c.Out), Carrier: c.Out[len(c.Out)-1].Target.Carrier, Cause: last.Cause, Next: next.Carrier})
	}
	if !found && c.Moving.By != 0 {
		c.stays(now, last.Cause)
		return
	}
	if !found {
		by := "bulkhead"
		if tried > 0 {
			by = c.endedBy("carrier", last.Cause)
		}
		c.close(now, last.Cause, by)
		c.step(now, c.In, dialog.End{Cause: toTrunk(last.Cause), Headers: last.Headers})
		return
	}
	if tried > 0 && c.Moving.By == 0 { // what the trunk has asked of the one that failed, the next one knows nothing of
		c.step(now, c.In, dialog.Modified{Code: 500, RetryAfter: 1})
	}
	if c.Moving.By != 0 {
		setup = c.referring(setup, &next)
	}
	setup.MinSE = least
	id := dialog.ID{Call: c.ID, Leg: uint8(len(c.Out) + 1)}
	setup = next.Profile.Dress(setup, carriers.Attempt{
		Number: int(id.Leg), Target: next.Target, Host: next.Policy.Host(next.Path.Transport), After: last.Cause,
	})
	leg, actions := dialog.Outbound(id, now, setup, next.Target, next.Policy)
	c.Out = append(c.Out, leg)
	c.profiles = append(c.profiles, next.Profile)
	c.run(now, leg, actions)
}

// reached says that one of the attempts of the hunt that is on was at a target which leads
// somewhere.
func (c *Call) reached() bool {
	return slices.ContainsFunc(c.Out[c.Begun:], func(l *dialog.Leg) bool { return l.Target.Dead == "" })
}

// unsuited passes over targets whose profile leaves no codec of what the caller offers:
// they would have to refuse it. True: there were some, and nothing is left.
func (c *Call) unsuited(offer dialog.Body) bool {
	passed := false
	for len(c.Targets) > 0 && !c.Targets[0].Policy.Suits(offer) {
		f := Failover{
			Attempt: len(c.Out) + 1, Carrier: c.Targets[0].Carrier,
			Cause: dialog.Cause{Why: dialog.NoCodec, Code: 488, Q850: 65},
		}
		c.Targets, passed = c.Targets[1:], true
		if n := len(c.Out); n < len(c.By) {
			c.By = slices.Delete(c.By, n, n+1)
		}
		if len(c.Targets) > 0 {
			f.Next = c.Targets[0].Carrier
		}
		c.out = append(c.out, f)
	}
	return passed && len(c.Targets) == 0
}

// tooShort says that a carrier wants a longer session interval than it was asked for
// (RFC 4028 §7.3): it is asked once more.
func (c *Call) tooShort(last dialog.Cause) bool {
	n := len(c.Out)
	if n == c.Begun || last.Why != dialog.Rejected || last.Code != 422 || c.Out[n-1].MinSE == 0 {
		return false
	}
	return n < c.Begun+2 || c.Out[n-2].Target != c.Out[n-1].Target || c.Out[n-2].Marks.Code != 422
}

// reroutes asks the carrier that failed whether its failure lets us go on.
func (c *Call) reroutes(last dialog.Cause) bool {
	return c.profiles[len(c.profiles)-1].Reroute(last)
}

// toTrunk is the failure as the trunk is to see it. What concerns only us and
// the carrier does not pass: a challenge was for our credentials, a redirection
// for our eyes, and 503 would say that we are out of service (RFC 3261 §16.7
// item 6, §21.5.4).
func toTrunk(c dialog.Cause) dialog.Cause {
	if c.Code == 503 && c.Why != dialog.Rejected && c.Why != dialog.NotSent {
		return c // our own word
	}
	c.Code, c.Phrase, c.RetryAfter = outward(c.Code, c.Phrase, c.RetryAfter)
	return c
}

// across is the answer to a change of the session as the side that asked is to see
// it, which is as little concerned.
func across(m dialog.Modified) dialog.Modified {
	m.Code, m.Phrase, m.RetryAfter = outward(m.Code, m.Phrase, m.RetryAfter)
	return m
}

// outward is what a final response of one side is to the other, with the phrase and
// the Retry-After that go with it.
func outward(code int, phrase string, retryAfter int) (int, string, int) {
	switch {
	case code >= 300 && code < 400, code == 487:
		return 480, "", retryAfter // 487 would say that the asking side has cancelled
	case code == 401, code == 407, code == 422: // our credentials, our session interval
		return 500, "", retryAfter
	case code == 503:
		return 500, "", 0
	}
	return code, phrase, retryAfter
}
