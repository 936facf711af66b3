package b2bua

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Replay plays a call again from its capture: the core that decides is the one that is built
// in, its clock is the capture's. There is no key and no password: what they were used for is
// in the capture.
type Replay struct {
	// Watch sees what crosses the wire; nil: nobody does.
	Watch Observer

	captured *Captured
	profiles *profiles
	id       dialog.CallID
	call     *Call
	step     *CaptureStep // that is being replayed; nil: none
	judged   int
	led      int
	anchored int
}

// Difference is where a replay comes to something else than the capture has.
type Difference struct {
	Step int // from 1
	At   time.Time
	Want []json.RawMessage // what the capture has
	Got  []json.RawMessage
}

// local is how our side is called, instead of sockets.
type local map[string]dialog.Local

// Local is Wire.
func (l local) Local(realm string, t wire.Transport) (string, bool) {
	host := l[realm][t]
	return host, host != ""
}

// Send is Wire: nothing is sent.
func (l local) Send(wire.Hop, wire.Hop, []byte, func(error)) {}

// NewReplay makes a replay of a capture, with the book of its configuration or of another one.
func NewReplay(f *Captured, book Book) (*Replay, error) {
	id, ok := dialog.ParseCallID(f.Head.Call)
	if !ok {
		return nil, fmt.Errorf("%q is not the id of a call", f.Head.Call)
	}
	if book.TrunkNamed(f.Head.Trunk) == nil {
		return nil, fmt.Errorf("the configuration has no trunk %q", f.Head.Trunk)
	}
	e := &Engine{
		config: Config{Agent: f.Head.Agent, Timers: f.Head.Timers}, wire: local(f.Head.Local),
		seal: dialog.NewSeal([32]byte{}, "").Recall(id, f.Head.Given), registrar: newRegistrar(),
	}
	r := &Replay{captured: f, id: id, profiles: e.newProfiles(book, nil)}
	e.snapshots.now.Store(r.profiles)
	proofs := dialog.Proofs{}
	for i := range f.Steps {
		for _, raw := range f.Steps[i].Did {
			var d deed
			if err := json.Unmarshal(raw, &d); err != nil {
				return nil, fmt.Errorf("step %d: %w", i+1, err)
			}
			if d.Do == "send" {
				proofs.Note([]byte(d.Data))
			}
		}
	}
	for _, p := range r.profiles.carriers {
		if p.Login != nil {
			login := *p.Login
			login.Proofs, p.Login = proofs, &login
		}
	}
	return r, nil
}

// Run plays the capture: each step at its time. It ends at the first difference; nil: there is
// none.
func (r *Replay) Run() (*Difference, error) {
	for i := range r.captured.Steps {
		s := &r.captured.Steps[i]
		actions, err := r.play(s, s.At)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", i+1, err)
		}
		got := make([]json.RawMessage, 0, len(actions))
		for _, a := range actions {
			got = append(got, deedOf(a))
		}
		same := len(got) == len(s.Did)
		for n := 0; same && n < len(got); n++ {
			same = bytes.Equal(got[n], s.Did[n])
		}
		if !same {
			return &Difference{i + 1, s.At, s.Did, got}, nil
		}
	}
	return nil, nil
}

// Call is the call as it stands.
func (r *Replay) Call() *Call { return r.call }

// play gives a step to the call at a time.
func (r *Replay) play(s *CaptureStep, now time.Time) ([]Action, error) {
	r.step, r.judged, r.led, r.anchored = s, 0, 0, 0
	defer func() { r.step = nil }()
	if r.call == nil {
		return r.begin(s, now)
	}
	ev, err := r.event(s)
	if err != nil {
		return nil, err
	}
	return r.do(ev, s, now), nil
}

// do steps the call.
func (r *Replay) do(ev Event, s *CaptureStep, now time.Time) []Action {
	r.call.judge, r.call.redirects, r.call.anchors = r, r, replayed{r}
	if a, ok := ev.(Arrived); ok {
		r.saw(Sight{Leg: a.Leg, In: true, At: now, Path: a.Path, Method: a.Message.Method, Code: a.Message.Code, Data: s.bytes()})
	}
	actions := r.call.Step(now, ev)
	r.tell(now, actions)
	return actions
}

