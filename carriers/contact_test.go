package carriers_test

import (
	"testing"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// A contact of a redirection leads to a gateway of a carrier, to one of the carrier that
// redirects before others, and nowhere else.
func TestRFC3261_8_1_3_4_ContactIsAGateway(t *testing.T) {
	gateway := func(address, transport string) carriers.GatewayConfig {
		return carriers.GatewayConfig{Address: address, Transport: transport}
	}
	b := book(t, carriers.Config{Carriers: map[string]carriers.CarrierConfig{
		"one":   {Realm: "core", Gateways: []carriers.GatewayConfig{gateway("127.0.21.1:5060", "udp"), gateway("127.0.21.1:5070", "tcp")}},
		"two":   {Realm: "peering", Gateways: []carriers.GatewayConfig{gateway("127.0.21.1:5060", "udp"), gateway("127.0.22.1:5061", "tls")}},
		"three": {Realm: "peering", Gateways: []carriers.GatewayConfig{gateway("127.0.23.1:5080", "udp")}},
	}})
	for _, c := range []struct{ uri, carrier, gateway, number string }{
		{"sip:+49301@127.0.21.1", "two", "127.0.21.1:5060", "+49301"},
		{"sip:+49301@127.0.21.1:5070;transport=tcp", "one", "127.0.21.1:5070", "+49301"},
		{"sip:+49301@127.0.21.1:5070", "one", "127.0.21.1:5070", "+49301"},
		{"sip:+49301@127.0.21.1:5070;transport=udp", "", "", ""},
		{"SIP:+49301;npdi;rn=+4930@127.0.23.1;user=phone", "three", "127.0.23.1:5080", "+49301;npdi;rn=+4930"},
		{"sip:127.0.23.1:5080", "three", "127.0.23.1:5080", "123"},
		{"sip:+49301@127.0.23.1:5060", "", "", ""},
		{"sips:+49301@127.0.22.1", "two", "127.0.22.1:5061", "+49301"},
		{"sips:+49301@127.0.22.1;transport=tcp", "two", "127.0.22.1:5061", "+49301"},
		{"sips:+49301@127.0.21.1", "", "", ""},
		{"sip:+49301@127.0.22.1", "two", "127.0.22.1:5061", "+49301"},
		{"sip:+49301@127.0.24.1", "", "", ""},
		{"sip:+49301@one.example", "", "", ""},
		{"sip:+49301@127.0.24.1;maddr=127.0.21.1", "", "", ""},
		{"sip:a^b@127.0.21.1", "", "", ""},
		{"tel:+49301", "", "", ""},
		{"mailto:a@127.0.21.1", "", "", ""},
		{"*", "", "", ""},
		{"", "", "", ""},
	} {
		got, ok := b.Contact("two", c.uri, "123")
		if ok != (c.carrier != "") || got.Carrier != c.carrier || got.Gateway != c.gateway || got.Number != c.number {
			t.Errorf("%s: %+v %v, want %+v", c.uri, got, ok, c)
		}
		if ok && (got.Path.Remote.String() != c.gateway || got.Host != c.gateway) {
			t.Errorf("%s: %+v", c.uri, got)
		}
	}
	if got, _ := b.Contact("one", "sip:127.0.21.1", ""); got.Carrier != "one" || got.Path.Transport != dialog.UDP {
		t.Errorf("of two carriers with the same gateway: %+v", got)
	}
}
