package carriers_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// zone is what a DNS has found out.
type zone map[string]carriers.Lead

func (z zone) Lead(n carriers.Name) carriers.Lead { return z[n.String()] }

func (z zone) At(source netip.Addr) []carriers.Name {
	var names []carriers.Name
	for host, a := range z {
		for _, at := range a.Addresses {
			if at.Remote.Addr() == source {
				names = append(names, name(host, "udp"))
			}
		}
		if slices.Contains(a.Former, source) {
			names = append(names, name(host, "udp"))
		}
	}
	return names
}

// name is a gateway's as the book of named asks for it.
func name(host, transport string) carriers.Name {
	b, err := carriers.NewBook(named(carriers.GatewayConfig{Address: host, Transport: transport}), carriers.Realms{
		"core": {{Transport: dialog.UDP, Address: netip.MustParseAddrPort("127.0.10.1:5060")}, {Transport: dialog.UDP, Address: netip.MustParseAddrPort("[2001:db8::1]:5060")}},
	})
	if err != nil {
		panic(err)
	}
	return b.Names()[0]
}

func named(gateways ...carriers.GatewayConfig) carriers.Config {
	return carriers.Config{
		Carriers: map[string]carriers.CarrierConfig{"tc": {Realm: "core", Gateways: gateways}},
		Routes:   []carriers.RouteConfig{{Targets: []carriers.TargetConfig{{Carrier: "tc"}}}},
	}
}

func address(transport dialog.Transport, at, target string, priority, weight int) carriers.Address {
	return carriers.Address{Transport: transport, Remote: netip.MustParseAddrPort(at), Target: target, Priority: priority, Weight: weight}
}

func selected(t *testing.T, b *carriers.Book, call byte) []dialog.Target {
	t.Helper()
	return b.Select(time.Time{}, dialog.Setup{Call: dialog.CallID{call}, Number: "+331"}, nil).Targets
}

