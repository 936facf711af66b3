package b2bua

import (
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Record is the call detail record: one a call, listing every attempt (R19).
// Its JSON form is the schema of cdr.file.
type Record struct {
	Schema   int       `json:"schema"`             // 1
	Call     string    `json:"call"`               // id of the call, as everywhere in API, logs and HEP
	Trunk    string    `json:"trunk"`              // who called
	CallID   string    `json:"call_id"`            // of the trunk's leg
	From     string    `json:"from"`               // number or name of who called
	Asserted string    `json:"asserted,omitempty"` // who the trunk's side says is calling (RFC 3325)
	To       string    `json:"to"`                 // as one of E.164, where the trunk's country is known
	Began    time.Time `json:"began"`              // of the INVITE
	Ringing  time.Time `json:"ringing,omitzero"`   // first 180, 182 or 183 that the trunk got
	Answered time.Time `json:"answered,omitzero"`  // by the carrier; absent: not answered
	Ended    time.Time `json:"ended"`              // when the first side ended it
	Duration float64   `json:"duration"`           // seconds from the answer; 0: not answered
	Result   string    `json:"result"`             // answered, failed, cancelled
	Code     int       `json:"code"`               // the final response that the trunk got; 0: none
	Cause    string    `json:"cause"`              // why it ended, in one word
	Status   int       `json:"status"`             // SIP code of that cause
	Q850     int       `json:"q850,omitempty"`     // cause of ITU-T Q.850; absent: none
	Reason   []string  `json:"reason,omitempty"`   // values of the Reason header fields (RFC 3326) of that cause
	EndedBy  string    `json:"ended_by"`           // trunk, carrier, bulkhead
	Attempts []Attempt `json:"attempts"`           // all of them, in their order

	Untried []UntriedRecord `json:"untried,omitempty"` // targets of the route that were passed over

	Transfers []TransferRecord `json:"transfers,omitempty"` // that were asked for
}

// UntriedRecord is a target of the route that was skipped.
type UntriedRecord struct {
	Carrier string `json:"carrier"`          // name of the carrier
	Gateway string `json:"gateway"`          // as configured
	Reason  string `json:"reason"`           // in one word, such as down, calls, cps, drained
	Detail  string `json:"detail,omitempty"` // by whom and for what, where somebody has ordered it
}

// TransferRecord is a transfer that a peer has asked for.
type TransferRecord struct {
	By     string    `json:"by"`               // trunk, carrier
	Name   string    `json:"name"`             // of the trunk or carrier
	To     string    `json:"to"`               // number or URI
	Call   string    `json:"call,omitempty"`   // the other call, where two were to become one
	How    string    `json:"how"`              // relay, follow
	At     time.Time `json:"at"`               // when it was asked for
	Status int       `json:"status,omitempty"` // what the call that was asked for came to, as far as known; 0: no answer
}

// Attempt is one outbound leg in the record.
type Attempt struct {
	Carrier  string    `json:"carrier"`                         // name of the carrier
	Gateway  string    `json:"gateway"`                         // as configured
	Address  string    `json:"address,omitempty"`               // where it was tried, if the gateway is a name
	Number   string    `json:"number"`                          // that the call is for there
	Dialled  string    `json:"dialled,omitempty"`               // how the carrier was asked for it, where that is another
	CallID   string    `json:"call_id"`                         // of the carrier's leg
	Began    time.Time `json:"began"`                           // of its INVITE
	Trying   time.Time `json:"trying,omitzero"`                 // first 100
	Ringing  time.Time `json:"ringing,omitzero"`                // first 18x
	Final    time.Time `json:"final,omitzero"`                  // final response
	Code     int       `json:"code,omitempty"`                  // the carrier's final response; 0: none came
	Phrase   string    `json:"phrase,omitempty"`                // of that response
	Q850     int       `json:"q850,omitempty"`                  // cause of ITU-T Q.850 in it; absent: none
	Reason   []string  `json:"reason,omitempty"`                // values of the Reason header fields (RFC 3326)
	Cause    string    `json:"cause"`                           // why the attempt ended, in one word
	NotSent  bool      `json:"not_sent,omitempty"`              // the INVITE could not be sent
	Text     string    `json:"text,omitempty"`                  // of a transport's error
	Absorbed int       `json:"absorbed"`                        // messages dealt with on this leg after they mattered
	Late     bool      `json:"answered_after_cancel,omitempty"` // it was answered after it had been given up: acknowledged, and hung up

	EarlyMedia   time.Time `json:"early_media,omitzero"`       // first provisional with a description
	RedirectedBy int       `json:"redirected_by,omitempty"`    // the attempt whose redirection led here, from 1; 0: the route did
	Skipped      []Skipped `json:"skipped_contacts,omitempty"` // of its redirection

	Media *MediaRecord `json:"media,omitempty"` // nil: it was not anchored
}

// Skipped is a contact of a redirection that was not tried.
type Skipped struct {
	Contact string `json:"contact"` // as the carrier wrote it
	Reason  string `json:"reason"`  // no_gateway, repeated, beyond_limit
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
	for i := range c.Media.Anchors {
		a := &c.Media.Anchors[i]
		if n := int(a.Leg) - 1; n >= 0 && n < len(r.Attempts) {
			r.Attempts[n].Media = mediaRecord(a)
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
