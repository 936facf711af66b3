package b2bua

import (
	"context"
	"runtime"
	"sync"
	"time"

	"bulkhead/dialog"
)

// Overview is a call in short.
type Overview struct {
	ID       dialog.CallID
	Trunk    string
	From, To string // who calls, and the number that was dialled
	State    CallState
	Carrier  string // of the last attempt, or of the one that was answered
	Gateway  string
	Number   string // that was asked for there
	Attempts int
	Began    time.Time
	Answered time.Time // zero: not answered
	Ended    time.Time // zero: it has not
}

// CallState is where a call stands, in an operator's word.
type CallState uint8

// The states of a call, in their order.
const (
	Hunting  CallState = iota // no carrier has said that it rings
	Ringing                   // the caller has been told so, or hears early media
	Up                        // answered
	Ending                    // a BYE, CANCEL or final response is on its way
	Settling                  // its record is written; what peers still say is absorbed
)

// CallStates are the words for them.
var CallStates = [...]string{"hunting", "ringing", "up", "ending", "settling"}

// String is the word.
func (s CallState) String() string { return CallStates[s] }

// Overview is the call in short.
func (c *Call) Overview() Overview {
	o := Overview{
		ID: c.ID, Trunk: c.Setup.Trunk, From: c.Setup.Caller.User, To: c.Setup.Number, Attempts: len(c.Out),
		Began: c.In.Marks.Began, Answered: c.Answered, Ended: c.EndedAt,
	}
	n := len(c.Out) - 1
	if c.Winner >= 0 {
		n = c.Winner
	}
	if n >= 0 {
		o.Carrier, o.Gateway, o.Number = c.Out[n].Target.Carrier, c.Out[n].Target.Gateway, c.Out[n].Target.Number
	}
	o.State = c.State()
	return o
}

// State is where the call stands.
func (c *Call) State() CallState {
	switch {
	case c.Written:
		return Settling
	case !c.EndedAt.IsZero():
		return Ending
	case c.Winner >= 0:
		return Up
	case c.In.State == dialog.Early:
		return Ringing
	}
	return Hunting
}

// Overviews are all calls in short, in no order. missing is how many did not come to say
// so before the context ended: they wait for the store.
func (e *Engine) Overviews(ctx context.Context) (all []Overview, missing int) {
	strands := e.strands()
	var mu sync.Mutex // of all and missing
	missing = len(strands)
	complete := make(chan struct{})
	say := func(o Overview, there bool) {
		mu.Lock()
		defer mu.Unlock()
		if there {
			all = append(all, o)
		}
		if missing--; missing == 0 {
			close(complete)
		}
	}
	if missing == 0 {
		return nil, 0
	}
	each := 1 + len(strands)/runtime.GOMAXPROCS(0)
	for part := strands; len(part) > 0; part = part[min(each, len(part)):] {
		go func() {
			for _, s := range part[:min(each, len(part))] {
				s.overview(say)
			}
		}()
	}
	select {
	case <-complete:
	case <-ctx.Done():
	}
	mu.Lock()
	defer mu.Unlock()
	return all[:len(all):len(all)], missing
}

// overview says the call in short, at once if nobody works on it, and otherwise when what
// has come for it so far has been stepped. What it says of a packed call is remembered
// for the next time.
func (s *strand) overview(say func(Overview, bool)) {
	s.mu.Lock()
	if s.running && !s.gone {
		s.mu.Unlock()
		if !s.put(item{state: func(s *strand) { say(s.brief()) }}) {
			say(Overview{}, false)
		}
		return
	}
	defer s.mu.Unlock()
	switch {
	case s.gone:
		say(Overview{}, false)
	case s.short != nil:
		say(*s.short, true)
	case s.packed.data != nil:
		o, there := s.opened()
		if there {
			s.short = &o
		}
		say(o, there)
	default:
		say(s.brief())
	}
}

// opened is the overview of a packed call, whose record stays as it is.
func (s *strand) opened() (o Overview, there bool) {
	s.guard("panic while looking at a call", func() {
		call, err := Decode(s.packed.data, s.profiles)
		if err != nil {
			return
		}
		o, there = call.Overview(), true
	})
	return o, there
}

// brief is the overview of a call that is not packed; false: a defect has ended it.
func (s *strand) brief() (o Overview, there bool) {
	if s.call == nil {
		return o, false
	}
	s.guard("panic while looking at a call", func() { o, there = s.call.Overview(), true })
	return o, there
}

// Inspect calls at with a call as it stands now; it must keep nothing of it. False: there
// is no such call, or the context has ended before it could be looked at.
func (e *Engine) Inspect(ctx context.Context, id dialog.CallID, at func(*Call)) bool {
	seen := make(chan bool, 1)
	var mu sync.Mutex // of over
	over := false
	look := item{state: func(s *strand) {
		mu.Lock()
		defer mu.Unlock()
		if over || s.call == nil {
			seen <- false
			return
		}
		s.guard("panic while looking at a call", func() { at(s.call) })
		seen <- true
	}}
	if !e.give(id, look) {
		return false
	}
	select {
	case there := <-seen:
		return there
	case <-ctx.Done():
		mu.Lock()
		defer mu.Unlock()
		over = true
		return false
	}
}

// HangupOf ends one call, for the given cause; false: there is none such, or it has
// ended.
func (e *Engine) HangupOf(id dialog.CallID, cause dialog.Cause) bool {
	sh := e.shard(id)
	sh.mu.Lock()
	s := sh.strands[id]
	sh.mu.Unlock()
	return s != nil && s.put(item{command: Hangup{Cause: cause}})
}
