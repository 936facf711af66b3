package carriers

import (
	"cmp"
	"slices"
	"time"

	"bulkhead/dialog"
)

// MaxTargets is how many targets a route may lead to. A call numbers its legs
// with one byte; nobody waits for so many carriers.
const MaxTargets = 100

// route is one entry of the routes, all names resolved.
type route struct {
	match     match
	targets   []hop
	spread    []share
	priced    bool // spread is in the order of prices
	maxPrice  Price
	onFailure []*Carrier
	ask       *Ask
	reject    *RejectConfig
	gateways  int // that it leads to, MaxTargets at most
}

type hop struct {
	carrier *Carrier
	number  string // empty: as it came
}

type share struct {
	carrier *Carrier
	weight  int
}

func newRoute(number int, c RouteConfig, carriers map[string]*Carrier, zones map[string]*time.Location) route {
	r := route{match: newMatch(number, c.Match, zones), reject: c.Reject}
	for _, t := range c.Targets {
		r.targets = append(r.targets, hop{carriers[t.Carrier], t.Number})
		r.gateways += len(carriers[t.Carrier].Gateways)
	}
	shares := c.Spread
	if l := c.LeastCost; l != nil {
		shares, r.priced, r.maxPrice = l.Carriers, true, l.MaxPrice
	}
	for _, s := range shares {
		r.spread = append(r.spread, share{carriers[s.Carrier], cmp.Or(s.Weight, DefaultWeight)})
		r.gateways += len(carriers[s.Carrier].Gateways)
	}
	for _, name := range c.OnFailure {
		r.onFailure = append(r.onFailure, carriers[name])
		r.gateways += len(carriers[name].Gateways)
	}
	return r
}

// choose lists the targets of a call that took this route, and who else is in it.
func (r *route) choose(now time.Time, s dialog.Setup, names Names) (c Choice) {
	room := MaxTargets - r.gateways
	for _, h := range r.targets {
		c.Targets = h.carrier.append(c.Targets, s.Call, cmp.Or(h.number, s.Number), names, &room)
	}
	fit, skipped := r.shuffle(now, s)
	c.Skipped = skipped
	for _, carrier := range fit {
		c.Targets = carrier.append(c.Targets, s.Call, s.Number, names, &room)
	}
	return c
}

// Why a carrier of a least_cost route is skipped.
const (
	SkipNoRate   = "no_rate"         // its table has no price for the number
	SkipMaxPrice = "above_max_price" // it costs more than the route bears
)

// shuffle draws the order of the carriers of spread, by price first where prices
// count; those of on_failure follow, if they have not had their turn.
func (r *route) shuffle(now time.Time, s dialog.Setup) (list []*Carrier, skipped []Skipped) {
	if len(r.spread) == 0 {
		return nil, nil
	}
	type candidate struct {
		*Carrier
		price Price
		draw  float64
	}
	order := make([]candidate, 0, len(r.spread))
	for _, x := range r.spread {
		k := candidate{Carrier: x.carrier}
		if r.priced {
			ok, why := false, SkipNoRate
			if k.price, ok = x.carrier.Rates.Price(now, s.Number); ok {
				ok, why = r.maxPrice == 0 || k.price <= r.maxPrice, SkipMaxPrice
			}
			if !ok {
				skipped = append(skipped, Skipped{dialog.Target{Carrier: x.carrier.Name, Number: s.Number}, why})
				continue
			}
		}
		k.draw = draw(s.Call, x.weight, x.carrier.Name)
		order = append(order, k)
	}
	slices.SortStableFunc(order, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.price, b.price), cmp.Compare(a.draw, b.draw))
	})
	list = make([]*Carrier, 0, len(r.spread)+len(r.onFailure))
	for _, c := range order {
		list = append(list, c.Carrier)
	}
	for _, c := range r.onFailure {
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list, skipped
}
