package b2bua

import (
	"maps"
	"slices"
	"sync"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Standings are how carriers stand whatever their gateways are like: what operators have
// ordered, and what their scorecards come to; an order stands above a scorecard. They outlive the engine that asks them. The
// zero value knows of nobody.
type Standings struct {
	mu      sync.Mutex
	orders  map[string]carriers.Order
	conduct map[string]*carriers.Conduct
}

// Stand is how one carrier stands.
type Stand struct {
	carriers.Standing
	By     string // operator NAME, scorecard; empty: it is in service
	Reason string
	Since  time.Time
	Until  time.Time // zero: nobody has said
}

// Order takes an order; false: a later one of the carrier is known.
func (s *Standings) Order(o carriers.Order) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if was, ok := s.orders[o.Carrier]; ok && !was.Before(o) {
		return false
	}
	if s.orders == nil {
		s.orders = map[string]carriers.Order{}
	}
	s.orders[o.Carrier] = o
	return true
}

// Orders are the latest of each carrier, those that are over among them.
func (s *Standings) Orders() map[string]carriers.Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.orders)
}

// Of is how a carrier stands.
func (s *Standings) Of(now time.Time, carrier string) Stand {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[carrier]
	at := o.At(now)
	if c := s.conduct[carrier]; c != nil && at == carriers.InService {
		if verdict, since, why := c.Standing(); verdict != at {
			return Stand{Standing: verdict, By: "scorecard", Reason: why, Since: since}
		}
	}
	if at == carriers.InService {
		return Stand{}
	}
	return Stand{Standing: at, By: "operator " + o.By, Reason: o.Reason, Since: o.Since, Until: o.Until}
}

// Count takes what came to light of a carrier; true: it stands otherwise for it.
func (s *Standings) Count(now time.Time, carrier string, d carriers.Deeds) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conduct[carrier]
	return c != nil && c.Count(now, d)
}

// adopted takes the rules of a book.
func (s *Standings) adopted(b Book) {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := b.Carriers()
	maps.DeleteFunc(s.conduct, func(name string, _ *carriers.Conduct) bool { return !slices.Contains(names, name) })
	for _, name := range names {
		rules := b.Carrier(name).Conduct
		switch c := s.conduct[name]; {
		case rules.Window == 0:
			delete(s.conduct, name)
		case c == nil || c.Rules.Window != rules.Window: // its parts are others
			if s.conduct == nil {
				s.conduct = map[string]*carriers.Conduct{}
			}
			s.conduct[name] = &carriers.Conduct{Rules: rules}
		default:
			c.Rules = rules
		}
	}
}

// skip says why a call is not to go to a carrier, or to go elsewhere first; empty: it may.
func (s *Standings) skip(now time.Time, call dialog.CallID, carrier string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.orders[carrier]; o.At(now) != carriers.InService {
		return o.Standing.String() + ": " + o.Besides()
	}
	if c := s.conduct[carrier]; c != nil {
		return c.Skip(now, carriers.Uniform(call, carrier, "scorecard"))
	}
	return ""
}

// begin notes that a call goes to a carrier.
func (s *Standings) begin(now time.Time, carrier string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.conduct[carrier]; c != nil {
		c.Begin(now)
	}
}
