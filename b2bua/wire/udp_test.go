package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"bulkhead/b2bua/wire"
)

// peerSocket is a peer's UDP socket.
type peerSocket struct {
	t  *testing.T
	nc *net.UDPConn
	to netip.AddrPort
}

func client(t *testing.T, from string, to netip.AddrPort) *peerSocket {
	t.Helper()
	nc, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return &peerSocket{t, nc, to}
}

func (c *peerSocket) addr() netip.AddrPort { return addrPort(c.nc.LocalAddr()) }

func (c *peerSocket) write(b []byte) {
	c.t.Helper()
	if _, err := c.nc.WriteToUDPAddrPort(b, c.to); err != nil {
		c.t.Fatal(err)
	}
}

func (c *peerSocket) read() []byte {
	c.t.Helper()
	buf := make([]byte, 64<<10)
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
	n, _, err := c.nc.ReadFromUDPAddrPort(buf)
	if err != nil {
		c.t.Fatal(err)
	}
	return buf[:n]
}

func TestUDP_BothWays(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			e, r := listen(t, wire.Config{}, "udp://"+net.JoinHostPort(host, "0"))
			c := client(t, host, e.Addrs("core")[0].Addr)
			invite := message("INVITE", "call", 200)
			c.write(invite)
			p := take(t, r.packets)
			want := wire.Hop{Realm: "core", Transport: wire.UDP, Local: c.to, Remote: c.addr()}
			if p.Hop != want || !bytes.Equal(p.Raw, invite) || p.Fault != nil || p.At.IsZero() || !isRequest(p, "INVITE") {
				t.Errorf("%+v", p)
			}
			e.Send(p.Hop, wire.Hop{}, []byte("answer"), func(err error) { t.Error(err) })
			e.Send(wire.Hop{Realm: "core", Remote: c.addr()}, wire.Hop{}, []byte("request"), nil)
			if a, b := c.read(), c.read(); string(a) != "answer" || string(b) != "request" {
				t.Errorf("%q, %q", a, b)
			}
		})
	}
}

func TestUDP_RawIsTheReceivers(t *testing.T) {
	e, r := listen(t, wire.Config{}, "udp://127.0.0.1:0")
	c := client(t, "127.0.0.1", e.Addrs("core")[0].Addr)
	c.write(message("INFO", "first", 50))
	c.write(message("INFO", "other", 50))
	first, other := take(t, r.packets), take(t, r.packets)
	if !bytes.Equal(first.Raw, message("INFO", "first", 50)) || callID(first) != "first" || callID(other) != "other" {
		t.Errorf("%q then %q", first.Raw, other.Raw)
	}
}

func TestUDP_LargeMessages(t *testing.T) {
	e, r := listen(t, wire.Config{MaxMessage: 65507}, "udp://127.0.0.1:0")
	c := client(t, "127.0.0.1", e.Addrs("core")[0].Addr)
	large := message("INVITE", "large", 60_000)
	c.write(large)
	p := take(t, r.packets)
	if !bytes.Equal(p.Raw, large) || len(p.Message.Body()) != 60_000 || p.Fault != nil {
		t.Errorf("%d bytes, body %d, %+v", len(p.Raw), len(p.Message.Body()), p.Fault)
	}
	e.Send(p.Hop, wire.Hop{}, large, func(err error) { t.Error(err) })
	if got := c.read(); !bytes.Equal(got, large) {
		t.Errorf("%d bytes came back", len(got))
	}
	unsent := make(chan error, 1)
	e.Send(p.Hop, wire.Hop{}, make([]byte, 65508), func(err error) { unsent <- err })
	if err := take(t, unsent); !errors.Is(err, wire.ErrTooLong) {
		t.Error(err)
	}
}

func TestUDP_TooLargeIsAnswerable(t *testing.T) {
	e, r := listen(t, wire.Config{MaxMessage: 2000}, "udp://127.0.0.1:0")
	c := client(t, "127.0.0.1", e.Addrs("core")[0].Addr)
	c.write(message("INVITE", "large", 3000))
	if p := take(t, r.packets); p.Fault == nil || p.Fault.Code != 513 || callID(p) != "large" {
		t.Errorf("%+v", p)
	}
}

// A scanner must not learn that anybody is here, nor cost us memory.
func TestUnknownSource_GetsNothing(t *testing.T) {
	e, r := listen(t, wire.Config{MaxRatePerSource: 100}, "udp://127.0.0.1:0", "tcp://127.0.0.1:0")
	stranger := netip.MustParseAddr("127.0.3.1")
	c := client(t, "127.0.3.1", e.Addrs("core")[0].Addr)
	for _, b := range [][]byte{message("OPTIONS", "scan", 0), []byte("junk"), read(t, "rfc4475/quotbal.dat")} {
		c.write(b)
		if d := take(t, r.drops); d != (drop{"core", "unknown_source", stranger, len(b)}) {
			t.Errorf("%+v", d)
		}
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: stranger.AsSlice()}}
	if nc, err := d.Dial("tcp4", e.Addrs("core")[1].Addr.String()); err == nil {
		_ = nc.SetDeadline(time.Now().Add(patience))
		_, _ = nc.Write(message("OPTIONS", "scan", 0))
		if n, err := nc.Read(make([]byte, 100)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes came back, %v", n, err)
		}
		nc.Close()
	}
	r.dropped("unknown_source")
	r.nothing()
	if e.Connections() != 0 || e.Sources() != 0 {
		t.Errorf("%d connections and %d sources are kept", e.Connections(), e.Sources())
	}
}

