package b2bua

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// probes are the gateways that are watched, those of carriers with health rules: each by
// itself, so that one that does not answer keeps no other waiting. What a node knows of
// them dies with it; the next one begins with all of them unknown, and learns.
type probes struct {
	mu      sync.Mutex
	gates   map[gate]*watched
	pinged  map[dialog.CallID]*watched // by the name of the ping that has no answer yet
	quality map[string]*carriers.Quality
	number  uint32    // of the next ping
	looked  time.Time // where names lead, last
	wake    chan struct{}
}

// gate is an address of a carrier's.
type gate struct {
	carrier string
	path    dialog.Path // without our socket, without a connection
}

func gateOf(t dialog.Target) gate {
	p := t.Path
	p.Conn = 0
	return gate{t.Carrier, p}
}

// watched is one gateway.
type watched struct {
	gate
	target dialog.Target
	health carriers.Health
	said   carriers.GatewayState
	ping   *dialog.Ping
	name   dialog.CallID // of the ping
	next   time.Time     // when the next is due
	used   time.Time     // when a call was last to go there, if the book does not list it
}

// forgetAfter is how long a gateway is watched that no book lists any more, or that the
// DNS does not name any more.
const forgetAfter = 10 * time.Minute

// watch adds a gateway; nil: its carrier is not watched. The lock is held.
func (p *probes) watch(now time.Time, c *carriers.Carrier, t dialog.Target) *watched {
	g := gateOf(t)
	if w := p.gates[g]; w != nil {
		w.used = now
		return w
	}
	if c == nil || c.Health == nil || t.Dead != "" {
		return nil
	}
	// Spread over the interval by what they are: no two nodes ask all at once.
	share := time.Duration(carriers.Uniform(dialog.CallID{}, g.carrier, g.path.Remote.String()) * float64(c.Health.Options))
	w := &watched{gate: g, target: t, health: carriers.Health{Rules: *c.Health}, next: now.Add(share), used: now}
	w.target.Number = ""
	p.gates[g] = w
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return w
}

// adoptGateways watches the gateways of a book, and forgets those of carriers that are not
// watched any more.
func (e *Engine) adoptGateways(b Book) {
	p := &e.probes
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for g, w := range p.gates {
		if c := b.Carrier(g.carrier); c == nil || c.Health == nil {
			p.forget(w)
		} else {
			w.health.Rules = *c.Health
		}
	}
	for name, q := range p.quality {
		if c := b.Carrier(name); c == nil || c.Quality.Window == 0 {
			delete(p.quality, name)
		} else {
			q.Rules = c.Quality
		}
	}
	for _, name := range b.Carriers() {
		c := b.Carrier(name)
		if c.Quality.Window > 0 && p.quality[name] == nil {
			p.quality[name] = &carriers.Quality{Rules: c.Quality}
		}
		if c.Health != nil {
			for _, t := range b.Gateways(name) {
				p.watch(now, c, t)
			}
		}
	}
	p.looked = now
}

// lookEach is how often it is looked where the names of gateways lead.
const lookEach = 5 * time.Second

// look watches what the names of gateways lead to now; false: there are none. The lock is
// held.
func (p *probes) look(now time.Time, b Book) bool {
	names := false
	for _, name := range b.Carriers() {
		c := b.Carrier(name)
		if c.Health == nil || !c.Named() {
			continue
		}
		names = true
		if now.Sub(p.looked) >= lookEach {
			for _, t := range b.Gateways(name) {
				p.watch(now, c, t)
			}
		}
	}
	if now.Sub(p.looked) >= lookEach {
		p.looked = now
	}
	return names
}

func (p *probes) forget(w *watched) {
	p.drop(w)
	delete(p.gates, w.gate)
}

// drop has done with a ping.
func (p *probes) drop(w *watched) {
	delete(p.pinged, w.name)
	w.ping = nil
}

// probe asks the gateways until the context ends.
func (e *Engine) probe(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(e.ask(time.Now()))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-e.probes.wake:
		}
	}
}

// ask does what is due, and says how long until the next.
func (e *Engine) ask(now time.Time) time.Duration {
	out, next := e.asks(now)
	e.pings(out)
	return max(time.Until(next), time.Millisecond)
}

// asks is what is to be sent now, and when the next is due.
func (e *Engine) asks(now time.Time) (out []query, next time.Time) {
	p := &e.probes
	p.mu.Lock()
	defer p.mu.Unlock()
	next = now.Add(time.Hour)
	if p.look(now, e.profiles()) {
		next = p.looked.Add(lookEach)
	}
	for _, w := range p.gates {
		if !e.guard("panic over a ping", func() { out = append(out, e.due(now, w)...) }) {
			p.drop(w) // the next one may do better
		}
		if w.next.Before(next) {
			next = w.next
		}
		if w.ping != nil && w.ping.Deadline().Before(next) {
			next = w.ping.Deadline()
		}
	}
	return out, next
}

