package relay

import (
	"encoding/binary"
	"math"
	"net/netip"
	"testing"
	"time"
)

const ms = time.Millisecond

// stamped is RTP with a timestamp of its own.
func stamped(ssrc uint32, seq uint16, stamp uint32) []byte {
	b := packet(ssrc, seq)
	binary.BigEndian.PutUint32(b[4:], stamp)
	return b
}

func TestRFC3550_A3_Lost(t *testing.T) {
	for name, c := range map[string]struct {
		heard []uint16
		lost  uint64
	}{
		"none":               {[]uint16{1, 2, 3}, 0},
		"one":                {[]uint16{1, 3}, 1},
		"one, late":          {[]uint16{1, 3, 2}, 0},
		"over the end":       {[]uint16{65534, 65535, 0, 2}, 1},
		"repeats":            {[]uint16{1, 1, 1, 2}, 0},
		"a restart":          {[]uint16{1, 3, 40000, 40001, 40003}, 2},
		"one out of nowhere": {[]uint16{1, 2, 40000, 3, 4}, 0},
		"many":               {[]uint16{1, 2901}, 2899},
	} {
		m := meter{clock: 8000}
		for i, seq := range c.heard {
			m.rtp(time.Duration(i+1)*20*ms, packet(1, seq))
		}
		if m.Lost != c.lost || m.Packets != uint64(len(c.heard)) {
			t.Errorf("%s: %d lost of %d; want %d of %d", name, m.Lost, m.Packets, c.lost, len(c.heard))
		}
	}
	m := meter{clock: 8000}
	for i, ssrc := range []uint32{1, 1, 2, 2} { // each begins where it likes, each loses one
		m.rtp(time.Duration(i+1)*20*ms, packet(ssrc, uint16(ssrc*9000)+uint16(2*i)))
	}
	if m.Lost != 2 || m.SSRC != 2 {
		t.Errorf("two sources: %d lost, the latest %d; want 2, 2", m.Lost, m.SSRC)
	}
}

func TestRFC3550_A8_Jitter(t *testing.T) {
	m := meter{clock: 8000}
	now := time.Duration(1)
	for i := range uint16(100) { // by turns 20 ms and 28 ms after what the timestamp says
		m.rtp(now+time.Duration(i%2)*8*ms, packet(1, i))
		now += 20 * ms
	}
	if got := m.MaxJitter; got < 7900*time.Microsecond || got > 8*ms {
		t.Errorf("jitter %v; want near 8 ms, the difference of each two", got)
	}
	m = meter{clock: 8000}
	now = 1
	for i := range uint16(100) {
		stamp := uint32(i) * 160
		if i >= 50 && i < 60 {
			stamp = 50 * 160 // an event: one timestamp (RFC 4733 §2.5.1.2)
		}
		if i >= 80 {
			stamp += 1 << 30 // another clock
		}
		m.rtp(now, stamped(1, i, stamp))
		now += 20 * ms
	}
	if got := m.MaxJitter; got > 13*ms { // what follows the event was stamped as it began, no more
		t.Errorf("jitter %v of a steady sender", got)
	}
}

func TestGap(t *testing.T) {
	e := &end{relay: begin(t, testPorts), local: netip.MustParseAddrPort("192.0.2.9:30000")}
	to := Remote{RTP: netip.MustParseAddrPort(sdp)}
	aim := func() {
		t.Helper()
		if err := e.aim(1, to); err != nil {
			t.Fatal(err)
		}
	}
	aim()
	for _, at := range []time.Duration{20, 40, 140, 160} {
		e.heard.rtp(at*ms, packet(1, uint16(at/20)))
	}
	if e.heard.Gap != 100*ms {
		t.Errorf("gap %v, want 100 ms", e.heard.Gap)
	}
	to.Held = true
	aim()
	e.heard.rtp(9000*ms, packet(1, 9))
	if st := e.stats(); st.Gap != 100*ms || st.Last != e.relay.start.Add(9000*ms) {
		t.Errorf("gap %v with hold left out, the last at %v; want 100 ms, 9 s", st.Gap, st.Last)
	}
}

// What the formula of MOS gives, worked out by hand.
func TestG107_MOS(t *testing.T) {
	for _, c := range []struct {
		d    Stats
		want float64
	}{
		{Stats{}, 0},
		{Stats{Packets: 1000}, 4.40},
		{Stats{Packets: 990, Lost: 10}, 4.32},
		{Stats{Packets: 950, Lost: 50}, 3.90},
		{Stats{Packets: 800, Lost: 200}, 2.61},
		{Stats{Packets: 1000, Jitter: 20 * ms}, 4.38},
		{Stats{Packets: 1000, Jitter: 200 * ms}, 2.91},
		{Stats{Packets: 1, Lost: 999}, 1.16},
	} {
		if got := c.d.MOS(); math.Abs(got-c.want) > 0.006 {
			t.Errorf("%d of %d lost, jitter %v: %.3f, want %.2f", c.d.Lost, c.d.Lost+c.d.Packets, c.d.Jitter, got, c.want)
		}
	}
}
