package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/b2bua/wire"

	"github.com/emiago/sipgo/sip"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// receiver keeps what the edge tells.
type receiver struct {
	t       *testing.T
	packets chan wire.Packet
	drops   chan drop
	removed atomic.Bool // all whom it knew
}

type drop struct {
	realm, name string
	source      netip.Addr
	bytes       int
}

// Known knows everybody but 127.0.3.0/24.
func (r *receiver) Known(_ string, source netip.Addr) bool {
	return !r.removed.Load() && !netip.MustParsePrefix("127.0.3.0/24").Contains(source)
}

func (r *receiver) Receive(p wire.Packet) { r.packets <- p }

func (r *receiver) Dropped(realm, name string, source netip.Addr, bytes int) {
	r.drops <- drop{realm, name, source, bytes}
}

func take[T any](t *testing.T, from <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(patience):
		t.Fatalf("no %T came", got)
	}
	return got
}

// dropped waits for a drop of that name, passing over others.
func (r *receiver) dropped(name string) drop {
	r.t.Helper()
	for {
		if d := take(r.t, r.drops); d.name == name {
			return d
		}
	}
}

func (r *receiver) nothing() {
	r.t.Helper()
	select {
	case p := <-r.packets:
		r.t.Errorf("received %q", p.Raw)
	case d := <-r.drops:
		r.t.Errorf("dropped %+v", d)
	default:
	}
}

// listen makes an edge of one realm, "core", and serves it until the test ends.
func listen(t *testing.T, c wire.Config, on ...string) (*wire.Edge, *receiver) {
	t.Helper()
	realm := c.Realms["core"]
	for _, s := range on {
		l, err := wire.ParseListener(s)
		if err != nil {
			t.Fatal(err)
		}
		realm.Listen = append(realm.Listen, l)
	}
	c.Realms = map[string]wire.Realm{"core": realm}
	r := &receiver{t: t, packets: make(chan wire.Packet, 4096), drops: make(chan drop, 4096)}
	e, err := wire.New(c, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- e.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := take(t, served); err != nil {
			t.Error(err)
		}
		if left := goroutines(); left != "" {
			t.Errorf("goroutines left behind:\n%s", left)
		}
	})
	return e, r
}

