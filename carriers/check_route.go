package carriers

import (
	"fmt"
	"slices"
	"strings"
)

func (v *validator) route(path string, r RouteConfig) {
	v.match(path+".match", r.Match)
	ways := 0
	for _, given := range []bool{len(r.Targets) > 0, len(r.Spread) > 0, r.LeastCost != nil, r.Reject != nil} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		v.fault(path, "a route needs one of targets, spread, least_cost, reject")
	}
	if len(r.OnFailure) > 0 && len(r.Spread) == 0 && r.LeastCost == nil {
		v.fault(path+".on_failure", "goes with spread and least_cost only; targets are tried in their order")
	}
	v.targets(path, r)
	if r.Reject != nil {
		if r.Reject.Code < 400 || r.Reject.Code > 699 {
			v.fault(path+".reject.code", "%d is not a status code that rejects: 400 to 699", r.Reject.Code)
		}
		v.text(path+".reject.reason", r.Reject.Reason)
	}
}

func (v *validator) match(path string, m MatchConfig) {
	if m.Trunk != "" {
		if _, ok := v.config.Trunks[m.Trunk]; !ok {
			v.fault(path+".trunk", "there is no trunk %q", m.Trunk)
		}
	}
	v.check(path+".number", checkUser(m.Number))
	v.check(path+".caller", checkUser(m.Caller))
	v.text(path+".domain", m.Domain)
	if m.Percent < 0 || m.Percent > 100 {
		v.fault(path+".percent", "%d is not a share of the calls: 1 to 100", m.Percent)
	}
	for i, day := range m.Days {
		at := fmt.Sprintf("%s.days[%d]", path, i)
		v.oneOf(at, day, dayNames...)
		if day == "" || slices.Index(m.Days, day) < i {
			v.fault(at, "a day is empty, or stands already")
		}
	}
	for i, h := range m.Hours {
		if h.From == h.To || h.From >= midnight || h.To > midnight {
			v.fault(fmt.Sprintf("%s.hours[%d]", path, i), "is not a part of a day, such as 08:00-18:00")
		}
	}
	if m.Zone == "" {
		return
	}
	if len(m.Days) == 0 && len(m.Hours) == 0 {
		v.fault(path+".zone", "goes with days or hours")
	}
	if v.zones[m.Zone] == nil {
		v.fault(path+".zone", "there is no time zone %q; one is called Europe/Paris", m.Zone)
	}
}

func (v *validator) targets(path string, r RouteConfig) {
	total := 0
	for i, t := range r.Targets {
		at := fmt.Sprintf("%s.targets[%d]", path, i)
		total += v.hop(at+".carrier", t.Carrier)
		v.check(at+".number", checkUser(t.Number))
		if strings.Contains(t.Number, "*") {
			v.fault(at+".number", "%q: this is the number to dial, it has no '*'", t.Number)
		}
	}
	total += v.shares(path+".spread", "spread", r.Spread)
	if l := r.LeastCost; l != nil {
		total += v.shares(path+".least_cost.carriers", "carriers", l.Carriers)
		v.prices(path+".least_cost", l)
	}
	for i, name := range r.OnFailure {
		total += v.hop(fmt.Sprintf("%s.on_failure[%d]", path, i), name)
	}
	if total > MaxTargets {
		v.fault(path, "leads to %d gateways; a call tries %d at most", total, MaxTargets)
	}
}

// shares checks carriers with weights and returns the number of their gateways.
func (v *validator) shares(path, name string, shares []ShareConfig) (total int) {
	first := map[string]int{}
	for i, s := range shares {
		at := fmt.Sprintf("%s[%d]", path, i)
		total += v.hop(at+".carrier", s.Carrier)
		v.weight(at+".weight", s.Weight)
		if j, again := first[s.Carrier]; again {
			v.fault(at+".carrier", "the same as %s[%d]", name, j)
		} else {
			first[s.Carrier] = i
		}
	}
	return total
}

// prices checks that there are prices, and that they can be compared.
func (v *validator) prices(path string, l *LeastCostConfig) {
	if len(l.Carriers) == 0 {
		v.fault(path+".carriers", "a carrier is needed")
	}
	if l.MaxPrice < 0 {
		v.fault(path+".max_price", "must not be negative")
	}
	var compared *Rates
	whose := ""
	for i, s := range l.Carriers {
		at := fmt.Sprintf("%s.carriers[%d].carrier", path, i)
		c, known := v.config.Carriers[s.Carrier]
		rates := v.config.Tables[c.Rates]
		switch {
		case !known:
		case c.Rates == "":
			v.fault(at, "carrier %s has no rates", s.Carrier)
		case rates == nil: // told where the table is named
		case compared == nil:
			compared, whose = rates, s.Carrier
		case rates.Currency != compared.Currency:
			v.fault(at, "the prices of %s are in %q, those of %s in %q", s.Carrier, rates.Currency, whose, compared.Currency)
		}
	}
}

// hop checks the name of a carrier and returns the number of its gateways.
func (v *validator) hop(path, name string) int {
	c, ok := v.config.Carriers[name]
	if !ok {
		v.fault(path, "there is no carrier %q", name)
	}
	return len(c.Gateways)
}
