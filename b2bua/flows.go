package b2bua

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/b2bua/media"
	"bulkhead/b2bua/media/relay"
)

// flows counts what has been relayed for calls that are over; of those that are not, the relay
// knows.
type flows struct {
	mu      sync.Mutex
	packets [2]uint64
	lost    [2]uint64
}

// ended adds an anchor that has been released.
func (f *flows) ended(a *media.Anchor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range a.Streams {
		for side, e := range a.Streams[i].Ends {
			f.packets[side] += e.Stats.Packets
			f.lost[side] += e.Stats.Lost
		}
	}
}

var (
	portsGauge   = prometheus.NewDesc("bulkhead_media_ports", "Pairs of media ports on the addresses that have been used, by what they are: used, quarantined, free.", []string{"state"}, nil)
	endsGauge    = prometheus.NewDesc("bulkhead_media_ends", "Ends of streams that the relay carries: two of each.", nil, nil)
	sentTotal    = prometheus.NewDesc("bulkhead_media_forwarded_total", "Packets that the relay has sent on.", nil, nil)
	socketsGauge = prometheus.NewDesc("bulkhead_media_sockets", "Sockets of the relay.", nil, nil)
	readersGauge = prometheus.NewDesc("bulkhead_media_readers", "Threads that read the relay's sockets, by how the kernel runs them beside others: real_time, raised (nice -10), fair.", []string{"priority"}, nil)
	packetsTotal = prometheus.NewDesc("bulkhead_media_packets_total", "Packets of calls that are over, as they came from the side of the trunk or of the carrier.", []string{"from"}, nil)
	lostTotal    = prometheus.NewDesc("bulkhead_media_packets_lost_total", "Packets that have not come, by their sequence numbers, of calls that are over.", []string{"from"}, nil)
	droppedMedia = prometheus.NewDesc("bulkhead_media_dropped_total", "Packets that the relay has not forwarded, by reason.", []string{"reason"}, nil)
)

// sides are the two of an anchor by name.
var sides = [2]string{media.Trunk: "trunk", media.Carrier: "carrier"}

// collect shows the relay's counts.
func (f *flows) collect(m chan<- prometheus.Metric, counts func() relay.Totals) {
	show := func(d *prometheus.Desc, kind prometheus.ValueType, n uint64, labels ...string) {
		m <- prometheus.MustNewConstMetric(d, kind, float64(n), labels...)
	}
	c := counts()
	for state, n := range map[string]int{"used": c.Used, "quarantined": c.Quarantined, "free": c.Free} {
		show(portsGauge, prometheus.GaugeValue, uint64(n), state) // a count
	}
	show(endsGauge, prometheus.GaugeValue, uint64(c.Ends))       // a count
	show(socketsGauge, prometheus.GaugeValue, uint64(c.Sockets)) // a count
	for h, n := range c.Readers {
		show(readersGauge, prometheus.GaugeValue, uint64(n), relay.Haste(h).String()) // a count
	}
	show(sentTotal, prometheus.CounterValue, c.Packets)
	for _, why := range relay.Reasons() {
		show(droppedMedia, prometheus.CounterValue, c.Dropped[why], why.String())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for side, name := range sides {
		show(packetsTotal, prometheus.CounterValue, f.packets[side], name)
		show(lostTotal, prometheus.CounterValue, f.lost[side], name)
	}
}
