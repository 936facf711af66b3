package b2bua

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// tally counts the calls as they stand, by trunk and state: each call where it is, so that
// to ask costs nothing, however many there are.
type tally struct {
	mu     sync.Mutex
	trunks map[string]*counts
}

// counts are the calls of a trunk by state.
type counts [len(CallStates)]atomic.Int64

var callsGauge = prometheus.NewDesc("bulkhead_calls", "Calls that are kept, by trunk and state: hunting, ringing, up, ending, settling (ended, and what peers still say is absorbed).", []string{"trunk", "state"}, nil)

// of is where the calls of a trunk are counted.
func (t *tally) of(trunk string) *counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.trunks[trunk]
	if c == nil {
		if t.trunks == nil {
			t.trunks = map[string]*counts{}
		}
		c = &counts{}
		t.trunks[trunk] = c
	}
	return c
}

// collect shows the counts, those of trunks without series of their own as one.
func (t *tally) collect(m chan<- prometheus.Metric, names *labels) {
	t.mu.Lock()
	sums := make(map[string]*[len(CallStates)]int64, len(t.trunks))
	for trunk, c := range t.trunks {
		name := names.of(trunk)
		if sums[name] == nil {
			sums[name] = &[len(CallStates)]int64{}
		}
		for i := range c {
			sums[name][i] += c[i].Load()
		}
	}
	t.mu.Unlock()
	for name, sum := range sums {
		for i, n := range sum {
			m <- prometheus.MustNewConstMetric(callsGauge, prometheus.GaugeValue, float64(n), name, CallStates[i])
		}
	}
}

// counted is where a call is counted.
type counted struct {
	in *counts // nil: nowhere
	at CallState
}

// stands notes the state that the call is in.
func (s *strand) stands(at CallState) {
	c := &s.among
	switch {
	case c.in == nil:
		c.in = s.engine.tally.of(s.trunk)
	case c.at == at:
		return
	default:
		c.in[c.at].Add(-1)
	}
	c.at = at
	c.in[at].Add(1)
}

// uncount takes the call out of the counts.
func (s *strand) uncount() {
	if c := &s.among; c.in != nil {
		c.in[c.at].Add(-1)
		c.in = nil
	}
}
