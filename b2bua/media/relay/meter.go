package relay

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"
)

// Stats is what an end has heard from its far end.
type Stats struct {
	Packets uint64 // of RTP or UDPTL
	Octets  uint64 // their length, RTP's header included
	RTCP    uint64 // packets
	Lost    uint64 // of RTP, by sequence number (RFC 3550 §A.3)
	Dropped uint64 // arrived here and not forwarded, for any reason
	Foreign uint64 // of them, those from whom the SDP has not named

	Unkeyed  uint64 // of them, SRTP that does not authenticate
	Replayed uint64 // of them, SRTP that was here already

	Jitter    time.Duration // interarrival (RFC 3550 §6.4.1), the mean of its values
	MaxJitter time.Duration
	Gap       time.Duration  // the longest time between two packets, hold left out
	Last      time.Time      // of the latest packet of RTP or UDPTL; zero: none
	Heard     netip.AddrPort // its source; zero: none was found since it was aimed at
	SSRC      uint32         // the latest
	Rollovers []Rollover     // of SRTP
}

// MOS estimates how well what was heard is heard, 1 to 4.5, by the E-model (ITU-T G.107) reduced
// to what a relay sees:
//
//	R = 93.2 − Id − Ie,eff
//	Id     = 0.024·d + 0.11·max(0, d−177.3)   d = 20 ms of packet + a jitter buffer of 2 × jitter, in ms
//	Ie,eff = 95·p / (p + 25.1)                p = % of packets lost; G.711 with concealment (G.113, appendix I)
//	MOS    = 1 + 0.035·R + R·(R−60)·(100−R)·7·10⁻⁶
//
// The network's delay and what the codec itself takes away are not seen here, so it is
// an upper bound. 0: there was nothing to judge.
func (d Stats) MOS() float64 {
	if d.Packets == 0 {
		return 0
	}
	delay := 20 + 2*d.Jitter.Seconds()*1000
	p := 100 * float64(d.Lost) / float64(d.Lost+d.Packets)
	r := 93.2 - 0.024*delay - 0.11*max(0, delay-177.3) - 95*p/(p+25.1)
	r = min(max(r, 0), 100)
	return math.Max(1, 1+0.035*r+r*(r-60)*(100-r)*7e-6)
}

// meter counts what an end hears.
type meter struct {
	Stats
	clock   uint32
	last    time.Duration // the latest packet; 0: none
	heard   time.Duration // the same, since the gap was left out
	lost    uint64        // of earlier SSRCs and restarts
	running bool          // of one SSRC:
	first   uint32        // extended sequence number
	highest uint32
	got     uint32
	odd     uint32 // the number after one that did not fit (RFC 3550 §A.1)
	stamp   uint32
	transit uint32
	timed   bool
	jitter  float64 // in units of the clock
	sum     float64 // of its values
	values  uint64
}

// Bounds of RFC 3550 §A.1.
const (
	maxDropout  = 3000
	maxMisorder = 100
	noSeq       = 1 << 16
)

// packet counts one, of RTP or UDPTL.
func (m *meter) packet(now time.Duration, n int) {
	m.Packets++
	m.Octets += uint64(n)
	if m.heard != 0 && now-m.heard > m.Gap {
		m.Gap = now - m.heard
	}
	m.heard, m.last = now, now
}

// rtp counts a packet of RTP, whose header has been checked.
func (m *meter) rtp(now time.Duration, b []byte) {
	m.packet(now, len(b))
	ssrc, seq := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint16(b[2:])
	if ssrc != m.SSRC || !m.running {
		m.begin(ssrc, seq)
	} else if !m.sequence(seq) {
		return
	}
	m.got++
	m.Lost = m.lost + m.missing()
	m.interarrival(now, binary.BigEndian.Uint32(b[4:]))
}

func (m *meter) begin(ssrc uint32, seq uint16) {
	m.lost += m.missing()
	m.SSRC, m.running, m.timed, m.odd = ssrc, true, false, noSeq
	m.first, m.highest, m.got = uint32(seq), uint32(seq), 0
}

// sequence says whether the number fits.
func (m *meter) sequence(seq uint16) bool {
	switch d := seq - uint16(m.highest); {
	case d < maxDropout:
		m.highest += uint32(d)
	case d > noSeq-maxMisorder-1: // late, or a repeat
	case uint32(seq) == m.odd: // two in a row: it has begun again
		m.begin(m.SSRC, seq)
	default:
		m.odd = uint32(seq + 1)
		return false
	}
	return true
}

// missing is how many of this SSRC have not come.
func (m *meter) missing() uint64 {
	if expected := m.highest - m.first + 1; m.running && expected > m.got {
		return uint64(expected - m.got)
	}
	return 0
}

// interarrival is RFC 3550 §A.8. Packets of one event share a timestamp (RFC 4733), and a jump of a second
// is another clock's: neither says anything about the network.
func (m *meter) interarrival(now time.Duration, stamp uint32) {
	if m.timed && stamp == m.stamp {
		return
	}
	arrival := uint32(uint64(now/time.Microsecond) * uint64(m.clock) / 1e6)
	transit := arrival - stamp
	d := int32(transit - m.transit)
	if d < 0 {
		d = -d
	}
	if m.timed && uint32(d) < m.clock {
		m.jitter += (float64(d) - m.jitter) / 16
		m.sum += m.jitter
		m.values++
		unit := float64(time.Second) / float64(m.clock)
		m.Jitter = time.Duration(m.sum / float64(m.values) * unit)
		m.MaxJitter = max(m.MaxJitter, time.Duration(m.jitter*unit))
	}
	m.stamp, m.transit, m.timed = stamp, transit, true
}
