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
	Epoch   uint64       `json:"epoch,omitempty" doc:"In which its node has its unit: it rises whenever another one takes it."`
	Version uint64       `json:"version,omitempty" doc:"Of its record in the store: rises with every change."`
	Saved   time.Time    `json:"saved,omitzero" doc:"When its state was given to the store last; absent: there is none, or an older version did."`
	Record  b2bua.Record `json:"record" doc:"As it would be written if the call ended now."`
	Legs    []LegDetail  `json:"legs" doc:"The trunk's, then one an attempt."`
	Timers  []Timer      `json:"timers" doc:"All that are armed, the first to fire first."`
	Due     time.Time    `json:"due,omitzero" doc:"When the first of its timers fires."`
	Left    []string     `json:"targets_left,omitempty" doc:"Gateways that have not been tried yet."`
}

// LegDetail is one side of a call.
type LegDetail struct {
	Peer         string        `json:"peer" doc:"The trunk or carrier."`
	Remote       string        `json:"remote" doc:"Where it was reached first."`
	Transport    string        `json:"transport"`
	State        string        `json:"state" enum:"trying,early,answered,confirmed,leaving"`
	Words        string        `json:"words" doc:"The state in words."`
	Cause        string        `json:"cause,omitempty" doc:"Why it is leaving."`
	CallID       string        `json:"call_id"`
	Dialogs      int           `json:"dialogs"`
	Absorbed     int           `json:"absorbed" doc:"Messages that were dealt with here after they mattered."`
	Said         []Stream      `json:"said,omitempty" doc:"The media that the peer has described last."`
	Shown        []Stream      `json:"shown,omitempty" doc:"The media that it was shown last."`
	Changed      []Altered     `json:"changed,omitempty" doc:"What the carrier's profile makes of what the trunk has asked for."`
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

// newDetail is a call in full; media, if not nil, knows what has been described.
func newDetail(c *b2bua.Call, media *Media, now time.Time) CallDetail {
	o := c.Overview()
	d := CallDetail{Call: newCall(&o), Version: c.Version, Saved: utc(c.Saved), Record: c.Record(now), Due: utc(c.Deadline()), Timers: timersOf(c)}
	for n := range 1 + len(c.Out) {
		leg, peer := c.In, c.Setup.Trunk
		if n > 0 {
			leg = c.Out[n-1]
			peer = leg.Target.Carrier
		}
		l := newLeg(leg, peer)
		l.Said, l.Shown = media.Of(c.ID, uint8(n))
		if n == 0 && l.Said == nil {
			l.Said = streams(digest(c.Setup.Body.Data)) // as it was at first
		}
		if shown, ok := c.Shown(n - 1); n > 0 && ok {
			l.Changed = altered(c.Setup, shown)
		}
		d.Legs = append(d.Legs, l)
	}
	for _, t := range c.Targets {
		d.Left = append(d.Left, t.Carrier+" "+t.Gateway)
	}
	return d
}

func newLeg(l *dialog.Leg, peer string) LegDetail {
	d := LegDetail{
		Peer: peer, Remote: l.Path.Remote.String(), Transport: l.Path.Transport.String(), State: l.State.String(), Words: words(l), CallID: strings.Clone(l.CallID),
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

// words is the state of a leg in words.
func words(l *dialog.Leg) string {
	in := l.Side == dialog.In
	switch l.State {
	case dialog.Trying:
		switch {
		case in:
			return "no carrier rings yet"
		case l.Marks.Trying.IsZero():
			return "the INVITE is sent, and nothing has come"
		}
		return "the INVITE has arrived there, and it does not ring yet"
	case dialog.Early:
		switch {
		case !in && l.Cancelled:
			return "the CANCEL is sent, and its final response has not come"
		case !l.Marks.Ringing.IsZero() || in:
			return "it rings"
		}
		return "it goes on, without ringing"
	case dialog.Answered:
		return "answered, and not acknowledged yet"
	case dialog.Confirmed:
		return "up"
	case dialog.Leaving:
		switch {
		case l.Done():
			return "over"
		case l.Over():
			return "over: what the peer repeats is absorbed"
		}
		return "ending: the peer has not confirmed it yet"
	}
	return l.State.String()
}
