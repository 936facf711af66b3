package b2bua

import (
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Trial is what a call would do.
type Trial struct {
	carriers.Choice
	Question   *carriers.Question // that was asked; nil: none was
	Unanswered error              // why there was no answer to it
	Setup      dialog.Setup       // that the routes have seen
	Attempts   []Trying           // were every one to fail before it is answered
}

// Trying is an attempt that would be made.
type Trying struct {
	dialog.Target
	Timers carriers.Timers
	Invite []byte // as it would be sent
}

// Try says what a call would do at that time: the trunk's INVITE goes the way of any
// other, up to the wire, and no attempt can be sent. The judge, who may be nil, takes the
// place of what this node knows. Who decides about a route is asked.
func (e *Engine) Try(now time.Time, id dialog.CallID, trunk *carriers.Trunk, m *dialog.Message, from dialog.Path, j carriers.Judge) Trial {
	p, setup := e.profiles(), trunk.Setup(m)
	setup.Call, setup.Body = id, m.Body
	if !setup.Privacy.Provided() { // it is refused before it is a call
		return Trial{Setup: setup, Choice: carriers.Choice{Route: carriers.NoRoute, Refusal: dialog.Cause{Code: 500, Phrase: privacyNotProvided}}}
	}
	t := Trial{Choice: p.choose(now, setup, j), Setup: setup}
	if ask := t.Ask; ask != nil {
		q := ask.Question(now, setup)
		type back struct {
			carriers.Answer
			error
		}
		answered := make(chan back)
		p.asks[ask].Ask(q, func(answer carriers.Answer, err error) { answered <- back{answer, err} })
		b := <-answered
		t.Question, t.Unanswered, t.Choice = &q, b.error, p.Decide(now, setup, ask, b.Answer, b.error, j)
	}
	call, actions := NewCall(id, now, p.admission(trunk, m, from, &setup, t.Choice))
	for made := 0; made < len(call.Out); {
		made = len(call.Out)
		leg := call.Out[made-1]
		t.Attempts = append(t.Attempts, Trying{Target: leg.Target, Timers: p.Carrier(leg.Target.Carrier).Timers, Invite: inviteOf(leg, actions)})
		actions = call.Step(now, Unsent{Leg: leg.ID.Leg, Unsent: dialog.Unsent{Tx: dialog.First, Why: "tried only"}})
	}
	return t
}

// inviteOf is the INVITE of a leg among what is to be done.
func inviteOf(leg *dialog.Leg, actions []Action) []byte {
	for _, a := range actions {
		if s, ok := a.(Send); ok && s.Leg == leg.ID.Leg && s.Method == "INVITE" && s.Code == 0 {
			return s.Data
		}
	}
	return nil
}
