package b2bua

import (
	"slices"
	"time"

	"bulkhead/dialog"
)

// Transfers that we carry out (RFC 3515, RFC 5589 §6): a carrier refers the caller to
// another number, which is tried by the routes of the trunk, like the first. The call goes on
// meanwhile. Whoever answers is joined to the caller: the target's INVITE has no offer, so
// that of its 2xx is put to the caller in a re-INVITE, and the answer goes back in the ACK
// (RFC 3725 §4.1); then the carrier that has referred is ended.

// Moving is the transfer that is being carried out.
type Moving struct {
	By    uint8     // leg whose peer has asked; 0: none is
	Ref   uint16    // dialog.Refer.Ref
	Who   string    // dialog.Refer.By
	Until time.Time // when it is given up, or the caller is asked no more; zero: its last answer is awaited
}

// maxLegs is how many attempts a call may make in all, with those of its transfers: one
// byte numbers them, and the highest number means none. Beyond that nothing is left to try.
const maxLegs = 250

func (m *Moving) fields(r *dialog.Coder) {
	dialog.Int(r, &m.By)
	dialog.Int(r, &m.Ref)
	r.String(&m.Who)
	r.Time(&m.Until)
}

// follow begins a transfer that we are to carry out. The targets have come with the REFER.
func (c *Call) follow(now time.Time, from *dialog.Leg, sig dialog.Refer) {
	if len(c.chosen) == 0 || c.Moving.By != 0 || len(c.Out) >= maxLegs || c.transfer(from, sig.Ref) == nil || c.other(from) != c.In {
		c.transferred(from, sig.Ref, 603)
		c.step(now, from, dialog.Informed{Ref: sig.Ref, Code: 603})
		return
	}
	accepted := dialog.Informed{Ref: sig.Ref, Code: 202}
	if sig.Silent {
		accepted.Headers = []dialog.Header{dialog.NotSubscribed}
	}
	c.Moving = Moving{By: from.ID.Leg, Ref: sig.Ref, Who: sig.By, Until: now.Add(from.Policy.Referral())}
	c.Targets, c.Begun = c.chosen, len(c.Out)
	c.By = slices.Clip(c.By[:min(len(c.By), len(c.Out))]) // no redirection has led to these
	c.step(now, from, accepted)
	c.tell(now, 100, "", false)
	c.hunt(now, dialog.End{})
}

// tell notifies who has asked for the transfer, and the record.
func (c *Call) tell(now time.Time, code int, phrase string, over bool) {
	by := c.leg(c.Moving.By)
	c.transferred(by, c.Moving.Ref, code)
	c.step(now, by, dialog.Notify{Of: c.Moving.Ref, Code: code, Phrase: phrase, Over: over})
}

// moves says what a signal means while a transfer is carried out; false: what it always
// means.
func (c *Call) moves(now time.Time, from *dialog.Leg, sig dialog.Signal) bool {
	if c.Moving.By == 0 {
		return false
	}
	by, target := c.leg(c.Moving.By), from != c.In && from.ID.Leg > uint8(c.Begun)
	switch sig := sig.(type) {
	case dialog.Progress:
		c.tell(now, sig.Code, sig.Phrase, false)
		return true
	case dialog.Answer:
		c.Moving.Until = now.Add(64 * c.In.Policy.Timers.T1) // beyond that no 491 is an answer
		body, err := c.carried(from, c.In, sig.Body, false)
		if sig.Body.Empty() || err != nil { // nothing that the caller could be asked
			c.step(now, from, dialog.End{Cause: dialog.Cause{Why: dialog.Rejected, Code: 488, Q850: 65}})
			c.stays(now, dialog.Cause{Code: 488})
			return true
		}
		c.step(now, c.In, dialog.Modify{Method: "INVITE", Body: body, Join: true})
		return true
	case dialog.Modified:
		switch {
		case !sig.Join && from == c.In && by.State == dialog.Leaving:
			c.step(now, c.In, dialog.Alone{}) // what it was asked for, and its answer
		case !sig.Join:
			return false
		default:
			joining := c.Out[len(c.Out)-1]
			if sig.Code < 300 && !sig.Body.Empty() {
				body, err := c.carried(c.In, joining, sig.Body, true)
				if err == nil {
					c.moved(now, body)
					return true
				}
				// It has given up what was for what nobody can carry: no session is left.
				c.tell(now, noMedia(err).Code, "", true)
				c.hangup(now, noMedia(err))
				return true
			}
			if sig.Code < 300 { // it has agreed to nothing
				sig.Code, sig.Phrase = 488, ""
			}
			c.step(now, joining, dialog.End{Cause: dialog.Cause{Why: dialog.Rejected, Code: sig.Code, Q850: 31}})
			c.stays(now, dialog.Cause{Code: sig.Code, Phrase: sig.Phrase})
		}
		return true
	case dialog.End:
		return c.leaves(now, from, by, target, sig)
	case dialog.Modify:
		if sig.Unasked > 0 {
			return target // of a session that the caller is not in
		}
		// While the caller is asked for another change, or there is nobody to ask.
		if target || from == by && c.joining() || by.State == dialog.Leaving {
			c.step(now, from, dialog.Modified{Code: 491})
			return true
		}
	case dialog.Info:
		return c.unheard(now, from, by, target, sig.Ref, 500)
	case dialog.Refer:
		return c.unheard(now, from, by, target, sig.Ref, 500)
	case dialog.Notify:
		return c.unheard(now, from, by, target, sig.Ref, 481)
	case dialog.Setup, dialog.Confirm, dialog.Informed, dialog.Alone:
	}
	return false
}

