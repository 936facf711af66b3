package b2bua

import "time"

// Start tells that a call has been answered. It is no record of the call, which comes when it
// ends and has all of this as well: it is for who counts, bills or watches calls while they
// run. It is told at most once: the node that has the call when it is answered writes it, within
// milliseconds and without a sync of the disk, and it is not stored with the call. If that node
// dies first, who takes the call over tells no Start, and the Record alone says when it was
// answered. What a node that lives cannot write is counted (cdr_starts_lost_total).
type Start struct {
	Schema   int       `json:"schema"`             // 1
	Kind     string    `json:"kind"`               // start
	Call     string    `json:"call"`               // id of the call
	Trunk    string    `json:"trunk"`              // who called
	CallID   string    `json:"call_id"`            // of the trunk's leg
	From     string    `json:"from"`               // number or name of who called
	Asserted string    `json:"asserted,omitempty"` // who the trunk's side says is calling (RFC 3325)
	To       string    `json:"to"`                 // as one of E.164, where the trunk's country is known
	Began    time.Time `json:"began"`              // of the INVITE
	Ringing  time.Time `json:"ringing,omitzero"`   // first 180, 182 or 183 that the trunk got
	Answered time.Time `json:"answered"`           // by the carrier
	Attempts int       `json:"attempts"`           // the last of them was answered
	Carrier  string    `json:"carrier"`            // name of the carrier that answered
	Gateway  string    `json:"gateway"`            // as configured
	Number   string    `json:"number"`             // that the carrier was asked for
}

// Starts takes what is told of answered calls. It must not block.
type Starts interface{ Start(Start) }

// begins tells once that the call has been answered.
func (s *strand) begins(now time.Time) {
	starts := s.engine.config.Starts
	if starts == nil || s.begun || s.call == nil || s.call.Answered.IsZero() {
		return
	}
	s.begun = true
	r := s.call.Record(now)
	a := r.Attempts[s.call.Winner]
	starts.Start(Start{
		Schema: 1, Kind: "start", Call: r.Call, Trunk: r.Trunk, CallID: r.CallID, From: r.From, Asserted: r.Asserted, To: r.To,
		Began: r.Began, Ringing: r.Ringing, Answered: r.Answered, Attempts: len(r.Attempts), Carrier: a.Carrier, Gateway: a.Gateway, Number: a.Number,
	})
}
