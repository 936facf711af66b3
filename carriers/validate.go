package carriers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Fault is something that cannot stand in a configuration.
type Fault struct {
	Path    string // where, such as trunks.pbx.from[0]
	Message string // what is wrong there
}

// Validate finds every fault at once, in the order of their paths: names that
// lead nowhere, addresses that cannot be read or overlap, what cannot be dialled
// or sent. The realms are those that the process will have.
func (c Config) Validate(realms Realms) []Fault {
	v := validator{config: c, realms: realms, zones: zonesOf(c.Routes)}
	for name, t := range c.Trunks {
		v.trunk("trunks."+name, name, t)
	}
	for _, list := range claims(c.Trunks) {
		nested(list, v.overlap)
	}
	for name, k := range c.Carriers {
		v.carrier("carriers."+name, name, k)
	}
	v.sameTLS()
	for i, r := range c.Routes {
		v.route(fmt.Sprintf("routes[%d]", i), r)
	}
	v.ranges(c.Limits)
	slices.SortFunc(v.faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return v.faults
}

type validator struct {
	config Config
	realms Realms
	zones  map[string]*time.Location // that routes name
	faults []Fault
}

func (v *validator) fault(path, format string, args ...any) {
	v.faults = append(v.faults, Fault{path, fmt.Sprintf(format, args...)})
}

func (v *validator) check(path string, err error) {
	if err != nil {
		v.fault(path, "%s", err)
	}
}

func (v *validator) trunk(path, name string, t TrunkConfig) {
	v.check(path, CheckName(name))
	v.realm(path, t.Realm)
	if len(t.From) == 0 {
		v.fault(path+".from", "a trunk needs an address that it calls from")
	}
	for i, from := range t.From {
		_, err := parsePrefix(from)
		v.check(fmt.Sprintf("%s.from[%d]", path, i), err)
	}
	if t.Contact != "" {
		contact, err := ParseSocket(t.Contact)
		v.peer(path+".contact", t.Realm, contact, err)
	}
	v.notNegative(path+".max_duration", t.MaxDuration)
	v.notNegative(path+".max_setup", t.MaxSetup)
	v.country(path+".country", t.Country)
	v.oneOf(path+".media", t.Media, "bypass", "relay", "rtpengine")
	v.transcode(path+".transcode", t.Transcode)
	v.limits(path+".limits", t.Limits)
	v.headers(path+".headers", t.Headers, "call")
	v.numbers(path+".numbers", t.Numbers, false)
	v.oneOf(path+".diversion", t.Diversion, diversionHistory, diversionNone)
	for i, number := range t.Identities {
		v.check(fmt.Sprintf("%s.identities[%d]", path, i), checkUser(number))
	}
	if t.Trust && len(t.Identities) > 0 {
		v.fault(path+".identities", "say who a trunk may call as that is not believed; this one has trust")
	}
	v.auth(path+".auth", t.Auth)
	v.sessionTimer(path+".session_timer", t.SessionTimer)
	v.audit(path+".audit", t.Audit)
	v.methods(path+".methods", t.Methods)
	v.codecs(path+".codecs", t.Codecs)
	v.oneOf(path+".refer", t.Refer, "refuse", "relay")
}

func (v *validator) overlap(inner, outer claim) {
	if inner.trunk != outer.trunk {
		v.fault(fmt.Sprintf("trunks.%s.from[%d]", inner.trunk, inner.index),
			"%s overlaps %s of trunk %s in the same realm", inner.prefix, outer.prefix, outer.trunk)
	}
}

func (v *validator) carrier(path, name string, c CarrierConfig) {
	v.check(path, CheckName(name))
	v.realm(path, c.Realm)
	if len(c.Gateways) == 0 {
		v.fault(path+".gateways", "a carrier needs a gateway")
	}
	type where struct {
		Socket
		Name
	}
	first := map[where]int{}
	for i, g := range c.Gateways {
		at := fmt.Sprintf("%s.gateways[%d]", path, i)
		v.gateway(at, c.Realm, g)
		if socket, name, err := g.where(v.realms[c.Realm]); err == nil {
			if j, again := first[where{socket, name}]; again {
				v.fault(at+".address", "the same as gateways[%d]", j)
			} else {
				first[where{socket, name}] = i
			}
		}
	}
	v.notNegative(path+".timers.no_response", c.Timers.NoResponse)
	v.notNegative(path+".timers.no_ringing", c.Timers.NoRinging)
	v.notNegative(path+".timers.no_answer", c.Timers.NoAnswer)
	v.notNegative(path+".linger", c.Linger)
	v.reroute(path+".reroute", c.Reroute)
	if r := c.Redirect; r != nil && (r.Contacts < 0 || r.Contacts > MaxContacts) {
		v.fault(path+".redirect.contacts", "%d: a call tries 1 to %d", r.Contacts, MaxContacts)
	}
	if h := c.Health; h != nil && h.Options < time.Second {
		v.fault(path+".health.options", "%s is less than %s", h.Options, time.Second)
	}
	if q := c.Quality; q != nil && q.ASR == 0 && q.NER == 0 {
		v.fault(path+".quality", "needs asr or ner")
	}
	v.scorecard(path+".scorecard", c.Scorecard)
	v.limits(path+".limits", c.Limits)
	if c.Limits.Code != 0 {
		v.fault(path+".limits.code", "is for trunks; the calls of a carrier that has its limit go to the next")
	}
	v.sessionTimer(path+".session_timer", c.SessionTimer)
	v.audit(path+".audit", c.Audit)
	v.methods(path+".methods", c.Methods)
	v.codecs(path+".codecs", c.Codecs)
	v.oneOf(path+".refer", c.Refer, "refuse", "relay", "follow")
	v.tls(path+".tls", c)
	v.keepalive(path+".keepalive", c.Keepalive)
	v.large(path+".large", c)
	v.auth(path+".auth", c.Auth)
	v.oneOf(path+".media", c.Media, "bypass", "relay", "rtpengine")
	v.transcode(path+".transcode", c.Transcode)
	v.oneOf(path+".after_early_media", c.AfterMedia, "hunt", "stop")
	v.oneOf(path+".identity", c.Identity, identityPAI, identityRPID, identityFrom, identityNone)
	v.oneOf(path+".diversion", c.Diversion, diversionHeader, diversionHistory, diversionNone)
	v.headers(path+".headers", c.Headers, "call", "trunk", "carrier", "attempt")
	v.numbers(path+".numbers", c.Numbers, true)
	if c.Rates != "" && v.config.Tables[c.Rates] == nil {
		v.fault(path+".rates", "the table has not been read")
	}
	if c.Register != nil {
		v.text(path+".register.aor", c.Register.AOR)
	}
	if c.Register != nil && strings.ContainsAny(c.Register.AOR, "<>\" \\?") {
		v.fault(path+".register.aor", "%q: a SIP URI without spaces, quotes, brackets and headers", c.Register.AOR)
	}
	if c.Register != nil && !strings.HasPrefix(c.Register.AOR, "sip:") && !strings.HasPrefix(c.Register.AOR, "sips:") {
		v.fault(path+".register.aor", "%q is not a SIP URI, such as sip:us@carrier.example", c.Register.AOR)
	}
}

func (v *validator) scorecard(path string, s *ScorecardConfig) {
	if s == nil {
		return
	}
	if s.Late+s.Ignored+s.NoFinal+s.No100 == 0 && s.Delay == 0 {
		v.fault(path, "needs a threshold: %s or post_dial_delay", strings.Join(misdeedKeys[:], ", "))
	}
	if s.Window < time.Minute {
		v.fault(path+".window", "%s is less than %s", s.Window, time.Minute)
	}
	if s.Floor <= 0 {
		v.fault(path+".floor", "must be above zero: who gets no calls can never show that it is well again")
	}
	v.notNegative(path+".post_dial_delay", s.Delay)
	v.oneOf(path+".then", s.Then, thenDeprioritise, thenQuarantine)
}

func (v *validator) gateway(path, realm string, g GatewayConfig) {
	if _, err := parseTransport(g.Transport); err != nil {
		v.fault(path+".transport", "%s", err)
		g.Transport = ""
		_, _, err = g.where(v.realms[realm])
		v.check(path+".address", err)
	} else if socket, name, err := g.where(v.realms[realm]); name == (Name{}) {
		v.peer(path+".address", realm, socket, err)
	} else if _, ok := v.realms[realm]; ok && name.Ways == 0 {
		v.fault(path+".address", "realm %s has no %s listener", realm, cmp.Or(g.Transport, "udp"))
	}
	if g.Priority < 0 {
		v.fault(path+".priority", "must not be negative")
	}
	v.weight(path+".weight", g.Weight)
}

func (v *validator) reroute(path string, r RerouteConfig) {
	first := map[code]string{}
	list := func(name string, entries []string) {
		for i, s := range entries {
			at := fmt.Sprintf("%s.%s[%d]", path, name, i)
			c, err := parseCode(s)
			if err != nil {
				v.fault(at, "%s", err)
			} else if where, again := first[c]; again {
				v.fault(at, "%s stands already in %s", s, where)
			} else {
				first[c] = name
			}
		}
	}
	list("stop", r.Stop)
	list("continue", r.Continue)
}

func (v *validator) notNegative(path string, d time.Duration) {
	if d < 0 {
		v.fault(path, "must not be negative")
	}
}

// sortedKeys gives the keys in an order, so that faults come the same each time.
func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