func TestUDP_RateOfOneSource(t *testing.T) {
	e, r := listen(t, wire.Config{MaxRatePerSource: 5}, "udp://127.0.0.1:0")
	loud := client(t, "127.0.0.2", e.Addrs("core")[0].Addr)
	calm := client(t, "127.0.0.3", e.Addrs("core")[0].Addr)
	for range 50 {
		loud.write(message("OPTIONS", "loud", 0))
	}
	calm.write(message("OPTIONS", "calm", 0))
	heard, lost := 0, 0
	for heard+lost < 50 {
		select {
		case p := <-r.packets:
			if callID(p) == "loud" {
				heard++
			}
		case d := <-r.drops:
			if lost++; d.name != "rate" || d.source != loud.addr().Addr() {
				t.Errorf("%+v", d)
			}
		case <-time.After(patience):
			t.Fatalf("%d heard, %d lost", heard, lost)
		}
	}
	if heard < 5 || lost == 0 {
		t.Errorf("%d heard, %d lost", heard, lost)
	}
	if e.Sources() != 2 {
		t.Errorf("%d sources", e.Sources())
	}
}

// TestUDP_RateSparesWhatRuns: a source that calls too fast can still end its
// calls.
func TestUDP_RateSparesWhatRuns(t *testing.T) {
	e, r := listen(t, wire.Config{MaxRatePerSource: 1}, "udp://127.0.0.1:0")
	c := client(t, "127.0.0.2", e.Addrs("core")[0].Addr)
	for range 20 {
		c.write(message("BYE", "running", 0))
	}
	for n := range 20 {
		select {
		case <-r.packets:
		case d := <-r.drops:
			t.Fatalf("%+v", d)
		case <-time.After(patience):
			t.Fatalf("%d of 20 heard", n)
		}
	}
}

func TestUDP_NamesWhatItDrops(t *testing.T) {
	e, r := listen(t, wire.Config{}, "udp://127.0.0.1:0")
	c := client(t, "127.0.0.1", e.Addrs("core")[0].Addr)
	stun := make([]byte, 20)
	binary.BigEndian.PutUint32(stun[4:], 0x2112A442)
	for _, try := range []struct {
		name string
		data []byte
	}{
		{"keepalive", []byte("\r\n\r\n")},
		{"keepalive", []byte{0, 0, 0, 0}},
		{"keepalive", nil},
		{"stun", stun},
		{"not_sip", []byte("GET / HTTP/1.1\r\n\r\n")},
		{"lf_only", bytes.ReplaceAll(message("OPTIONS", "x", 0), []byte("\r"), nil)},
		{"status_code", read(t, "rfc4475/bigcode.dat")},
	} {
		c.write(try.data)
		if d := take(t, r.drops); d != (drop{"core", try.name, c.addr().Addr(), len(try.data)}) {
			t.Errorf("%s: %+v", try.name, d)
		}
	}
	c.write(read(t, "rfc4475/ncl.dat"))
	if p := take(t, r.packets); p.Fault == nil || p.Fault.Code != 400 {
		t.Errorf("%+v", p)
	}
}

// A target that is not there is known at once, and nobody else suffers from it.
func TestUDP_NobodyThere(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			e, r := listen(t, wire.Config{}, "udp://"+net.JoinHostPort(host, "0"))
			c := client(t, host, e.Addrs("core")[0].Addr)
			gone := client(t, host, c.to)
			nobody := gone.addr()
			gone.nc.Close()
			unsent := make(chan error, 10)
			invite := message("INVITE", "same", 0)
			for range 2 { // a repeat is told of by itself
				e.Send(wire.Hop{Realm: "core", Remote: nobody}, wire.Hop{}, invite, func(err error) { unsent <- err })
			}
			for range 20 {
				e.Send(wire.Hop{Realm: "core", Remote: c.addr()}, wire.Hop{}, invite, func(err error) { t.Error(err) })
				c.read()
			}
			for range 2 {
				if err := take(t, unsent); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Error(err)
				}
			}
			c.write(message("OPTIONS", "on", 0))
			if p := take(t, r.packets); callID(p) != "on" {
				t.Errorf("%s", p.Raw)
			}
			r.nothing()
			if len(unsent) > 0 {
				t.Error("told again")
			}
		})
	}
}
