package wire_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"bulkhead/b2bua/wire"
)

// dial opens a connection to the edge's last socket.
func dial(t *testing.T, e *wire.Edge) *net.TCPConn {
	t.Helper()
	at := e.Addrs("core")
	nc, err := net.Dial("tcp", at[len(at)-1].Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return nc.(*net.TCPConn)
}

func put(t *testing.T, to io.Writer, data ...[]byte) {
	t.Helper()
	if _, err := to.Write(bytes.Join(data, nil)); err != nil {
		t.Fatal(err)
	}
}

// closes waits for the end of a connection and returns what came before.
func closes(t *testing.T, nc net.Conn) []byte {
	t.Helper()
	got, err := io.ReadAll(nc)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the connection stays open")
	}
	return got
}

func gets(t *testing.T, nc io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(nc, got); err != nil || string(got) != want {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestTCP_BothWays(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "::1"} {
		t.Run(host, func(t *testing.T) {
			e, r := listen(t, wire.Config{}, "tcp://"+net.JoinHostPort(host, "0"))
			nc := dial(t, e)
			put(t, nc, message("INVITE", "call", 100))
			p := take(t, r.packets)
			want := wire.Hop{Realm: "core", Transport: wire.TCP, Local: e.Addrs("core")[0].Addr, Remote: addrPort(nc.LocalAddr()), Conn: 1}
			if p.Hop != want || !bytes.Equal(p.Raw, message("INVITE", "call", 100)) {
				t.Errorf("%+v", p)
			}
			e.Send(p.Hop, wire.Hop{}, []byte("answer"), func(err error) { t.Error(err) })
			gets(t, nc, "answer")
		})
	}
}

func TestTCP_MessagesInPiecesAndGlued(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	nc := dial(t, e)
	for _, b := range message("INVITE", "pieces", 50) {
		put(t, nc, []byte{b})
	}
	put(t, nc, message("INFO", "one", 10), []byte("\r\n"), message("INFO", "two", 0), message("INFO", "three", 5000)[:3000])
	put(t, nc, message("INFO", "three", 5000)[3000:], message("INFO", "four", 0))
	for _, want := range []string{"pieces", "one", "two", "three", "four"} {
		p := take(t, r.packets)
		if callID(p) != want || p.Fault != nil || p.Conn != 1 {
			t.Errorf("want %s, got %s", want, p.Raw)
		}
	}
	r.nothing()
}

// Every well-formed torture message that has a Content-Length comes out of a
// stream as it comes out of a datagram, however it is cut.
func TestTCP_TortureInPieces(t *testing.T) {
	var all bytes.Buffer
	var want []string
	for _, file := range []string{"wsinv", "intmeth", "esc01", "escnull", "lwsdisp", "longreq", "mpart01", "unreason", "noreason", "bext01"} {
		raw := read(t, "rfc4475/"+file+".dat")
		m, _, err := wire.Parse(raw, wire.Limits{})
		if err != nil {
			t.Fatal(file, err)
		}
		all.Write(raw)
		want = append(want, m.CallID().Value())
	}
	// RFC 4475 §3.1.1.8: on a stream these are two.
	all.Write(read(t, "rfc4475/dblreq.dat"))
	want = append(want, "dblreq.0ha0isndaksdj99sdfafnl3lk233412", "dblreq.0ha0isnda977644900765@192.0.2.15")
	for _, size := range []int{1, 7, 100, all.Len()} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
			nc := dial(t, e)
			for rest := all.Bytes(); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				put(t, nc, rest[:min(size, len(rest))])
			}
			for _, id := range want {
				if p := take(t, r.packets); callID(p) != id || p.Fault != nil {
					t.Fatalf("want %s, got %s %+v", id, callID(p), p.Fault)
				}
			}
		})
	}
}

func TestRFC5626_4_4_1_PingIsAnswered(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	nc := dial(t, e)
	put(t, nc, []byte("\r\n\r\n"))
	gets(t, nc, "\r\n")
	if d := take(t, r.drops); d.name != "keepalive" {
		t.Error(d)
	}
	put(t, nc, []byte("\r"))
	put(t, nc, []byte("\n\r"))
	put(t, nc, []byte("\n"), message("OPTIONS", "after", 0))
	gets(t, nc, "\r\n")
	if p := take(t, r.packets); callID(p) != "after" {
		t.Errorf("%s", p.Raw)
	}
}