// begin makes the call.
func (r *Replay) begin(s *CaptureStep, now time.Time) ([]Action, error) {
	if record := r.captured.Head.Record; record != nil {
		call, err := Decode(record, r.profiles)
		if err != nil {
			return nil, err
		}
		r.call = call
		return r.play(s, now)
	}
	if s.Event != "invite" || s.Path == nil {
		return nil, errors.New("the capture does not begin with an INVITE")
	}
	m, err := message(s)
	if err != nil {
		return nil, err
	}
	trunk := r.profiles.TrunkNamed(r.captured.Head.Trunk)
	asked := askedFor(r.id, trunk, m)
	a := r.profiles.admission(trunk, m, *s.Path, &asked, carriers.Choice{Targets: s.Targets, Skipped: s.Skipped})
	if s.Cause != nil {
		a.Refusal = *s.Cause
	}
	a.Targets, a.Judge, a.Redirects, a.Anchors, a.Choosing = r.targets(s.Targets), r, r, replayed{r}, s.Choosing
	r.saw(Sight{In: true, At: now, Path: *s.Path, Method: m.Method, Data: s.bytes()})
	call, actions := NewCall(r.id, now, a)
	r.call = call
	r.tell(now, actions)
	return actions, nil
}

// event is what a step says has happened.
func (r *Replay) event(s *CaptureStep) (Event, error) {
	switch s.Event {
	case "message":
		m, err := message(s)
		if err != nil {
			return nil, err
		}
		if s.Path == nil {
			return nil, errors.New("a message without its path")
		}
		return Arrived{Leg: s.Leg, Received: dialog.Received{Message: m, Path: *s.Path, Replaced: s.Replaced}, Targets: r.targets(s.Targets)}, nil
	case "due":
		return Due{}, nil
	case "unsent":
		return Unsent{Leg: s.Leg, Unsent: dialog.Unsent{Tx: s.Tx, Why: s.Why}}, nil
	case "hangup":
		return Hangup{Cause: *s.Cause}, nil
	case "chosen":
		return Chosen{Targets: r.targets(s.Targets), Skipped: s.Skipped, Refusal: *s.Cause}, nil
	case "silence":
		return Silence{At: s.Port, Leg: s.Leg}, nil
	case "heard":
		return Heard{At: s.Port}, nil
	}
	return nil, fmt.Errorf("there is no event %q", s.Event)
}

// message reads the message of a step.
func message(s *CaptureStep) (*dialog.Message, error) {
	m, _, err := wire.Parse(s.bytes(), wire.Limits{})
	if err != nil {
		return nil, err
	}
	return dialog.Read(m), nil
}

// targets are targets with how to behave there.
func (r *Replay) targets(bare []dialog.Target) (list []Target) {
	for _, t := range bare {
		list = append(list, Target{Target: t, Policy: r.profiles.CarrierPolicy(t.Carrier, t.Path.Realm), Profile: r.profiles.Profile(t.Carrier)})
	}
	return list
}

// Begin is Judge: what it was when it happened.
func (r *Replay) Begin(time.Time, dialog.Target, bool) string {
	if r.step == nil || r.judged >= len(r.step.Judged) {
		return ""
	}
	r.judged++
	return r.step.Judged[r.judged-1]
}

// Contacts is Redirects.
func (r *Replay) Contacts(carrier string) int { return r.profiles.Contacts(carrier) }

// Redirect is Redirects: what it was when it happened.
func (r *Replay) Redirect(carrier, contact, number string) (Target, bool) {
	if r.step == nil || r.led >= len(r.step.Redirected) {
		return r.profiles.Redirect(carrier, contact, number)
	}
	t := r.step.Redirected[r.led]
	r.led++
	if !t.Known {
		return Target{}, false
	}
	return r.targets([]dialog.Target{t.Target})[0], true
}

// saw shows who watches what crosses the wire.
func (r *Replay) saw(s Sight) {
	if r.Watch == nil {
		return
	}
	s.Call, s.Peer = r.id, r.captured.Head.Trunk
	if r.call != nil && s.Leg > 0 && int(s.Leg) <= len(r.call.Out) {
		s.Peer = r.call.Out[s.Leg-1].Target.Carrier
	}
	r.Watch.Saw(s)
}

// tell shows who watches what a step came to.
func (r *Replay) tell(now time.Time, actions []Action) {
	if r.Watch == nil {
		return
	}
	for _, a := range actions {
		switch a := a.(type) {
		case Send:
			r.saw(Sight{Leg: a.Leg, At: now, Path: a.Path, Method: a.Method, Code: a.Code, Data: a.Data, Repeat: a.Repeat})
		case Drop:
			r.saw(Sight{Leg: a.Leg, In: true, At: now, Note: a.Name})
		case Failover:
			r.Watch.Hunted(r.id, a)
		case Write:
			r.Watch.Ended(r.id, a.Record)
		case Save, Skip, Untried, Violation:
		}
	}
}
