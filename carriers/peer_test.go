package carriers_test

import (
	"net/netip"
	"testing"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// A connection goes by what is configured for whoever is at its other end.
func TestPeerIsFoundByWhereTheConnectionLeads(t *testing.T) {
	c := sample()
	tc2 := c.Carriers["tc2"]
	tc2.TLS = &carriers.PeerTLSConfig{Certificate: "c", Key: "k", Name: "tc2.example"}
	tc2.Keepalive = 90 * time.Second
	c.Carriers["tc2"] = tc2
	c.Carriers["tc4"] = carriers.CarrierConfig{Realm: "core", Gateways: []carriers.GatewayConfig{{Address: "sip.tc4.example", Transport: "udp"}}}
	b := book(t, c)
	b.Resolve(zone{"sip.tc4.example": {Addresses: []carriers.Address{address(dialog.UDP, "127.0.24.1:5060", "", 0, 0)}, Former: []netip.Addr{netip.MustParseAddr("127.0.24.2")}}})
	own := carriers.Peer{Carrier: "tc2", Name: "tc2.example", OwnKeys: true, Keepalive: 90 * time.Second}
	named := carriers.Peer{Carrier: "tc4", Host: "sip.tc4.example"}
	for _, try := range []struct {
		realm, at string
		by        dialog.Transport
		want      carriers.Peer
	}{
		{"peering", "127.0.22.1:5061", dialog.TLS, own},
		{"peering", "127.0.22.1:5061", dialog.TCP, carriers.Peer{}},
		{"peering", "127.0.22.1:5060", dialog.TLS, carriers.Peer{}},
		{"peering", "127.0.22.1:0", dialog.TLS, own}, // connected to us from any port
		{"core", "127.0.22.1:5061", dialog.TLS, carriers.Peer{}},
		{"core", "127.0.24.1:5060", dialog.UDP, named},
		{"core", "127.0.24.1:0", dialog.TCP, named},
		{"core", "127.0.24.2:0", dialog.TCP, named},
		{"core", "127.0.24.2:5060", dialog.UDP, carriers.Peer{}},
		{"core", "127.0.11.1:0", dialog.UDP, carriers.Peer{}}, // a trunk
	} {
		got, ok := b.PeerAt(try.realm, try.by, netip.MustParseAddrPort(try.at))
		if got != try.want || ok != (try.want != carriers.Peer{}) {
			t.Errorf("%s in %s by %s: %+v", try.at, try.realm, try.by, got)
		}
	}
}
