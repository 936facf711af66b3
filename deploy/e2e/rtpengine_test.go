//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/b2bua/media/ng"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// What b2bua/media/ng asks of an rtpengine, asked of Debian's in user space, with RTP.

const (
	networkOne = 238
	networkTwo = 239
	alaw       = 0xd4 // not silence, so that what is transcoded can be told
	ulaw       = 0x9c
)

// asking is a client of the engines whose health is looked at ten times a second.
func asking(t *testing.T, changed func(string, bool), engines ...*engine) *ng.Client {
	t.Helper()
	config := ng.Config{Ping: 100 * time.Millisecond, Changed: changed}
	for _, e := range engines {
		config.Nodes = append(config.Nodes, e.node)
	}
	c, err := ng.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// offered is an offer of the trunk's that went through; the test is over without that.
func offered(t *testing.T, c *ng.Client, x ng.Exchange) ng.Result {
	t.Helper()
	r, err := c.Offer(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func anchored(t *testing.T, c *ng.Client, x ng.Exchange) ng.Result {
	t.Helper()
	r, err := c.Answer(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var toPeering = ng.Profile{Interfaces: [2]string{"core", "peering"}}

// connect has two talkers of PCMA speak by a node and says which.
func connect(t *testing.T, c *ng.Client, call string, trunk, carrier *talker) (node string) {
	t.Helper()
	x := ng.Exchange{Call: call, From: "L0", Body: trunk.describe("RTP/AVP", "8"), Toward: toPeering}
	o := offered(t, c, x)
	carrier.aim(o.Body)
	a := anchored(t, c, ng.Exchange{Node: o.Node, Call: call, From: "L0", To: "L1", Body: carrier.describe("RTP/AVP", "8")})
	trunk.aim(a.Body)
	return o.Node
}

func TestRTPEngineCarriesACall(t *testing.T) {
	e := startEngine(t, networkOne)
	c := asking(t, nil, e)
	trunk, carrier := talk(t, "127.0.238.11", 0x1111, 8, alaw), talk(t, "127.0.238.21", 0x2222, 8, 0x55)
	// Who knows the ports and is not the one that was described (RTPbleed).
	sprayer := talk(t, "127.0.238.66", 0x6666, 8, 0x66)
	node := connect(t, c, "call", trunk, carrier)
	trunk.mu.Lock()
	sprayer.mu.Lock()
	sprayer.to = trunk.to
	sprayer.mu.Unlock()
	trunk.mu.Unlock()
	if node != e.node.Name || trunk.to.Addr().String() != e.core || carrier.to.Addr().String() != e.peering {
		t.Errorf("by %s, %s, %s", node, trunk.to, carrier.to)
	}
	carrier.hears(100, trunk.says)
	trunk.hears(100, carrier.says)
	if got := sprayer.heard(); len(got) > 0 {
		t.Errorf("the sprayer heard %d packets", len(got))
	}

	stats, err := c.Query(context.Background(), node, "call")
	if err != nil {
		t.Fatal(err)
	}
	if len(stats.Legs) != 2 || stats.RTP.Packets < 200 {
		t.Fatalf("%+v", stats)
	}
	for _, leg := range stats.Legs {
		is := map[string]*talker{"L0": trunk, "L1": carrier}[leg.Leg]
		if is == nil || len(leg.Media) != 1 || len(leg.Media[0].Streams) != 2 {
			t.Fatalf("%+v", leg)
		}
		m, s := leg.Media[0], leg.Media[0].Streams[0]
		if m.Codec != "PCMA/8000" || m.Kind != "audio" || s.Local != is.to || s.Remote != is.address || s.Received.Packets < 100 ||
			time.Since(s.Last) > 5*time.Second || !m.Streams[1].RTCP {
			t.Errorf("%s: %+v", leg.Leg, m)
		}
		// What the sprayer sent is counted, and as an error.
		if sprayed := s.Received.Errors > 50; sprayed != (is == trunk) || is == carrier && s.SSRC != carrier.ssrc {
			t.Errorf("%s: %+v", leg.Leg, m)
		}
	}
	// A refresh keeps the ports: the same bodies once more.
	before := [2]netip.AddrPort{trunk.to, carrier.to}
	x := ng.Exchange{Node: node, Call: "call", From: "L0", To: "L1", Body: trunk.describe("RTP/AVP", "8"), Toward: toPeering}
	carrier.aim(offered(t, c, x).Body)
	x.Body = carrier.describe("RTP/AVP", "8")
	trunk.aim(anchored(t, c, x).Body)
	if after := [2]netip.AddrPort{trunk.to, carrier.to}; after != before {
		t.Errorf("the ports moved from %v to %v", before, after)
	}
	carrier.hears(20, trunk.says)

	// The end. rtpengine would keep the ports for 30 s by itself.
	last, err := c.Delete(context.Background(), node, "call")
	if err != nil || last.RTP.Packets <= stats.RTP.Packets {
		t.Errorf("%v, %+v", err, last.RTP)
	}
	e.closed(trunk.to, carrier.to)
	if _, err := c.Query(context.Background(), node, "call"); !errors.Is(err, ng.ErrUnknownCall) {
		t.Errorf("%v", err)
	}
	if _, err := c.Delete(context.Background(), node, "call"); !errors.Is(err, ng.ErrUnknownCall) {
		t.Errorf("%v", err)
	}
	if _, err := c.Answer(context.Background(), x); !errors.Is(err, ng.ErrUnknownCall) {
		t.Errorf("%v", err)
	}
}

var (
	cryptoLine = regexp.MustCompile(`a=crypto:(\d+) (\S+) inline:([A-Za-z0-9+/]+=*)`)
	noKeys     = regexp.MustCompile(`a=(crypto|fingerprint|setup|candidate|ice-)`)
)

// secured makes contexts of both directions: the key that was offered to the peer
// decrypts what it gets.
func secured(t *testing.T, line []string, own []byte, mki ...byte) (in, out *srtp.Context) {
	t.Helper()
	theirs, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(line[3], "="))
	if err != nil || len(theirs) != 30 {
		t.Fatalf("key %q: %v", line[3], err)
	}
	for i, key := range [][]byte{theirs, own} {
		context, err := srtp.CreateContext(key[:16], key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80, srtp.MasterKeyIndicator([][]byte{nil, mki}[i]))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			in = context
		} else {
			out = context
		}
	}
	return in, out
}

func TestRTPEngineSpeaksSRTPToACarrier(t *testing.T) {
	e := startEngine(t, networkOne)
	c := asking(t, nil, e)
	trunk, carrier := talk(t, "127.0.238.11", 0x1111, 8, alaw), talk(t, "127.0.238.21", 0x2222, 8, 0x55)
	toCarrier := toPeering
	toCarrier.SRTP = ng.SRTPSDES
	// What a trunk from the web would have goes: ICE, and RTCP on the port of RTP.
	o := offered(t, c, ng.Exchange{Call: "call", From: "L0", Toward: toCarrier, Body: trunk.describe("RTP/AVP", "8", "a=rtcp-mux",
		"a=ice-ufrag:abcd", "a=ice-pwd:abcdefghijklmnopqrstuvwx", "a=candidate:1 1 UDP 2130706431 "+trunk.address.Addr().String()+" "+fmt.Sprint(trunk.address.Port())+" typ host")})
	lines := cryptoLine.FindAllStringSubmatch(string(o.Body), -1)
	if len(lines) != 2 || lines[0][2] != "AES_CM_128_HMAC_SHA1_80" || lines[1][2] != "AES_CM_128_HMAC_SHA1_32" {
		t.Fatalf("it is offered:\n%s", o.Body)
	}
	if !strings.Contains(string(o.Body), "RTP/SAVP 8") || regexp.MustCompile(`a=(fingerprint|setup|candidate|ice-|rtcp-mux)`).Match(o.Body) {
		t.Errorf("it is offered:\n%s", o.Body)
	}
	own := []byte("0123456789abcdefghijklmnopqrst")
	in, out := secured(t, lines[0], own)
	carrier.mu.Lock()
	carrier.in, carrier.out = in, out
	carrier.mu.Unlock()
	carrier.aim(o.Body)
	a := anchored(t, c, ng.Exchange{Node: o.Node, Call: "call", From: "L0", To: "L1", Body: carrier.describe("RTP/SAVP", "8",
		"a=crypto:"+lines[0][1]+" AES_CM_128_HMAC_SHA1_80 inline:"+base64.StdEncoding.EncodeToString(own))})
	if noKeys.Match(a.Body) || !strings.Contains(string(a.Body), "RTP/AVP 8") || !strings.Contains(string(a.Body), "a=rtcp-mux") {
		t.Errorf("it is answered:\n%s", a.Body)
	}
	trunk.aim(a.Body)
	carrier.hears(50, trunk.says)
	trunk.hears(50, carrier.says)
	carrier.mu.Lock()
	defer carrier.mu.Unlock()
	if carrier.bad > 0 {
		t.Errorf("%d packets could not be decrypted", carrier.bad)
	}
}

// linear is what a sample means (ITU-T G.711), on the scale of 16 bits.
func linear(payload uint8, sample byte) float64 {
	if payload == 8 {
		x := sample ^ 0x55
		segment, value := int(x>>4&7), float64(x&15)*16+8
		if segment > 0 {
			value = (value + 256) * math.Pow(2, float64(segment-1))
		}
		if x&0x80 == 0 {
			return -value
		}
		return value
	}
	x := ^sample
	value := (float64(x&15)*8+132)*math.Pow(2, float64(x>>4&7)) - 132
	if x&0x80 != 0 {
		return -value
	}
	return value
}

func TestRTPEngineTranscodes(t *testing.T) {
	e := startEngine(t, networkOne)
	c := asking(t, nil, e)
	trunk, carrier := talk(t, "127.0.238.11", 0x1111, 8, alaw), talk(t, "127.0.238.21", 0x2222, 0, ulaw)
	toCarrier := toPeering
	toCarrier.Transcode = []string{"PCMU"}
	o := offered(t, c, ng.Exchange{Call: "call", From: "L0", Body: trunk.describe("RTP/AVP", "8 101", "a=rtpmap:101 telephone-event/8000"), Toward: toCarrier})
	if !strings.Contains(string(o.Body), "RTP/AVP 8 0 101") {
		t.Fatalf("it is offered:\n%s", o.Body)
	}
	carrier.aim(o.Body)
	a := anchored(t, c, ng.Exchange{Node: o.Node, Call: "call", From: "L0", To: "L1", Body: carrier.describe("RTP/AVP", "0 101", "a=rtpmap:101 telephone-event/8000")})
	if !strings.Contains(string(a.Body), "RTP/AVP 8 101") {
		t.Fatalf("it is answered:\n%s", a.Body)
	}
	trunk.aim(a.Body)
	carrier.hears(50, sounds(0, trunk))
	trunk.hears(50, sounds(8, carrier))
}

// sounds is a packet of the other in that law: the steps of both are some 6 % apart.
func sounds(payload uint8, of *talker) func(rtp.Packet) bool {
	want := linear(of.payload, of.sample)
	return func(p rtp.Packet) bool {
		return p.PayloadType == payload && len(p.Payload) == 160 && math.Abs(linear(payload, p.Payload[80])-want) < math.Abs(want)*0.07
	}
}

func TestRTPEngineIsLostInTheMiddle(t *testing.T) {
	one, two := startEngine(t, networkOne), startEngine(t, networkTwo)
	engines := map[string]*engine{one.node.Name: one, two.node.Name: two}
	type change struct {
		node string
		up   bool
	}
	changed := make(chan change, 100)
	c := asking(t, func(node string, up bool) { changed <- change{node, up} }, one, two)
	told := func(want change) {
		t.Helper()
		select {
		case got := <-changed:
			if got != want {
				t.Fatalf("%v, not %v", got, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("not told of %v", want)
		}
	}
	trunk, carrier := talk(t, "127.0.238.11", 0x1111, 8, alaw), talk(t, "127.0.238.21", 0x2222, 8, 0x55)
	// Both get calls.
	at := map[string][]string{}
	for i := range 20 {
		call := fmt.Sprint("call", i)
		o := offered(t, c, ng.Exchange{Call: call, From: "L0", Body: trunk.describe("RTP/AVP", "8"), Toward: toPeering})
		at[o.Node] = append(at[o.Node], call)
	}
	if len(at) != 2 {
		t.Fatalf("20 calls are at %v", at)
	}
	lost := connect(t, c, "call", trunk, carrier)
	other := one.node.Name
	if lost == other {
		other = two.node.Name
	}
	carrier.hears(20, trunk.says)

	engines[lost].kill()
	told(change{lost, false})
	x := ng.Exchange{Node: lost, Call: "call", From: "L0", To: "L1", Body: trunk.describe("RTP/AVP", "8"), Toward: toPeering}
	if _, err := c.Offer(context.Background(), x); !errors.Is(err, ng.ErrNodeLost) || !strings.Contains(err.Error(), lost) {
		t.Errorf("a call of the lost node: %v", err)
	}
	for i := range 20 {
		if o := offered(t, c, ng.Exchange{Call: fmt.Sprint("later", i), From: "L0", Body: trunk.describe("RTP/AVP", "8"), Toward: toPeering}); o.Node != other {
			t.Errorf("a new call is at %s", o.Node)
		}
	}
	// Its calls are found dead; those of the other node are not.
	found := make(chan string, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go c.Poll(ctx, 200*time.Millisecond, func(node string) []string { return at[node] }, func(call, node string, _ ng.Stats, why error) {
		if why == nil {
			return // the round in which it is lost
		}
		if node != lost || !errors.Is(why, ng.ErrNodeLost) && !errors.Is(why, ng.ErrUnknownCall) {
			t.Errorf("%s at %s is told dead: %v", call, node, why)
		}
		select {
		case found <- call:
		default:
		}
	})
	all := func() {
		t.Helper()
		for left := slices.Clone(at[lost]); len(left) > 0; {
			select {
			case call := <-found:
				left = slices.DeleteFunc(left, func(c string) bool { return c == call })
			case <-time.After(10 * time.Second):
				t.Fatalf("not told of %v", left)
			}
		}
	}
	all()
	// The caller's choice: it is set up elsewhere, and talks.
	x.Node = ""
	o := offered(t, c, x)
	if o.Node != other {
		t.Errorf("set up again at %s", o.Node)
	}
	carrier.aim(o.Body)
	trunk.aim(anchored(t, c, ng.Exchange{Node: o.Node, Call: "call", From: "L0", To: "L1", Body: carrier.describe("RTP/AVP", "8")}).Body)
	carrier.hears(20, trunk.says)
	trunk.hears(20, carrier.says)

	// It comes back and knows none of its calls.
	again := startEngine(t, map[string]int{one.node.Name: networkOne, two.node.Name: networkTwo}[lost])
	told(change{lost, true})
	if _, err := c.Query(context.Background(), lost, at[lost][0]); !errors.Is(err, ng.ErrUnknownCall) {
		t.Errorf("%v", err)
	}
	for len(found) > 0 {
		<-found
	}
	all()
	// It hangs: it answers nothing and its port is open.
	again.signal(t, syscall.SIGSTOP)
	told(change{lost, false})
	again.signal(t, syscall.SIGCONT)
	told(change{lost, true})
}

func (e *engine) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := e.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// Each attempt has ports of its own, the trunk's stay; who has lost lets go of its own.
func TestRTPEngineAttempts(t *testing.T) {
	e := startEngine(t, networkOne)
	c := asking(t, nil, e)
	trunk := talk(t, "127.0.238.11", 0x1111, 8, alaw)
	losers := []*talker{talk(t, "127.0.238.21", 0x2221, 8, 0x55), talk(t, "127.0.238.21", 0x2222, 8, 0x56)}
	winner := talk(t, "127.0.238.22", 0x2223, 8, 0x57)
	x := ng.Exchange{Call: "call", From: "L0", Body: trunk.describe("RTP/AVP", "8"), Toward: toPeering}
	attempt := func(i int) ng.Exchange {
		x := x
		x.Branch, x.To = fmt.Sprint("b", i), ""
		o := offered(t, c, x)
		x.Node = o.Node
		for _, p := range []*talker{losers[0], losers[1], winner}[i:] {
			p.aim(o.Body)
			break
		}
		return x
	}
	answer := func(x ng.Exchange, to string, p *talker) ng.Exchange {
		x.To, x.Body = to, p.describe("RTP/AVP", "8")
		trunk.aim(anchored(t, c, x).Body)
		return x
	}
	first := answer(attempt(0), "L1", losers[0]) // early media
	told := trunk.to
	losers[0].hears(10, trunk.says)
	trunk.hears(10, losers[0].says)
	second := attempt(1) // never answers
	if err := c.Release(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	third := attempt(2)
	if err := c.Release(context.Background(), second); err != nil {
		t.Fatal(err)
	}
	answer(third, "L3", winner)
	if losers[0].to == losers[1].to || losers[1].to == winner.to {
		t.Errorf("attempts share ports: %s, %s, %s", losers[0].to, losers[1].to, winner.to)
	}
	if trunk.to != told {
		t.Errorf("the trunk's port moved from %s to %s", told, trunk.to)
	}
	winner.hears(20, trunk.says)
	trunk.hears(20, winner.says) // and nothing of a loser, which still sends
	e.closed(losers[0].to, losers[1].to)
	for _, p := range losers {
		p.heard()
	}
	winner.hears(20, trunk.says)
	if got := len(losers[0].heard()) + len(losers[1].heard()); got > 0 {
		t.Errorf("losers heard %d packets", got)
	}
	if _, err := c.Delete(context.Background(), third.Node, "call"); err != nil {
		t.Error(err)
	}
	e.closed(told, winner.to)
}

// rtpengine times out a call without media by itself and says so to nobody.
func TestRTPEngineCallThatDiesIsFound(t *testing.T) {
	e := startEngine(t, networkOne, "--timeout=2")
	c := asking(t, nil, e)
	trunk, carrier := talk(t, "127.0.238.11", 0x1111, 8, alaw), talk(t, "127.0.238.21", 0x2222, 8, 0x55)
	node := connect(t, c, "talks", trunk, carrier)
	x := ng.Exchange{Call: "silent", From: "L0", Body: talk(t, "127.0.238.12", 0x3333, 8, alaw).describe("RTP/AVP", "8"), Toward: toPeering}
	offered(t, c, x)
	x.Node, x.To, x.Body = node, "L1", talk(t, "127.0.238.22", 0x4444, 8, alaw).describe("RTP/AVP", "8")
	anchored(t, c, x) // and nobody sends
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	found := make(chan string, 1000)
	go c.Poll(ctx, 200*time.Millisecond, func(string) []string { return []string{"talks", "silent"} }, func(call, _ string, _ ng.Stats, why error) {
		if why == nil {
			return // it is there, or not gone yet
		}
		if !errors.Is(why, ng.ErrUnknownCall) {
			t.Errorf("%s: %v", call, why)
		}
		found <- call
	})
	for range 3 {
		select {
		case call := <-found:
			if call != "silent" {
				t.Errorf("%s is told dead", call)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("it is not found")
		}
	}
	carrier.hears(10, trunk.says)
}

func TestRTPEngineWithoutPortsIsBusy(t *testing.T) {
	full, other := startEngine(t, networkOne, "--port-min=20000", "--port-max=20003"), startEngine(t, networkTwo)
	c := asking(t, nil, full, other)
	trunk := talk(t, "127.0.238.11", 0x1111, 8, alaw)
	x := ng.Exchange{Node: full.node.Name, From: "L0", Body: trunk.describe("RTP/AVP", "8"), Toward: toPeering}
	var err error
	for i := 0; err == nil && i < 4; i++ {
		x.Call = fmt.Sprint("call", i)
		_, err = c.Offer(context.Background(), x)
	}
	var said *ng.Error
	if !errors.Is(err, ng.ErrBusy) || !errors.As(err, &said) || said.Text != "Ran out of ports" {
		t.Fatalf("%v", err)
	}
	x.Node = ""
	for i := range 20 { // some of them rank the full one first
		x.Call = fmt.Sprint("more", i)
		if o := offered(t, c, x); o.Node != other.node.Name {
			t.Errorf("a call is at %s", o.Node)
		}
	}
	if n := c.Nodes()[0].Counts.Refused; n < 2 {
		t.Errorf("the full one has refused %d", n)
	}
}

func TestRTPEngineBetweenFamilies(t *testing.T) {
	e := startEngine(t, networkOne)
	c := asking(t, nil, e)
	trunk := talk(t, "127.0.238.11", 0x1111, 8, alaw)
	x := ng.Exchange{Call: "call", From: "L0", Body: trunk.describe("RTP/AVP", "8"), Toward: ng.Profile{Family: ng.FamilyIP6}}
	if _, err := c.Offer(context.Background(), x); !errors.Is(err, ng.ErrGarbled) || !strings.Contains(err.Error(), "no address of family IP6") {
		t.Errorf("it has no IPv6, and: %v", err)
	}
	e.kill()
	e = startEngine(t, networkOne, "--interface=six/::1")
	c = asking(t, nil, e)
	carrier := talk(t, "::1", 0x2222, 8, 0x55)
	x.Toward.Interfaces = [2]string{"core", "six"}
	o := offered(t, c, x)
	carrier.aim(o.Body)
	trunk.aim(anchored(t, c, ng.Exchange{Node: o.Node, Call: "call", From: "L0", To: "L1", Body: carrier.describe("RTP/AVP", "8")}).Body)
	if !carrier.to.Addr().Is6() || !trunk.to.Addr().Is4() {
		t.Errorf("%s, %s", carrier.to, trunk.to)
	}
	carrier.hears(20, trunk.says)
	trunk.hears(20, carrier.says)
}
