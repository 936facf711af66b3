package wire_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"bulkhead/b2bua/wire"
)

// response answers what message made.
func response(code int, method, id string) []byte {
	return fmt.Appendf(nil, "SIP/2.0 %d x\r\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK%s\r\n"+
		"From: <sip:a@192.0.2.7>;tag=a%s\r\nTo: <sip:b@192.0.2.1>;tag=b\r\nCall-ID: %s\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
		code, id, id, id, method)
}

func reset(nc net.Conn) {
	_ = nc.(*net.TCPConn).SetLinger(0)
	nc.Close()
}

// A request whose connection ends before a response comes was sent to nobody, as far as
// anybody knows: where a second one ends as well, who sent it is told.
func TestTCP_RequestOnAConnectionThatEndsIsTold(t *testing.T) {
	for what, end := range map[string]func(net.Conn){"reset": reset, "closed": func(nc net.Conn) { nc.Close() }} {
		t.Run(what, func(t *testing.T) {
			e, _ := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
			far := accepting(t, "127.0.0.1")
			unsent := make(chan error, 2)
			e.Send(wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}, wire.Hop{}, message("INVITE", "one", 0), func(err error) { unsent <- err })
			for range 2 {
				nc := far.accept()
				gets(t, nc, string(message("INVITE", "one", 0)))
				end(nc)
			}
			if err := take(t, unsent); !errors.Is(err, wire.ErrGone) {
				t.Error(err)
			}
			if e.Unanswered() != 0 {
				t.Error("still waits")
			}
		})
	}
}

// A connection may be closed for want of use at the moment in which it is needed: the
// request is sent again, by a new one; once, and what is answered is not.
func TestTCP_RequestIsSentAgainByANewConnection(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	far := accepting(t, "127.0.0.1")
	to := wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}
	unsent := make(chan error, 2)
	e.Send(to, wire.Hop{}, message("INVITE", "first", 0), func(err error) { unsent <- err })
	first := far.accept()
	gets(t, first, string(message("INVITE", "first", 0)))
	put(t, first, response(486, "INVITE", "first"))
	take(t, r.packets)
	e.Send(to, wire.Hop{}, message("INVITE", "second", 0), func(err error) { unsent <- err })
	gets(t, first, string(message("INVITE", "second", 0)))
	reset(first)
	second := far.accept()
	gets(t, second, string(message("INVITE", "second", 0))) // and not the first, which is answered
	put(t, second, []byte("\r\n\r\n"))
	gets(t, second, "\r\n")
	reset(second)
	if err := take(t, unsent); !errors.Is(err, wire.ErrGone) {
		t.Error(err)
	}
	if len(unsent) != 0 {
		t.Error("told twice")
	}
}

// A new connection that is refused is told like any other.
func TestTCP_NewConnectionThatIsRefused(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	far := accepting(t, "127.0.0.1")
	to := wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}
	unsent := make(chan error, 2)
	e.Send(to, wire.Hop{}, message("OPTIONS", "first", 0), func(err error) { unsent <- err })
	nc := far.accept()
	put(t, nc, response(200, "OPTIONS", "first"))
	take(t, r.packets)
	e.Send(to, wire.Hop{}, message("INVITE", "second", 0), func(err error) { unsent <- err })
	gets(t, nc, string(message("OPTIONS", "first", 0))+string(message("INVITE", "second", 0)))
	far.l.Close()
	reset(nc)
	if err := take(t, unsent); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
}

// A response that comes by another connection is one (RFC 3261 §18.2.2).
func TestTCP_ResponseByAnotherConnection(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	far := accepting(t, "127.0.0.1")
	e.Send(wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}, wire.Hop{}, message("INVITE", "one", 0), func(err error) { t.Error(err) })
	nc := far.accept()
	gets(t, nc, string(message("INVITE", "one", 0)))
	put(t, dial(t, e), response(100, "INVITE", "one"))
	take(t, r.packets)
	if e.Unanswered() != 0 {
		t.Error("still waits")
	}
	reset(nc)
}

