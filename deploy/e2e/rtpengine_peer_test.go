//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/b2bua/media/ng"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// talker is a telephone's media: it sends a packet each 20 ms and keeps what it gets.
type talker struct {
	t       *testing.T
	udp     *net.UDPConn
	address netip.AddrPort
	ssrc    uint32
	payload uint8
	sample  byte // of which a packet is full
	in, out *srtp.Context

	mu   sync.Mutex
	to   netip.AddrPort
	seq  uint16 // of the latest packet
	last []byte // it, as it was sent
	got  []rtp.Packet
	from netip.AddrPort // where the latest of them came from
	bad  int            // that could not be read or decrypted
}

// talk opens a socket at the address and a free port, and begins to send once aimed.
func talk(t *testing.T, at string, ssrc uint32, payload uint8, sample byte) *talker {
	t.Helper()
	udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(at), 0)))
	if err != nil {
		t.Fatal(err)
	}
	p := &talker{t: t, udp: udp, address: udp.LocalAddr().(*net.UDPAddr).AddrPort(), ssrc: ssrc, payload: payload, sample: sample}
	var work sync.WaitGroup
	stop := make(chan struct{})
	work.Go(p.listen)
	work.Go(func() { p.speak(stop) })
	t.Cleanup(func() {
		close(stop)
		_ = udp.Close()
		work.Wait()
	})
	return p
}

func (p *talker) speak(stop <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := uint32(1); ; n++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		p.mu.Lock()
		to, out := p.to, p.out
		if to.IsValid() {
			p.seq++
		}
		seq := p.seq
		p.mu.Unlock()
		if !to.IsValid() {
			continue
		}
		packet := rtp.Packet{
			Header:  rtp.Header{Version: 2, PayloadType: p.payload, SequenceNumber: seq, Timestamp: n * 160, SSRC: p.ssrc},
			Payload: bytes.Repeat([]byte{p.sample}, 160),
		}
		b, err := packet.Marshal()
		if err == nil && out != nil {
			b, err = out.EncryptRTP(nil, b, nil)
		}
		if err != nil {
			p.t.Errorf("a packet: %v", err)
			return
		}
		p.mu.Lock()
		p.last = b
		p.mu.Unlock()
		_, _ = p.udp.WriteToUDPAddrPort(b, to) // nobody may be there any more
	}
}

func (p *talker) listen() {
	buf := make([]byte, 2000)
	for {
		n, from, err := p.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		b := bytes.Clone(buf[:n])
		if p.in != nil {
			b, err = p.in.DecryptRTP(nil, b, nil)
		}
		var packet rtp.Packet
		if err == nil {
			err = packet.Unmarshal(b)
		}
		if err != nil {
			p.bad++
		} else {
			p.got, p.from = append(p.got, packet), from
		}
		p.mu.Unlock()
	}
}

// aim sends to where the description says from now on.
func (p *talker) aim(sdp []byte) {
	p.t.Helper()
	at := mediaAt(p.t, sdp)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = at
}

// hush ends what it says.
func (p *talker) hush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = netip.AddrPort{}
}

// heard is what came since the last time.
func (p *talker) heard() (got []rtp.Packet) {
	p.mu.Lock()
	defer p.mu.Unlock()
	got, p.got = p.got, nil
	return got
}

// hears waits for so many more packets, and wants all of them to be as the test says.
func (p *talker) hears(n int, right func(rtp.Packet) bool) {
	p.t.Helper()
	p.heard()
	var got []rtp.Packet
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for len(got) < n {
		select {
		case <-tick.C:
			got = append(got, p.heard()...)
		case <-deadline:
			p.t.Fatalf("%s heard %d packets in 15 s, %d could not be read", p.address, len(got), p.bad)
		}
	}
	for _, packet := range got {
		if !right(packet) {
			p.t.Fatalf("%s heard a packet that is wrong: %v %x", p.address, packet.Header, packet.Payload[:8])
		}
	}
}

// says is a packet of the other as it was sent.
func (p *talker) says(packet rtp.Packet) bool {
	return packet.SSRC == p.ssrc && packet.PayloadType == p.payload && len(packet.Payload) == 160 &&
		packet.Payload[0] == p.sample && packet.Payload[159] == p.sample
}

