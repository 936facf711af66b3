package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/storage"
)

// unitFigures are what the metrics say of the unit and its store.
type unitFigures struct {
	writer    atomic.Pointer[storage.Writer] // of who owns the unit; nil: not this node
	writes    *prometheus.CounterVec
	took      prometheus.Histogram
	losses    prometheus.Counter
	takeovers prometheus.Counter
	gap       prometheus.Gauge
	restoring prometheus.Gauge
	restored  prometheus.Gauge
	exported  atomic.Int64 // Unix time; 0: no records are moved
}

// writeBounds are in seconds: from a store on this machine to one that is given up.
var writeBounds = []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1}

func newUnitFigures(r prometheus.Registerer) *unitFigures {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "bulkhead", Name: name, Help: help}
	}
	f := &unitFigures{
		writes:    prometheus.NewCounterVec(prometheus.CounterOpts(opts("store_writes_total", "Batches written to the store, by what came of them: stored, failed.")), []string{"result"}),
		took:      prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "bulkhead", Name: "store_write_seconds", Help: "How long the store took for a batch.", Buckets: writeBounds}),
		losses:    prometheus.NewCounter(prometheus.CounterOpts(opts("store_losses_total", "How often the store had lost the calls, which were written again."))),
		takeovers: prometheus.NewCounter(prometheus.CounterOpts(opts("takeovers_total", "How often this node has taken over a unit that another one had."))),
		gap:       prometheus.NewGauge(prometheus.GaugeOpts(opts("takeover_gap_seconds", "Of the last takeover: from the last sign of life of who had the unit, which gives one each 0.25 s, until this node served."))),
		restoring: prometheus.NewGauge(prometheus.GaugeOpts(opts("takeover_restore_seconds", "Of the last takeover: from when this node served until all calls were here; one that a message named was at once."))),
		restored:  prometheus.NewGauge(prometheus.GaugeOpts(opts("takeover_restored_calls", "Calls of the last takeover."))),
	}
	r.MustRegister(f.writes, f.took, f.losses, f.takeovers, f.gap, f.restoring, f.restored)
	for _, result := range []string{"stored", "failed"} {
		f.writes.WithLabelValues(result) // shown as 0 from the start
	}
	return f
}

// wrote is storage.Watch.Wrote.
func (f *unitFigures) wrote(_ int, took time.Duration, err error) {
	result := "stored"
	if err != nil {
		result = "failed"
	}
	f.writes.WithLabelValues(result).Inc()
	f.took.Observe(took.Seconds())
}

// tookOver tells of a unit that serves since, and whose calls have been restored.
func (u *unit) tookOver(ctx context.Context, since time.Time, calls int) {
	f, now := u.process.unit, time.Now()
	u.nodes.beat(ctx) // what was heard last may be old by now
	last := u.nodes.heardOwner()
	heard := !last.IsZero() && since.Sub(last) < beatForget
	if calls == 0 && !heard {
		return // nobody had it
	}
	f.takeovers.Inc()
	f.restored.Set(float64(calls))
	f.restoring.Set(now.Sub(since).Seconds())
	if heard {
		f.gap.Set(max(0, since.Sub(last)).Seconds())
	}
}
