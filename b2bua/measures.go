package b2bua

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Bounds of the histograms, in seconds: as far apart as somebody who waits feels, or as
// calls are billed.
var (
	delayBounds    = []float64{0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 20, 30}
	setupBounds    = []float64{1, 2, 4, 6, 8, 12, 20, 30, 45, 60, 90, 120, 180}
	durationBounds = []float64{1, 6, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200}
)

// measures registers what attempts and calls come to.
func (m *Metrics) measures(r prometheus.Registerer, vec func(name, help string, labels ...string) *prometheus.CounterVec) {
	histogram := func(name, help, label string, bounds []float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "bulkhead", Name: name, Help: help, Buckets: bounds}, []string{label})
		r.MustRegister(h)
		return h
	}
	m.attempts = vec("attempts_total", "Attempts that came to something, by carrier, result (answered, or why it failed, such as rejected, no_response, cancelled) and the class of the final response that failed it.", "carrier", "result", "class")
	m.late = vec("late_answers_total", "200s to INVITEs that had been given up: each was acknowledged and hung up (RFC 3261 §9.1).", "carrier")
	m.unanswered = vec("unanswered_cancels_total", "CANCELs after which the INVITE never got its final response (RFC 3261 §9.2).", "carrier")
	m.delay = histogram("post_dial_delay_seconds", "From an attempt's INVITE to the first ringing, early media or answer, of those that had one.", "carrier", delayBounds)
	m.setup = histogram("setup_seconds", "From the trunk's INVITE to the answer, all attempts in it.", "trunk", setupBounds)
	m.duration = histogram("call_duration_seconds", "From the answer to the end, of calls that ended.", "trunk", durationBounds)
	over := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "bulkhead", Name: "names_without_series", Help: "Trunks and carriers beyond the first " + strconv.Itoa(mostNames) + " of each: they are counted under the name " + others + ".",
	}, []string{"of"})
	r.MustRegister(over)
	m.trunks = labels{label: "trunk", over: over.WithLabelValues("trunk"), vecs: []deleter{m.Calls, m.Ended, m.setup, m.duration}}
	m.carriers = labels{label: "carrier", over: over.WithLabelValues("carrier"), vecs: []deleter{m.attempts, m.late, m.unanswered, m.delay, m.Skipped, m.Registered}}
}

// adopted takes the names of another book. What alerts look at begins as 0: of what begins
// as 1, nobody can say that it has increased.
func (m *Metrics) adopted(b Book) {
	m.trunks.adopt(b.Trunks())
	m.carriers.adopt(b.Carriers())
	for name := range *m.trunks.known.Load() {
		m.Calls.WithLabelValues(name)
		m.Absorbed.WithLabelValues(name)
		for _, result := range []string{"answered", "failed", "cancelled"} {
			m.Ended.WithLabelValues(name, result)
		}
	}
	for _, b := range b.Bounds() {
		if b.Kind == carriers.OfTrunk && m.trunks.of(b.Name) != b.Name || b.Kind == carriers.OfCarrier {
			continue // a carrier that is full is passed over
		}
		if b.Calls > 0 {
			m.Limited.WithLabelValues(b.Kind.String(), b.Name, carriers.SkipCalls)
		}
		if b.CPS > 0 {
			m.Limited.WithLabelValues(b.Kind.String(), b.Name, carriers.SkipCPS)
		}
	}
	for name := range *m.carriers.known.Load() {
		m.attempts.WithLabelValues(name, "answered", "")
		m.late.WithLabelValues(name)
		m.unanswered.WithLabelValues(name)
		m.Absorbed.WithLabelValues(name)
	}
}

// Forget says that the engine whose metrics these were serves no more: what it had is
// another node's.
func (m *Metrics) Forget() {
	m.gauges.engine.Store(nil)
	m.Registered.Reset()
}

// registered shows whether we are registered with a carrier, where it has a series.
func (m *Metrics) registered(carrier string, is float64) {
	if m.carriers.of(carrier) == carrier {
		m.Registered.WithLabelValues(carrier).Set(is)
	}
}

// peer is the trunk or carrier of a leg as metrics have it.
func (m *Metrics) peer(leg uint8, name string) string {
	if leg == 0 {
		return m.trunks.of(name)
	}
	return m.carriers.of(name)
}

// failedOver counts an attempt that failed, and who was tried next.
func (m *Metrics) failedOver(f Failover) {
	from, to := m.carriers.of(f.Carrier), m.carriers.of(f.Next)
	m.Failovers.WithLabelValues(from, m.pairs.of(from, to), f.Cause.Why.String()).Inc()
}

// attempted counts what an attempt has come to, and how long it took to ring.
func (m *Metrics) attempted(l *dialog.Leg) {
	carrier, result, class := m.carriers.of(l.Target.Carrier), "answered", ""
	if l.State == dialog.Leaving && (l.Marks.Code/100 != 2 || l.Marks.Late) {
		result = l.Cause.Why.String()
		if l.Marks.Code >= 300 {
			class = classes[classNumber(l.Marks.Code)]
		}
	}
	m.attempts.WithLabelValues(carrier, result, class).Inc()
	var first time.Time
	for _, t := range []time.Time{l.Marks.Ringing, l.Marks.Media} {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if first.IsZero() && result == "answered" {
		first = l.Marks.Final
	}
	if !first.IsZero() {
		m.delay.WithLabelValues(carrier).Observe(first.Sub(l.Marks.Began).Seconds())
	}
}

// answered measures how long a call took to be answered.
func (m *Metrics) answered(c *Call) {
	m.setup.WithLabelValues(m.trunks.of(c.Setup.Trunk)).Observe(c.Answered.Sub(c.In.Marks.Began).Seconds())
}

// ended counts a call whose record is written; nil: a defect has ended it before it was one.
func (m *Metrics) ended(r Record, c *Call) {
	trunk := m.trunks.of(r.Trunk)
	m.Ended.WithLabelValues(trunk, r.Result).Inc()
	if r.Result == "answered" {
		m.duration.WithLabelValues(trunk).Observe(r.Duration)
	}
	if c == nil {
		return
	}
	for _, l := range c.Out {
		switch carrier := m.carriers.of(l.Target.Carrier); {
		case l.Marks.Late:
			m.late.WithLabelValues(carrier).Inc()
		case l.Cancelled && l.Marks.Code == 0:
			m.unanswered.WithLabelValues(carrier).Inc()
		}
	}
}