// describe is an SDP of the talker's; more lines belong to its m-line.
func (p *talker) describe(protocol, formats string, more ...string) []byte {
	family := "IP4"
	if p.address.Addr().Is6() {
		family = "IP6"
	}
	lines := []string{"v=0", fmt.Sprintf("o=far-%d 77 3 IN %s %s", p.ssrc, family, p.address.Addr()), "s=-",
		fmt.Sprintf("c=IN %s %s", family, p.address.Addr()), "t=0 0", fmt.Sprintf("m=audio %d %s %s", p.address.Port(), protocol, formats)}
	return []byte(strings.Join(append(lines, more...), "\r\n") + "\r\n")
}

// mediaAt is where the first m-line is to be sent.
func mediaAt(t *testing.T, sdp []byte) (at netip.AddrPort) {
	t.Helper()
	var addr netip.Addr
	for line := range strings.Lines(string(sdp)) {
		line = strings.TrimRight(line, "\r\n")
		if f := strings.Fields(line); strings.HasPrefix(line, "c=") {
			addr, _ = netip.ParseAddr(f[2])
		} else if strings.HasPrefix(line, "m=") {
			var port uint16
			if _, err := fmt.Sscan(f[1], &port); err == nil {
				at = netip.AddrPortFrom(addr, port)
			}
			break
		}
	}
	for line := range strings.Lines(string(sdp)) { // of the m-line, where the session has none
		if f := strings.Fields(line); !at.Addr().IsValid() && strings.HasPrefix(line, "c=") {
			at = netip.AddrPortFrom(netip.MustParseAddr(f[2]), at.Port())
		}
	}
	if !at.IsValid() {
		t.Fatalf("it describes no media:\n%s", sdp)
	}
	return at
}

// engine is an rtpengine in user space, with two interfaces.
type engine struct {
	*process
	node          ng.Node
	core, peering string
}

// startEngine starts Debian's rtpengine on a network of loopback. More arguments come
// last and win.
func startEngine(t *testing.T, network int, more ...string) *engine {
	t.Helper()
	on := (&border{net: network}).ip
	e := &engine{core: on(coreSide), peering: on(peeringSide)}
	e.node = ng.Node{Name: fmt.Sprint("node", network), Address: netip.MustParseAddrPort(e.core + ":2223")}
	e.process = start(t, t.TempDir(), e.node.Name, "rtpengine", append([]string{
		"--config-file=none", "--foreground", "--log-stderr", "--table=-1", "--num-threads=2",
		"--interface=core/" + e.core, "--interface=peering/" + e.peering, "--listen-ng=" + e.node.Address.String(),
		"--port-min=20000", "--port-max=20999",
	}, more...)...)
	e.until("rtpengine to listen", patience, func() bool { return bound("udp", e.node.Address.String()) })
	return e
}

// kill ends it as a crash does.
func (e *engine) kill() {
	e.t.Helper()
	if err := e.cmd.Process.Kill(); err != nil {
		e.t.Fatal(err)
	}
	<-e.exited
}

// calls are those that it has, by their names there.
func (e *engine) calls() (names []string) {
	e.t.Helper()
	conn, err := net.Dial("udp", e.node.Address.String())
	if err != nil {
		e.t.Fatal(err)
	}
	defer conn.Close()
	buffer := make([]byte, 65535)
	e.until("rtpengine to list its calls", 10*time.Second, func() bool {
		if _, err := conn.Write([]byte(fmt.Sprintf("%d d7:command4:list5:limiti1000ee", time.Now().UnixNano()))); err != nil {
			return false
		}
		if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return false
		}
		n, err := conn.Read(buffer)
		if err != nil {
			return false
		}
		_, list, ok := strings.Cut(string(buffer[:n]), "5:callsl")
		for names = nil; ok && !strings.HasPrefix(list, "e"); {
			var length int
			number, rest, _ := strings.Cut(list, ":")
			if _, err := fmt.Sscan(number, &length); err != nil || length > len(rest) {
				e.t.Fatalf("a list of calls: %q", buffer[:n])
			}
			names, list = append(names, rest[:length]), rest[length:]
		}
		return ok
	})
	return names
}

// none waits until it has no call.
func (e *engine) none() {
	e.t.Helper()
	e.until("rtpengine to have no call", 10*time.Second, func() bool { return len(e.calls()) == 0 })
}

// closed waits until rtpengine has closed ports of its own, which it does right after
// it has said so: far sooner than the 30 s for which it keeps them by itself.
func (e *engine) closed(ports ...netip.AddrPort) {
	e.t.Helper()
	for _, p := range ports {
		e.until(fmt.Sprintf("port %s to be closed", p), 5*time.Second, func() bool { return !bound("udp", p.String()) })
	}
}
