package carriers

import (
	"cmp"
	"slices"

	"bulkhead/dialog"
)

// MaxTargets is how many targets a route may lead to. A call numbers its legs
// with one byte; nobody waits for so many carriers.
const MaxTargets = 100

// route is one entry of the routes, all names resolved.
type route struct {
	match     MatchConfig
	targets   []hop
	spread    []share
	onFailure []*Carrier
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

func newRoute(c RouteConfig, carriers map[string]*Carrier) route {
	r := route{match: c.Match, reject: c.Reject}
	for _, t := range c.Targets {
		r.targets = append(r.targets, hop{carriers[t.Carrier], t.Number})
		r.gateways += len(carriers[t.Carrier].Gateways)
	}
	for _, s := range c.Spread {
		r.spread = append(r.spread, share{carriers[s.Carrier], cmp.Or(s.Weight, DefaultWeight)})
		r.gateways += len(carriers[s.Carrier].Gateways)
	}
	for _, name := range c.OnFailure {
		r.onFailure = append(r.onFailure, carriers[name])
		r.gateways += len(carriers[name].Gateways)
	}
	return r
}

// order lists the targets of a call that took this route.
func (r *route) order(s dialog.Setup, names Names) (targets []dialog.Target) {
	room := MaxTargets - r.gateways
	for _, h := range r.targets {
		targets = h.carrier.append(targets, s.Call, cmp.Or(h.number, s.Number), names, &room)
	}
	for _, carrier := range r.shuffle(s.Call) {
		targets = carrier.append(targets, s.Call, s.Number, names, &room)
	}
	return targets
}

// shuffle draws the order of the carriers of spread; those of on_failure
// follow, if they have not had their turn.
func (r *route) shuffle(call dialog.CallID) []*Carrier {
	if len(r.spread) == 0 {
		return nil
	}
	type candidate struct {
		*Carrier
		draw float64
	}
	order := make([]candidate, 0, len(r.spread))
	for _, s := range r.spread {
		order = append(order, candidate{s.carrier, draw(call, s.weight, s.carrier.Name)})
	}
	slices.SortStableFunc(order, func(a, b candidate) int { return cmp.Compare(a.draw, b.draw) })
	list := make([]*Carrier, 0, len(r.spread)+len(r.onFailure))
	for _, c := range order {
		list = append(list, c.Carrier)
	}
	for _, c := range r.onFailure {
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}
