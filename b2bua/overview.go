package b2bua

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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
	Strays   int // messages that came on one of its legs after they mattered
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
	o.Strays = c.In.Marks.Absorbed
	for _, leg := range c.Out {
		o.Strays += leg.Marks.Absorbed
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
	return callState(c.Written, !c.EndedAt.IsZero(), c.Winner >= 0, c.In.State)
}

// callState is where a call stands: by whether its record is written, it has ended, it was
// answered, and by the trunk's leg.
func callState(written, ended, answered bool, in dialog.State) CallState {
	switch {
	case written:
		return Settling
	case ended:
		return Ending
	case answered:
		return Up
	case in == dialog.Early:
		return Ringing
	}
	return Hunting
}

// Overviews are all calls in short, in no order. missing is how many did not come to say
// so before the context ended: they wait for the store.
func (e *Engine) Overviews(ctx context.Context) (all []Overview, missing int) {
	strands := e.strands()
	at := make([]Overview, len(strands)) // each strand's has its place; without a name there is none
	late := &latecomers{complete: make(chan struct{})}
	late.pending.Store(1)
	each := 1 + len(strands)/runtime.GOMAXPROCS(0)
	var looking sync.WaitGroup
	for from := 0; from < len(strands); from += each {
		to := min(from+each, len(strands))
		looking.Go(func() {
			for i, s := range strands[from:to] {
				at[from+i] = s.overview(late)
			}
		})
	}
	looking.Wait()
	if late.arrived(); late.pending.Load() > 0 {
		select {
		case <-late.complete:
		case <-ctx.Done():
		}
	}
	all = slices.DeleteFunc(at, func(o Overview) bool { return o.Began.IsZero() })
	late.mu.Lock()
	defer late.mu.Unlock()
	return append(all, late.all...), int(late.pending.Load())
}

// latecomers are calls on which somebody works: they say how they stand when they have done
// what has come for them so far.
type latecomers struct {
	pending  atomic.Int64 // and one for who asks
	complete chan struct{}

	mu  sync.Mutex
	all []Overview
}

// say takes what a call says.
func (l *latecomers) say(o Overview, there bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if there {
		l.all = append(l.all, o)
	}
	l.arrived()
}

// arrived counts one that is waited for no longer.
func (l *latecomers) arrived() {
	if l.pending.Add(-1) == 0 {
		close(l.complete)
	}
}

// overview is the call in short, if nobody works on it; who does says it later.
func (s *strand) overview(late *latecomers) (o Overview) {
	s.mu.Lock()
	if s.running && !s.gone {
		s.mu.Unlock()
		late.pending.Add(1)
		if !s.put(item{state: func(s *strand) { late.say(s.brief()) }}) {
			late.say(o, false)
		}
		return o
	}
	defer s.mu.Unlock()
	switch {
	case s.gone:
	case s.packed.data != nil:
		o, _ = s.opened()
	default:
		o, _ = s.brief()
	}
	return o
}

// opened is the overview of a packed call, whose record stays as it is.
func (s *strand) opened() (o Overview, there bool) {
	s.guard("panic while looking at a call", func() {
		if o, there = glimpse(s.packed.data); there {
			return
		}
		if call, err := Decode(s.packed.data, s.profiles); err == nil {
			o, there = call.Overview(), true
		}
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
		s.guard("panic while looking at a call", func() {
			s.hear()
			at(s.call)
		})
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
