package b2bua

import (
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Record is the call detail record: one a call, listing every attempt (R19).
// Its JSON form is the schema of cdr.file.
type Record struct {
	Schema   int       `json:"schema"` // 1
	Call     string    `json:"call"`
	Trunk    string    `json:"trunk"`
	CallID   string    `json:"call_id"` // of the trunk's leg
	From     string    `json:"from"`
	Asserted string    `json:"asserted,omitempty"` // who the trunk's side says is calling (RFC 3325)
	To       string    `json:"to"`                 // as one of E.164, where the trunk's country is known
	Began    time.Time `json:"began"`
	Ringing  time.Time `json:"ringing,omitzero"`
	Answered time.Time `json:"answered,omitzero"`
	Ended    time.Time `json:"ended"`
	Duration float64   `json:"duration"` // seconds from the answer; 0: not answered
	Result   string    `json:"result"`   // answered, failed, cancelled
	Code     int       `json:"code"`     // the final response that the trunk got; 0: none
	Cause    string    `json:"cause"`    // why it ended: a dialog.Why
	Status   int       `json:"status"`   // SIP code of that cause
	Q850     int       `json:"q850,omitempty"`
	Reason   []string  `json:"reason,omitempty"`
	EndedBy  string    `json:"ended_by"` // trunk, carrier, bulkhead
	Attempts []Attempt `json:"attempts"`

	Untried []UntriedRecord `json:"untried,omitempty"`

	Transfers []TransferRecord `json:"transfers,omitempty"`
}

// UntriedRecord is a target of the route that was skipped.
type UntriedRecord struct {
	Carrier string `json:"carrier"`
	Gateway string `json:"gateway"`
	Reason  string `json:"reason"`           // of carriers.Skipped, such as down, calls, cps
	Detail  string `json:"detail,omitempty"` // by whom and for what, where somebody has ordered it
}

// TransferRecord is a transfer that a peer has asked for.
type TransferRecord struct {
	By     string    `json:"by"`             // trunk, carrier
	Name   string    `json:"name"`           // of the trunk or carrier
	To     string    `json:"to"`             // number or URI
	Call   string    `json:"call,omitempty"` // the other call, where two were to become one
	How    string    `json:"how"`            // relay, follow
	At     time.Time `json:"at"`
	Status int       `json:"status,omitempty"` // what the call that was asked for came to, as far as known; 0: no answer
}

// Attempt is one outbound leg in the record.
type Attempt struct {
	Carrier  string    `json:"carrier"`
	Gateway  string    `json:"gateway"`
	Address  string    `json:"address,omitempty"` // where it was tried, if the gateway is a name
	Number   string    `json:"number"`
	Dialled  string    `json:"dialled,omitempty"` // how the carrier was asked for it, where that is another
	CallID   string    `json:"call_id"`
	Began    time.Time `json:"began"`
	Trying   time.Time `json:"trying,omitzero"`
	Ringing  time.Time `json:"ringing,omitzero"`
	Final    time.Time `json:"final,omitzero"`
	Code     int       `json:"code,omitempty"` // the carrier's final response; 0: none came
	Phrase   string    `json:"phrase,omitempty"`
	Q850     int       `json:"q850,omitempty"`
	Reason   []string  `json:"reason,omitempty"`
	Cause    string    `json:"cause"` // why the attempt ended: a dialog.Why
	NotSent  bool      `json:"not_sent,omitempty"`
	Text     string    `json:"text,omitempty"` // of a transport's error
	Absorbed int       `json:"absorbed"`       // messages dealt with on this leg after they mattered
	Late     bool      `json:"answered_after_cancel,omitempty"`

	EarlyMedia   time.Time `json:"early_media,omitzero"`       // first provisional with a description
	RedirectedBy int       `json:"redirected_by,omitempty"`    // the attempt whose redirection led here, from 1; 0: the route did
	Skipped      []Skipped `json:"skipped_contacts,omitempty"` // of its redirection
}

// Skipped is a contact of a redirection that was not tried.
type Skipped struct {
	Contact string `json:"contact"`
	Reason  string `json:"reason"` // no_gateway, repeated, beyond_limit
}

// Record is the call's record as it stands.
func (c *Call) Record(now time.Time) Record {
	in := c.In.Marks
	r := Record{
		Schema: 1, Call: c.ID.String(), Trunk: c.Setup.Trunk, CallID: c.In.CallID,
		From: c.Setup.Caller.User, Asserted: c.Setup.Asserted.User, To: c.Setup.Number,
		Began: in.Began, Ringing: in.Ringing, Ended: c.EndedAt, Code: in.Code,
		Result: "failed", Cause: c.Ended.Why.String(), Status: c.Ended.Code, Q850: c.Ended.Q850,
		Reason: c.Ended.Reasons, EndedBy: c.EndedBy, Attempts: []Attempt{},
	}
	switch {
	case c.Winner >= 0:
		r.Result = "answered"
		if c.Ended.Why == dialog.HungUp { // the normal end: normal call clearing
			r.Status = 200
			if r.Q850 == 0 {
				r.Q850 = 16
			}
		}
		r.Answered = c.Answered
		end := c.EndedAt
		if end.IsZero() {
			end = now
		}
		r.Duration = end.Sub(r.Answered).Round(time.Millisecond).Seconds()
	case c.Ended.Why == dialog.Cancelled || c.Ended.Why == dialog.HungUp: // by BYE in the early dialog (RFC 3261 §15)
		r.Result = "cancelled"
	}
	for i, leg := range c.Out {
		m := leg.Marks
		dialled := leg.Dialled()
		if dialled == leg.Target.Number {
			dialled = ""
		}
		r.Attempts = append(r.Attempts, Attempt{
			Carrier: leg.Target.Carrier, Gateway: leg.Target.Gateway, Number: leg.Target.Number, Dialled: dialled,
			CallID: leg.CallID, Began: m.Began, Trying: m.Trying, Ringing: m.Ringing, Final: m.Final,
			Code: m.Code, Phrase: m.Phrase, Q850: m.Q850, Reason: leg.Cause.Reasons,
			Cause: leg.Cause.Why.String(), NotSent: leg.Cause.Why == dialog.NotSent, Text: leg.Cause.Text,
			Absorbed: m.Absorbed, Late: m.Late, EarlyMedia: m.Media, RedirectedBy: int(c.by(i + 1)),
		})
		if at := leg.Target.Path.Remote; at.IsValid() && at.String() != leg.Target.Gateway {
			r.Attempts[i].Address = at.String()
		}
	}
	for _, s := range c.Skips {
		if n := s.Attempt - 1; n >= 0 && n < len(r.Attempts) {
			r.Attempts[n].Skipped = append(r.Attempts[n].Skipped, Skipped{s.Contact, s.Why})
		}
	}
	for _, u := range c.Untried {
		r.Untried = append(r.Untried, UntriedRecord{u.Carrier, u.Gateway, carriers.Word(u.Why), carriers.Besides(u.Why)})
	}
	for _, t := range c.Transfers {
		r.Transfers = append(r.Transfers, c.transferRecord(t))
	}
	return r
}