func TestANameIsAskedForByTheWaysOfItsRealm(t *testing.T) {
	config := named(
		carriers.GatewayConfig{Address: "SIP.one.example."},
		carriers.GatewayConfig{Address: "two.example:5080"},
		carriers.GatewayConfig{Address: "three.example", Transport: "tcp"},
		carriers.GatewayConfig{Address: "127.0.21.1:5060"},
	)
	b, err := carriers.NewBook(config, carriers.Realms{"core": {
		socket(t, "udp://127.0.10.1:5060"), socket(t, "tcp://127.0.10.1:5060"), socket(t, "tcp://[2001:db8::1]:5060"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range b.Names() {
		ways := ""
		for _, transport := range []dialog.Transport{dialog.UDP, dialog.TCP, dialog.TLS} {
			for _, v6 := range []bool{false, true} {
				if n.Ways.Has(transport, v6) {
					ways += fmt.Sprintf(" %s/%v", transport, v6)
				}
			}
		}
		got = append(got, fmt.Sprintf("%s given=%v%s", n, n.Given, ways))
	}
	want := []string{
		"sip.one.example given=false UDP/false TCP/false TCP/true",
		"three.example given=true TCP/false TCP/true",
		"two.example:5080 given=true UDP/false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Priority before weight; the addresses of one SRV target share its weight.
func TestRFC2782_OrderAndWeightAreDrawnForEachCall(t *testing.T) {
	b := book(t, named(carriers.GatewayConfig{Address: "sip.tc.example", Transport: "udp"}))
	b.Resolve(zone{"sip.tc.example": {Addresses: []carriers.Address{
		address(dialog.UDP, "127.0.21.9:5060", "backup.", 20, 100),
		address(dialog.UDP, "127.0.21.1:5060", "a.", 10, 60),
		address(dialog.UDP, "127.0.21.2:5060", "a.", 10, 60),
		address(dialog.UDP, "127.0.21.3:5060", "b.", 10, 40),
		address(dialog.UDP, "127.0.21.4:5060", "c.", 10, 0),
	}}})
	first := map[string]int{}
	const calls = 5000
	for i := range calls {
		targets := b.Select(time.Time{}, dialog.Setup{Call: dialog.CallID{byte(i), byte(i >> 8)}, Number: "+331"}, nil).Targets
		if len(targets) != 5 {
			t.Fatal(targets)
		}
		first[targets[0].Path.Remote.Addr().String()]++
		if last := targets[4]; last.Path.Remote.Addr().String() != "127.0.21.9" || last.Host != "sip.tc.example" || last.Gateway != "sip.tc.example" {
			t.Fatalf("last %+v", last)
		}
	}
	for at, want := range map[string]float64{"127.0.21.1": .3, "127.0.21.2": .3, "127.0.21.3": .4, "127.0.21.4": 0, "127.0.21.9": 0} {
		if got := float64(first[at]) / calls; got < want-.03 || got > want+.03 {
			t.Errorf("%s first in %.3f of the calls, want %.2f", at, got, want)
		}
	}
}

func TestAWeightOfZeroIsChosenSeldomAndEquallyAmongItsLike(t *testing.T) {
	b := book(t, named(carriers.GatewayConfig{Address: "sip.tc.example", Transport: "udp"}))
	b.Resolve(zone{"sip.tc.example": {Addresses: []carriers.Address{
		address(dialog.UDP, "127.0.21.1:5060", "a.", 10, 0), address(dialog.UDP, "127.0.21.2:5060", "b.", 10, 0),
	}}})
	first := 0
	for i := range 1000 {
		targets := b.Select(time.Time{}, dialog.Setup{Call: dialog.CallID{byte(i), byte(i >> 8)}, Number: "+331"}, nil).Targets
		if targets[0].Path.Remote.Addr().String() == "127.0.21.1" {
			first++
		}
	}
	if first < 430 || first > 570 {
		t.Errorf("%d of 1000", first)
	}
}

func TestANameThatLeadsNowhereIsATargetThatSaysSo(t *testing.T) {
	b := book(t, named(carriers.GatewayConfig{Address: "gone.tc.example:5070"}, carriers.GatewayConfig{Address: "127.0.21.1:5060", Priority: 1}))
	if got := selected(t, b, 1); got[0].Dead != "gone.tc.example:5070: not resolved yet" || got[0].Path.Remote.IsValid() || len(got) != 2 || got[1].Dead != "" {
		t.Errorf("%+v", got)
	}
	b.Resolve(zone{"gone.tc.example:5070": {Fault: "no such name"}})
	if got := selected(t, b, 1); got[0].Dead != "gone.tc.example:5070: no such name" || got[0].Host != "gone.tc.example:5070" {
		t.Errorf("%+v", got)
	}
}

// However many addresses a name leads to, a call tries MaxTargets at most, and every
// gateway of its route once before any has more than its share.
func TestHugeAnswersLeaveRoomForOtherGateways(t *testing.T) {
	var all []carriers.GatewayConfig
	z := zone{}
	for i := range 40 {
		host := fmt.Sprintf("g%d.example:5060", i)
		all = append(all, carriers.GatewayConfig{Address: host, Priority: i})
		var a carriers.Lead
		for j := range 200 {
			a.Addresses = append(a.Addresses, address(dialog.UDP, fmt.Sprintf("127.%d.0.%d:5060", i, j), "", 0, 0))
		}
		z[host] = a
	}
	b := book(t, named(all...))
	b.Resolve(z)
	got := selected(t, b, 1)
	count := map[string]int{}
	for _, target := range got {
		count[target.Gateway]++
	}
	if len(got) != carriers.MaxTargets || len(count) != 40 || count["g0.example:5060"] != 8 || count["g39.example:5060"] != 1 {
		t.Errorf("%d targets of %d gateways: %v", len(got), len(count), count)
	}
}

func TestAddressesOfNamesAreKnownSourcesAlsoFormerOnes(t *testing.T) {
	b := book(t, named(carriers.GatewayConfig{Address: "sip.tc.example", Transport: "udp"}))
	b.Resolve(zone{
		"sip.tc.example": {Addresses: []carriers.Address{address(dialog.UDP, "127.0.21.1:5060", "", 0, 0)}, Former: []netip.Addr{netip.MustParseAddr("127.0.21.2")}},
		"other.example":  {Addresses: []carriers.Address{address(dialog.UDP, "127.0.21.3:5060", "", 0, 0)}},
	})
	for _, c := range []struct {
		realm, source string
		want          bool
	}{
		{"core", "127.0.21.1", true},
		{"core", "::ffff:127.0.21.1", true},
		{"core", "127.0.21.2", true},
		{"core", "127.0.21.3", false}, // a name of nobody here
		{"core", "127.0.21.4", false},
		{"peering", "127.0.21.1", false},
	} {
		source := netip.MustParseAddr(c.source)
		if b.Known(c.realm, source) != c.want || b.CarrierAt(c.realm, source, "tc") != c.want {
			t.Errorf("%s in %s: known %v, tc %v, want %v", c.source, c.realm, b.Known(c.realm, source), b.CarrierAt(c.realm, source, "tc"), c.want)
		}
	}
}

func TestRFC3261_8_1_3_4_ContactMayBeAGatewaysName(t *testing.T) {
	b := book(t, named(carriers.GatewayConfig{Address: "sip.tc.example", Transport: "udp"}))
	b.Resolve(zone{"sip.tc.example": {Addresses: []carriers.Address{address(dialog.UDP, "127.0.21.1:5080", "", 0, 0)}}})
	for uri, want := range map[string]bool{
		"sip:+49301@SIP.tc.example":                true,
		"sip:+49301@sip.tc.example;transport=udp":  true,
		"sip:+49301@sip.tc.example;transport=tcp":  false,
		"sip:+49301@sip.tc.example:5060":           false, // another place than the name alone
		"sips:+49301@sip.tc.example":               false,
		"sip:+49301@127.0.21.1:5080":               true,
		"sip:+49301@127.0.21.1:5060":               false,
		"sip:+49301@other.example":                 false,
		"sip:+49301@127.0.21.1:5080;transport=tls": false,
	} {
		got, ok := b.Contact("tc", uri, "123")
		if ok != want || ok && (got.Path.Remote.String() != "127.0.21.1:5080" || got.Number != "+49301" || got.Host != "sip.tc.example") {
			t.Errorf("%s: %+v %v", uri, got, ok)
		}
	}
}

func TestGatewaysAreWhereTheNamesLeadAtTheMoment(t *testing.T) {
	b := book(t, named(carriers.GatewayConfig{Address: "127.0.21.9:5060"}, carriers.GatewayConfig{Address: "sip.tc.example", Transport: "udp"},
		carriers.GatewayConfig{Address: "gone.tc.example:5060"}))
	at := func() (list []string) {
		for _, target := range b.Gateways("tc") {
			list = append(list, target.Gateway+" "+target.Path.Remote.String())
		}
		return list
	}
	if got := at(); !slices.Equal(got, []string{"127.0.21.9:5060 127.0.21.9:5060"}) {
		t.Errorf("before any answer: %q", got)
	}
	b.Resolve(zone{"sip.tc.example": {Addresses: []carriers.Address{address(dialog.UDP, "127.0.21.1:5080", "", 0, 0)}}, "gone.tc.example:5060": {Fault: "gone"}})
	if got := at(); !slices.Equal(got, []string{"127.0.21.9:5060 127.0.21.9:5060", "sip.tc.example 127.0.21.1:5080"}) {
		t.Errorf("%q", got)
	}
	if b.Gateways("nobody") != nil || !b.Carrier("tc").Named() {
		t.Error("of nobody")
	}
}
