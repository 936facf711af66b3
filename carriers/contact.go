package carriers

import (
	"cmp"
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"

	"bulkhead/dialog"
)

// Contact is the target that a contact of a carrier's redirection names (RFC 3261
// §8.1.3.4): its host has to be a gateway of a carrier, of the one that redirects first.
// Of the URI its user and address count, all else of the request is of our own making;
// the number is dialled where it has no user. False: no carrier has that gateway.
func (b *Book) Contact(carrier, uri, number string) (dialog.Target, bool) {
	address, ok := contactOf(uri)
	if !ok || checkUser(address.user) != nil {
		return dialog.Target{}, false
	}
	for _, name := range append([]string{carrier}, b.Carriers()...) {
		c := b.carriers[name]
		if c == nil {
			continue
		}
		for i := range c.Gateways {
			g, dial := &c.Gateways[i], cmp.Or(c.Undialled(address.user), number)
			if g.Ask == (Name{}) && address.is(g.Path) {
				return c.target(g, dial), true
			}
			if g.Ask == (Name{}) {
				continue
			}
			for _, t := range c.resolved(g, dialog.CallID{}, dial, b.names, maxAddresses) {
				if address.isName(g.Ask) || address.is(t.Path) {
					return t, true
				}
			}
		}
	}
	return dialog.Target{}, false
}

// contactAddress is where a URI leads to.
type contactAddress struct {
	user      string
	host      netip.Addr
	name      string // instead of host, lower case
	port      int    // 0: it does not say
	transport string // empty: it does not say
	secure    bool   // sips
}

func contactOf(uri string) (contactAddress, bool) {
	var u sip.Uri
	if sip.ParseUri(uri, &u) != nil {
		return contactAddress{}, false
	}
	scheme := strings.ToLower(u.Scheme)
	host, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	if err != nil && !isName(u.Host) || scheme != "sip" && scheme != "sips" || u.Port < 0 || u.Port > 65535 {
		return contactAddress{}, false
	}
	a := contactAddress{user: strings.Clone(u.User), host: plain(host), port: u.Port, secure: scheme == "sips"}
	if err != nil {
		a.name = strings.ToLower(strings.TrimSuffix(strings.Clone(u.Host), "."))
	}
	for _, p := range u.UriParams {
		if strings.EqualFold(p.K, "transport") {
			a.transport = p.V
		}
	}
	return a, true
}

// isName says that it has the gateway's own name, and asks for nothing else than that.
func (a contactAddress) isName(n Name) bool {
	if a.name != n.Host || a.port != 0 && a.port != int(n.Port) || a.secure && n.Ways.By(dialog.TLS) == 0 {
		return false
	}
	for _, t := range [...]dialog.Transport{dialog.UDP, dialog.TCP, dialog.TLS} {
		if strings.EqualFold(a.transport, t.String()) && n.Ways.By(t) != 0 {
			return true
		}
	}
	return a.transport == ""
}

// is says that a path leads there; what the URI leaves open, the path may settle.
func (a contactAddress) is(p dialog.Path) bool {
	return a.name == "" && a.host == p.Remote.Addr() && (a.port == 0 || a.port == int(p.Remote.Port())) &&
		(a.transport == "" || strings.EqualFold(a.transport, p.Transport.String()) || a.secure) &&
		(!a.secure || p.Transport == dialog.TLS)
}
