package carriers

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"bulkhead/dialog"
)

// Carrier is somebody whom we call. It is never changed.
type Carrier struct {
	Name     string
	Realm    string
	Gateways []Gateway     // as configured
	Timers   Timers        // NoAnswer is never zero
	Linger   time.Duration // how long after Timer D repeats are still ACKed
	Relay    []string      // methods that pass within a dialog

	Transfers    dialog.Transfers
	SessionTimer dialog.SessionTimer
	Audit        time.Duration // between two OPTIONS where no session timer runs; zero: none
	EarlyMedia   bool          // P-Early-Media passes (RFC 5009)
	Codecs       dialog.Codecs
	SRTP         bool     // as of a trunk
	Transcode    []string // as of a trunk
	Media        string   // bypass, relay, rtpengine; empty: as the trunk's
	Stay         bool     // once it has sent early media, no other is tried
	Contacts     int      // of redirections that a call tries; zero: a 3xx is a failure
	Limit        Limit
	Health       *HealthRules // nil: its gateways are not watched
	Quality      QualityRules
	Conduct      ConductRules
	Keepalive    time.Duration            // between two pings on a connection to it; zero: the realm's
	TLSName      string                   // that its certificate must have; empty: the gateway's own
	OwnKeys      bool                     // certificates are configured for it
	LargeByTCP   bool                     // an INVITE that is too large for UDP goes by TCP
	Login        *dialog.Login            // for its challenges; nil: none is met
	Register     *dialog.RegistrationWish // of ours there; nil: none

	Rates *Rates // nil: it has none

	Form dialog.Form // how who is called is written

	border
	identity  string        // how who calls is shown
	diversion string        // how diversions are
	reroute   map[code]bool // what the configuration says: hunt on or not
}

// Gateway is an address of a carrier.
type Gateway struct {
	Name     string      // the address as configured
	Path     dialog.Path // of a name: its realm alone
	Ask      Name        // whose addresses are the gateway's; zero: Path has it
	Priority int         // the lowest is tried first
	Weight   int         // share among those of one priority, above zero
}

func newCarrier(name string, c CarrierConfig, listening []Socket) *Carrier {
	k := &Carrier{
		Name: name, Media: c.Media, SRTP: c.SRTP, Transcode: c.Transcode, Realm: c.Realm, Timers: c.Timers, Linger: c.Linger, Relay: c.Methods, SessionTimer: c.SessionTimer.timer(),
		Transfers: transfers(c.Refer), Limit: c.Limits.limit(),
		Gateways: make([]Gateway, 0, len(c.Gateways)),
		reroute:  make(map[code]bool, len(c.Reroute.Stop)+len(c.Reroute.Continue)),
	}
	if k.Timers.NoAnswer == 0 {
		k.Timers.NoAnswer = DefaultNoAnswer
	}
	k.EarlyMedia, k.Stay, k.Audit = c.EarlyMedia, c.AfterMedia == "stop", c.Audit
	k.Keepalive, k.LargeByTCP = c.Keepalive, c.Large == "tcp"
	if t := c.TLS; t != nil {
		k.TLSName, k.OwnKeys = t.Name, t.Certificate != "" || t.CA != ""
	}
	k.border = border{newHeaders(c.Headers), newNumbers(c.Numbers, c.Numbers.Country), c.Trust, c.Diversion == diversionHistory, toNobody}
	if c.Identity == identityPAI {
		k.shows = toTrusted
	}
	k.Form, k.identity, k.diversion = forms[c.Numbers.URI], cmp.Or(c.Identity, identityFrom), cmp.Or(c.Diversion, diversionHeader)
	k.Codecs = dialog.Codecs(c.Codecs)
	k.Login = c.Auth.login()
	if h := c.Health; h != nil {
		k.Health = &HealthRules{h.Options, h.DownAfter, h.UpAfter}
	}
	if q := c.Quality; q != nil {
		k.Quality = QualityRules{q.Window, float64(q.ASR), float64(q.NER), q.Calls, float64(q.Probe)}
	}
	k.Conduct = c.Scorecard.rules()
	if c.Redirect != nil {
		k.Contacts = cmp.Or(c.Redirect.Contacts, DefaultContacts)
	}
	for _, g := range c.Gateways {
		socket, ask, _ := g.where(listening) // Validate has read it
		k.Gateways = append(k.Gateways, Gateway{
			Name:     g.Address,
			Path:     dialog.Path{Realm: c.Realm, Transport: socket.Transport, Remote: socket.Address},
			Ask:      ask,
			Priority: g.Priority,
			Weight:   cmp.Or(g.Weight, DefaultWeight),
		})
	}
	k.Register = c.Register.wish(k.Gateways)
	for _, s := range c.Reroute.Stop {
		stop, _ := parseCode(s)
		k.reroute[stop] = false
	}
	for _, s := range c.Reroute.Continue {
		on, _ := parseCode(s)
		k.reroute[on] = true
	}
	return k
}

