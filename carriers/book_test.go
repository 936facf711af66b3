package carriers_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

func socket(t testing.TB, s string) carriers.Socket {
	t.Helper()
	got, err := carriers.ParseSocket(s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func realms(t testing.TB) carriers.Realms {
	return carriers.Realms{
		"core":    {socket(t, "udp://127.0.10.1:5060"), socket(t, "tcp://127.0.10.1:5060"), socket(t, "udp://[2001:db8::1]:5060")},
		"peering": {socket(t, "udp://127.0.20.1:5060"), socket(t, "tls://127.0.20.1:5061")},
	}
}

func sample() carriers.Config {
	return carriers.Config{
		Trunks: map[string]carriers.TrunkConfig{
			"pbx":       {Realm: "core", From: []string{"127.0.11.0/24", "127.0.11.7"}, Contact: "tcp://127.0.11.5:5060"},
			"wholesale": {Realm: "core", From: []string{"127.0.12.3", "2001:db8:12::/48"}, MaxDuration: 4 * time.Hour},
			"back":      {Realm: "peering", From: []string{"127.0.11.0/24"}},
		},
		Carriers: map[string]carriers.CarrierConfig{
			"tc1": {Realm: "peering", Gateways: []carriers.GatewayConfig{
				{Address: "127.0.21.1:5060", Priority: 1, Weight: 60},
				{Address: "127.0.21.2:5060", Priority: 1, Weight: 40},
				{Address: "127.0.21.3:5060", Priority: 0},
			}},
			"tc2": {Realm: "peering", Gateways: []carriers.GatewayConfig{{Address: "127.0.22.1:5061", Transport: "tls"}}},
			"tc3": {Realm: "core", Gateways: []carriers.GatewayConfig{{Address: "[2001:db8::3]:5060"}}},
		},
		Routes: []carriers.RouteConfig{
			{Match: carriers.MatchConfig{Trunk: "pbx", Number: "+33123*"},
				Targets: []carriers.TargetConfig{{Carrier: "tc1"}, {Carrier: "tc2", Number: "+33789456"}}},
			{Match: carriers.MatchConfig{Number: "+33*"},
				Spread:    []carriers.ShareConfig{{Carrier: "tc2", Weight: 70}, {Carrier: "tc3", Weight: 30}},
				OnFailure: []string{"tc3", "tc1"}},
			{Match: carriers.MatchConfig{Number: "112"}, Reject: &carriers.RejectConfig{Code: 503, Reason: "No such luck"}},
		},
	}
}

func book(t testing.TB, c carriers.Config) *carriers.Book {
	t.Helper()
	b, err := carriers.NewBook(c, realms(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTrunkIsFoundByRealmAndSource(t *testing.T) {
	b := book(t, sample())
	for _, c := range []struct{ realm, source, want string }{
		{"core", "127.0.11.0", "pbx"},
		{"core", "127.0.11.7", "pbx"}, // named again in the same trunk
		{"core", "127.0.11.8", "pbx"},
		{"core", "127.0.11.255", "pbx"},
		{"core", "127.0.12.0", ""},
		{"core", "127.0.12.3", "wholesale"},
		{"core", "127.0.12.4", ""},
		{"core", "127.0.10.255", ""},
		{"core", "::ffff:127.0.12.3", "wholesale"},
		{"core", "2001:db8:12:1::1", "wholesale"},
		{"core", "2001:db8:13::1", ""},
		{"peering", "127.0.11.9", "back"},
		{"peering", "127.0.12.3", ""},
		{"elsewhere", "127.0.11.9", ""},
	} {
		got := ""
		if trunk := b.Trunk(c.realm, netip.MustParseAddr(c.source)); trunk != nil {
			got = trunk.Name
		}
		if got != c.want {
			t.Errorf("%s in %s: trunk %q, want %q", c.source, c.realm, got, c.want)
		}
	}
}

func TestTrunkCarriesItsContactAndDuration(t *testing.T) {
	b := book(t, sample())
	pbx := b.TrunkNamed("pbx")
	want := dialog.Path{Realm: "core", Transport: dialog.TCP, Remote: netip.MustParseAddrPort("127.0.11.5:5060")}
	if pbx.Contact != want {
		t.Errorf("contact %+v, want %+v", pbx.Contact, want)
	}
	if pbx.MaxDuration != carriers.DefaultMaxDuration || b.TrunkNamed("wholesale").MaxDuration != 4*time.Hour {
		t.Errorf("durations %s and %s", pbx.MaxDuration, b.TrunkNamed("wholesale").MaxDuration)
	}
	if b.TrunkNamed("nobody") != nil {
		t.Error("a trunk called nobody")
	}
}

func TestKnownSourcesAreTrunksAndGatewaysOfTheRealm(t *testing.T) {
	b := book(t, sample())
	for _, c := range []struct {
		realm, source string
		known, tc1    bool
	}{
		{"core", "127.0.11.1", true, false},
		{"core", "127.0.21.1", false, false}, // tc1 is in peering
		{"peering", "127.0.21.1", true, true},
		{"peering", "::ffff:127.0.21.3", true, true},
		{"peering", "127.0.21.4", false, false},
		{"peering", "127.0.22.1", true, false}, // tc2
		{"core", "2001:db8::3", true, false},
	} {
		source := netip.MustParseAddr(c.source)
		if got := b.Known(c.realm, source); got != c.known {
			t.Errorf("%s in %s known: %t", c.source, c.realm, got)
		}
		if got := b.CarrierAt(c.realm, source, "tc1"); got != c.tc1 {
			t.Errorf("%s in %s is tc1: %t", c.source, c.realm, got)
		}
	}
	if b.CarrierAt("peering", netip.MustParseAddr("127.0.21.1"), "nobody") {
		t.Error("a carrier called nobody")
	}
}

func places(targets []dialog.Target) string {
	var s []string
	for _, t := range targets {
		s = append(s, fmt.Sprintf("%s/%s/%s/%s", t.Carrier, t.Path.Realm, t.Path.Transport, strings.Join([]string{t.Number, t.Host}, "@")))
	}
	return strings.Join(s, " ")
}

func TestFirstRouteThatMatchesGivesTheTargets(t *testing.T) {
	b := book(t, sample())
	got := b.Select(time.Time{}, dialog.Setup{Trunk: "pbx", Number: "+331239"}, nil).Targets
	first, last := got[0], got[len(got)-1]
	if len(got) != 4 || first.Gateway != "127.0.21.3:5060" {
		t.Errorf("not by priority: %s", places(got))
	}
	want := "tc2/peering/TLS/+33789456@127.0.22.1:5061"
	if got := places([]dialog.Target{last}); got != want {
		t.Errorf("last %s, want %s", got, want)
	}
	if first.Number != "+331239" {
		t.Errorf("number %s, not as it came", first.Number)
	}
}

func TestRouteThatRejectsAndNoRoute(t *testing.T) {
	b := book(t, sample())
	for number, want := range map[string]dialog.Cause{
		"112":  {Code: 503, Phrase: "No such luck"},
		"1123": {Code: 404, Phrase: "No route"},
		"":     {Code: 404, Phrase: "No route"},
	} {
		want.Why = dialog.NoRoute
		if got := b.Select(time.Time{}, dialog.Setup{Trunk: "pbx", Number: number}, nil); !reflect.DeepEqual(got.Refusal, want) || len(got.Targets) > 0 {
			t.Errorf("%q: %+v, want %+v", number, got, want)
		}
	}
}

func TestSpreadComesBeforeOnFailureAndNobodyTwice(t *testing.T) {
	b := book(t, sample())
	for i := range 50 {
		got := b.Select(time.Time{}, dialog.Setup{Call: dialog.CallID{byte(i)}, Trunk: "wholesale", Number: "+3355"}, nil).Targets
		var names []string
		for _, target := range got {
			names = append(names, target.Carrier)
		}
		names = slices.Compact(names)
		slices.Sort(names[:2])
		if !slices.Equal(names, []string{"tc2", "tc3", "tc1"}) {
			t.Fatalf("call %d: %s", i, places(got))
		}
	}
}

func TestWeightsAreSharesAndTheCallAloneDecides(t *testing.T) {
	b, again := book(t, sample()), book(t, sample())
	const calls = 20000
	firstGateway, firstCarrier := 0, 0
	for i := range calls {
		id := dialog.CallID{byte(i), byte(i >> 8)}
		pbx := dialog.Setup{Call: id, Trunk: "pbx", Number: "+33123"}
		got := b.Select(time.Time{}, pbx, nil).Targets
		same := again.Select(time.Time{}, pbx, nil).Targets
		if !slices.Equal(got, same) {
			t.Fatalf("call %s: %s, then %s", id, places(got), places(same))
		}
		if got[1].Gateway == "127.0.21.1:5060" {
			firstGateway++
		}
		if got = b.Select(time.Time{}, dialog.Setup{Call: id, Number: "+3355"}, nil).Targets; got[0].Carrier == "tc2" {
			firstCarrier++
		}
	}
	// Five standard deviations: sqrt(20000 × 0.7 × 0.3) is 65.
	if d := firstGateway - calls*60/100; d < -350 || d > 350 {
		t.Errorf("the gateway of 60 %% was first in %d of %d", firstGateway, calls)
	}
	if d := firstCarrier - calls*70/100; d < -350 || d > 350 {
		t.Errorf("the carrier of 70 %% was first in %d of %d", firstCarrier, calls)
	}
}

func TestCarrierWithoutTimersHasTimerC(t *testing.T) {
	b := book(t, sample())
	if got := b.Carrier("tc1").Timers; got != (carriers.Timers{NoAnswer: 3 * time.Minute}) {
		t.Errorf("timers %+v", got)
	}
	if b.Carrier("nobody") != nil {
		t.Error("a carrier called nobody")
	}
}

// judge lets nobody through to the carriers that it names.
type judge map[string]string

func (j judge) Skip(_ time.Time, t dialog.Target) string { return j[t.Carrier] }

func TestWhoIsNotFitIsSkipped(t *testing.T) {
	b := book(t, sample())
	s := dialog.Setup{Trunk: "pbx", Number: "+331239"}
	all := b.Select(time.Time{}, s, nil).Targets
	got := b.Select(time.Time{}, s, judge{"tc1": "down"})
	for _, target := range got.Targets {
		if target.Carrier == "tc1" {
			t.Errorf("not skipped: %+v", target)
		}
	}
	for _, skipped := range got.Skipped {
		if skipped.Carrier != "tc1" || skipped.Why != "down" {
			t.Errorf("skipped: %+v", skipped)
		}
	}
	if n := len(got.Targets) + len(got.Skipped); n != len(all) || len(got.Skipped) == 0 {
		t.Errorf("%d of %d targets", n, len(all))
	}
	got = b.Select(time.Time{}, s, judge{"tc1": carriers.SkipCalls, "tc2": carriers.SkipCPS, "tc3": carriers.SkipRestoring})
	if len(got.Targets) > 0 || len(got.Skipped) != len(all) || got.Refusal.Code != 503 || got.Refusal.Why != dialog.NoRoute {
		t.Errorf("nobody has room: %+v", got)
	}
}

// TestNobodyWellIsTheLastResort: what is known of health is a guess, a limit is none.
func TestNobodyWellIsTheLastResort(t *testing.T) {
	b := book(t, sample())
	s := dialog.Setup{Trunk: "pbx", Number: "+331239"}
	got := b.Select(time.Time{}, s, judge{"tc1": carriers.SkipDown, "tc2": carriers.SkipCalls, "tc3": carriers.SkipCalls})
	if len(got.Targets) == 0 || len(got.Skipped) == 0 {
		t.Errorf("tried %v, skipped %v", got.Targets, got.Skipped)
	}
	for _, target := range got.Targets {
		if target.Carrier != "tc1" {
			t.Errorf("tried beyond its limit: %+v", target)
		}
	}
	for _, skipped := range got.Skipped {
		if skipped.Carrier == "tc1" {
			t.Errorf("tried and skipped: %+v", skipped)
		}
	}
}

// TestWhoIsCappedIsTriedLast: it is there for a call that nobody else takes.
func TestWhoIsCappedIsTriedLast(t *testing.T) {
	b := book(t, sample())
	s := dialog.Setup{Trunk: "pbx", Number: "+331239"}
	all := b.Select(time.Time{}, s, nil).Targets
	got := b.Select(time.Time{}, s, judge{all[0].Carrier: carriers.SkipCapped})
	if len(got.Targets) != len(all) || len(got.Skipped) != 0 {
		t.Fatalf("tried %v of %v", got.Targets, all)
	}
	if got.Targets[0].Carrier == all[0].Carrier || got.Targets[len(all)-1].Carrier != all[0].Carrier {
		t.Errorf("tried in the order %v", got.Targets)
	}
}

// TestWhoIsDrainedIsNoLastResort, as who is quarantined is.
func TestWhoIsDrainedIsNoLastResort(t *testing.T) {
	b := book(t, sample())
	s := dialog.Setup{Trunk: "pbx", Number: "+331239"}
	const drained, quarantined = carriers.SkipDrained + ": by operator alice: new trunk", carriers.SkipQuarantined + ": by operator bob"
	got := b.Select(time.Time{}, s, judge{"tc1": drained, "tc2": drained, "tc3": drained})
	if len(got.Targets) != 0 || got.Refusal.Code != 503 || got.Refusal.Q850 != 34 {
		t.Errorf("%+v", got)
	}
	for _, u := range got.Skipped {
		if carriers.Word(u.Why) != "drained" || carriers.Besides(u.Why) != "by operator alice: new trunk" {
			t.Errorf("%+v", u)
		}
	}
	got = b.Select(time.Time{}, s, judge{"tc1": drained, "tc2": quarantined, "tc3": drained})
	if len(got.Targets) == 0 || got.Targets[0].Carrier != "tc2" {
		t.Errorf("%+v", got)
	}
	got = b.Select(time.Time{}, s, judge{"tc1": "", "tc2": quarantined, "tc3": drained})
	for _, target := range got.Targets {
		if target.Carrier != "tc1" {
			t.Errorf("%+v", got)
		}
	}
}
