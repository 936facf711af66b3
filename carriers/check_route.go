package carriers

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

func (v *validator) route(path string, r RouteConfig) {
	v.match(path+".match", r.Match)
	ways := 0
	for _, given := range []bool{len(r.Targets) > 0, len(r.Spread) > 0, r.LeastCost != nil, r.Ask != nil, r.Reject != nil} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		v.fault(path, "a route needs one of targets, spread, least_cost, ask, reject")
	}
	if len(r.OnFailure) > 0 && len(r.Spread) == 0 && r.LeastCost == nil {
		v.fault(path+".on_failure", "goes with spread and least_cost only; targets are tried in their order")
	}
	v.targets(path, r)
	if r.Ask != nil {
		v.ask(path+".ask", r.Ask)
	}
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
	total := v.hops(path+".targets", r.Targets)
	total += v.shares(path+".spread", "spread", r.Spread)
	if l := r.LeastCost; l != nil {
		total += v.shares(path+".least_cost.carriers", "carriers", l.Carriers)
		v.prices(path+".least_cost", l)
	}
	for i, name := range r.OnFailure {
		total += v.hop(fmt.Sprintf("%s.on_failure[%d]", path, i), name)
	}
	if r.Ask != nil {
		total += v.hops(path+".ask.fallback", r.Ask.Fallback)
	}
	if total > MaxTargets {
		v.fault(path, "leads to %d gateways; a call tries %d at most", total, MaxTargets)
	}
}

// hops checks carriers to try in order and returns the number of their gateways.
func (v *validator) hops(path string, targets []TargetConfig) (total int) {
	for i, t := range targets {
		at := fmt.Sprintf("%s[%d]", path, i)
		total += v.hop(at+".carrier", t.Carrier)
		v.check(at+".number", checkUser(t.Number))
		if strings.Contains(t.Number, "*") {
			v.fault(at+".number", "%q: this is the number to dial, it has no '*'", t.Number)
		}
	}
	return total
}

func (v *validator) ask(path string, a *AskConfig) {
	u, err := url.Parse(a.URL)
	switch {
	case a.URL == "":
		v.fault(path+".url", "is needed")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "":
		v.fault(path+".url", "%q is not where to ask, such as https://lcr.example/route", a.URL)
	case u.Scheme == "http" && a.CA != "":
		v.fault(path+".ca", "goes with https")
	}
	if a.Timeout < 0 || a.Timeout > MostAskTimeout {
		v.fault(path+".timeout", "%s is more than %s, or negative", a.Timeout, MostAskTimeout)
	}
	if a.Concurrent < 0 {
		v.fault(path+".concurrent", "must not be negative")
	}
	if a.CA != "" && v.config.Authorities[a.CA] == nil {
		v.fault(path+".ca", "the certificates have not been read")
	}
	c := a.Cache
	if c == nil {
		return
	}
	if len(c.By) == 0 {
		v.fault(path+".cache.by", "is needed: calls that agree in these keys have the same answer")
	}
	for i, key := range c.By {
		at := fmt.Sprintf("%s.cache.by[%d]", path, i)
		if !slices.Contains(askKeys, key) {
			v.fault(at, "%q is not one of: %s", key, strings.Join(askKeys, ", "))
		} else if slices.Index(c.By, key) < i {
			v.fault(at, "stands already")
		}
	}
	if c.Keep <= 0 {
		v.fault(path+".cache.keep", "must be above zero")
	}
	if c.Most < 0 {
		v.fault(path+".cache.most", "must not be negative")
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
