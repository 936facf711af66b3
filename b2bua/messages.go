package b2bua

import (
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// classes are the kinds of a message: a request, or a response by the class of its code.
var classes = [...]string{"request", "1xx", "2xx", "3xx", "4xx", "5xx", "6xx"}

// messages counts what crosses the wire. Each is one addition in memory: the series are
// made when somebody asks for them, and of what never came there is none.
type messages struct {
	in, out [len(methods)][len(classes)]atomic.Uint64
	again   [len(methods)]atomic.Uint64
}

var (
	messagesTotal = prometheus.NewDesc("bulkhead_sip_messages_total", "SIP messages that could be read or were sent, by direction (in, out), method (of the request, or of the one that is answered) and class of the code, or request.", []string{"direction", "method", "class"}, nil)
	againTotal    = prometheus.NewDesc("bulkhead_sip_retransmissions_total", "SIP messages sent once more, with the bytes of the first time, by method.", []string{"method"}, nil)
)

// classNumber is where a code is counted; 0: a request.
func classNumber(code int) int { return min(max(code/100, 0), len(classes)-1) }

// came counts a message that has come in.
func (c *messages) came(method string, code int) {
	c.in[max(0, slices.Index(methods[:], method))][classNumber(code)].Add(1)
}

// went counts one that goes out.
func (c *messages) went(method string, code int, again bool) {
	n := max(0, slices.Index(methods[:], method))
	c.out[n][classNumber(code)].Add(1)
	if again {
		c.again[n].Add(1)
	}
}

// Describe is prometheus.Collector.
func (c *messages) Describe(d chan<- *prometheus.Desc) {
	d <- messagesTotal
	d <- againTotal
}

// Collect is prometheus.Collector.
func (c *messages) Collect(m chan<- prometheus.Metric) {
	show := func(d *prometheus.Desc, n *atomic.Uint64, labels ...string) {
		if v := n.Load(); v > 0 {
			m <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
		}
	}
	for i, method := range methods {
		if i == 0 {
			method = others
		}
		for j, class := range classes {
			show(messagesTotal, &c.in[i][j], "in", method, class)
			show(messagesTotal, &c.out[i][j], "out", method, class)
		}
		show(againTotal, &c.again[i], method)
	}
}
