package b2bua

import (
	"time"

	"bulkhead/dialog"
)

// Observer sees what goes over the wire for the calls, for ladders and traces. Its methods
// are called while a call is stepped, for one call one after the other: they must not block.
type Observer interface {
	Saw(Sight)
	// Hunted tells of an attempt that has failed.
	Hunted(dialog.CallID, Failover)
	// Ended takes the record of a call when it is written; more may be seen of the call.
	Ended(dialog.CallID, Record)
	// Left says that nothing more will be seen of a call here: nothing is left to absorb, or
	// another node has it.
	Left(dialog.CallID)
}

// Sight is a message that crossed the wire or, without Data, what became of the last one
// that came in on its leg.
type Sight struct {
	Call   dialog.CallID
	Leg    uint8
	Peer   string // the trunk or carrier
	In     bool
	At     time.Time
	Path   dialog.Path // by which it came or goes
	Method string      // of the request, or of the request that is answered
	Code   int         // status code; 0: a request
	Data   []byte      // must not be changed
	Repeat bool        // of ours: the bytes have been sent before
	Note   string      // a dialog.Drop's name; empty: it went on
}

// Observers are several as one.
type Observers []Observer

// Saw is Observer.
func (all Observers) Saw(s Sight) {
	for _, o := range all {
		o.Saw(s)
	}
}

// Hunted is Observer.
func (all Observers) Hunted(id dialog.CallID, f Failover) {
	for _, o := range all {
		o.Hunted(id, f)
	}
}

// Ended is Observer.
func (all Observers) Ended(id dialog.CallID, r Record) {
	for _, o := range all {
		o.Ended(id, r)
	}
}

// Left is Observer.
func (all Observers) Left(id dialog.CallID) {
	for _, o := range all {
		o.Left(id)
	}
}

// saw shows the observer, where there is one, what crossed the wire, without keys.
func (e *Engine) saw(s Sight) {
	if e.observer != nil {
		s.Data = masked(s.Data)
		e.observer.Saw(s)
	}
}