// joining says that the target has answered, and the caller is being asked.
func (c *Call) joining() bool {
	n := len(c.Out)
	return c.Moving.By != 0 && n > c.Begun && c.Out[n-1].Marks.Code/100 == 2
}

// unheard answers what has nobody on the other side: a target that is not joined yet, a
// caller whose carrier has referred it and hung up.
func (c *Call) unheard(now time.Time, from, by *dialog.Leg, target bool, ref uint16, code int) bool {
	if !target && by.State != dialog.Leaving {
		return false
	}
	c.step(now, from, dialog.Informed{Ref: ref, Code: code, RetryAfter: 1})
	return true
}

// leaves is a leg that ends meanwhile: the target that is tried, who has asked, or, as
// always, the caller.
func (c *Call) leaves(now time.Time, from, by *dialog.Leg, target bool, sig dialog.End) bool {
	cause := sig.Cause
	switch {
	case from == by: // a blind transfer: the caller waits for the target (RFC 5589 §6.1)
		c.step(now, c.In, dialog.Alone{})
	case !target:
		return false
	case from.Marks.Code/100 == 2: // answered, and gone: that was the call
		c.tell(now, 200, "", true)
		c.close(now, cause, c.endedBy("carrier", cause))
		c.step(now, by, dialog.End{Cause: cause})
		c.step(now, c.In, dialog.End{Cause: cause})
	default:
		c.hunt(now, sig)
	}
	return true
}

// moved joins the caller to the target.
func (c *Call) moved(now time.Time, answer dialog.Body) {
	c.Winner = len(c.Out) - 1
	c.step(now, c.In, dialog.Alone{Session: c.Out[c.Winner].SessionID.Remote})
	c.step(now, c.Out[c.Winner], dialog.Confirm{Body: answer})
	c.tell(now, 200, "", true)
	by := c.leg(c.Moving.By)
	c.Moving = Moving{}
	c.step(now, by, dialog.End{Cause: dialog.Cause{Why: dialog.Transferred, Code: 480, Q850: 16}})
}

// stays is the end of a transfer that has come to nothing: the call is as it was, or over
// where who has asked did not wait.
func (c *Call) stays(now time.Time, last dialog.Cause) {
	code, phrase, _ := outward(last.Code, last.Phrase, 0)
	c.tell(now, code, phrase, true)
	by := c.leg(c.Moving.By)
	c.Targets, c.Moving = nil, Moving{}
	if by.State == dialog.Leaving {
		c.close(now, by.Cause, c.endedBy("carrier", by.Cause))
		c.step(now, c.In, dialog.End{Cause: by.Cause})
	}
}

// giveUp ends a transfer that has taken too long. A caller that is being asked has yet to
// answer for the last time.
func (c *Call) giveUp(now time.Time) {
	c.Moving.Until, c.Targets = time.Time{}, nil
	if c.joining() {
		c.step(now, c.In, dialog.Modify{Join: true})
		return
	}
	cause := dialog.Cause{Why: dialog.NoAnswer, Code: 408, Q850: 19}
	if len(c.Out) > c.Begun {
		c.step(now, c.Out[len(c.Out)-1], dialog.End{Cause: cause})
	}
	c.stays(now, cause)
}

// referring is the setup of an attempt that a transfer makes: of the caller, with no offer,
// and with the word of who has asked (RFC 3892 §2.2).
func (c *Call) referring(setup dialog.Setup, to *Target) dialog.Setup {
	setup.Body, setup.Headers, setup.Reliable = dialog.Body{}, nil, false
	setup.Number, setup.Params, setup.Diversions = to.Number, "", nil // the call is for whom it is referred to
	if own := c.In.SessionID.Remote; own != (dialog.UUID{}) {
		setup.Headers = append(setup.Headers, dialog.Header{Name: "Session-ID", Value: own.String()})
	}
	if c.Moving.Who != "" {
		setup.Headers = append(setup.Headers, dialog.Header{Name: "Referred-By", Value: to.Policy.ReferredBy(c.Moving.Who, to.Path.Transport)})
	}
	return setup
}
