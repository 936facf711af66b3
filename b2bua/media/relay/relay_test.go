package relay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// peer is somebody who sends and hears.
type peer struct {
	t    testing.TB
	conn *net.UDPConn
	at   netip.AddrPort
}

// ip is an address. Those of this test's network are apart for each process that runs it.
func ip(s string) netip.Addr {
	if host, ours := strings.CutPrefix(s, "127.0.236."); ours {
		s = fmt.Sprintf("127.%d.236.%s", 2+os.Getpid()%250, host)
	}
	return netip.MustParseAddr(s)
}

// sit opens a peer. Port 0: any.
func sit(t testing.TB, host string, port uint16) *peer {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip(host), port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	at := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	return &peer{t, conn, netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
}

func (p *peer) say(to netip.AddrPort, b []byte) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort(b, to); err != nil {
		p.t.Fatal(err)
	}
}

// hear waits for one packet.
func (p *peer) hear() ([]byte, netip.AddrPort) {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 65536)
	n, from, err := p.conn.ReadFromUDPAddrPort(b)
	if err != nil {
		p.t.Fatalf("%v heard nothing: %v", p.at, err)
	}
	return b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// hears waits for this packet, from there.
func (p *peer) hears(b []byte, from netip.AddrPort) {
	p.t.Helper()
	got, by := p.hear()
	if !slices.Equal(got, b) || by != from {
		p.t.Fatalf("%v heard %x from %v; want %x from %v", p.at, got, by, b, from)
	}
}

// quiet says that nothing more has come. What is sent before is there: the relay counts it first (drop).
func (p *peer) quiet() {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	b := make([]byte, 65536)
	if n, from, err := p.conn.ReadFromUDPAddrPort(b); err == nil {
		p.t.Fatalf("%v heard %x from %v; want nothing", p.at, b[:n], from)
	}
}

// packet is RTP.
func packet(ssrc uint32, seq uint16) []byte {
	b := make([]byte, 172)
	b[0] = 0x80
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], uint32(seq)*160)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	for i := 12; i < len(b); i++ {
		b[i] = byte(i) ^ byte(seq)
	}
	return b
}

// report is RTCP.
func report(ssrc uint32) []byte {
	b := make([]byte, 28)
	b[0], b[1], b[3] = 0x80, 200, 6
	binary.BigEndian.PutUint32(b[4:], ssrc)
	return b
}

func begin(t testing.TB, c Config) *Relay {
	t.Helper()
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Shut)
	return r
}

// until waits for a fact.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatalf("not after 10 s: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

// dropped waits until so many packets have been dropped for a reason.
func dropped(t testing.TB, r *Relay, why Reason, n uint64) {
	t.Helper()
	until(t, why.String(), func() bool { return r.Totals().Dropped[why] >= n })
	if got := r.Totals().Dropped[why]; got != n {
		t.Fatalf("%v: %d dropped, want %d", why, got, n)
	}
}

// The ends of a link.
const (
	A = iota
	B
)

// link is two ends of a relay that are joined.
type link struct {
	r  *Relay
	at [2]netip.AddrPort
}

func (l *link) Local(of int) netip.AddrPort { return l.at[of] }
func (l *link) Aim(at int, to Remote) error { return l.r.Aim(l.at[at], to) }
func (l *link) Stats() (st [2]Stats) {
	st[0], _ = l.r.Stats(l.at[0])
	st[1], _ = l.r.Stats(l.at[1])
	return st
}
func (l *link) Close() { l.r.Close(l.at[0]); l.r.Close(l.at[1]) }

