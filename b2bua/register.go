package b2bua

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"bulkhead/dialog"
)

// Registrations with carriers: one goroutine steps them all, while the engine runs. So of a
// pair the node that owns the calls registers, and the one that takes over goes on with the
// same bindings. A carrier that we are not registered with is tried all the same: it says
// itself whether it minds.

// registrar keeps the registrations.
type registrar struct {
	events chan registerEvent
	wake   chan struct{}
	leave  chan chan struct{} // ends them all; closed when they have
	routes atomic.Pointer[map[string]string]

	// Of the goroutine.
	all     map[dialog.CallID]*registered
	number  int // of the profiles that they are of
	leaving chan struct{}
}

// registered is one carrier's.
type registered struct {
	carrier string
	wish    *dialog.RegistrationWish
	policy  *dialog.Policy
	is      *dialog.Registration
	up      bool
	said    string // of the last failure
	ending  bool
}

// registerEvent is a response, or a REGISTER that was not sent.
type registerEvent struct {
	call dialog.CallID
	from dialog.Path
	ev   dialog.Event
}

// unregisterFor is how long the end of a registration is waited for.
const unregisterFor = 4 * time.Second

func newRegistrar() *registrar {
	r := &registrar{
		events: make(chan registerEvent, 256), wake: make(chan struct{}, 1), leave: make(chan chan struct{}, 1),
		all: map[dialog.CallID]*registered{},
	}
	r.routes.Store(&map[string]string{})
	return r
}

// route is the Service-Route of a carrier; empty: none.
func (r *registrar) route(carrier string) string { return (*r.routes.Load())[carrier] }

// give hands an event over; false: too many wait.
func (r *registrar) give(ev registerEvent) bool {
	select {
	case r.events <- ev:
		return true
	default:
		return false
	}
}

// adopted has the registrations follow the book.
func (r *registrar) adopted(Book) {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// register keeps the registrations until the context ends. Then they are left as they are.
func (e *Engine) register(ctx context.Context) {
	r := e.registrar
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		e.enrol(now)
		var next time.Time
		var rest time.Duration // before what shows a defect is tried again
		for id, one := range r.all {
			if d := one.is.Deadline(); !d.IsZero() && !d.After(now) {
				if !e.guard("panic over a REGISTER", func() { e.registers(now, id, one, dialog.Due{}) }) {
					rest = time.Second
				}
			}
			if one.is.Done() {
				e.unenrol(id, one)
			} else if d := one.is.Deadline(); next.IsZero() || !d.IsZero() && d.Before(next) {
				next = d
			}
		}
		if r.leaving != nil && len(r.all) == 0 {
			close(r.leaving)
			r.leaving = nil
		}
		if next.IsZero() {
			next = now.Add(time.Hour)
		}
		timer.Reset(max(time.Until(next), rest))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.wake:
		case done := <-r.leave:
			r.leaving = done
			for id, one := range r.all {
				e.registers(time.Now(), id, one, dialog.End{})
			}
		case ev := <-r.events:
			e.contained("panic over an answer to a REGISTER", func() { e.registerHears(ev) })
		}
	}
}

// registerHears gives an event to its registration.
func (e *Engine) registerHears(ev registerEvent) {
	one := e.registrar.all[ev.call]
	if one == nil {
		e.metrics.Dropped.WithLabelValues("stray", "registration_gone").Inc()
		return
	}
	if m, is := ev.ev.(dialog.Received); is && !e.profiles().CarrierAt(ev.from.Realm, ev.from.Remote.Addr().Unmap(), one.carrier) {
		e.stray(m.Message, "wrong_source")
		return
	}
	e.registers(time.Now(), ev.call, one, ev.ev)
}