// Where a stream does not say where its message ends, it is answered and closed,
// in this order.
func TestRFC3261_18_3_NoUsableContentLength(t *testing.T) {
	absent := bytes.Replace(message("INVITE", "none", 0), []byte("Content-Length: 0\r\n"), nil, 1)
	for name, raw := range map[string][]byte{
		"missing_content_length":   absent,
		"malformed_content_length": read(t, "rfc4475/ncl.dat"),
		"repeated_content_length":  read(t, "rfc4475/mcl01.dat"),
	} {
		t.Run(name, func(t *testing.T) {
			e, r := listen(t, wire.Config{MessageTimeout: 200 * time.Millisecond}, "tcp://127.0.0.1:0")
			nc := dial(t, e)
			put(t, nc, raw, message("OPTIONS", "never", 0))
			p := take(t, r.packets)
			if p.Fault == nil || p.Fault.Code != 400 || p.Fault.Name != name {
				t.Errorf("%+v", p.Fault)
			}
			e.Send(p.Hop, wire.Hop{}, []byte("400"), func(err error) { t.Error(err) })
			if got := closes(t, nc); string(got) != "400" {
				t.Errorf("%q", got)
			}
			r.dropped("after_flaw")
			r.nothing()
		})
	}
	t.Run("responses are not answered", func(t *testing.T) {
		e, r := listen(t, wire.Config{MessageTimeout: 50 * time.Millisecond}, "tcp://127.0.0.1:0")
		nc := dial(t, e)
		put(t, nc, bytes.Replace(read(t, "rfc4475/noreason.dat"), []byte("Content-Length: 0\r\n"), nil, 1))
		r.dropped("missing_content_length")
		closes(t, nc)
	})
}

func TestTCP_BodyBeyondTheLimitIsAnsweredAndSkipped(t *testing.T) {
	e, r := listen(t, wire.Config{MaxMessage: 1000}, "tcp://127.0.0.1:0")
	nc := dial(t, e)
	put(t, nc, message("INVITE", "huge", 100_000), message("OPTIONS", "next", 0))
	if p := take(t, r.packets); p.Fault == nil || p.Fault.Code != 513 || callID(p) != "huge" {
		t.Errorf("%+v", p)
	}
	if p := take(t, r.packets); p.Fault != nil || callID(p) != "next" {
		t.Errorf("%+v", p)
	}
}

func TestTCP_EndlessHeaderIsCutOff(t *testing.T) {
	e, r := listen(t, wire.Config{MaxMessage: 1000}, "tcp://127.0.0.1:0")
	nc := dial(t, e)
	put(t, nc, bytes.Repeat([]byte("X-Fill: xxxxxxxxxxxxxxxxxxxx\r\n"), 100))
	r.dropped("too_large")
	closes(t, nc)
}

func TestTCP_SlowSenderIsCutOff(t *testing.T) {
	e, r := listen(t, wire.Config{MessageTimeout: 30 * time.Millisecond}, "tcp://127.0.0.1:0")
	for _, part := range []int{10, 380} { // in the header part, in the body
		nc := dial(t, e)
		put(t, nc, message("INVITE", "slow", 1000)[:part])
		if d := r.dropped("slow"); d.bytes != part {
			t.Errorf("%+v", d)
		}
		closes(t, nc)
	}
}

func TestTCP_CutWithinAMessage(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	nc := dial(t, e)
	put(t, nc, read(t, "rfc4475/clerr.dat")) // on a stream it waits for the rest
	nc.Close()
	r.dropped("cut")
	r.nothing()
}

func TestTCP_IdleConnectionsAreClosed(t *testing.T) {
	e, r := listen(t, wire.Config{IdleTimeout: 30 * time.Millisecond}, "tcp://127.0.0.1:0")
	nc := dial(t, e)
	put(t, nc, message("OPTIONS", "one", 0))
	take(t, r.packets)
	r.dropped("idle")
	closes(t, nc)
}

func TestTCP_BoundsOfConnections(t *testing.T) {
	for name, c := range map[string]wire.Config{
		"connections":            {MaxConnections: 2},
		"connections_per_source": {MaxConnectionsPerSource: 2},
	} {
		t.Run(name, func(t *testing.T) {
			e, r := listen(t, c, "tcp://127.0.0.1:0")
			first, second := dial(t, e), dial(t, e)
			// The reset may come before Dial has returned.
			if third, err := net.Dial("tcp", e.Addrs("core")[0].Addr.String()); err == nil {
				defer third.Close()
				_ = third.SetDeadline(time.Now().Add(patience))
				closes(t, third)
			}
			if d := take(t, r.drops); d.name != name {
				t.Errorf("%+v", d)
			}
			// One that ends makes room.
			put(t, first, []byte("x"))
			first.Close()
			r.dropped("cut")
			put(t, second, message("OPTIONS", "second", 0))
			take(t, r.packets)
			room := time.After(patience)
			for heard := false; !heard; {
				if nc, err := net.Dial("tcp", e.Addrs("core")[0].Addr.String()); err == nil {
					defer nc.Close()
					_, _ = nc.Write(message("OPTIONS", "fourth", 0))
				}
				select {
				case <-r.packets:
					heard = true
				case <-r.drops: // the end of the first is still under way
				}
				select {
				case <-room:
					t.Fatal("no room")
				default:
				}
			}
		})
	}
}