// at says that the carrier has a gateway at this address, whatever the port: a
// carrier may answer from another port than it listens on.
func (c *Carrier) at(source netip.Addr, names Names) bool {
	return slices.ContainsFunc(c.Gateways, func(g Gateway) bool {
		return g.Path.Remote.Addr() == source || g.Ask != (Name{}) && names.Lead(g.Ask).holds(source)
	})
}

// append adds the carrier's gateways to the targets in the order in which this
// call tries them: by priority, and by weight among those of one priority. A name's
// addresses stand where it stands; all names together have no more than room beyond
// one each.
func (c *Carrier) append(targets []dialog.Target, call dialog.CallID, number string, names Names, room *int) []dialog.Target {
	type candidate struct {
		*Gateway
		draw float64
	}
	var few [8]candidate // few carriers have more
	order := few[:0]
	for i := range c.Gateways {
		g := &c.Gateways[i]
		order = append(order, candidate{g, draw(call, g.Weight, c.Name, g.Name)})
	}
	slices.SortStableFunc(order, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.draw, b.draw))
	})
	for _, g := range order {
		if g.Ask == (Name{}) {
			targets = append(targets, c.target(g.Gateway, number))
			continue
		}
		more := c.resolved(g.Gateway, call, number, names, min(maxAddresses, 1+*room))
		*room -= len(more) - 1
		targets = append(targets, more...)
	}
	return targets
}

// target is a gateway and the number to dial there.
func (c *Carrier) target(g *Gateway, number string) dialog.Target {
	return dialog.Target{Carrier: c.Name, Gateway: g.Name, Number: number, Host: g.Path.Remote.String(), Path: g.Path}
}

// resolved are the addresses of a gateway with a name, at most most. Where there are
// none it is still a target, which says why nothing can be sent there: the attempt
// stands in the record. The Request-URI has the name (RFC 3263 §4).
func (c *Carrier) resolved(g *Gateway, call dialog.CallID, number string, names Names, most int) []dialog.Target {
	answer := names.Lead(g.Ask)
	target := dialog.Target{Carrier: c.Name, Gateway: g.Name, Number: number, Host: g.Ask.String(), Path: g.Path}
	if len(answer.Addresses) == 0 {
		target.Dead = g.Ask.String() + ": " + cmp.Or(answer.Fault, unresolved)
		return []dialog.Target{target}
	}
	var targets []dialog.Target
	for _, at := range answer.order(call, c.Name, g.Name, most) {
		target.Path.Transport, target.Path.Remote = at.Transport, at.Remote
		targets = append(targets, target)
	}
	return targets
}

// Targets are the carrier's gateways that are addresses, with no number to dial there.
func (c *Carrier) Targets() []dialog.Target {
	list := make([]dialog.Target, 0, len(c.Gateways))
	for i := range c.Gateways {
		if g := &c.Gateways[i]; g.Ask == (Name{}) {
			list = append(list, c.target(g, ""))
		}
	}
	return list
}

// Named says that a gateway of the carrier's is a name.
func (c *Carrier) Named() bool {
	return slices.ContainsFunc(c.Gateways, func(g Gateway) bool { return g.Ask != (Name{}) })
}

// Has says that a path leads to a gateway of the carrier's that is an address.
func (c *Carrier) Has(p dialog.Path) bool {
	return slices.ContainsFunc(c.Gateways, func(g Gateway) bool { return g.Path.Remote == p.Remote && g.Path.Transport == p.Transport })
}