// enrol begins and ends registrations as the book in force says.
func (e *Engine) enrol(now time.Time) {
	r, p := e.registrar, e.profiles()
	if r.number == p.number || r.leaving != nil {
		return
	}
	r.number = p.number
	wanted := map[dialog.CallID]bool{}
	for _, name := range p.Carriers() {
		c := p.Carrier(name)
		if c.Register == nil {
			continue
		}
		id := e.seal.Call("registration", name, "", 0)
		wanted[id] = true
		if is := r.all[id]; is != nil && !is.ending && is.policy == p.carriers[name] && is.wish.Same(c.Register) {
			continue
		}
		one := &registered{carrier: name, wish: c.Register, policy: p.carriers[name], is: dialog.NewRegistration(id, now, *c.Register, p.carriers[name])}
		if before := r.all[id]; before != nil {
			one.is.After(before.is)
			one.up = before.up
		} else {
			e.metrics.registered(name, 0)
		}
		r.all[id] = one
	}
	for id, one := range r.all {
		if !wanted[id] {
			e.registers(now, id, one, dialog.End{})
		}
	}
}

// unenrol forgets a registration that has ended.
func (e *Engine) unenrol(id dialog.CallID, one *registered) {
	delete(e.registrar.all, id)
	e.metrics.Registered.DeleteLabelValues(one.carrier)
}

// registers steps one, does what it wants, and tells what has become of it.
func (e *Engine) registers(now time.Time, id dialog.CallID, one *registered, ev dialog.Event) {
	if _, end := ev.(dialog.End); end {
		one.ending = true
	}
	for _, a := range one.is.Step(now, ev) {
		switch a := a.(type) {
		case dialog.Send:
			if !e.speaks() {
				continue
			}
			tx := a.Tx
			e.metrics.messages.went(a.Method, a.Code, a.Repeat)
			e.wire.Send(hopOf(a.Path), hopOf(a.Fallback), a.Data, func(err error) {
				e.registrar.give(registerEvent{call: id, ev: dialog.Unsent{Tx: tx, Why: err.Error()}})
			})
		case dialog.Drop:
			e.metrics.Dropped.WithLabelValues("registration", a.Name).Inc()
		case dialog.Signal:
		}
	}
	e.tells(now, one)
}

// tells logs a change once, and shows it.
func (e *Engine) tells(now time.Time, one *registered) {
	until := one.is.Registered()
	code, why, next := one.is.Failed()
	failure := why
	if code != 0 {
		failure = why + " " + strconv.Itoa(code)
	}
	switch up := !until.IsZero(); {
	case up && !one.up:
		e.log.Info("registered", zap.String("carrier", one.carrier), zap.Duration("for", until.Sub(now)), zap.String("service_route", one.is.Routes()))
		e.metrics.registered(one.carrier, 1)
	case !up && one.up && one.ending:
		e.log.Info("registration ended", zap.String("carrier", one.carrier))
	case !up && one.up:
		e.log.Warn("not registered any more", zap.String("carrier", one.carrier), zap.Int("status", code), zap.String("reason", why))
		e.metrics.registered(one.carrier, 0)
	case failure != "" && failure != one.said:
		e.log.Warn("registration failed", zap.String("carrier", one.carrier), zap.Bool("registered", up), zap.Int("status", code),
			zap.String("reason", why), zap.Time("next", next))
	}
	one.up, one.said = !until.IsZero(), failure
	if routes, was := one.is.Routes(), e.registrar.route(one.carrier); routes != was {
		all := maps.Clone(*e.registrar.routes.Load())
		if all[one.carrier] = routes; routes == "" {
			delete(all, one.carrier)
		}
		e.registrar.routes.Store(&all)
	}
}

// unregister ends the registrations of a node that no other takes over from, and waits for
// the carriers to have heard of it, for a while.
func (e *Engine) unregister(ctx context.Context) {
	if !slices.ContainsFunc(e.profiles().Carriers(), func(name string) bool { return e.profiles().Carrier(name).Register != nil }) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, unregisterFor)
	defer cancel()
	done := make(chan struct{})
	select {
	case e.registrar.leave <- done:
	case <-ctx.Done():
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
		e.log.Warn("carriers may take us for registered: no answer to the end of it")
	}
}
