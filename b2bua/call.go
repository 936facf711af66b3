package b2bua

import (
	"slices"
	"time"

	"bulkhead/b2bua/media"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Call is a call as a value: one inbound leg, the attempts made for it, what is
// left to try. Like a leg it is pure: Step takes the time and an event, and gives
// back what is to be done in the order in which it is to be done.
type Call struct {
	ID      dialog.CallID
	Setup   dialog.Setup
	In      *dialog.Leg
	Out     []*dialog.Leg // attempts, in their order; leg number n is Out[n-1]
	Targets []Target      // not tried yet
	Winner  int           // index in Out of the leg that answered; -1: none has
	Limit   time.Duration // longest duration from the answer
	Expires time.Time     // until the answer when the longest setup is over, then when Limit is reached; zero: ended
	Begun   int           // how many attempts there were before the hunt that is on
	Ended   dialog.Cause  // why the call ended, as the first leg to end says
	EndedBy string        // trunk, carrier or bulkhead
	EndedAt time.Time     // zero: it has not
	Written bool          // its record has been given out
	Version uint64        // of the state: rises with every Save
	Saved   time.Time     // when the state was given to the store last; the shell says so

	By    []uint8 // of each attempt, made and then to be made, the one that redirected to it, from 1; 0: the route's
	Skips []Skip  // contacts that were not tried

	Untried []Untried // targets that were skipped

	Answered  time.Time  // zero: not answered
	Transfers []Transfer // asked for, in their order
	Moving    Moving
	Choosing  time.Time // until when the targets are waited for; zero: they are known

	Media media.State

	chosen    []Target  // for a REFER that has just come
	profiles  []Profile // of the attempts made
	redirects Redirects // nil: none is followed
	judge     Judge     // nil: every target may be tried
	anchors   Anchors   // nil: descriptions pass as they are
	watch     Watch
	tail      []byte // of a record that a newer version wrote
	out       []Action
	changed   bool // since the last Save
	promise   bool // what is to be sent rests on the change
}

// Target is one carrier's gateway to try, and how to behave toward it.
type Target struct {
	dialog.Target
	Policy  *dialog.Policy
	Profile Profile
}

// Profile is what a carrier is like where calls are made. It is shared by many calls, and its
// methods are functions of their arguments: nothing of an attempt has to be kept.
type Profile interface {
	// Reroute says whether a failure of an attempt lets the next target be tried.
	Reroute(dialog.Cause) bool

	// Dress is the setup that the trunk has asked for as the carrier is to see it.
	Dress(dialog.Setup, carriers.Attempt) dialog.Setup
}

// Event is what can happen to a call.
//
//sumtype:decl
type Event interface{ event() }

// Arrived is a message that belongs to a leg of the call.
type Arrived struct {
	Leg uint8
	dialog.Received

	Targets []Target // of a REFER that we are to carry out
}

// Due says that Deadline may have passed.
type Due struct{}

// Unsent says that a Send of a leg failed.
type Unsent struct {
	Leg uint8
	dialog.Unsent
}

// Hangup asks for the call to be ended: by an operator, by a drain.
type Hangup struct{ Cause dialog.Cause }

func (Arrived) event() {}
func (Due) event()     {}
func (Unsent) event()  {}
func (Hangup) event()  {}

// Action is what a call wants done.
//
//sumtype:decl
type Action interface{ action() }

// Save stores the state of the call. With Wait, what follows is a promise to a
// peer: it is done once the state is safe, or the time for that is over.
type Save struct{ Wait bool }

// Send puts a leg's bytes on the wire.
type Send struct{ dialog.Send }

// Drop counts a message that went no further.
type Drop struct{ dialog.Drop }

// Failover tells of an attempt that failed and what is tried next.
type Failover struct {
	Attempt int // the one that failed, from 1; the next one where its carrier was passed over (dialog.NoCodec)
	Carrier string
	Cause   dialog.Cause
	Next    string // carrier; empty: nothing is left, or the cause stops the hunt
}

// Write gives out the call's record, once.
type Write struct{ Record Record }

// Violation says that a promise of design §1 was about to be broken; what would
// have broken it has not been done.
type Violation struct{ Name string }

func (Save) action()      {}
func (Send) action()      {}
func (Drop) action()      {}
func (Failover) action()  {}
func (Skip) action()      {}
func (Untried) action()   {}
func (Write) action()     {}
func (Violation) action() {}

// NewCall admits an INVITE: what is to be tried for it is known already. With no
// targets the call is refused for the given cause.
func NewCall(id dialog.CallID, now time.Time, a Admission) (*Call, []Action) {
	c := &Call{ID: id, Targets: a.Targets, Winner: -1, Limit: a.Limit, Ended: a.Refusal, redirects: a.Redirects, judge: a.Judge, anchors: a.Anchors}
	c.By = make([]uint8, len(a.Targets))
	for _, s := range a.Skipped {
		c.untried(s.Target, s.Why)
	}
	if a.Choosing {
		c.Choosing = now.Add(undecidedAfter)
	}
	if a.Setup > 0 {
		c.Expires = now.Add(a.Setup)
	}
	leg, actions := dialog.Inbound(dialog.ID{Call: id}, now, a.Trunk, a.Invite, a.From, a.Policy, a.Asked)
	c.In = leg
	c.run(now, leg, actions)
	return c, c.finish(now)
}

// Admission is all that a call begins with.
type Admission struct {
	Trunk     string
	Invite    *dialog.Message
	From      dialog.Path
	Policy    *dialog.Policy
	Asked     *dialog.Setup // what the trunk's profile makes of the INVITE; nil: what the INVITE says
	Targets   []Target
	Refusal   dialog.Cause       // why, where there are no targets
	Skipped   []carriers.Skipped // with the targets
	Choosing  bool               // none of this is known yet: Chosen tells
	Redirects Redirects          // nil: none is followed
	Judge     Judge              // nil: every target may be tried
	Anchors   Anchors            // nil: descriptions pass as they are
	Setup     time.Duration      // longest, from the INVITE to the answer; zero: as long as the legs' timers allow
	Limit     time.Duration      // longest duration
}

// Step takes an event and gives back what is to be done, in this order.
func (c *Call) Step(now time.Time, ev Event) []Action {
	switch ev := ev.(type) {
	case Arrived:
		if leg := c.leg(ev.Leg); leg != nil {
			c.chosen = ev.Targets
			c.step(now, leg, ev.Received)
			c.chosen = nil
		} else {
			c.out = append(c.out, Drop{dialog.Drop{Leg: ev.Leg, Name: dialog.DropNoTx, Method: ev.Message.Method, Code: ev.Message.Code, At: now}})
		}
	case Due:
		c.due(now)
	case Unsent:
		if leg := c.leg(ev.Leg); leg != nil {
			c.step(now, leg, ev.Unsent)
		}
	case Hangup:
		c.hangup(now, ev.Cause)
	case Chosen:
		c.decided(now, ev)
	case Silence:
		c.silent(now, ev)
	case Heard:
		c.heard(ev)
	}
	return c.finish(now)
}

// leg is a leg by its number in identifiers; nil: the call has none such.
func (c *Call) leg(n uint8) *dialog.Leg {
	switch {
	case n == 0:
		return c.In
	case int(n) <= len(c.Out):
		return c.Out[n-1]
	}
	return nil
}

// step gives an event to a leg and does what follows from it.
func (c *Call) step(now time.Time, leg *dialog.Leg, ev dialog.Event) {
	if _, end := ev.(dialog.End); end {
		c.watch.ended(leg)
	}
	heard := leg.Heard()
	actions := leg.Step(now, ev)
	c.changed = c.changed || leg.Heard() != heard
	c.run(now, leg, actions)
}

// run takes what a leg wants: messages go out, signals go to control.
func (c *Call) run(now time.Time, from *dialog.Leg, actions []dialog.Action) {
	for _, a := range actions {
		switch a := a.(type) {
		case dialog.Send:
			if name := c.watch.send(a); name != "" {
				c.out = append(c.out, Violation{name})
				continue
			}
			c.out = append(c.out, Send{a})
			c.changed = c.changed || !a.Repeat
			c.promise = c.promise || a.Promise
		case dialog.Drop:
			c.out = append(c.out, Drop{a})
		case dialog.Signal:
			c.changed = true
			c.promise = c.promise || promises(a)
			if name := c.watch.signal(from, a); name != "" {
				c.out = append(c.out, Violation{name})
				continue
			}
			c.control(now, from, a)
		}
	}
}

// due gives Due to every leg whose deadline has passed, and ends the call at its
// longest setup or duration.
func (c *Call) due(now time.Time) {
	if !c.Expires.IsZero() && !c.Expires.After(now) {
		c.Expires = time.Time{}
		c.hangup(now, c.expired())
	}
	if !c.Choosing.IsZero() && !c.Choosing.After(now) {
		c.decided(now, undecided())
	}
	if !c.Moving.Until.IsZero() && !c.Moving.Until.After(now) {
		c.giveUp(now)
	}
	for n := 0; n <= len(c.Out); n++ {
		leg := c.leg(uint8(n))
		if d := leg.Deadline(); !d.IsZero() && !d.After(now) {
			c.step(now, leg, dialog.Due{})
		}
	}
}

// expired is why a call ends by the clock: it has taken too long to be answered, as
// Timer C says (RFC 3261 §16.8), or has lasted too long since.
func (c *Call) expired() dialog.Cause {
	if c.Winner < 0 {
		return dialog.Cause{Why: dialog.Expired, Code: 408, Q850: 102, Reasons: []string{`Q.850;cause=102;text="Maximum setup time"`}}
	}
	return dialog.Cause{Why: dialog.Expired, Code: 480, Q850: 31, Reasons: []string{`Q.850;cause=31;text="Maximum duration"`}}
}

// promises says whether what a peer is told after a signal is something that it
// may rely on, so that it has to be stored before it is said: all but what a
// caller can do without (a provisional) or has said itself (an ACK).
func promises(sig dialog.Signal) bool {
	switch sig.(type) {
	case dialog.Setup, dialog.Answer, dialog.Modify, dialog.Modified, dialog.Info, dialog.Refer, dialog.Notify, dialog.End:
		return true // an Info too: a node that does not know of it would pass it on once more
	case dialog.Progress, dialog.Confirm, dialog.Informed, dialog.Alone:
	}
	return false
}

// finish ends a step. What is stored comes first; the record is written when
// nothing can be added to it, and that stores the end of the call as well.
func (c *Call) finish(now time.Time) []Action {
	c.parted()
	var first Action
	switch {
	case !c.Written && c.over():
		c.Written, c.Expires = true, time.Time{}
		c.Version++
		first = Write{c.Record(now)}
	case c.changed && !c.Written:
		c.Version++
		first = Save{Wait: c.promise}
	}
	out := c.out
	c.out, c.changed, c.promise = nil, false, false
	if first != nil {
		out = slices.Insert(out, 0, first)
	}
	return out
}

// Resume says what is to be done when a call has been taken over from another
// node. All that its peers may have missed is sent again, as if it had been lost:
// the last provisional to a trunk that waits, requests of ours that have no answer,
// responses that have no ACK. Carriers get a moment to show that they were heard.
func (c *Call) Resume(now time.Time) {
	if !c.Choosing.IsZero() {
		c.Choosing = now.Add(undecidedAfter)
	}
	for n := 0; n <= len(c.Out); n++ {
		c.leg(uint8(n)).Resume(now)
	}
}

// Rests says that nothing is to be done for the call before its deadline but what its
// peers ask for: Resume would change nothing.
func (c *Call) Rests() bool {
	if c.Written || !c.Choosing.IsZero() || c.Deadline().IsZero() {
		return false
	}
	for n := 0; n <= len(c.Out); n++ {
		if c.leg(uint8(n)).Resumes() {
			return false
		}
	}
	return true
}

// over says that every leg's record is complete.
func (c *Call) over() bool {
	for n := 0; n <= len(c.Out); n++ {
		if !c.leg(uint8(n)).Over() {
			return false
		}
	}
	return true
}

// Deadline is when Step wants Due. A call that is not Done always has one (P7).
func (c *Call) Deadline() time.Time {
	d := sooner(sooner(c.Expires, c.Choosing), c.Moving.Until)
	if until, alone := c.absorbs(); alone {
		return sooner(d, until)
	}
	for n := 0; n <= len(c.Out); n++ {
		d = sooner(d, c.leg(uint8(n)).Deadline())
	}
	return d
}

// sooner is the earlier of two times, of which the zero time is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// absorbs says until when the legs of a call that is over answer repeats, where that is all
// that is left: it is woken once, when the last has ended, and not for each.
func (c *Call) absorbs() (until time.Time, alone bool) {
	if !c.Written {
		return until, false
	}
	for n := 0; n <= len(c.Out); n++ {
		t, alone := c.leg(uint8(n)).Absorbs()
		if !alone {
			return until, false
		}
		if t.After(until) {
			until = t
		}
	}
	return until, true
}

// Done says that the call can be let go: its record is written and no leg has
// anything left to absorb.
func (c *Call) Done() bool {
	if !c.Written {
		return false
	}
	for n := 0; n <= len(c.Out); n++ {
		if !c.leg(uint8(n)).Done() {
			return false
		}
	}
	return true
}

// Abort ends one leg for a defect of ours, without a word to the others: each is
// aborted by itself.
func (c *Call) Abort(now time.Time, leg uint8, cause dialog.Cause) []Action {
	c.close(now, cause, "bulkhead")
	l := c.leg(leg)
	c.run(now, l, l.Step(now, dialog.End{Cause: cause}))
	return c.finish(now)
}
