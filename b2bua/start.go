package b2bua

import "time"

// Start tells that a call has been answered. It is no record of the call, which comes when it
// ends and has all of this as well: it is for who counts, bills or watches calls while they
// run. A node that dies at that instant may leave it out; none is given out twice by one node.
type Start struct {
	Schema   int       `json:"schema"` // 1
	Kind     string    `json:"kind"`   // start
	Call     string    `json:"call"`
	Trunk    string    `json:"trunk"`
	CallID   string    `json:"call_id"` // of the trunk's leg
	From     string    `json:"from"`
	Asserted string    `json:"asserted,omitempty"`
	To       string    `json:"to"`
	Began    time.Time `json:"began"`
	Ringing  time.Time `json:"ringing,omitzero"`
	Answered time.Time `json:"answered"`
	Attempts int       `json:"attempts"` // the last of them was answered
	Carrier  string    `json:"carrier"`
	Gateway  string    `json:"gateway"`
	Number   string    `json:"number"` // that the carrier was asked for
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
