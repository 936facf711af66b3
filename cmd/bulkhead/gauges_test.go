package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// gauged is the value of a gauge or counter that has these values of labels, in the order of
// their names; false: there is none.
func gauged(t *testing.T, g prometheus.Gatherer, name string, labels ...string) (float64, bool) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "bulkhead_"+name {
			continue
		}
	series:
		for _, m := range f.Metric {
			for i, want := range labels {
				if i >= len(m.Label) || m.Label[i].GetValue() != want {
					continue series
				}
			}
			return m.GetGauge().GetValue() + m.GetCounter().GetValue(), true
		}
	}
	return 0, false
}

// equals fails the test unless a gauge or counter has a value.
func equals(t *testing.T, g prometheus.Gatherer, want float64, name string, labels ...string) {
	t.Helper()
	if got, ok := gauged(t, g, name, labels...); !ok || got != want {
		t.Errorf("%s %q is %g (%v), want %g", name, labels, got, ok, want)
	}
}

// TestMetricsOfANode: what it is and does, and until when its certificates are valid, as
// the conventions of client_golang have them named.
func TestMetricsOfANode(t *testing.T) {
	r := reloads(t, false)
	equals(t, r.registry, 1, "node_state", "serving")
	equals(t, r.registry, 0, "node_state", "draining")
	equals(t, r.registry, 1, "node_info", r.config.Node, "")
	version, revision := built()
	if _, ok := gauged(t, r.registry, "build_info"); !ok {
		t.Errorf("no build_info of %s %s", version, revision)
	}
	if _, ok := gauged(t, r.registry, "unit_owner"); ok {
		t.Error("a node without a unit owns one")
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(r.file), "peering.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	equals(t, r.registry, float64(c.NotAfter.Unix()), "certificate_expiry_timestamp_seconds", "realms.peering.tls")
	r.leaving.Store(true)
	equals(t, r.registry, 1, "node_state", "draining")
	problems, err := testutil.GatherAndLint(r.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// TestMetricsOfAUnit: one of its nodes owns it, the other takes it over from one that has
// fallen silent, and tells how long nobody served; of its store, what waits.
func TestMetricsOfAUnit(t *testing.T) {
	store, at := newFailing(), somewhere(t)
	if _, err := store.Beat(t.Context(), "a", beatForget); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Memory.Acquire(t.Context(), "a", leaseFor); err != nil { // and nothing more is heard of it
		t.Fatal(err)
	}
	b := unitAt(t, "b", at, store)
	g := b.process.registry
	equals(t, g, 0, "unit_owner", "bulkhead")
	stop := runs(t, b)
	storagetest.Eventually(t, "b has taken over", func() bool { n, _ := gauged(t, g, "takeovers_total"); return n == 1 })
	equals(t, g, 1, "unit_owner", "bulkhead")
	equals(t, g, 0, "takeover_restored_calls")
	if gap, _ := gauged(t, g, "takeover_gap_seconds"); gap < leaseFor.Seconds()/2 {
		t.Errorf("a gap of %g s after a lease of %v", gap, leaseFor)
	}
	equals(t, g, 0, "store_lag_seconds")
	equals(t, g, 0, "store_degraded")
	silence := errors.New("no answer")
	store.write.Store(&silence)
	b.process.unit.writer.Load().Put(storage.Item{ID: "x", Version: 1, Expires: time.Now().Add(time.Hour)}, nil)
	storagetest.Eventually(t, "the store is given up", func() bool { n, _ := gauged(t, g, "store_breaker_open"); return n == 1 })
	equals(t, g, 1, "store_degraded")
	equals(t, g, 1, "store_unstored_calls")
	if n, _ := gauged(t, g, "store_lag_seconds"); n <= 0 {
		t.Error("nothing has waited")
	}
	if n, _ := gauged(t, g, "store_writes_total", "failed"); n == 0 {
		t.Error("no write has failed")
	}
	store.write.Store(nil)
	storagetest.Eventually(t, "all is stored", func() bool { n, _ := gauged(t, g, "store_unstored_calls"); return n == 0 })
	storagetest.Eventually(t, "records have caught up", func() bool { n, _ := gauged(t, g, "records_caught_up_timestamp_seconds"); return n > 0 })
	stop()
	equals(t, g, 0, "unit_owner", "bulkhead")
	if _, ok := gauged(t, g, "store_degraded"); ok {
		t.Error("who has handed over still tells of the store")
	}
}

// TestNoTakeoverWhereNobodyWas: the first node of a unit takes over from nobody.
func TestNoTakeoverWhereNobodyWas(t *testing.T) {
	store, at := newFailing(), somewhere(t)
	if _, err := store.Beat(t.Context(), "b", beatForget); err != nil { // it stands by
		t.Fatal(err)
	}
	a := unitAt(t, "a", at, store)
	runs(t, a)
	g := a.process.registry
	storagetest.Eventually(t, "a serves, and has read the calls", func() bool { return store.scans.Load() > 0 && bound(at) })
	storagetest.Eventually(t, "records have caught up", func() bool { n, _ := gauged(t, g, "records_caught_up_timestamp_seconds"); return n > 0 })
	equals(t, g, 0, "takeovers_total")
}