// link opens two ends and joins them.
func open(t testing.TB, r *Relay, a, b netip.Addr) *link {
	t.Helper()
	l := &link{r: r}
	var err [3]error
	l.at[A], err[0] = r.Open(a)
	l.at[B], err[1] = r.Open(b)
	err[2] = r.Join(l.at[A], l.at[B])
	if err := errors.Join(err[:]...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// connect is a link with both ends aimed at their peers.
func connect(t testing.TB, r *Relay, a, b *peer, policy Latch) *link {
	t.Helper()
	l := open(t, r, ip("127.0.236.10"), ip("127.0.236.11"))
	aim(t, l, A, Remote{RTP: a.at, Latch: policy})
	aim(t, l, B, Remote{RTP: b.at, Latch: policy})
	return l
}

func aim(t testing.TB, s *link, at int, to Remote) {
	t.Helper()
	if err := s.Aim(at, to); err != nil {
		t.Fatal(err)
	}
}

// The ports of a test: apart from those of other tests on this machine.
var testPorts = Config{First: 23600, Last: 23799}

func rtcpOf(at netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(at.Addr(), at.Port()+1) }

func TestBothWaysUnchanged(t *testing.T) {
	r := begin(t, testPorts)
	a, b := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	s := connect(t, r, a, b, SameIP)
	if s.Local(A).Port()%2 != 0 || s.Local(B).Port()%2 != 0 {
		t.Fatalf("RTP on %v and %v: odd ports", s.Local(A), s.Local(B))
	}
	for i := range uint16(50) {
		a.say(s.Local(A), packet(1, i))
		b.hears(packet(1, i), s.Local(B))
		b.say(s.Local(B), packet(2, i+100))
		a.hears(packet(2, i+100), s.Local(A))
	}
	// RTCP has its own port, on either side.
	ac, bc := sit(t, "127.0.236.1", 5001), sit(t, "127.0.236.2", 6001)
	ac.say(rtcpOf(s.Local(A)), report(1))
	bc.hears(report(1), rtcpOf(s.Local(B)))
	bc.say(rtcpOf(s.Local(B)), report(2))
	ac.hears(report(2), rtcpOf(s.Local(A)))
	st := s.Stats()
	if d := st[A]; d.Packets != 50 || d.Octets != 50*172 || d.RTCP != 1 || d.Lost != 0 || d.SSRC != 1 || d.Dropped != 0 {
		t.Errorf("heard from A: %+v", d)
	}
	if mos := st[B].MOS(); mos < 4 || mos > 4.5 {
		t.Errorf("MOS of a clean line: %v", mos)
	}
}

// Where the one side has RTCP on RTP's port and the other has not, reports change ports.
func TestRFC5761_MuxOnOneSide(t *testing.T) {
	r := begin(t, testPorts)
	a, b := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	bc := sit(t, "127.0.236.2", 6001)
	s := connect(t, r, a, b, SameIP)
	aim(t, s, A, Remote{RTP: a.at, Mux: true})
	a.say(s.Local(A), report(1))
	bc.hears(report(1), rtcpOf(s.Local(B)))
	bc.say(rtcpOf(s.Local(B)), report(2))
	a.hears(report(2), s.Local(A))
	a.say(s.Local(A), packet(1, 1))
	b.hears(packet(1, 1), s.Local(B))
}

func TestIPv4ToIPv6(t *testing.T) {
	r := begin(t, testPorts)
	a, b := sit(t, "127.0.236.1", 5000), sit(t, "::1", 0)
	s := open(t, r, ip("127.0.236.10"), ip("::1"))
	aim(t, s, A, Remote{RTP: a.at})
	aim(t, s, B, Remote{RTP: b.at})
	a.say(s.Local(A), packet(1, 1))
	b.hears(packet(1, 1), s.Local(B))
	b.say(s.Local(B), packet(2, 1))
	a.hears(packet(2, 1), s.Local(A))
	if err := s.Aim(B, Remote{RTP: a.at}); !errors.Is(err, ErrAddress) {
		t.Errorf("IPv4 from an IPv6 socket: %v", err)
	}
}

func TestT38(t *testing.T) {
	r := begin(t, testPorts)
	a, b := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	s := connect(t, r, a, b, SameIP)
	ifp := []byte{0, 7, 1, 6, 0, 0}
	a.say(s.Local(A), ifp)
	dropped(t, r, Short, 1)
	aim(t, s, A, Remote{RTP: a.at, UDPTL: true})
	aim(t, s, B, Remote{RTP: b.at, UDPTL: true})
	a.say(s.Local(A), ifp)
	b.hears(ifp, s.Local(B))
	b.say(s.Local(B), ifp)
	a.hears(ifp, s.Local(A))
}

// On hold with c=0.0.0.0 nothing is sent to who holds, and he may still be heard.
func TestRFC2543Hold(t *testing.T) {
	r := begin(t, testPorts)
	a, b := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	s := connect(t, r, a, b, SameIP)
	aim(t, s, A, Remote{RTP: netip.MustParseAddrPort("0.0.0.0:5000"), Held: true})
	b.say(s.Local(B), packet(2, 1))
	dropped(t, r, Held, 1)
	a.quiet()
	a.say(s.Local(A), packet(1, 1))
	b.hears(packet(1, 1), s.Local(B))
	aim(t, s, A, Remote{RTP: a.at})
	b.say(s.Local(B), packet(2, 2))
	a.hears(packet(2, 2), s.Local(A))
}

func TestRefusedMedia(t *testing.T) {
	r := begin(t, testPorts)
	a, b := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	s := connect(t, r, a, b, SameIP)
	aim(t, s, B, Remote{RTP: netip.AddrPortFrom(b.at.Addr(), 0)})
	a.say(s.Local(A), packet(1, 1))
	dropped(t, r, Nowhere, 1)
	b.say(s.Local(B), packet(2, 1))
	dropped(t, r, Refused, 1)
	a.quiet()
	b.quiet()
}

// A fork: whoever the latest SDP names is heard, and nobody else.
func TestForksAreHeardByTurns(t *testing.T) {
	r := begin(t, testPorts)
	a := sit(t, "127.0.236.1", 5000)
	forks := []*peer{sit(t, "127.0.236.2", 6000), sit(t, "127.0.236.3", 6000), sit(t, "127.0.236.4", 6000)}
	s := connect(t, r, a, forks[0], SameIP)
	foreign := uint64(0)
	for i, now := range forks {
		aim(t, s, B, Remote{RTP: now.at})
		for j, f := range forks {
			f.say(s.Local(B), packet(uint32(10+j), uint16(i)))
			if j == i {
				a.hears(packet(uint32(10+j), uint16(i)), s.Local(A))
			} else {
				foreign++
				dropped(t, r, Foreign, foreign)
			}
		}
		a.say(s.Local(A), packet(1, uint16(i)))
		now.hears(packet(1, uint16(i)), s.Local(B))
	}
	for _, f := range append(forks, a) {
		f.quiet()
	}
}

func TestRefusedEndpoints(t *testing.T) {
	r := begin(t, testPorts)
	a, b := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	s := connect(t, r, a, b, SameIP)
	other := connect(t, r, a, b, SameIP)
	for name, c := range map[string]struct {
		e    Remote
		want error
	}{
		"own port":          {Remote{RTP: other.Local(B)}, ErrLoop},
		"own port, itself":  {Remote{RTP: s.Local(A)}, ErrLoop},
		"own RTCP port":     {Remote{RTP: a.at, RTCP: rtcpOf(other.Local(B))}, ErrLoop},
		"own, mapped":       {Remote{RTP: netip.AddrPortFrom(netip.AddrFrom16(other.Local(B).Addr().As16()), other.Local(B).Port())}, ErrLoop},
		"multicast":         {Remote{RTP: netip.MustParseAddrPort("224.0.1.1:5000")}, ErrAddress},
		"broadcast":         {Remote{RTP: netip.MustParseAddrPort("255.255.255.255:5000")}, ErrAddress},
		"no address":        {Remote{RTP: netip.AddrPortFrom(netip.Addr{}, 5000)}, ErrAddress},
		"another family":    {Remote{RTP: netip.MustParseAddrPort("[::1]:5000")}, ErrAddress},
		"RTCP to multicast": {Remote{RTP: a.at, RTCP: netip.MustParseAddrPort("224.0.1.1:5001")}, ErrAddress},
		"our loopback":      {Remote{RTP: a.at, Source: ip("192.0.2.1")}, ErrAddress},
		"RTCP to it":        {Remote{RTP: netip.MustParseAddrPort("192.0.2.1:5000"), RTCP: a.at, Source: ip("192.0.2.1")}, ErrAddress},
	} {
		if err := s.Aim(A, c.e); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := s.Aim(A, Remote{RTP: netip.AddrPortFrom(a.at.Addr(), 65535)}); err != nil {
		t.Errorf("port 65535: %v", err)
	}
	aim(t, s, A, Remote{RTP: a.at})
	b.say(s.Local(B), packet(1, 1))
	a.hears(packet(1, 1), s.Local(A)) // what was refused has changed nothing
}

// Whatever comes, in whatever form: it has a name, and nobody hears it.
func TestBadPackets(t *testing.T) {
	r := begin(t, testPorts)
	a, b := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	ac := sit(t, "127.0.236.1", 5001)
	s := connect(t, r, a, b, SameIP)
	with := func(b []byte, at int, v byte) []byte { b = slices.Clone(b); b[at] = v; return b }
	stun := make([]byte, 20)
	copy(stun, []byte{0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42})
	want := map[Reason]uint64{}
	for _, c := range []struct {
		by  *peer
		b   []byte
		why Reason
	}{
		{a, nil, Short},
		{a, packet(1, 1)[:11], Short},
		{a, with(packet(1, 1), 0, 0x00), Version},
		{a, with(packet(1, 1), 0, 0x40), Version},
		{a, with(packet(1, 1), 0, 0xC0), Version},
		{a, with(packet(1, 1)[:20], 0, 0x8F), Malformed},            // 15 contributing sources
		{a, with(packet(1, 1)[:14], 0, 0x90), Malformed},            // an extension without a length
		{a, with(with(packet(1, 1), 0, 0x90), 14, 0xFF), Malformed}, // one that leads past the end
		{a, stun, STUN},
		{a, make([]byte, 65507), Oversize},
		{a, make([]byte, MaxPacket+1), Oversize},
		{ac, report(1)[:7], Short},
		{ac, with(report(1), 0, 0), Version},
		{ac, with(report(1), 3, 7), Malformed},
		{ac, with(report(1), 1, 18), Malformed}, // RTP on RTCP's port
		{ac, stun, STUN},
		{b, packet(1, 1), passed},
	} {
		to := s.Local(A)
		switch {
		case c.by == ac:
			to = rtcpOf(to)
		case c.by == b:
			to = s.Local(B)
		}
		c.by.say(to, c.b)
		if c.why != passed {
			want[c.why]++
			dropped(t, r, c.why, want[c.why])
		}
	}
	a.hears(packet(1, 1), s.Local(A))
	b.quiet()
	if d := s.Stats()[A]; d.Packets != 0 || d.Dropped != 16 {
		t.Errorf("counted %d packets and %d drops of A; want 0 and 16", d.Packets, d.Dropped)
	}
}

func TestNobodyHearsAClosedEnd(t *testing.T) {
	r := begin(t, testPorts)
	a, b := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	s := connect(t, r, a, b, SameIP)
	a.say(s.Local(A), packet(1, 0))
	b.hears(packet(1, 0), s.Local(B))
	if st := r.Close(s.Local(A)); st.Packets != 1 {
		t.Errorf("%+v at the end", st)
	}
	if st := r.Close(s.Local(A)); st.Packets != 0 {
		t.Errorf("%+v closed twice", st)
	}
	for i := range uint16(10) {
		if _, err := a.conn.WriteToUDPAddrPort(packet(1, i), s.Local(A)); err != nil {
			t.Fatal(err)
		}
	}
	b.say(s.Local(B), packet(2, 1)) // who is left is heard by nobody, and may be joined again
	dropped(t, r, Nowhere, 1)
	until(t, "sockets closed", func() bool { return r.Totals().Sockets == 2 })
	b.quiet()
	a.quiet()
	for what, err := range map[string]error{
		"aimed": s.Aim(A, Remote{RTP: a.at}), "joined": r.Join(s.Local(A), s.Local(B)), "joined to": r.Join(s.Local(B), s.Local(A)),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, ok := r.Stats(s.Local(A)); ok {
		t.Error("it has statistics")
	}
	if c := r.Totals(); c.Ends != 1 || c.Used != 1 || c.Quarantined != 1 {
		t.Errorf("left: %+v", c)
	}
}

// The next attempt has an end of its own: what the last carrier still sends does not reach the trunk.
func TestJoinLeavesTheLastAttemptBehind(t *testing.T) {
	r := begin(t, testPorts)
	a, b, c := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000), sit(t, "127.0.236.3", 6000)
	s := connect(t, r, a, b, SameIP)
	b.say(s.Local(B), packet(2, 1))
	a.hears(packet(2, 1), s.Local(A))
	next, err := r.Open(ip("127.0.236.12"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Aim(next, Remote{RTP: c.at}); err != nil {
		t.Fatal(err)
	}
	c.say(next, packet(3, 1))
	dropped(t, r, Nowhere, 1) // not joined
	if err := r.Join(s.Local(A), next); err != nil {
		t.Fatal(err)
	}
	b.say(s.Local(B), packet(2, 2))
	dropped(t, r, Nowhere, 2)
	c.say(next, packet(3, 2))
	a.hears(packet(3, 2), s.Local(A))
	a.say(s.Local(A), packet(1, 1))
	c.hears(packet(1, 1), next)
	b.quiet()
	if err := r.Join(next, next); !errors.Is(err, ErrLoop) {
		t.Errorf("joined to itself: %v", err)
	}
}

// Two ends that are read by different threads hear each other, while one of them is joined to others and back.
func TestJoinedOverTwoReaders(t *testing.T) {
	r := begin(t, Config{First: 23600, Last: 23799, Threads: 2, Full: 1})
	before := runtime.GOMAXPROCS(0)
	a, b, c := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000), sit(t, "127.0.236.3", 6000)
	s := connect(t, r, a, b, SameIP)
	third, err := r.Open(ip("127.0.236.12"))
	if err == nil {
		err = r.Aim(third, Remote{RTP: c.at})
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := r.Totals().Threads; n != 2 {
		t.Fatalf("%d readers", n)
	}
	var work sync.WaitGroup
	for _, p := range []struct {
		*peer
		to netip.AddrPort
	}{{a, s.Local(A)}, {b, s.Local(B)}, {c, third}} {
		work.Go(func() {
			for i := range uint16(2000) {
				if _, err := p.conn.WriteToUDPAddrPort(packet(uint32(p.at.Port()), i), p.to); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Go(func() {
		for i := range 200 {
			if err := r.Join(s.Local(A), []netip.AddrPort{s.Local(B), third}[i%2]); err != nil {
				t.Error(err)
			}
		}
	})
	work.Wait()
	if err := r.Join(s.Local(B), s.Local(A)); err != nil {
		t.Fatal(err)
	}
	last := packet(1, 65000)
	until(t, "the last packet", func() bool {
		a.say(s.Local(A), last)
		_ = b.conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		for got := make([]byte, 2000); ; {
			n, _, err := b.conn.ReadFromUDPAddrPort(got)
			if err != nil {
				return false
			}
			if slices.Equal(got[:n], last) {
				return true
			}
		}
	})
	r.Shut()
	if now := runtime.GOMAXPROCS(0); now > before {
		t.Errorf("GOMAXPROCS %d after the relay, %d before", now, before)
	}
}
