package b2bua

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/carriers"
)

// gauges shows how things stand when they are asked for (prometheus.Collector).
type gauges struct {
	metrics *Metrics
	engine  atomic.Pointer[Engine]
	media   flows
}

var (
	usedGauge  = prometheus.NewDesc("bulkhead_limit_used_calls", "Calls that take up a place of a trunk, carrier or range of numbers.", []string{"on", "name"}, nil)
	limitGauge = prometheus.NewDesc("bulkhead_limit_calls", "How many calls a trunk, carrier or range of numbers may have at once.", []string{"on", "name"}, nil)
)

var (
	gatewayGauge = prometheus.NewDesc("bulkhead_gateway_state", "1 for the state that a gateway is in: unknown, up, down, resting, probing.", []string{"carrier", "gateway", "address", "state"}, nil)
	cappedGauge  = prometheus.NewDesc("bulkhead_carrier_capped", "1 for a carrier that is tried last, since too few of its calls come to something.", []string{"carrier"}, nil)
)

var (
	sheddingGauge = prometheus.NewDesc("bulkhead_shed_ratio", "Share of new calls that are refused because the node has too much to do: 0 to 1.", nil, nil)
	loadGauge     = prometheus.NewDesc("bulkhead_load_ratio", "What the node has to do as a part of the bound of overload that is nearest: above 1 new calls are shed.", nil, nil)
)

var standingGauge = prometheus.NewDesc("bulkhead_carrier_standing", "1 for how a carrier stands, by an operator's order or by its scorecard: in_service, deprioritised, quarantined, drained.", []string{"carrier", "standing"}, nil)

// Describe is prometheus.Collector.
func (g *gauges) Describe(d chan<- *prometheus.Desc) {
	d <- usedGauge
	d <- limitGauge
	d <- gatewayGauge
	d <- cappedGauge
	d <- standingGauge
	d <- sheddingGauge
	d <- loadGauge
	d <- callsGauge
	for _, one := range [...]*prometheus.Desc{portsGauge, endsGauge, sentTotal, socketsGauge, packetsTotal, lostTotal, droppedMedia, engineGauge, engineRequests, engineDropped} {
		d <- one
	}
}

// Collect is prometheus.Collector.
func (g *gauges) Collect(m chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, n int, labels ...string) {
		m <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	e := g.engine.Load()
	if e == nil {
		return
	}
	named := func(carrier string) bool { return g.metrics.carriers.of(carrier) == carrier }
	for _, b := range e.profiles().Bounds() {
		if b.Kind == carriers.OfTrunk && g.metrics.trunks.of(b.Name) != b.Name || b.Kind == carriers.OfCarrier && !named(b.Name) {
			continue
		}
		show(usedGauge, e.Used(b.Place), b.Kind.String(), b.Name)
		if b.Calls > 0 {
			show(limitGauge, b.Calls, b.Kind.String(), b.Name)
		}
	}
	for _, name := range e.profiles().Carriers() {
		if !named(name) {
			continue
		}
		at := e.config.Standings.Of(time.Now(), name).Standing
		for i, word := range carriers.Standings {
			is := 0
			if carriers.Standing(i) == at {
				is = 1
			}
			show(standingGauge, is, name, word)
		}
	}
	e.overload.Lock()
	share, load := e.overload.share, e.overload.load
	e.overload.Unlock()
	m <- prometheus.MustNewConstMetric(sheddingGauge, prometheus.GaugeValue, share)
	m <- prometheus.MustNewConstMetric(loadGauge, prometheus.GaugeValue, load)
	e.tally.collect(m, &g.metrics.trunks)
	if c := e.config.Media; c != nil && c.Counts != nil {
		g.media.collect(m, c.Counts)
	}
	if c := e.config.Media; c != nil && c.Engine != nil {
		engines(m, c.Engine.Nodes())
	}
	p, now := &e.probes, time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.gates {
		if !named(w.carrier) {
			continue
		}
		state := w.health.State(now)
		for i, name := range carriers.GatewayStates {
			is := 0
			if carriers.GatewayState(i) == state {
				is = 1
			}
			show(gatewayGauge, is, w.carrier, w.target.Gateway, w.path.Remote.String(), name)
		}
	}
	for name, q := range p.quality {
		if !named(name) {
			continue
		}
		is := 0
		if q.Capped() {
			is = 1
		}
		show(cappedGauge, is, name)
	}
}
