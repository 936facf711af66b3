package dialog

import "time"

// Event is what can happen to a leg.
//
//sumtype:decl
type Event interface{ event() }

// Received is a message of the peer, read once by Read.
type Received struct {
	Message *Message
	Path    Path // where it came from and by which of our sockets

	Replaced *Replaced // of a REFER whose Replaces names a dialog of ours; nil: of none that is up
}

// Due says that Deadline may have passed.
type Due struct{}

// Unsent says that the bytes of a Send could not be put on the wire.
type Unsent struct {
	Tx  uint16 // Send.Tx
	Why string // for the record: "connection refused", ...
}

// Action is what a leg wants done. The shell does it in the order returned.
//
//sumtype:decl
type Action interface{ action() }

// Send puts Data on the wire, as it is.
type Send struct {
	Leg      uint8  // of the call
	Tx       uint16 // number of the transaction in the leg, comes back in Unsent; 0: none
	Path     Path
	Fallback Path // where Path's connection is gone: may be zero
	Data     []byte

	// What it is, for ladders, counters and the watch over the promises.
	Method string // method of the request, or of the request that is answered
	Code   int    // status code; 0: a request
	Repeat bool   // the bytes have been sent before

	Promise bool // it rests on state that has to be safe before it goes out (W2)
}

// Drop says that a message was absorbed or refused without an answer, and why
// (promise P11). Name is of a fixed small set: see the constants.
type Drop struct {
	Leg    uint8
	Name   string
	Method string
	Code   int // status code of a response; 0: a request
	At     time.Time
}

func (Received) event() {}
func (Due) event()      {}
func (Unsent) event()   {}

func (Send) action() {}
func (Drop) action() {}

func (Setup) event()    {}
func (Progress) event() {}
func (Answer) event()   {}
func (Confirm) event()  {}
func (Modify) event()   {}
func (Modified) event() {}
func (Info) event()     {}
func (Informed) event() {}
func (Refer) event()    {}
func (Notify) event()   {}
func (Alone) event()    {}
func (End) event()      {}

func (Setup) action()    {}
func (Progress) action() {}
func (Answer) action()   {}
func (Confirm) action()  {}
func (Modify) action()   {}
func (Modified) action() {}
func (Info) action()     {}
func (Informed) action() {}
func (Refer) action()    {}
func (Notify) action()   {}
func (Alone) action()    {}
func (End) action()      {}

func (Setup) signal()    {}
func (Progress) signal() {}
func (Answer) signal()   {}
func (Confirm) signal()  {}
func (Modify) signal()   {}
func (Modified) signal() {}
func (Info) signal()     {}
func (Informed) signal() {}
func (Refer) signal()    {}
func (Notify) signal()   {}
func (Alone) signal()    {}
func (End) signal()      {}
