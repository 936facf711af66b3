package b2bua

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// nobody is a wire that leads nowhere.
type nobody struct{}

func (nobody) Send(_, _ wire.Hop, _ []byte, _ func(error)) {}

func (nobody) Local(string, wire.Transport) (string, bool) { return "10.255.0.1:5060", true }

// many is a book of so many trunks, and of as many carriers with a gateway that is watched.
func many(t *testing.T, n int) *carriers.Book {
	t.Helper()
	c := carriers.Config{Trunks: map[string]carriers.TrunkConfig{}, Carriers: map[string]carriers.CarrierConfig{}}
	for i := range n {
		at := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		c.Trunks[fmt.Sprintf("trunk%05d", i)] = carriers.TrunkConfig{Realm: "r", From: []string{at.String()}}
		c.Carriers[fmt.Sprintf("tc%05d", i)] = carriers.CarrierConfig{
			Realm: "r", Gateways: []carriers.GatewayConfig{{Address: netip.AddrPortFrom(at, 5060).String()}},
			Health: &carriers.HealthConfig{Options: time.Minute},
		}
	}
	c.Routes = []carriers.RouteConfig{{Match: carriers.MatchConfig{Number: "*"}, Targets: []carriers.TargetConfig{{Carrier: "tc00000"}}}}
	book, err := carriers.NewBook(c, carriers.Realms{"r": {{Address: netip.MustParseAddrPort("10.255.0.1:5060")}}})
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// series counts those of each metric.
func series(t *testing.T, g prometheus.Gatherer) (all int, by map[string]int) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	by = map[string]int{}
	for _, f := range families {
		n := 0
		for _, m := range f.Metric {
			n++
			if h := m.Histogram; h != nil {
				n += len(h.Bucket) + 2
			}
		}
		by[f.GetName()] = n
		all += n
	}
	return all, by
}

// TestSeriesAreBounded: whatever 3,000 trunks and 3,000 carriers do, each metric has series
// for the first 1,000 of each and one for all others, and failovers for 2,000 pairs.
func TestSeriesAreBounded(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	const n = 3 * mostNames
	book := many(t, n)
	e := New(Config{}, book, nobody{}, nil, zap.NewNop(), m, nil)
	play := func(trunk, carrier, next string) {
		began := time.Unix(1, 0)
		for _, why := range []dialog.Why{dialog.Rejected, dialog.NoResponse, dialog.Cancelled} {
			leg := &dialog.Leg{Target: dialog.Target{Carrier: carrier}, State: dialog.Leaving, Cause: dialog.Cause{Why: why}}
			leg.Marks.Began, leg.Marks.Ringing, leg.Cancelled = began, began.Add(time.Second), true
			m.attempted(leg)
			m.failedOver(Failover{Carrier: carrier, Next: next, Cause: dialog.Cause{Why: why}})
			m.ended(Record{Trunk: trunk, Result: "answered"}, &Call{Out: []*dialog.Leg{leg}})
		}
		m.Calls.WithLabelValues(m.trunks.of(trunk)).Inc()
		m.Skipped.WithLabelValues(m.carriers.of(carrier), carriers.SkipCalls).Inc()
		m.Absorbed.WithLabelValues(m.peer(1, carrier)).Inc()
		m.Absorbed.WithLabelValues(m.peer(0, trunk)).Inc()
		m.registered(carrier, 1)
		(&strand{engine: e, trunk: trunk}).stands(Up)
	}
	names, trunks := book.Carriers(), book.Trunks()
	for i := range n {
		for _, next := range []int{1, 2, 3, 5} {
			play(trunks[i], names[i], names[(i+next)%n])
		}
	}
	all, by := series(t, registry)
	const calls = len(CallStates)
	for name, most := range map[string]int{
		"bulkhead_calls": (mostNames + 1) * calls, "bulkhead_calls_total": mostNames + 1, "bulkhead_calls_ended_total": 3*mostNames + 1,
		"bulkhead_attempts_total": 4 * (mostNames + 1), "bulkhead_failovers_total": 3 * (mostPairs + mostNames + 1),
		"bulkhead_absorbed_total": 2*mostNames + 1, "bulkhead_targets_skipped_total": mostNames + 1, "bulkhead_registered": mostNames,
		"bulkhead_post_dial_delay_seconds": (mostNames + 1) * (len(delayBounds) + 3),
		"bulkhead_setup_seconds":           (mostNames + 1) * (len(setupBounds) + 3),
		"bulkhead_call_duration_seconds":   (mostNames + 1) * (len(durationBounds) + 3),
		"bulkhead_limit_used_calls":        2 * mostNames, "bulkhead_gateway_state": mostNames * len(carriers.GatewayStates),
	} {
		if by[name] > most || by[name] < most/4 && name != "bulkhead_setup_seconds" {
			t.Errorf("%s has %d series, want at most %d, and as many as there is reason for", name, by[name], most)
		}
	}
	if most := 85_000; all > most {
		t.Errorf("%d series in all, want at most %d: %v", all, most, by)
	}
	t.Logf("%d series of %d trunks and carriers", all, n)
	if got := testutil.ToFloat64(m.trunks.over); got != n-mostNames {
		t.Errorf("%g trunks are told to be without series", got)
	}
	if got := testutil.ToFloat64(m.attempts.WithLabelValues(others, "no_response", "")); got != 4*(n-mostNames) {
		t.Errorf("%g attempts of others, want %d", got, 4*(n-mostNames))
	}
}

// TestSeriesOfThoseWhoAreGone go with them, so that a border that is changed for years has
// no more than one that was begun today; what their calls still do is counted.
func TestSeriesOfThoseWhoAreGone(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	e := New(Config{}, many(t, 3), nobody{}, nil, zap.NewNop(), m, nil)
	attempt := func(carrier string) {
		m.attempted(&dialog.Leg{Target: dialog.Target{Carrier: carrier}, State: dialog.Confirmed})
	}
	for _, name := range e.profiles().Carriers() {
		attempt(name)
	}
	e.Adopt(many(t, 2))
	attempt("tc00002")
	var have []string
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, s := range f.Metric {
			if f.GetName() == "bulkhead_attempts_total" {
				have = append(have, s.Label[0].GetValue())
			}
		}
	}
	slices.Sort(have)
	have = slices.Compact(have)
	if want := []string{others, "tc00000", "tc00001"}; !slices.Equal(have, want) {
		t.Errorf("attempts of %v, want %v", have, want)
	}
}
