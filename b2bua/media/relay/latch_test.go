package relay

import (
	"net/netip"
	"testing"
	"time"
)

// sayings are told to a latch in virtual time.
type saying struct {
	at   time.Duration
	from string
	ssrc uint32
	ok   bool
}

const (
	sdp   = "192.0.2.1:5000"
	sdp2  = "192.0.2.1:5002"
	sdp3  = "192.0.2.1:5004"
	nat   = "198.51.100.1:7000" // where the signalling comes from
	nat2  = "198.51.100.1:7002"
	alien = "203.0.113.1:5000"
	evil  = "203.0.113.2:5000"
)

func TestLatch(t *testing.T) {
	ms := time.Millisecond
	for name, c := range map[string]struct {
		policy Latch
		heard  []saying
	}{
		"strict: only who the SDP names": {Strict, []saying{
			{0, sdp2, 1, false}, {1, nat, 1, false}, {2, alien, 1, false}, {3, sdp, 1, true}, {4, sdp2, 1, false}}},
		"strict: silence changes nothing": {Strict, []saying{
			{0, sdp, 1, true}, {3000 * ms, sdp2, 1, false}, {60000 * ms, sdp2, 1, false}}},
		"same-ip: the better rank wins, and stays": {SameIP, []saying{
			{0, alien, 1, false}, {1, nat, 2, true}, {2, nat2, 2, false}, {3, sdp2, 3, true}, {4, nat, 2, false},
			{5, sdp, 4, true}, {6, sdp2, 3, false}, {7, sdp, 4, true}}},
		"same-ip: an equal one does not take over": {SameIP, []saying{
			{0, sdp2, 1, true}, {1, sdp3, 1, false}, {1999 * ms, sdp3, 1, false}}},
		"same-ip: it does after silence, with its SSRC": {SameIP, []saying{
			{0, sdp2, 1, true}, {1999 * ms, sdp3, 1, false}, {2000 * ms, sdp3, 2, false}, {2001 * ms, sdp3, 1, true}, {2002 * ms, sdp2, 1, false}}},
		"same-ip: nobody else does, however long": {SameIP, []saying{
			{0, sdp2, 1, true}, {9000 * ms, nat, 1, false}, {9000 * ms, alien, 1, false}, {9000 * ms, sdp3, 0, false}}},
		"any: a stranger must go on for some packets": {Any, []saying{
			{0, alien, 1, false}, {1, alien, 1, false}, {2, alien, 1, false}, {3, alien, 1, false}, {4, alien, 1, true}, {5, alien, 1, true}, {6, evil, 2, false}}},
		"any: in a row": {Any, []saying{
			{0, alien, 1, false}, {1, evil, 2, false}, {2, alien, 1, false}, {3, evil, 2, false}, {4, alien, 1, false}, {5, evil, 2, false},
			{6, alien, 1, false}, {7, evil, 2, false}, {8, alien, 1, false}, {9, alien, 1, false}}},
		"any: who is named takes over from him at once": {Any, []saying{
			{0, alien, 1, false}, {1, alien, 1, false}, {2, alien, 1, false}, {3, alien, 1, false}, {4, alien, 1, true},
			{5, nat, 2, true}, {6, alien, 1, false}, {9000 * ms, alien, 1, false}}},
	} {
		t.Run(name, func(t *testing.T) {
			e := Remote{RTP: netip.MustParseAddrPort(sdp), Source: netip.MustParseAddrPort(nat).Addr(), Latch: c.policy}
			var l source
			for i, s := range c.heard {
				ok, moved := l.accept(s.at, &e, netip.MustParseAddrPort(s.from), false, s.ssrc)
				if ok != s.ok {
					t.Errorf("%d: %s is heard: %v, want %v", i, s.from, ok, s.ok)
				}
				if moved && l.at.String() != s.from {
					t.Errorf("%d: moved to %v, not %s", i, l.at, s.from)
				}
			}
		})
	}
}

