package ops

import (
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Feed tells those who listen what happens to calls, as it happens, and those who come
// later what went wrong last. Nobody who is slow holds a call up: what one cannot take is
// counted, and told when there is room again.
//
// It is a b2bua.Observer. The zero value has no listeners, and costs a call a few
// nanoseconds.
type Feed struct {
	some      atomic.Bool // there are listeners
	missed    atomic.Uint64
	mu        sync.RWMutex
	listeners map[*listener]bool

	past  sync.Mutex
	wrong [wrongs]Step // the last that went wrong, from next on
	next  int
	ended [minute]struct {
		at    int64 // Unix time
		calls int
	}
}

// What is remembered for those who come later.
const (
	wrongs = 20
	minute = 60
)

// Step is something that has happened to a call.
type Step struct {
	At      time.Time `json:"at"`
	Node    string    `json:"node,omitempty" doc:"Where it has happened."`
	Call    string    `json:"call"`
	What    string    `json:"what" enum:"attempt,progress,answered,failed,ended"`
	Attempt int       `json:"attempt,omitempty" doc:"From 1."`
	Peer    string    `json:"peer,omitempty" doc:"The trunk or carrier."`
	Code    int       `json:"code,omitempty" doc:"Of the response."`
	Cause   string    `json:"cause,omitempty"`
	Next    string    `json:"next,omitempty" doc:"The carrier that is tried after one that failed."`
	Result  string    `json:"result,omitempty" enum:"answered,failed,cancelled" doc:"Of a call that has ended."`
	Seconds float64   `json:"seconds,omitempty" doc:"From the answer."`
}

// Message is one that crossed the wire.
type Message struct {
	At     time.Time `json:"at"`
	Node   string    `json:"node,omitempty" doc:"Whose wire it was."`
	Call   string    `json:"call"`
	Leg    int       `json:"leg" doc:"0: the trunk's; n: attempt n's."`
	Peer   string    `json:"peer"`
	In     bool      `json:"in"`
	Method string    `json:"method"`
	Code   int       `json:"code,omitempty" doc:"Absent: a request."`
	Repeat bool      `json:"repeat,omitempty" doc:"Of ours: sent before."`
	Note   string    `json:"note,omitempty" doc:"Why the last one that came in on the leg went no further; there is no method then."`
}

// Missed says that the listener was too slow for so many events.
type Missed struct {
	Node   string `json:"node,omitempty" doc:"Where they were lost."`
	Events uint64 `json:"events"`
}

// listener is somebody who listens: to the steps of all calls, or to one call wholly.
type listener struct {
	call   dialog.CallID
	one    bool
	events chan any
	missed atomic.Uint64
	all    *atomic.Uint64 // of all listeners
}

// waiting is how many events may wait for a listener.
const waiting = 1024

// give puts an event to what waits for the listener, or counts it as missed.
func (l *listener) give(event any) {
	select {
	case l.events <- event:
	default:
		l.missed.Add(1)
		l.all.Add(1)
	}
}

// Missed is how many events listeners were too slow for.
func (f *Feed) Missed() uint64 { return f.missed.Load() }

// newListener listens to all calls or to one, once it has joined.
func newListener(f *Feed, call *dialog.CallID) *listener {
	l := &listener{events: make(chan any, waiting), all: &f.missed}
	if call != nil {
		l.call, l.one = *call, true
	}
	return l
}

// join has a listener hear what happens here, until it leaves.
func (f *Feed) join(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listeners == nil {
		f.listeners = map[*listener]bool{}
	}
	f.listeners[l] = true
	f.some.Store(true)
}

func (f *Feed) leave(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.listeners, l)
	f.some.Store(len(f.listeners) > 0)
}

// tell gives an event to those whom it concerns.
func (f *Feed) tell(call dialog.CallID, event any, detail bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	for l := range f.listeners {
		if l.one && l.call != call || !l.one && detail {
			continue
		}
		l.give(event)
	}
}

// Saw is b2bua.Observer.
func (f *Feed) Saw(s b2bua.Sight) {
	if !f.some.Load() {
		return
	}
	at := s.At.UTC()
	if s.Data == nil {
		f.tell(s.Call, Message{At: at, Call: s.Call.String(), Leg: int(s.Leg), Peer: s.Peer, In: s.In, Note: s.Note}, true)
		return
	}
	f.tell(s.Call, Message{At: at, Call: s.Call.String(), Leg: int(s.Leg), Peer: s.Peer, In: s.In, Method: s.Method, Code: s.Code, Repeat: s.Repeat}, true)
	if s.In || s.Repeat || s.Method != "INVITE" {
		return
	}
	step := Step{At: at, Call: s.Call.String(), Peer: s.Peer, Code: s.Code}
	switch {
	case s.Leg > 0 && s.Code == 0:
		step.What, step.Attempt = "attempt", int(s.Leg)
	case s.Leg == 0 && s.Code > 100 && s.Code < 200:
		step.What = "progress"
	case s.Leg == 0 && s.Code >= 200 && s.Code < 300:
		step.What = "answered"
	default:
		return
	}
	f.tell(s.Call, step, false)
}

// Hunted is b2bua.Observer.
func (f *Feed) Hunted(call dialog.CallID, a b2bua.Failover) {
	s := Step{At: time.Now().UTC(), Call: call.String(), What: "failed", Attempt: a.Attempt, Peer: a.Carrier, Code: a.Cause.Code, Cause: a.Cause.Why.String(), Next: a.Next}
	f.remember(s)
	if f.some.Load() {
		f.tell(call, s, false)
	}
}

// Ended is b2bua.Observer.
func (f *Feed) Ended(call dialog.CallID, r b2bua.Record) {
	s := Step{At: r.Ended.UTC(), Call: r.Call, What: "ended", Peer: r.Trunk, Code: r.Code, Cause: r.Cause, Result: r.Result, Seconds: r.Duration}
	f.past.Lock()
	e := &f.ended[r.Ended.Unix()%minute]
	if e.at != r.Ended.Unix() {
		e.at, e.calls = r.Ended.Unix(), 0
	}
	e.calls++
	f.past.Unlock()
	if len(r.Attempts) == 0 && r.Result == "failed" { // otherwise an attempt has told
		f.remember(s)
	}
	if f.some.Load() {
		f.tell(call, s, false)
	}
}

// remember keeps what went wrong.
func (f *Feed) remember(s Step) {
	f.past.Lock()
	defer f.past.Unlock()
	f.wrong[f.next%wrongs] = s
	f.next++
}

// lately is how many calls ended in a second, of the last minute, and what went wrong last,
// the latest first.
func (f *Feed) lately(now time.Time) (rate float64, wrong []Step) {
	f.past.Lock()
	defer f.past.Unlock()
	for _, e := range f.ended {
		if age := now.Unix() - e.at; age >= 0 && age < minute {
			rate += float64(e.calls) / minute
		}
	}
	for i := range min(f.next, wrongs) {
		wrong = append(wrong, f.wrong[(f.next-1-i)%wrongs])
	}
	return rate, wrong
}

// Left is b2bua.Observer.
func (f *Feed) Left(dialog.CallID) {}
