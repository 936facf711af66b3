package carriers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

func TestRoutesAskForCallerAndDomain(t *testing.T) {
	config := sample()
	reject := &carriers.RejectConfig{Code: 480}
	config.Routes = []carriers.RouteConfig{
		{Match: carriers.MatchConfig{Number: "+33*", Caller: "+44*"}, Reject: reject},
		{Match: carriers.MatchConfig{Domain: "*.Example.com", Number: "+33*"}, Reject: reject},
		{Match: carriers.MatchConfig{Caller: "+4930", Number: "+33*"}, Reject: reject}, // found by its caller
		{Match: carriers.MatchConfig{Caller: "anonymous"}, Reject: reject},
		{Match: carriers.MatchConfig{Number: "+33*"}, Reject: reject},
	}
	b := book(t, config)
	for _, c := range []struct {
		number, caller, domain string
		want                   int
	}{
		{"+331", "+441", "x", 0},
		{"+341", "+441", "x", carriers.NoRoute},
		{"+331", "+451", "PBX.example.COM", 1},
		{"+331", "+451", "example.com", 4},
		{"+331", "+4930", "x", 2},
		{"+331", "+49301", "x", 4},
		{"+341", "+4930", "x", carriers.NoRoute},
		{"+341", "anonymous", "x", 3},
		{"+331", "anonymous", "x", 3},
		{"+331", "", "", 4},
	} {
		s := dialog.Setup{Number: c.number, Domain: c.domain, Caller: dialog.Party{User: c.caller}}
		if got := b.Select(time.Time{}, s, nil).Route; got != c.want {
			t.Errorf("%+v: route %d", c, got)
		}
	}
}

func TestPercentIsAShareOfTheCallsThatComeToARoute(t *testing.T) {
	config := sample()
	reject := &carriers.RejectConfig{Code: 480}
	config.Routes = []carriers.RouteConfig{
		{Match: carriers.MatchConfig{Number: "+33*", Percent: 10}, Reject: reject},
		{Match: carriers.MatchConfig{Number: "+*", Percent: 50}, Reject: reject},
		{Match: carriers.MatchConfig{Percent: 100}, Reject: reject},
		{Reject: reject},
	}
	b, again := book(t, config), book(t, config)
	const calls = 20_000
	var got [4]int
	for i := range calls {
		s := dialog.Setup{Call: dialog.CallID{byte(i), byte(i >> 8)}, Number: "+331"}
		n := b.Select(time.Time{}, s, nil).Route
		if m := again.Select(time.Time{}, s, nil).Route; m != n {
			t.Fatalf("call %d: route %d, then %d", i, n, m)
		}
		got[n]++
	}
	// Five standard deviations: sqrt(20000 × 0.5 × 0.5) is 71.
	for i, want := range []int{2_000, 9_000, 9_000, 0} {
		if d := got[i] - want; d < -355 || d > 355 || want == 0 && d != 0 {
			t.Errorf("route %d: %d of %d calls, want about %d", i, got[i], calls, want)
		}
	}
}

// costs is the sample with rates of three carriers.
func costs(t testing.TB, l carriers.LeastCostConfig, onFailure ...string) carriers.Config {
	config := sample()
	config.Tables = map[carriers.File]*carriers.Rates{}
	for name, text := range map[string]string{
		"tc1": "33,0.02\n336,0.05\n44,0.01\n",
		"tc2": "33,0.01\n336,0.06\n44,0.01\n",
		"tc3": "33,0.03\n44,0.01\n",
	} {
		c := config.Carriers[name]
		c.Rates = carriers.File(name + ".csv")
		config.Carriers[name], config.Tables[c.Rates] = c, rates(t, text)
	}
	for _, name := range []string{"tc1", "tc2", "tc3"} {
		l.Carriers = append(l.Carriers, carriers.ShareConfig{Carrier: name, Weight: map[string]int{"tc3": 2}[name]})
	}
	config.Routes = []carriers.RouteConfig{{LeastCost: &l, OnFailure: onFailure}}
	return config
}

func chosen(c carriers.Choice) string {
	var s []string
	for _, t := range c.Targets {
		s = append(s, t.Carrier)
	}
	s = slices.Compact(s)
	for _, x := range c.Skipped {
		s = append(s, fmt.Sprintf("(%s %s)", x.Carrier, x.Why))
	}
	return strings.Join(s, " ")
}

func TestLeastCostComesFirst(t *testing.T) {
	price := func(s string) (p carriers.Price) {
		if err := p.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		return p
	}
	free := book(t, costs(t, carriers.LeastCostConfig{}))
	bound := book(t, costs(t, carriers.LeastCostConfig{MaxPrice: price("0.02")}, "tc3"))
	for _, c := range []struct {
		b            *carriers.Book
		number, want string
	}{
		{free, "+33123", "tc2 tc1 tc3"},
		{free, "+33623", "tc3 tc1 tc2"},
		{free, "+49", "(tc1 no_rate) (tc2 no_rate) (tc3 no_rate)"},
		{bound, "+33123", "tc2 tc1 tc3 (tc3 above_max_price)"}, // where all else fails
	} {
		got := c.b.Select(time.Time{}, dialog.Setup{Number: c.number}, nil)
		if chosen(got) != c.want {
			t.Errorf("%s: %s, want %s", c.number, chosen(got), c.want)
		}
		if len(got.Targets) == 0 && (got.Refusal.Why != dialog.NoRoute || got.Refusal.Code != 503) {
			t.Errorf("%s: refused for %+v", c.number, got.Refusal)
		}
	}
}

func TestEqualPricesAreSharedByWeight(t *testing.T) {
	b := book(t, costs(t, carriers.LeastCostConfig{}))
	const calls = 20_000
	first := map[string]int{}
	for i := range calls {
		c := b.Select(time.Time{}, dialog.Setup{Call: dialog.CallID{byte(i), byte(i >> 8)}, Number: "+441"}, nil)
		first[c.Targets[0].Carrier]++
	}
	for name, want := range map[string]int{"tc1": calls / 4, "tc2": calls / 4, "tc3": calls / 2} {
		if d := first[name] - want; d < -355 || d > 355 {
			t.Errorf("%s is first in %d of %d calls", name, first[name], calls)
		}
	}
}