// A reload takes a trunk's or a carrier's connections with it, whoever opened them: what
// comes by them is heard no more, a ping neither.
func TestTCP_ConnectionsOfWhoIsRemovedAreClosed(t *testing.T) {
	for name, data := range map[string][]byte{"message": message("OPTIONS", "after", 0), "ping": []byte("\r\n\r\n")} {
		t.Run(name, func(t *testing.T) {
			e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
			theirs, far := dial(t, e), accepting(t, "127.0.0.1")
			put(t, theirs, message("OPTIONS", "before", 0))
			e.Send(take(t, r.packets).Hop, wire.Hop{}, []byte("200"), nil)
			gets(t, theirs, "200")
			e.Send(wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}, wire.Hop{}, []byte("INVITE"), nil)
			ours := far.accept()
			gets(t, ours, "INVITE")
			r.removed.Store(true)
			for _, nc := range []net.Conn{theirs, ours} {
				put(t, nc, data)
				if d := take(t, r.drops); d.name != "unknown_source" || d.realm != "core" || d.bytes != len(data) {
					t.Errorf("%+v", d)
				}
				if got := closes(t, nc); len(got) > 0 {
					t.Errorf("%q", got)
				}
			}
			r.nothing()
		})
	}
}

// Who was nobody's when we connected may answer: a call's way leads there.
func TestTCP_WhoWasNeverKnownAnswersOnOurConnection(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	far := accepting(t, "127.0.3.1")
	e.Send(wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}, wire.Hop{}, []byte("BYE"), nil)
	nc := far.accept()
	gets(t, nc, "BYE")
	put(t, nc, message("OPTIONS", "answer", 0))
	if p := take(t, r.packets); callID(p) != "answer" {
		t.Errorf("%s", p.Raw)
	}
}

func TestTCP_TooFastIsReadSlowly(t *testing.T) {
	e, r := listen(t, wire.Config{MaxRatePerSource: 50}, "tcp://127.0.0.1:0")
	put(t, dial(t, e), bytes.Repeat(message("OPTIONS", "fast", 0), 70))
	for range 70 {
		take(t, r.packets)
	}
	r.nothing()
}

// acceptor is a peer that listens.
type acceptor struct {
	t *testing.T
	l net.Listener
}

func accepting(t *testing.T, host string) acceptor {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return acceptor{t, l}
}

func (a acceptor) addr() netip.AddrPort { return addrPort(a.l.Addr()) }

func (a acceptor) accept() net.Conn {
	a.t.Helper()
	_ = a.l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	nc, err := a.l.Accept()
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return nc
}

func TestTCP_ConnectsFromTheRealmsAddressOnce(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.4.1:0")
	far := accepting(t, "127.0.0.1")
	to := wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}
	e.Send(to, wire.Hop{}, []byte("first "), func(err error) { t.Error(err) })
	e.Send(to, wire.Hop{}, []byte("second "), func(err error) { t.Error(err) })
	nc := far.accept()
	if from := addrPort(nc.RemoteAddr()).Addr(); from != netip.MustParseAddr("127.0.4.1") {
		t.Error(from)
	}
	gets(t, nc, "first second ")
	put(t, nc, message("OPTIONS", "back", 0))
	p := take(t, r.packets)
	if p.Remote != far.addr() || p.Local != e.Addrs("core")[0].Addr {
		t.Errorf("%+v", p.Hop)
	}
	e.Send(p.Hop, wire.Hop{}, []byte("third"), nil)
	gets(t, nc, "third")
}

func TestTCP_RefusedIsTold(t *testing.T) {
	e, _ := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	far := accepting(t, "127.0.0.1")
	far.l.Close()
	unsent := make(chan error, 1)
	e.Send(wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}, wire.Hop{}, []byte("x"), func(err error) { unsent <- err })
	if err := take(t, unsent); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
}

