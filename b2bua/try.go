package b2bua

import (
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Trial is what a call would do.
type Trial struct {
	carriers.Choice
	Book       Book               // by which
	Question   *carriers.Question // that was asked; nil: none was
	Unanswered error              // why there was no answer to it
	Barred     string             // why it is refused now before a route is looked for, in the word of the metric; empty: it is not
	Bar        dialog.Refusal     // and with what
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
// place of what this node knows of carriers. Whether the node takes new calls is said of
// this moment, and for a trunk that has proved who it is. Who decides about a route is
// asked. False: there is no such trunk.
func (e *Engine) Try(now time.Time, id dialog.CallID, name string, m *dialog.Message, from dialog.Path, j carriers.Judge) (Trial, bool) {
	p := e.profiles()
	trunk := p.TrunkNamed(name)
	if trunk == nil {
		return Trial{}, false
	}
	setup := trunk.Setup(m)
	setup.Call, setup.Body = id, m.Body
	t := Trial{Book: p.Book, Setup: setup}
	t.Bar, t.Barred = e.barred(time.Now(), id, p, trunk, m, setup.Number)
	if !setup.Privacy.Provided() { // it is refused before it is a call
		t.Choice = carriers.Choice{Route: carriers.NoRoute, Refusal: dialog.Cause{Code: 500, Phrase: privacyNotProvided}}
		return t, true
	}
	t.Choice, _ = p.pick(now, setup, j)
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
	return t, true
}

// Judge is what this node knows of whom a call could go to, now.
func (e *Engine) Judge(id dialog.CallID) carriers.Judge { return chooser{e, id} }

// barred is why a new call is refused before a route is looked for, in the word of the
// metric of refusals; empty: it is not.
func (e *Engine) barred(now time.Time, id dialog.CallID, p *profiles, trunk *carriers.Trunk, m *dialog.Message, number string) (dialog.Refusal, string) {
	if r, name := e.objection(m, p.trunks[trunk.Name]); name != "" {
		return r, name
	}
	if wait, no := e.shed(id, m.Dialled()); no {
		return retryAfter(503, wait), "overload"
	}
	for _, b := range append(p.Ranges(number), trunk.Bound()) {
		if full, ok := e.places.room(now, b); !ok {
			return fullOf(full)
		}
	}
	return dialog.Refusal{}, ""
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
