package carriers_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// crowd is 10,000 trunks of a prefix each, 1,000 carriers of two gateways, and
// 10,000 routes, one in ten of them with an asterisk in its middle.
func crowd() carriers.Config {
	c := carriers.Config{Trunks: map[string]carriers.TrunkConfig{}, Carriers: map[string]carriers.CarrierConfig{}}
	for i := range 10_000 {
		c.Trunks[fmt.Sprintf("trunk%04d", i)] = carriers.TrunkConfig{
			Realm: "core", From: []string{fmt.Sprintf("10.%d.%d.0/24", i/256, i%256)},
		}
	}
	for i := range 1_000 {
		c.Carriers[fmt.Sprintf("carrier%03d", i)] = carriers.CarrierConfig{Realm: "peering", Gateways: []carriers.GatewayConfig{
			{Address: fmt.Sprintf("172.16.%d.%d:5060", i/256, i%256), Weight: 60},
			{Address: fmt.Sprintf("172.17.%d.%d:5060", i/256, i%256), Weight: 40},
		}}
	}
	for i := range 10_000 {
		m := carriers.MatchConfig{Trunk: fmt.Sprintf("trunk%04d", i), Number: fmt.Sprintf("+33%04d*", i)}
		if i%10 == 0 {
			m = carriers.MatchConfig{Number: fmt.Sprintf("+33*%04d", i)}
		}
		c.Routes = append(c.Routes, carriers.RouteConfig{Match: m, Targets: []carriers.TargetConfig{
			{Carrier: fmt.Sprintf("carrier%03d", i%1000)}, {Carrier: fmt.Sprintf("carrier%03d", (i+1)%1000)},
		}})
	}
	return c
}

func BenchmarkTrunkLookup(b *testing.B) {
	book := book(b, crowd())
	known := netip.MustParseAddr("10.20.30.40")
	unknown := netip.MustParseAddr("192.0.2.1")
	for b.Loop() {
		if book.Trunk("core", known) == nil || book.Known("core", unknown) {
			b.Fatal("the wrong trunk")
		}
	}
}

func BenchmarkSelect(b *testing.B) {
	book := book(b, crowd())
	for name, number := range map[string]string{"early": "+330001555", "late": "+339999555"} {
		b.Run(name, func(b *testing.B) {
			s := dialog.Setup{Trunk: "trunk" + number[3:7], Number: number}
			for b.Loop() {
				if c := book.Select(time.Time{}, s, nil); len(c.Targets) != 4 {
					b.Fatalf("%+v", c)
				}
			}
		})
	}
}

func BenchmarkNewBook(b *testing.B) {
	c, all := crowd(), realms(b)
	for b.Loop() {
		if _, err := carriers.NewBook(c, all); err != nil {
			b.Fatal(err)
		}
	}
}
