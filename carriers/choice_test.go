package carriers_test

import (
	"testing"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// TestR18_NamesThatLeadNowhereLeaveTheLastResort: a call is not lost because the only target
// that is not down has no address.
func TestR18_NamesThatLeadNowhereLeaveTheLastResort(t *testing.T) {
	c := sample()
	tc1 := c.Carriers["tc1"]
	tc1.Gateways = []carriers.GatewayConfig{{Address: "carrier.example", Weight: 1}}
	c.Carriers["tc1"] = tc1
	c.Routes = []carriers.RouteConfig{{Targets: []carriers.TargetConfig{{Carrier: "tc1"}, {Carrier: "tc2"}}}}
	b, err := carriers.NewBook(c, realms(t))
	if err != nil {
		t.Fatal(err)
	}
	got := b.Select(time.Now(), dialog.Setup{Trunk: "pbx", Number: "+33123456789"}, judge{"tc2": carriers.SkipDown})
	if len(got.Targets) < 2 || got.Targets[0].Dead == "" || got.Targets[1].Carrier != "tc2" || len(got.Skipped) > 0 {
		t.Errorf("%+v", got)
	}
}
