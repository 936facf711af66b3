package carriers

import (
	"net/netip"
	"time"

	"bulkhead/dialog"
)

// Peer is what connections with a carrier go by.
type Peer struct {
	Carrier   string
	Host      string        // the gateway's name; empty: it is an address
	Name      string        // that its certificate must have; empty: Host, or else the address
	OwnKeys   bool          // there are certificates for this carrier
	Keepalive time.Duration // between two pings; zero: the realm's
}

// PeerAt says who is at an address of a realm by a transport; port 0 stands for any, and
// so does the transport then, as of who has connected to us. False: no carrier is. Of
// several at one address it is the one whose name comes first.
func (b *Book) PeerAt(realm string, t dialog.Transport, at netip.AddrPort) (Peer, bool) {
	source := plain(at.Addr())
	for _, k := range b.gateways[gatewayAddress{realm, source}] {
		for _, g := range k.Gateways {
			if p := g.Path; p.Remote.Addr() == source && (at.Port() == 0 || p.Transport == t && p.Remote.Port() == at.Port()) {
				return k.peer(""), true
			}
		}
	}
	var found *Carrier
	host := ""
	for _, n := range b.names.At(source) {
		leads := at.Port() == 0
		for _, a := range b.names.Lead(n).Addresses {
			leads = leads || a.Transport == t && a.Remote.Addr() == source && a.Remote.Port() == at.Port()
		}
		for _, k := range b.asked[named{realm, n}] {
			if leads && (found == nil || k.Name < found.Name) {
				found, host = k, n.Host
			}
		}
	}
	if found == nil {
		return Peer{}, false
	}
	return found.peer(host), true
}

func (c *Carrier) peer(host string) Peer {
	return Peer{Carrier: c.Name, Host: host, Name: c.TLSName, OwnKeys: c.OwnKeys, Keepalive: c.Keepalive}
}
