package dialog

import "time"

// Signal is a fact that one leg tells the others. It is the closed set of what
// can cross the bulkhead: no message, no retransmission, no response that
// matches no live transaction can be written as one.
//
//sumtype:decl
type Signal interface {
	Event
	Action
	signal()
}

// Setup says that a call has arrived: what the trunk asked for, free of
// everything that belongs to the trunk's side alone.
type Setup struct {
	Call        CallID
	Trunk       string      // name of the trunk
	Number      string      // who is called: E.164 where the trunk's country tells how, else as it came; to an attempt, as it is to be dialled
	Params      string      // of the number, such as ;rn=+33199;npdi (RFC 4694); empty: none
	Domain      string      // host of the Request-URI, as it came
	Caller      Party       // as it came in From
	Asserted    Party       // who it is, where the trunk is believed in that (RFC 3325)
	Privacy     Privacy     // what it asks to be withheld
	Diversions  []Diversion // the last first
	MaxForwards int         // as it is to be sent on: the received value less one
	Body        Body
	MinSE       time.Duration // the least session interval that the carrier accepts, where it has said so
	EarlyMedia  string        // P-Early-Media of the INVITE (RFC 5009)
	Reliable    bool          // the caller takes provisionals reliably (RFC 3262)
	Headers     []Header      // what the trunk's profile lets pass, in order
}

// Party is who calls, from the From header field (RFC 3261 §20.20).
type Party struct {
	Display string // without quotes; empty: none
	User    string // user part of the URI; empty: none
}

// Header is one header field that may pass from one side to the other.
type Header struct{ Name, Value string }

// Body is a message body and the Content-Type that it came with.
// The zero Body is no body.
type Body struct {
	Type string
	Data []byte
}

// Empty says that there is no body.
func (b Body) Empty() bool { return len(b.Data) == 0 }

// Progress is a provisional response that the other side may hear of: a new
// code, a new early dialog or a new body (RFC 3261 §13.2.2.1). Repeats of the
// same are not a Progress.
type Progress struct {
	Code   int // 180 to 198: what else there is says nothing that the other side could use
	Phrase string
	Body   Body

	Reliable   bool   // it was acknowledged, and what it describes holds (RFC 3262)
	EarlyMedia string // P-Early-Media of it (RFC 5009)
	Headers    []Header
}

// Answer is the first 2xx of the leg that has been asked to set up the call.
type Answer struct {
	Code    int
	Phrase  string
	Body    Body
	Headers []Header
}

// Confirm says that the caller has acknowledged the answer; Body carries the
// SDP answer where the offer came in the 2xx (RFC 3261 §13.2.1).
type Confirm struct {
	Early bool // not of the answer: of a reliable provisional that brought the offer (RFC 3262 §5)
	Body  Body
}

// Modify asks the other side to change the session, by re-INVITE (RFC 3261
// §14) or UPDATE (RFC 3311).
type Modify struct {
	Method  string // INVITE or UPDATE
	Body    Body
	Headers []Header

	// Unasked says that no request waits for the answer: the peer has described something
	// new in answer to a change of our own. It counts how often that has gone to and fro.
	Unasked uint8
	Join    bool // of somebody who takes the other side's place: asked until it is answered; without a body: no more
}

// Modified is the final answer to a Modify.
type Modified struct {
	Code       int
	Phrase     string
	Body       Body
	RetryAfter int // seconds; 0: none
	Reasons    []string
	Headers    []Header
	Join       bool // to a Modify that was one
}

// Info carries a request of the application inside the dialog (RFC 6086): it asks
// nothing of the session.
type Info struct {
	Ref     uint16 // number of the request on the leg that tells it: comes back in Informed
	Method  string
	Body    Body
	Headers []Header
}

// Informed is the final answer to an Info.
type Informed struct {
	Ref        uint16
	Code       int
	Phrase     string
	Body       Body
	Headers    []Header
	RetryAfter int // seconds; 0: none
}

// Refer carries a transfer (RFC 3515).
type Refer struct {
	Ref      uint16 // number of the REFER on the leg that tells it: comes back in Informed and Notify
	URI      string // who is to be called; empty: User, wherever the other side dials
	User     string
	Replaces Replaces // the dialog to take over, as who is called knows it
	Call     CallID   // of ours, whose dialog that is; zero: of none
	By       string   // user part of who refers; empty: not said
	Silent   bool     // no NOTIFYs are wanted (RFC 4488)
}

// Notify says how a transfer goes (RFC 3515 §2.4.4).
type Notify struct {
	Ref    uint16 // number of the NOTIFY, comes back in Informed; 0: our own word
	Of     uint16 // Refer.Ref
	Code   int    // of the call that was asked for
	Phrase string
	Over   bool // nothing follows
}

// Alone tells a leg that nobody is on the other side any more, and that it is to go on:
// somebody else will be.
type Alone struct {
	Session UUID // of who takes the place (RFC 7989); zero: none is known
}

// End says that a leg is over, or tells one to be over. A leg says it once.
type End struct {
	Cause    Cause
	Headers  []Header
	Contacts []string // URIs where a redirection says that the callee may be had, the best first
}