// New SDP with the same address lets an equal source take over, once; with another address, nobody of before counts.
func TestLatchAfterNewSDP(t *testing.T) {
	at := netip.MustParseAddrPort
	r := begin(t, testPorts)
	p := &end{relay: r, local: at("192.0.2.9:30000")}
	told := Remote{RTP: at(sdp), Source: at(nat).Addr()}
	aim := func(to Remote) {
		t.Helper()
		if err := p.aim(1, to); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(from string, want bool) {
		t.Helper()
		if ok, moved := p.sources[media].accept(1, &p.remote, at(from), false, 1); ok != want {
			t.Errorf("%s is heard: %v, want %v", from, ok, want)
		} else if moved {
			p.retarget(media)
		}
	}
	sent := func(to string) {
		t.Helper()
		if got := p.to[media]; got != targetOf(at(to)) {
			t.Errorf("sent to %v, want %s", got, to)
		}
	}
	aim(told)
	sent(sdp)
	hear(sdp2, true)
	hear(sdp3, false)
	sent(sdp2)
	aim(told) // a refresh
	sent(sdp2)
	hear(sdp3, true)
	hear(sdp2, false)
	sent(sdp3)
	aim(told)
	hear(sdp3, true)
	hear(sdp2, false)
	moved := told
	moved.RTP = at("192.0.2.2:5000")
	aim(moved)
	sent("192.0.2.2:5000")
	hear(sdp3, false)
	hear("192.0.2.2:5000", true)
	strict := moved
	strict.Latch = Strict
	aim(moved)
	hear("192.0.2.2:5000", true)
	aim(strict)
	hear("192.0.2.2:5000", true)
	hear("192.0.2.2:5002", false)
}

// RTPbleed: somebody sprays our ports. He hears nothing and is not heard, also while the right side has not begun to
// speak. (There is no clock in what keeps him out before that, so nobody need wait: his packets are counted.)
func TestRTPBleed(t *testing.T) {
	for _, policy := range []Latch{Strict, SameIP, Any} {
		t.Run(policy.String(), func(t *testing.T) {
			r := begin(t, testPorts)
			a, b := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
			s := connect(t, r, a, b, policy)
			sprayer := sit(t, "127.0.236.66", 0)
			strangers := uint64(0)
			spray := func(n int) { // from another SSRC each time, as who does not know ours
				for i := range n {
					for _, to := range []netip.AddrPort{s.Local(A), s.Local(B), rtcpOf(s.Local(A)), rtcpOf(s.Local(B))} {
						if to.Port()%2 == 0 {
							sprayer.say(to, packet(uint32(1000+strangers), uint16(i)))
						} else {
							sprayer.say(to, report(uint32(1000+strangers)))
						}
						strangers++
						dropped(t, r, Foreign, strangers)
					}
				}
			}
			spray(200) // 4 s of 50 packets a second
			for i := range uint16(100) {
				a.say(s.Local(A), packet(1, i))
				b.hears(packet(1, i), s.Local(B))
			}
			spray(50)
			for i := range uint16(100) {
				b.say(s.Local(B), packet(2, i))
				a.hears(packet(2, i), s.Local(A))
				a.say(s.Local(A), packet(1, i+100))
				b.hears(packet(1, i+100), s.Local(B))
				spray(1)
			}
			for _, p := range []*peer{a, b, sprayer} {
				p.quiet()
			}
			if d := s.Stats(); d[A].Foreign+d[B].Foreign != strangers {
				t.Errorf("%d and %d of %d strange packets are counted", d[A].Foreign, d[B].Foreign, strangers)
			}
		})
	}
}

// RTCP on a port of its own and UDPTL come back from behind a NAT that has forgotten them as RTP does: from the same
// address, after silence, RTCP with its SSRC. UDPTL has none. Nobody else takes either over, however long it is silent.
func TestLatchOfRTCPAndUDPTL(t *testing.T) {
	type heard struct {
		at   time.Duration
		from string
		b    []byte
		ok   bool
	}
	const (
		ms    = time.Millisecond
		rtcp  = "192.0.2.1:5001" // as the SDP says
		rtcp2 = "192.0.2.1:5003"
		rtcp3 = "192.0.2.1:5005"
	)
	ifp := []byte{0, 7, 1, 6, 0, 0}
	for name, c := range map[string]struct {
		on    kind
		to    Remote
		heard []heard
	}{
		"RTCP": {control, Remote{}, []heard{
			{1, alien, report(1), false}, {1, rtcp, report(1), true}, {1999 * ms, rtcp2, report(1), false}, {2001 * ms, rtcp2, report(2), false}, {2002 * ms, rtcp2, report(0), false},
			{2003 * ms, rtcp2, report(1), true}, {2004 * ms, rtcp3, report(1), false}, {9000 * ms, nat, report(1), false}, {9000 * ms, alien, report(1), false},
			{9001 * ms, rtcp3, report(1), true}}},
		"RTCP, strict": {control, Remote{Latch: Strict}, []heard{
			{1, rtcp, report(1), true}, {9000 * ms, rtcp2, report(1), false}}},
		"UDPTL": {media, Remote{UDPTL: true}, []heard{
			{1, alien, ifp, false}, {1, sdp, ifp, true}, {1999 * ms, sdp2, ifp, false}, {2001 * ms, sdp2, ifp, true}, {2002 * ms, sdp3, ifp, false},
			{9000 * ms, nat, ifp, false}, {9000 * ms, alien, ifp, false}, {9001 * ms, sdp3, ifp, true}}},
		"UDPTL, strict": {media, Remote{UDPTL: true, Latch: Strict}, []heard{
			{1, sdp, ifp, true}, {9000 * ms, sdp2, ifp, false}}},
		"RTCP beside UDPTL": {control, Remote{UDPTL: true}, []heard{
			{1, rtcp, report(1), true}, {9000 * ms, rtcp2, report(2), false}}},
	} {
		t.Run(name, func(t *testing.T) {
			at := netip.MustParseAddrPort
			p := &end{relay: begin(t, testPorts), local: at("192.0.2.9:30000")}
			c.to.RTP, c.to.Source = at(sdp), at(nat).Addr()
			if err := p.aim(1, c.to); err != nil {
				t.Fatal(err)
			}
			for i, h := range c.heard {
				_, _, why := p.take(h.at, &socket{place: place{p, c.on}}, at(h.from), h.b, len(h.b), &scratch{})
				if (why == passed) != h.ok || why != passed && why != Foreign {
					t.Errorf("%d: %s is heard: %v", i, h.from, why)
				}
				if h.ok && p.to[c.on] != targetOf(at(h.from)) {
					t.Errorf("%d: sent to %v, not %s", i, p.to[c.on], h.from)
				}
			}
		})
	}
}
