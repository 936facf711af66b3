package b2bua

import (
	"strings"
	"sync/atomic"

	"bulkhead/b2bua/ask"
	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// profiles are who is at the border and how to behave toward them: a book, and what the
// engine makes of it. They never change. Adopt puts others in their place, and a call goes
// on with those that it began with.
type profiles struct {
	Book
	engine   *Engine
	trunks   map[string]*dialog.Policy
	carriers map[string]*dialog.Policy
	asks     map[*carriers.Ask]*ask.Server
	watches  bool             // somebody is watched, or may be capped
	bounded  bool             // somebody may have so many calls, and no more
	ranges   []carriers.Place // of numbers

	number  int          // rises from one to the next
	strands atomic.Int64 // that have them
}

// newProfiles is what the engine makes of a book; before are those in force, if any.
func (e *Engine) newProfiles(book Book, before *profiles) *profiles {
	p := &profiles{
		Book: book, engine: e,
		trunks: map[string]*dialog.Policy{}, carriers: map[string]*dialog.Policy{}, asks: map[*carriers.Ask]*ask.Server{},
	}
	if before == nil {
		before = &profiles{}
	}
	p.number = before.number + 1
	for _, name := range book.Trunks() {
		p.trunks[name] = alike(before.trunks, name, p.ofTrunk(book.TrunkNamed(name)))
	}
	for _, name := range book.Carriers() {
		p.carriers[name] = alike(before.carriers, name, p.ofCarrier(book.Carrier(name)))
	}
	for _, name := range book.Carriers() {
		c := book.Carrier(name)
		p.watches = p.watches || c.Health != nil || c.Quality.Window > 0
	}
	for _, b := range book.Bounds() {
		p.bounded = p.bounded || b.Calls > 0
		if b.Kind == carriers.OfNumbers {
			p.ranges = append(p.ranges, b.Place)
		}
	}
	for _, a := range book.Asks() {
		p.asks[a] = ask.New(a, e.config.Ask)
	}
	return p
}

// Profiles are those that a call would begin with now.
func (e *Engine) Profiles() Profiles { return e.profiles() }

func (p *profiles) ofTrunk(t *carriers.Trunk) *dialog.Policy {
	d := p.ofRealm(t.Realm)
	d.Contact, d.Relay, d.SessionTimer, d.EarlyMedia, d.Transfers = t.Contact, t.Relay, t.SessionTimer, t.EarlyMedia, t.Transfers
	d.Audit, d.Codecs, d.Profile = t.Audit, t.Codecs, t
	return d
}

func (p *profiles) ofCarrier(c *carriers.Carrier) *dialog.Policy {
	d := p.ofRealm(c.Realm)
	d.NoResponse, d.NoRinging, d.NoAnswer = c.Timers.NoResponse, c.Timers.NoRinging, c.Timers.NoAnswer
	d.Linger, d.Relay, d.SessionTimer, d.Transfers = c.Linger, c.Relay, c.SessionTimer, c.Transfers
	d.EarlyMedia, d.Stay, d.Audit, d.Codecs = c.EarlyMedia, c.Stay, c.Audit, c.Codecs
	d.LargeByTCP = c.LargeByTCP
	d.Login, d.Profile, d.Form = c.Login, c, c.Form
	return d
}

// ofRealm is what all legs of a realm have in common.
func (p *profiles) ofRealm(realm string) *dialog.Policy {
	c := p.engine.config
	d := &dialog.Policy{Seal: p.engine.seal, Timers: c.Timers, NoAnswer: carriers.DefaultNoAnswer, Agent: c.Agent, Peers: audible{p.engine}}
	for t := range d.Local {
		d.Local[t], _ = p.engine.wire.Local(realm, wire.Transport(t))
	}
	return d
}

// TrunkPolicy is Profiles. A trunk that is gone from the configuration still has
// calls; they end as they would have.
func (p *profiles) TrunkPolicy(name, realm string) *dialog.Policy {
	if d := p.trunks[name]; d != nil {
		return d
	}
	return p.ofRealm(realm)
}

// CarrierPolicy is Profiles.
func (p *profiles) CarrierPolicy(name, realm string) *dialog.Policy {
	if d := p.carriers[name]; d != nil {
		return d
	}
	return p.ofRealm(realm)
}

// Profile is Profiles.
func (p *profiles) Profile(carrier string) Profile {
	if c := p.Carrier(carrier); c != nil {
		return c
	}
	return &carriers.Carrier{} // its failures lead on where any carrier's do
}

// Contacts is Redirects.
func (p *profiles) Contacts(carrier string) int {
	if c := p.Carrier(carrier); c != nil {
		return c.Contacts
	}
	return 0
}

// Redirect is Redirects.
func (p *profiles) Redirect(carrier, contact, number string) (Target, bool) {
	t, ok := p.Contact(carrier, contact, number)
	if !ok {
		return Target{}, false
	}
	return p.target(t), true
}

// target is a target with how to behave there.
func (p *profiles) target(t dialog.Target) Target {
	t.Route = p.engine.registrar.route(t.Carrier)
	return Target{Target: t, Policy: p.carriers[t.Carrier], Profile: p.Carrier(t.Carrier)}
}

// trunkName is the name of a trunk as a string of the book's, not of the record that it
// stands in: that would be kept for it as long as the call is.
func (p *profiles) trunkName(name string) string {
	if t := p.TrunkNamed(name); t != nil {
		return t.Name
	}
	return strings.Clone(name)
}
