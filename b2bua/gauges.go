package b2bua

import "github.com/prometheus/client_golang/prometheus"

// gauges shows how things stand when they are asked for (prometheus.Collector).
type gauges struct{ engine *Engine }

var (
	usedGauge  = prometheus.NewDesc("bulkhead_limit_used_calls", "Calls that take up a place of a trunk, carrier or range of numbers.", []string{"on", "name"}, nil)
	limitGauge = prometheus.NewDesc("bulkhead_limit_calls", "How many calls a trunk, carrier or range of numbers may have at once.", []string{"on", "name"}, nil)
)

// Describe is prometheus.Collector.
func (g gauges) Describe(d chan<- *prometheus.Desc) {
	d <- usedGauge
	d <- limitGauge
}

// Collect is prometheus.Collector.
func (g gauges) Collect(m chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, n int, labels ...string) {
		m <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	for _, b := range g.engine.profiles().Bounds() {
		show(usedGauge, g.engine.Used(b.Place), b.Kind.String(), b.Name)
		if b.Calls > 0 {
			show(limitGauge, b.Calls, b.Kind.String(), b.Name)
		}
	}
}
