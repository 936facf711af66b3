package carriers

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"bulkhead/dialog"
)

// Book is everybody at the border and the routes between them.
type Book struct {
	trunks   map[string]*Trunk
	carriers map[string]*Carrier
	sources  map[string]*sources // by realm
	gateways map[gatewayAddress][]*Carrier
	routes   []route
	index    index
	names    Names // never nil
	asked    map[named][]*Carrier
	ranges   []numberRange
	config   Config
}

// Source is the configuration that the book was made of. It must not be changed.
func (b *Book) Source() Config { return b.config }

type gatewayAddress struct {
	realm   string
	address netip.Addr
}

// NewBook makes the book of a configuration; the error joins the faults that
// Validate finds.
func NewBook(c Config, realms Realms) (*Book, error) {
	if faults := c.Validate(realms); len(faults) > 0 {
		all := make([]error, 0, len(faults))
		for _, f := range faults {
			all = append(all, fmt.Errorf("%s: %s", f.Path, f.Message))
		}
		return nil, errors.Join(all...)
	}
	b := &Book{
		trunks:   make(map[string]*Trunk, len(c.Trunks)),
		carriers: make(map[string]*Carrier, len(c.Carriers)),
		sources:  map[string]*sources{},
		gateways: map[gatewayAddress][]*Carrier{},
		routes:   make([]route, 0, len(c.Routes)),
		names:    noNames{},
		asked:    map[named][]*Carrier{},
		config:   c,
	}
	for name, t := range c.Trunks {
		b.trunks[name] = newTrunk(name, t)
	}
	for realm, list := range claims(c.Trunks) {
		b.sources[realm] = newSources(list, b.trunks)
	}
	for _, name := range sortedKeys(c.Carriers) {
		k := c.Carriers[name]
		carrier := newCarrier(name, k, realms[k.Realm])
		carrier.Rates = c.Tables[k.Rates]
		b.carriers[name] = carrier
		for _, g := range carrier.Gateways {
			if g.Ask != (Name{}) {
				key := named{carrier.Realm, g.Ask}
				b.asked[key] = append(b.asked[key], carrier)
				continue
			}
			key := gatewayAddress{carrier.Realm, g.Path.Remote.Addr()}
			b.gateways[key] = append(b.gateways[key], carrier)
		}
	}
	zones := zonesOf(c.Routes)
	for i, r := range c.Routes {
		route := newRoute(i, r, b.carriers, zones)
		route.ask = newAsk(i, r.Ask, c.Authorities, b.carriers)
		b.routes = append(b.routes, route)
	}
	b.index = newIndex(b.routes)
	b.ranges = newRanges(c.Limits)
	return b, nil
}

// Trunk finds who calls from this address of this realm; nil: unknown. Trunks
// of one realm do not overlap, so there is at most one.
func (b *Book) Trunk(realm string, source netip.Addr) *Trunk {
	s := b.sources[realm]
	if s == nil {
		return nil
	}
	return s.find(plain(source))
}

// TrunkNamed finds a trunk by its name; nil: there is none.
func (b *Book) TrunkNamed(name string) *Trunk { return b.trunks[name] }

// Trunks are the names of all trunks, in order.
func (b *Book) Trunks() []string { return slices.Sorted(maps.Keys(b.trunks)) }

// Carrier finds a carrier by its name; nil: there is none.
func (b *Book) Carrier(name string) *Carrier { return b.carriers[name] }

// Carriers are the names of all carriers, in order.
func (b *Book) Carriers() []string { return slices.Sorted(maps.Keys(b.carriers)) }

// Known says that a trunk calls from this address of this realm, or that a
// carrier has a gateway there, or had one not long ago by a name.
func (b *Book) Known(realm string, source netip.Addr) bool {
	source = plain(source)
	return b.Trunk(realm, source) != nil || b.gateways[gatewayAddress{realm, source}] != nil || b.asks(realm, source)
}

// CarrierAt says that the named carrier has a gateway at this address of this
// realm, whatever the port.
func (b *Book) CarrierAt(realm string, source netip.Addr, name string) bool {
	c := b.carriers[name]
	return c != nil && c.Realm == realm && c.at(plain(source), b.names)
}

// Select says where a call may go: to the targets of the first route that matches it,
// but for those that the judge, who may be nil, does not let through. A call that no
// route matches is refused with 404. Where its route asks, nothing is chosen yet.
func (b *Book) Select(now time.Time, s dialog.Setup, j Judge) Choice {
	i := b.index.first(b.routes, now, &s)
	if i == none {
		return refuse(NoRoute, 404, "No route")
	}
	r := &b.routes[i]
	if r.reject != nil {
		return refuse(i, r.reject.Code, r.reject.Reason)
	}
	if r.ask != nil {
		return Choice{Route: i, Ask: r.ask}
	}
	c := r.choose(now, s, b.names)
	c.Route = i
	c.judge(now, j)
	return c
}
