package b2bua

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what the engine does. Every name is documented by its help.
type Metrics struct {
	Calls      *prometheus.CounterVec
	Ended      *prometheus.CounterVec
	Failovers  *prometheus.CounterVec
	Absorbed   *prometheus.CounterVec
	Dropped    *prometheus.CounterVec
	Refused    *prometheus.CounterVec
	Skipped    *prometheus.CounterVec
	Limited    *prometheus.CounterVec
	Violations *prometheus.CounterVec
	Decisions  *prometheus.CounterVec
	Unanchored *prometheus.CounterVec
	Media      *prometheus.CounterVec
	Engines    *prometheus.CounterVec
	Panics     prometheus.Counter

	Registered *prometheus.GaugeVec // 1 or 0, by carrier
	gauges     *gauges              // of the engine that has them now
	messages   messages

	attempts, late, unanswered *prometheus.CounterVec // by carrier
	delay                      *prometheus.HistogramVec
	setup, duration            *prometheus.HistogramVec // by trunk

	trunks, carriers labels // that have series of their own
	pairs            pairs  // of failovers

	Unprotected prometheus.Counter
	Restored    prometheus.Counter
	Snapshots   prometheus.Gauge
}

// NewMetrics registers the metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "bulkhead", Name: name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	m := &Metrics{
		gauges:     &gauges{},
		Calls:      vec("calls_total", "Calls admitted.", "trunk"),
		Ended:      vec("calls_ended_total", "Calls whose record has been written.", "trunk", "result"),
		Failovers:  vec("failovers_total", "Attempts that failed; to is empty where nothing was tried after them.", "from", "to", "cause"),
		Absorbed:   vec("absorbed_total", "Repeats and late messages dealt with on the leg where they came in.", "peer"),
		Dropped:    vec("dropped_total", "Messages that got no answer, by who dropped them and why.", "by", "reason"),
		Refused:    vec("refused_total", "Requests refused without a call, by reason.", "reason"),
		Skipped:    vec("targets_skipped_total", "Targets of calls that were not tried, by carrier and reason.", "carrier", "reason"),
		Limited:    vec("limited_total", "New calls refused because a limit was reached, by what it is on and which: calls, cps.", "on", "name", "limit"),
		Violations: vec("invariant_violations_total", "Promises that were about to be broken: always 0.", "name"),
		Decisions:  vec("decisions_total", "Questions put to who decides about a route's calls, by what came of them: targets, reject, known (an answer that was kept), timeout, failed.", "result"),
		Unanchored: vec("media_not_anchored_total", "Descriptions that could not be carried, or with bypass could not be read and were passed on, by the way and what is wrong: with the description, or no_port, unavailable, srtp_without_tls, srtp_keys, srtp_answer, unsupported, not_restored.", "mode", "reason"),
		Media:      vec("media_calls_total", "Calls whose record has been written, by how the media was carried: bypass, relay, rtpengine.", "mode"),
		Engines:    vec("rtpengine_failures_total", "What an rtpengine was asked for beside descriptions and has not done: release (the ports of an attempt), delete, query, restore (what a refused offer had changed); by why: node_lost, unknown_call, garbled, closed, refused.", "doing", "reason"),
		Panics: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "bulkhead", Name: "panics_total", Help: "Defects that ended one call each: always 0.",
		}),
	}
	m.Unprotected = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "bulkhead", Name: "unprotected_promises_total", Help: "Promises made to peers before the state that they rest on was safe.",
	})
	m.Restored = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "bulkhead", Name: "calls_restored_total", Help: "Calls taken over from another node.",
	})
	m.Snapshots = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "bulkhead", Name: "config_snapshots", Help: "Configurations that are in memory: the one in force, and those that calls began with.",
	})
	m.Registered = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "bulkhead", Name: "registered", Help: "Whether we are registered with a carrier that we are to be.",
	}, []string{"carrier"})
	r.MustRegister(m.Registered)
	r.MustRegister(m.gauges)
	r.MustRegister(m.Panics, m.Unprotected, m.Restored, m.Snapshots)
	m.gauges.metrics = m
	r.MustRegister(&m.messages)
	m.measures(r, vec)
	for _, name := range []string{ViolationSecondFinal, ViolationLateSignal, ViolationLateInvite, ViolationNoDeadline} {
		m.Violations.WithLabelValues(name) // shown as 0 from the start
	}
	m.Dropped.WithLabelValues("record", "not_written")
	m.Unanchored.WithLabelValues("rtpengine", "unavailable")
	m.Unanchored.WithLabelValues("relay", "no_port")
	for _, result := range []string{"targets", "reject", "known", "timeout", "failed"} {
		m.Decisions.WithLabelValues(result)
	}
	return m
}