// gone makes a connection to the edge that a request came by and that is no
// more, from the address of somebody who still listens there.
func gone(t *testing.T, e *wire.Edge, r *receiver) wire.Hop {
	t.Helper()
	// From an address that nobody else dials from: its port is free once it is closed.
	at := e.Addrs("core")
	nc, err := net.DialTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 7)}, net.TCPAddrFromAddrPort(at[len(at)-1].Addr))
	if err != nil {
		t.Fatal(err)
	}
	put(t, nc, message("INVITE", "left", 0), []byte("INV"))
	p := take(t, r.packets)
	_ = nc.SetLinger(0)
	nc.Close()
	r.dropped("cut")
	return p.Hop
}

// The sender of a request does not choose where its response makes us connect.
func TestSend_ResponseToGoneConnectionNeverDials(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	from := gone(t, e, r)
	trap, err := net.Listen("tcp", from.Remote.String())
	if err != nil {
		t.Fatal(err)
	}
	defer trap.Close()
	came := make(chan net.Conn, 1)
	go func() {
		if nc, err := trap.Accept(); err == nil {
			came <- nc
		}
	}()
	unsent := make(chan error, 1)
	e.Send(from, wire.Hop{}, []byte("200"), func(err error) { unsent <- err })
	if err := take(t, unsent); !errors.Is(err, wire.ErrGone) {
		t.Error(err)
	}
	if len(came) > 0 || e.Connections() > 0 {
		t.Error("connected to where the sender was")
	}
}

func TestSend_FallbackWhenTheConnectionIsGone(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0", "udp://127.0.0.1:0")
	from := gone(t, e, r)
	far := accepting(t, "127.0.0.1")
	fallback := wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}
	e.Send(from, fallback, []byte("200"), func(err error) { t.Error(err) })
	gets(t, far.accept(), "200")

	c := client(t, "127.0.0.1", netip.AddrPort{})
	e.Send(from, wire.Hop{Realm: "core", Transport: wire.UDP, Remote: c.addr()}, []byte("by UDP"), nil)
	if got := c.read(); string(got) != "by UDP" {
		t.Errorf("%q", got)
	}
}

func TestSend_PeerThatDoesNotRead(t *testing.T) {
	e, _ := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	far := accepting(t, "127.0.0.1")
	to := wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}
	told := make(chan error, 4000)
	full := 0
	for range 2000 {
		e.Send(to, wire.Hop{}, make([]byte, 60_000), func(err error) { told <- err })
	}
	nc := far.accept()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	arrived, _ := io.Copy(io.Discard, bufio.NewReader(nc))
	unsent := len(told)
	for range unsent {
		switch err := <-told; {
		case errors.Is(err, wire.ErrQueueFull):
			full++
		case !errors.Is(err, wire.ErrClosed) && !errors.Is(err, wire.ErrGone):
			t.Error(err)
		}
	}
	if full == 0 || int(arrived/60_000)+unsent != 2000 {
		t.Errorf("%d told, %d of these queue full, %d arrived", unsent, full, arrived/60_000)
	}
}

// What waits for a peer that is found to be gone is not lost either.
func TestSend_FallbackOfWhatWasQueued(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	nc := dial(t, e)
	put(t, nc, message("INVITE", "stuck", 0))
	from := take(t, r.packets).Hop
	full := make(chan error, 40_000)
	for len(full) < 1000 { // the systems' buffers, too, which grow
		e.Send(from, wire.Hop{}, make([]byte, 60_000), func(err error) { full <- err })
		runtime.Gosched()
	}
	far := accepting(t, "127.0.0.1")
	e.Send(from, wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}, []byte("200"), func(err error) { t.Error(err) })
	_ = nc.SetLinger(0)
	nc.Close()
	gets(t, far.accept(), "200")
}

func TestServe_EndsWithConnectionsOpen(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	nc := dial(t, e)
	put(t, nc, message("INVITE", "open", 0))
	take(t, r.packets)
	closed := make(chan error, 1)
	go func() { closed <- e.Close() }()
	if err := take(t, closed); err != nil {
		t.Error(err)
	}
	closes(t, nc)
	unsent := make(chan error, 1)
	e.Send(wire.Hop{Realm: "core", Transport: wire.TCP, Remote: addrPort(nc.LocalAddr())}, wire.Hop{}, []byte("x"), func(err error) { unsent <- err })
	if err := take(t, unsent); !errors.Is(err, wire.ErrClosed) {
		t.Error(err)
	}
}
