package simtest

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"bulkhead/b2bua"
)

// Record writes the records for people: a line a call, a line an attempt, times
// in seconds of the scenario.
func (s *Stage) Record() string {
	var b strings.Builder
	for _, r := range s.Records() {
		fmt.Fprintf(&b, "%s -> %s: %s%s cause=%s/%d%s by=%s%s duration=%.3f\n",
			r.From, r.To, r.Result, number(" code", r.Code), r.Cause, r.Status, number(" q850", r.Q850), r.EndedBy,
			s.times("began", r.Began, "ringing", r.Ringing, "answered", r.Answered, "ended", r.Ended), r.Duration)
		for _, reason := range r.Reason {
			fmt.Fprintf(&b, "    reason %s\n", reason)
		}
		for _, x := range r.Transfers {
			fmt.Fprintf(&b, "    %s %s by %s %s to %s%s%s\n", x.How, "transfer", x.By, x.Name, x.To, s.times("at", x.At), number(" status", x.Status))
		}
		for i, a := range r.Attempts {
			fmt.Fprintf(&b, "  %d %s %s: %s%s%s", i+1, a.Carrier, a.Number, a.Cause, number(" code", a.Code), number(" q850", a.Q850))
			b.WriteString(s.times("began", a.Began, "trying", a.Trying, "ringing", a.Ringing, "final", a.Final))
			b.WriteString(number(" absorbed", a.Absorbed))
			if a.Late {
				b.WriteString(" answered_after_cancel")
			}
			if a.NotSent {
				b.WriteString(" not_sent")
			}
			b.WriteString(number(" redirected_by", a.RedirectedBy))
			if a.Text != "" {
				fmt.Fprintf(&b, " text=%q", a.Text)
			}
			b.WriteString("\n")
			for _, reason := range a.Reason {
				fmt.Fprintf(&b, "    reason %s\n", reason)
			}
			for _, s := range a.Skipped {
				fmt.Fprintf(&b, "    skipped %s %s\n", s.Contact, s.Reason)
			}
		}
	}
	return b.String()
}

func number(name string, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s=%d", name, n)
}

func (s *Stage) times(pairs ...any) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if t := pairs[i+1].(time.Time); !t.IsZero() {
			fmt.Fprintf(&b, " %s=%.3f", pairs[i], t.Sub(s.Net.begin).Seconds())
		}
	}
	return b.String()
}

// drawn are counters of what the ladder and the record show already.
var drawn = []string{"bulkhead_sip_messages_total", "bulkhead_sip_retransmissions_total", "bulkhead_attempts_total"}

// Counters writes every counter that is not zero and not drawn, without its prefix and the
// names of its labels.
func (s *Stage) Counters() string {
	var lines []string
	for name, values := range s.gather() {
		if slices.Contains(drawn, name) {
			continue
		}
		for labels, v := range values {
			if v != 0 {
				lines = append(lines, fmt.Sprintf("%s{%s} %g\n", strings.TrimPrefix(name, "bulkhead_"), labels, v))
			}
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "")
}

// Counter is one counter by its name and the values of its labels, in the order
// of the labels' names; the sum of all where none are given.
func (s *Stage) Counter(name string, labels ...string) (sum float64) {
	for have, v := range s.gather()["bulkhead_"+name] {
		if len(labels) == 0 || have == strings.Join(labels, ",") {
			sum += v
		}
	}
	return sum
}

// Histogram is what one with one label has come to, by its name and the label's value.
func (s *Stage) Histogram(name, value string) string {
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == "bulkhead_"+name && m.Label[0].GetValue() == value {
				return fmt.Sprintf("sum %g, count %d", m.Histogram.GetSampleSum(), m.Histogram.GetSampleCount())
			}
		}
	}
	return "none"
}

// Metrics are all that the engine shows of itself.
func (s *Stage) Metrics() prometheus.Gatherer { return s.registry }

func (s *Stage) gather() map[string]map[string]float64 {
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string]map[string]float64{}
	for _, f := range families {
		if f.GetType() != dto.MetricType_COUNTER {
			continue
		}
		all[f.GetName()] = map[string]float64{}
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetValue())
			}
			all[f.GetName()][strings.Join(labels, ",")] = m.Counter.GetValue()
		}
	}
	return all
}

var _ b2bua.Records = (*Stage)(nil)