// due moves one gateway on; the lock is held.
func (e *Engine) due(now time.Time, w *watched) []query {
	p := &e.probes
	var actions []dialog.Action
	if w.ping != nil && !w.ping.Deadline().After(now) {
		actions = w.ping.Step(now, dialog.Due{})
		e.answered(now, w)
	}
	if !w.next.After(now) && w.ping == nil {
		c := e.profiles().Carrier(w.carrier)
		if now.Sub(w.used) > forgetAfter && (c == nil || !c.Has(w.path)) {
			p.forget(w)
			return nil
		}
		w.next = now.Add(w.health.Rules.Options)
		p.number++
		w.name = e.seal.Call("ping", w.carrier, e.nonce, p.number)
		policy := *e.profiles().CarrierPolicy(w.carrier, w.path.Realm)
		w.ping, actions = dialog.NewPing(dialog.ID{Call: w.name, Leg: dialog.Outside}, now, w.target, &policy, w.health.Rules.Options)
		p.pinged[w.name] = w
	}
	e.noteState(now, w, "")
	return queries(w.name, actions)
}

// query is what a ping wants sent.
type query struct {
	name dialog.CallID
	dialog.Send
}

func queries(name dialog.CallID, actions []dialog.Action) (list []query) {
	for _, a := range actions {
		if s, ok := a.(dialog.Send); ok {
			list = append(list, query{name, s})
		}
	}
	return list
}

// pings puts them on the wire.
func (e *Engine) pings(out []query) {
	for _, s := range out {
		if !e.speaks() {
			return
		}
		name := s.name
		e.metrics.messages.went(s.Method, s.Code, s.Repeat)
		e.wire.Send(hopOf(s.Path), wireNowhere, s.Data, func(err error) {
			if e.muted.Load() || e.config.Present != nil && !e.config.Present() {
				return // no fault of the peer's
			}
			// The wire may say so at once, and hold locks of its own.
			go e.guard("panic over a ping that was not sent", func() {
				e.pong(name, time.Now(), dialog.Unsent{Tx: dialog.First, Why: err.Error()})
			})
		})
	}
}

// pong gives an event to the ping of that name; false: there is none.
func (e *Engine) pong(name dialog.CallID, now time.Time, ev dialog.Event) bool {
	out, ok := e.ponged(name, now, ev)
	e.pings(out)
	return ok
}

func (e *Engine) ponged(name dialog.CallID, now time.Time, ev dialog.Event) (out []query, ok bool) {
	p := &e.probes
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.pinged[name]
	if w == nil || w.ping == nil {
		return nil, false
	}
	if r, ok := ev.(dialog.Received); ok && r.Path.Remote.Addr().Unmap() != w.path.Remote.Addr() {
		return nil, false // somebody else's word
	}
	actions := w.ping.Step(now, ev)
	e.answered(now, w)
	e.noteState(now, w, "")
	return queries(name, actions), true
}

// answered takes what has become of a ping, if it is over. The lock is held.
func (e *Engine) answered(now time.Time, w *watched) {
	code, over := w.ping.Over()
	if !over {
		return
	}
	e.probes.drop(w)
	sign := carriers.OptionsAnswered
	if code == 0 || code == 408 || code == 503 {
		sign = carriers.OptionsUnanswered
	}
	w.health.Step(now, sign, 0)
}

// noteState logs a gateway's new state, once. The lock is held.
func (e *Engine) noteState(now time.Time, w *watched, cause string) {
	state := w.health.State(now)
	if state == w.said {
		return
	}
	fields := []zap.Field{
		zap.String("carrier", w.carrier), zap.String("gateway", w.target.Gateway), zap.Stringer("address", w.path.Remote),
		zap.Stringer("state", state), zap.Stringer("was", w.said),
	}
	if cause != "" {
		fields = append(fields, zap.String("cause", cause))
	}
	w.said = state
	e.log.Info("gateway", fields...)
}

// noteCap logs that a carrier is tried last from now on, or no longer. The lock is held.
func (e *Engine) noteCap(carrier string, q *carriers.Quality) {
	state := "uncapped"
	if q.Capped() {
		state = carriers.SkipCapped
	}
	e.log.Info("carrier", zap.String("carrier", carrier), zap.String("state", state))
}
