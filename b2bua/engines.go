package b2bua

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"bulkhead/b2bua/media"
	"bulkhead/b2bua/media/ng"
)

var (
	engineGauge    = prometheus.NewDesc("bulkhead_rtpengine_up", "1 for an rtpengine that new calls go to, 0 for one that does not answer.", []string{"node"}, nil)
	engineRequests = prometheus.NewDesc("bulkhead_rtpengine_requests_total", "What rtpengines were asked for, pings too, by what came of it: answered, refused (answered too, with an error), lost (no answer in time); and repeated, for want of an answer.", []string{"node", "result"}, nil)
	engineDropped  = prometheus.NewDesc("bulkhead_rtpengine_dropped_total", "Datagrams at the sockets by which rtpengines are asked that nobody waited for, by reason: late, duplicate, stray, foreign (from elsewhere), garbled.", []string{"node", "reason"}, nil)
)

// engines shows how the rtpengines are.
func engines(m chan<- prometheus.Metric, nodes []ng.State) {
	for _, n := range nodes {
		up := 0.0
		if n.Up {
			up = 1
		}
		m <- prometheus.MustNewConstMetric(engineGauge, prometheus.GaugeValue, up, n.Name)
		c := n.Counts
		for result, count := range map[string]uint64{"answered": c.Answered, "refused": c.Refused, "lost": c.Lost, "repeated": c.Repeated} {
			m <- prometheus.MustNewConstMetric(engineRequests, prometheus.CounterValue, float64(count), n.Name, result)
		}
		for why, count := range map[string]uint64{"late": c.Late, "duplicate": c.Duplicate, "stray": c.Stray, "foreign": c.Foreign, "garbled": c.Garbled} {
			m <- prometheus.MustNewConstMetric(engineDropped, prometheus.CounterValue, float64(count), n.Name, why)
		}
	}
}

// engineFailed counts what an rtpengine did not do that no description depends on: the call goes on, or
// is over.
func (e *Engine) engineFailed(call string, doing media.Doing, err error) {
	why := media.Failure(err)
	e.metrics.Engines.WithLabelValues(string(doing), why).Inc()
	if n := e.notices.due("rtpengine "+string(doing)+why, time.Now()); n > 0 {
		e.log.Warn("rtpengine has not done what it was asked for", zap.String("call", call), zap.String("doing", string(doing)), zap.Int("times", n), zap.Error(err))
	}
}