// What has no answer for longer than anybody waits is let go.
func TestTCP_WhatNobodyAnswersIsBounded(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	far := accepting(t, "127.0.0.1")
	to := wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}
	for i := range 100 {
		e.Send(to, wire.Hop{}, message("INVITE", fmt.Sprint("old", i), 0), func(error) {})
	}
	nc := far.accept()
	put(t, nc, response(100, "INVITE", "old0"))
	take(t, r.packets)
	for i := range 100 {
		gets(t, nc, string(message("INVITE", fmt.Sprint("old", i), 0)))
	}
	e.Age(time.Minute)
	e.Send(to, wire.Hop{}, message("INVITE", "new", 0), func(error) {})
	gets(t, nc, string(message("INVITE", "new", 0)))
	if n := e.Unanswered(); n != 1 {
		t.Errorf("%d wait", n)
	}
}

// alive is an edge that pings its peers that often, and waits so long for the answer.
func alive(t *testing.T, every, pong time.Duration) (*wire.Edge, *receiver) {
	return listen(t, wire.Config{PongTimeout: pong, Peer: func(string, wire.Transport, netip.AddrPort) wire.Peer {
		return wire.Peer{Keepalive: every}
	}}, "tcp://127.0.0.1:0")
}

// RFC 5626 §3.5.1: two line ends, answered by one, again and again; a peer's own pings
// between them are answered.
func TestRFC5626_3_5_1_Keepalive(t *testing.T) {
	e, r := alive(t, 50*time.Millisecond, patience)
	far := accepting(t, "127.0.0.1")
	e.Send(wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}, wire.Hop{}, []byte("request"), func(err error) { t.Error(err) })
	nc := far.accept()
	gets(t, nc, "request")
	for range 3 {
		gets(t, nc, "\r\n\r\n")
		put(t, nc, []byte("\r\n"))
	}
	put(t, nc, message("OPTIONS", "between", 0))
	if p := take(t, r.packets); callID(p) != "between" {
		t.Errorf("%s", p.Raw)
	}
	if len(r.drops) != 0 {
		t.Error(take(t, r.drops))
	}
}

// RFC 5626 §4.4.1: a ping without an answer ends the connection, and what waits for a
// response by it is told.
func TestRFC5626_4_4_1_NoPong(t *testing.T) {
	e, r := alive(t, 20*time.Millisecond, 50*time.Millisecond)
	far := accepting(t, "127.0.0.1")
	unsent := make(chan error, 1)
	e.Send(wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}, wire.Hop{}, message("INVITE", "one", 0), func(err error) { unsent <- err })
	nc := far.accept()
	put(t, nc, message("OPTIONS", "heard", 0)) // it is no dead end, and yet it does not answer pings
	if err := take(t, unsent); !errors.Is(err, wire.ErrGone) {
		t.Error(err)
	}
	r.dropped("no_pong")
	if got := string(closes(t, nc)); got != string(message("INVITE", "one", 0))+"\r\n\r\n" {
		t.Errorf("%q", got)
	}
}

// A realm pings those whom it connects to; who has connected to us pings us.
func TestRFC5626_KeepaliveOfARealm(t *testing.T) {
	e, _ := listen(t, wire.Config{Realms: map[string]wire.Realm{"core": {Keepalive: 20 * time.Millisecond}}}, "tcp://127.0.0.1:0")
	theirs := dial(t, e)
	far := accepting(t, "127.0.0.1")
	e.Send(wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}, wire.Hop{}, []byte("request"), nil)
	nc := far.accept()
	gets(t, nc, "request\r\n\r\n")
	put(t, nc, []byte("\r\n"))
	gets(t, nc, "\r\n\r\n")
	put(t, theirs, []byte("\r\n\r\n"))
	gets(t, theirs, "\r\n")
	_ = theirs.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := theirs.Read(make([]byte, 1)); n != 0 {
		t.Error("pinged who has connected to us", err)
	}
}
