package ops

import (
	"strings"
	"time"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// CallDetail is all that is known of a call here.
type CallDetail struct {
	Call
	Record b2bua.Record `json:"record" doc:"As it would be written if the call ended now."`
	Legs   []LegDetail  `json:"legs" doc:"The trunk's, then one an attempt."`
	Due    time.Time    `json:"due,omitzero" doc:"When the first of its timers fires."`
	Epoch  uint64       `json:"epoch,omitempty" doc:"In which its node has its unit: it rises whenever another one takes it."`
	Left   []string     `json:"targets_left,omitempty" doc:"Gateways that have not been tried yet."`
}

// LegDetail is one side of a call.
type LegDetail struct {
	Peer         string        `json:"peer" doc:"The trunk or carrier."`
	Remote       string        `json:"remote" doc:"Where it was reached first."`
	Transport    string        `json:"transport"`
	State        string        `json:"state" enum:"trying,early,answered,confirmed,leaving"`
	Cause        string        `json:"cause,omitempty" doc:"Why it is leaving."`
	CallID       string        `json:"call_id"`
	Dialogs      int           `json:"dialogs"`
	Absorbed     int           `json:"absorbed" doc:"Messages that were dealt with here after they mattered."`
	Transactions []Transaction `json:"transactions"`
	Due          time.Time     `json:"due,omitzero" doc:"When the first of its timers fires."`
}

// Transaction is one that has not ended.
type Transaction struct {
	Method  string    `json:"method"`
	Machine string    `json:"machine" enum:"INVITE client,client,INVITE server,server"`
	State   string    `json:"state" doc:"As RFC 3261 §17 and RFC 6026 call it."`
	Repeats time.Time `json:"repeats,omitzero" doc:"When it sends again what it sent last."`
	Ends    time.Time `json:"ends,omitzero"`
}

func newDetail(c *b2bua.Call, now time.Time) CallDetail {
	o := c.Overview()
	d := CallDetail{Call: newCall(&o), Record: c.Record(now), Due: utc(c.Deadline())}
	d.Legs = append(d.Legs, newLeg(c.In, c.Setup.Trunk))
	for _, leg := range c.Out {
		d.Legs = append(d.Legs, newLeg(leg, leg.Target.Carrier))
	}
	for _, t := range c.Targets {
		d.Left = append(d.Left, t.Carrier+" "+t.Gateway)
	}
	return d
}

func newLeg(l *dialog.Leg, peer string) LegDetail {
	d := LegDetail{
		Peer: peer, Remote: l.Path.Remote.String(), Transport: l.Path.Transport.String(), State: l.State.String(), CallID: strings.Clone(l.CallID),
		Dialogs: len(l.Dialogs), Absorbed: l.Marks.Absorbed, Transactions: []Transaction{}, Due: utc(l.Deadline()),
	}
	if l.State == dialog.Leaving {
		d.Cause = l.Cause.Why.String()
	}
	for _, t := range l.Tx {
		machine, state := t.At()
		d.Transactions = append(d.Transactions, Transaction{strings.Clone(t.Method), machine, state, utc(t.Repeat), utc(t.End)})
	}
	return d
}
