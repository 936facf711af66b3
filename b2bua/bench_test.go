package b2bua_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/b2bua/media"
	"bulkhead/b2bua/media/relay"
	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// BenchmarkCall is a whole call through parser, engine and core without sockets:
// INVITE, 100, 180, 200, ACK, BYE, 200, seven messages in and seven out. What it
// costs to write those that come in is part of it.
func BenchmarkCall(b *testing.B) {
	p := newPipe(b, nil, nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.play(b, i)
	}
}

// BenchmarkAnchoring is such a call by the way of its media: what reading and rewriting two descriptions costs, and, with the relay,
// eight sockets that are opened, watched and closed by the kernel. none: descriptions are looked at by nobody.
func BenchmarkAnchoring(b *testing.B) {
	for _, mode := range []string{"none", "bypass", "relay"} {
		b.Run(mode, func(b *testing.B) {
			var m *b2bua.Media
			if mode != "none" {
				m = anchors(b, media.Mode(slices.Index(media.Modes[:], mode)))
			}
			p := newPipe(b, nil, m)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.play(b, i)
			}
		})
	}
}

// anchors is media that goes one way, through a relay on loopback.
func anchors(b *testing.B, mode media.Mode) *b2bua.Media {
	r, err := relay.New(relay.Config{First: 20000, Last: 59999, Quarantine: time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(r.Shut)
	near, far := netip.MustParseAddr("127.0.193.1"), netip.MustParseAddr("127.0.193.2")
	return &b2bua.Media{
		Mode: mode, Counts: r.Totals, Relay: media.NewRelayed(r, func(netip.AddrPort) bool { return false }, time.Minute),
		Realms: map[string]b2bua.MediaAddresses{"access": {{Said: near, Bind: near}}, "core": {{Said: far, Bind: far}}},
	}
}

// pipe is a wire that hands over what the engine sends.
type pipe struct {
	engine *b2bua.Engine
	sent   chan []byte
}

func (p *pipe) Send(_, _ wire.Hop, data []byte, _ func(error)) { p.sent <- data }

func (p *pipe) Local(realm string, t wire.Transport) (string, bool) {
	return map[string]string{"access": "192.0.2.1:5060", "core": "198.51.100.1:5060"}[realm], t == wire.UDP
}

type nowhere struct{}

func (nowhere) Write(b2bua.Record) error { return nil }

func newPipe(b *testing.B, k b2bua.Keeper, m *b2bua.Media) *pipe {
	realms := carriers.Realms{}
	for realm, at := range map[string]string{"access": "192.0.2.1:5060", "core": "198.51.100.1:5060"} {
		realms[realm] = []carriers.Socket{{Address: netip.MustParseAddrPort(at)}}
	}
	book, err := carriers.NewBook(carriers.Config{
		Trunks: map[string]carriers.TrunkConfig{"trunk": {Realm: "access", From: []string{"192.0.2.10"}}},
		Carriers: map[string]carriers.CarrierConfig{"tc1": {
			Realm: "core", Gateways: []carriers.GatewayConfig{{Address: "198.51.100.11:5060"}},
		}},
		Routes: []carriers.RouteConfig{{Match: carriers.MatchConfig{Number: "+33*"}, Targets: []carriers.TargetConfig{{Carrier: "tc1"}}}},
	}, realms)
	if err != nil {
		b.Fatal(err)
	}
	p := &pipe{sent: make(chan []byte, 64)}
	// Short timers, so that ended calls do not pile up while the benchmark runs.
	timers := dialog.Timers{T1: 20 * time.Millisecond, T2: 160 * time.Millisecond, T4: 200 * time.Millisecond}
	p.engine = b2bua.New(b2bua.Config{Unit: "u1", Timers: timers, Keeper: k, Media: m}, book, p, nowhere{}, zap.NewNop(),
		b2bua.NewMetrics(prometheus.NewRegistry()), nil)
	go p.engine.Run(b.Context())
	return p
}

// play plays one call.
func (p *pipe) play(b *testing.B, n int) { p.setUp(b, n)() }

// setUp plays a call up to its ACK, and the rest when it is told.
func (p *pipe) setUp(b *testing.B, n int) (hangUp func()) {
	const body = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n"
	request := func(method, uri, branch, to, more string) {
		number := 1
		if method == "BYE" {
			number = 2
		}
		p.receive(b, "access", "192.0.2.10:5060", fmt.Appendf(nil, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK%s%d;rport\r\n"+
			"Max-Forwards: 70\r\nFrom: \"Alice\" <sip:+33612345678@192.0.2.10>;tag=t%d\r\nTo: %s\r\nCall-ID: c%d\r\nCSeq: %d %s\r\n%s",
			method, uri, branch, n, n, to, n, number, method, more))
	}
	contact := "Contact: <sip:a@192.0.2.10:5060>\r\nContent-Type: application/sdp\r\n"
	request("INVITE", "sip:+33123@192.0.2.1", "i", "<sip:+33123@192.0.2.1>", contact+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body))
	p.next(b, "SIP/2.0 100", n)
	invite := p.next(b, "INVITE", n)
	p.answer(b, invite, "100 Trying", "")
	p.answer(b, invite, "180 Ringing", "")
	p.next(b, "SIP/2.0 180", n)
	p.answer(b, invite, "200 OK", body)
	p.next(b, "ACK", n)
	answer := read(p.next(b, "SIP/2.0 200", n), "To")
	request("ACK", "sip:192.0.2.1:5060", "a", answer, "Content-Length: 0\r\n\r\n")
	return func() {
		request("BYE", "sip:192.0.2.1:5060", "b", answer, "Content-Length: 0\r\n\r\n")
		p.next(b, "SIP/2.0 200", n)
		p.answer(b, p.next(b, "BYE", n), "200 OK", "")
	}
}

// next is the next message of the call that begins so; what is repeated because
// the machine is slow is left out.
func (p *pipe) next(b *testing.B, start string, n int) []byte {
	ours := fmt.Appendf(nil, "Call-ID: c%d\r\n", n)
	for {
		select {
		case data := <-p.sent:
			response := bytes.HasPrefix(data, []byte("SIP/2.0"))
			if bytes.HasPrefix(data, []byte(start)) && (!response || bytes.Contains(data, ours)) {
				return data
			}
		case <-b.Context().Done():
			return nil
		}
	}
}

func (p *pipe) receive(b *testing.B, realm, from string, data []byte) {
	m, fault, err := wire.Parse(data, wire.Limits{})
	if err != nil || fault != nil {
		b.Fatal(err, fault)
	}
	p.engine.Receive(wire.Packet{
		Hop: wire.Hop{Realm: realm, Remote: netip.MustParseAddrPort(from)}, At: time.Now(), Message: m, Raw: data,
	})
}

// answer answers a request of the engine's as the carrier.
func (p *pipe) answer(b *testing.B, request []byte, status, body string) {
	to := read(request, "To")
	if !bytes.Contains([]byte(to), []byte(";tag=")) {
		to += ";tag=c"
	}
	kind := ""
	if body != "" {
		kind = "Content-Type: application/sdp\r\n"
	}
	p.receive(b, "core", "198.51.100.11:5060", fmt.Appendf(nil, "SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n"+
		"Contact: <sip:c@198.51.100.11:5060>\r\n%sContent-Length: %d\r\n\r\n%s",
		status, read(request, "Via"), read(request, "From"), to, read(request, "Call-ID"), read(request, "CSeq"), kind, len(body), body))
}

// read is the value of a header field in what the engine wrote.
func read(data []byte, name string) string {
	_, rest, _ := bytes.Cut(data, []byte("\r\n"+name+": "))
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return string(value)
}