// goroutines are the stacks with the edge's own frames in them.
func goroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	own := regexp.MustCompile(`(?m)^bulkhead/b2bua/wire\.`)
	var left []string
	for _, stack := range strings.Split(string(buf), "\n\n") {
		if own.MatchString(stack) {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}

// message is a request with a body of that many bytes.
func message(method, id string, body int) []byte {
	return fmt.Appendf(nil, "%s sip:+33123456789@192.0.2.1 SIP/2.0\r\n"+
		"Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n"+
		"From: \"A\" <sip:+33987654321@192.0.2.7>;tag=a%s\r\nTo: <sip:+33123456789@192.0.2.1>\r\n"+
		"Call-ID: %s\r\nCSeq: 1 %s\r\nContact: <sip:192.0.2.7:5060>\r\n"+
		"Content-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
		method, id, id, id, method, body, strings.Repeat("x", body))
}

func callID(p wire.Packet) string { return p.Message.CallID().Value() }

func addrPort(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }

func TestListen_BindsAllOrNone(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp := wire.Listener{Transport: wire.UDP, Addr: addrPort(free.LocalAddr())}
	free.Close()
	e, err := wire.New(wire.Config{Realms: map[string]wire.Realm{
		"core": {Listen: []wire.Listener{udp, {Transport: wire.TCP, Addr: addrPort(taken.Addr())}}},
	}}, &receiver{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = e.Listen()
	if err == nil || !strings.Contains(err.Error(), "core") || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("the error does not say where: %v", err)
	}
	again, err := net.ListenPacket("udp4", udp.Addr.String())
	if err != nil {
		t.Fatalf("still bound: %v", err)
	}
	again.Close()
}

func TestNew_NamesEveryFault(t *testing.T) {
	at := func(s string) []wire.Listener { return []wire.Listener{{Addr: netip.MustParseAddrPort(s)}} }
	_, err := wire.New(wire.Config{Realms: map[string]wire.Realm{
		"silent":   {},
		"wild":     {Listen: at("0.0.0.0:5060")},
		"named":    {Listen: at("127.0.0.1:5060"), Advertise: "a b"},
		"keyless":  {Listen: []wire.Listener{{Transport: wire.TLS, Addr: netip.MustParseAddrPort("127.0.0.1:5061")}}},
		"occupied": {Listen: append(at("127.0.0.2:5060"), at("127.0.0.2:5060")...)},
	}}, &receiver{}, nil)
	for _, realm := range []string{"silent", "wild", "named", "keyless", "occupied"} {
		if err == nil || !strings.Contains(err.Error(), "realm "+realm) {
			t.Errorf("realm %s is not complained about: %v", realm, err)
		}
	}
}

func TestParseListener(t *testing.T) {
	for text, want := range map[string]string{
		"udp://127.0.0.1:5060":   "udp://127.0.0.1:5060",
		"TCP://127.0.0.1":        "tcp://127.0.0.1:5060",
		"tls://[::1]:5061":       "tls://[::1]:5061",
		"tls://[::1]":            "tls://[::1]:5061",
		"udp://[::ffff:1.2.3.4]": "udp://1.2.3.4:5060",
	} {
		l, err := wire.ParseListener(text)
		if err != nil || l.String() != want {
			t.Errorf("%s: %s, %v", text, l, err)
		}
	}
	for _, text := range []string{"", "127.0.0.1:5060", "ws://127.0.0.1:80", "udp://host:5060", "udp://127.0.0.1:99999"} {
		if l, err := wire.ParseListener(text); err == nil {
			t.Errorf("%q is taken for %s", text, l)
		}
	}
}

func TestLocal_SaysWhatIsAdvertised(t *testing.T) {
	for advertise, want := range map[string]string{
		"":                 `^127\.0\.0\.1:\d+$`,
		"sbc.example":      `^sbc\.example:\d+$`,
		"sbc.example:5099": `^sbc\.example:5099$`,
		"192.0.2.1":        `^192\.0\.2\.1:\d+$`,
		"2001:db8::1":      `^\[2001:db8::1\]:\d+$`,
	} {
		t.Run(advertise, func(t *testing.T) {
			e, _ := listen(t, wire.Config{Realms: map[string]wire.Realm{"core": {Advertise: advertise}}}, "udp://127.0.0.1:0")
			got, ok := e.Local("core", wire.UDP)
			if !ok || !regexp.MustCompile(want).MatchString(got) || strings.HasSuffix(got, ":0") {
				t.Errorf("advertise %q: %q %v", advertise, got, ok)
			}
			if _, ok := e.Local("core", wire.TCP); ok {
				t.Error("there is no TCP")
			}
		})
	}
}

func TestServe_OpensBrokenSocketsAgain(t *testing.T) {
	e, r := listen(t, wire.Config{}, "udp://127.0.0.1:0", "tcp://127.0.0.1:0")
	e.BreakSockets("core")
	r.dropped("read_error")
	udp, tcp := e.Addrs("core")[0].Addr, e.Addrs("core")[1].Addr

	var nc net.Conn
	for deadline := time.Now().Add(patience); ; {
		var err error
		if nc, err = net.Dial("tcp4", tcp.String()); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	defer nc.Close()
	if _, err := nc.Write(message("OPTIONS", "tcp", 0)); err != nil {
		t.Fatal(err)
	}
	if p := take(t, r.packets); callID(p) != "tcp" {
		t.Errorf("%s", p.Raw)
	}

	c := client(t, "127.0.0.1", udp)
	for heard := false; !heard; {
		c.write(message("OPTIONS", "udp", 0))
		select {
		case p := <-r.packets:
			heard = callID(p) == "udp"
		case <-time.After(10 * time.Millisecond): // it went to the closed socket
		}
	}
}

func TestSend_WithoutRealmOrSocket(t *testing.T) {
	e, _ := listen(t, wire.Config{}, "udp://127.0.0.1:0")
	for _, h := range []wire.Hop{
		{Realm: "nowhere", Remote: netip.MustParseAddrPort("127.0.0.1:9")},
		{Realm: "core", Remote: netip.MustParseAddrPort("[::1]:9")},
		{Realm: "core", Transport: wire.TCP, Remote: netip.MustParseAddrPort("127.0.0.1:9")},
		{Realm: "core"},
	} {
		unsent := make(chan error, 1)
		e.Send(h, wire.Hop{}, message("OPTIONS", "x", 0), func(err error) { unsent <- err })
		if err := take(t, unsent); !errors.Is(err, wire.ErrNoSocket) {
			t.Errorf("%+v: %v", h, err)
		}
		e.Send(h, wire.Hop{}, message("OPTIONS", "x", 0), nil)
	}
}

func isRequest(p wire.Packet, method string) bool {
	r, ok := p.Message.(*sip.Request)
	return ok && string(r.Method) == method
}
