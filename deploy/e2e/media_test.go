//go:build e2e

package e2e

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// telephone is a socket that speaks RTP, a packet every 20 ms, and hears.
type telephone struct {
	conn *net.UDPConn
	to   atomic.Pointer[netip.AddrPort]

	mu    sync.Mutex
	heard int
	last  time.Time
	gaps  []gap // in which a packet or more is missing
	from  netip.AddrPort
}

func (b *border) newTelephone(host int) *telephone {
	b.t.Helper()
	conn := b.socket(b.ip(host), 0)
	x := &telephone{conn: conn}
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if n < 12 {
				continue
			}
			now := time.Now()
			x.mu.Lock()
			if !x.last.IsZero() && now.Sub(x.last) > 30*time.Millisecond {
				x.gaps = append(x.gaps, gap{x.last, now})
			}
			x.heard++
			x.last, x.from = now, from
			x.mu.Unlock()
		}
	}()
	return x
}

// gap is between two packets.
type gap struct{ from, to time.Time }

// counts are what has been heard since the last time, and the gaps of it.
func (x *telephone) counts() (heard int, gaps []gap) {
	x.mu.Lock()
	defer x.mu.Unlock()
	heard, gaps = x.heard, x.gaps
	x.heard, x.gaps = 0, nil
	return heard, gaps
}

// hears is the address that the last packet came from.
func (x *telephone) hears() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.from.Addr().String()
}

// sdp describes the telephone.
func (x *telephone) sdp() string {
	at := x.conn.LocalAddr().(*net.UDPAddr)
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %v\r\ns=-\r\nc=IN IP4 %v\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n", at.IP, at.IP, at.Port)
}

// aim takes where a description wants the media to go.
func (x *telephone) aim(t *testing.T, m message) netip.AddrPort {
	t.Helper()
	_, body, _ := strings.Cut(m.text, "\r\n\r\n")
	_, rest, _ := strings.Cut(body, "c=IN IP4 ")
	addr, _, _ := strings.Cut(rest, "\r\n")
	_, rest, _ = strings.Cut(body, "m=audio ")
	port, _, _ := strings.Cut(rest, " ")
	ip, err := netip.ParseAddr(addr)
	n, errPort := strconv.ParseUint(port, 10, 16)
	if err != nil || errPort != nil {
		t.Fatalf("no media in %q", m.text)
	}
	at := netip.AddrPortFrom(ip, uint16(n))
	x.to.Store(&at)
	return at
}

// speak has all speak, until the test ends.
func speak(t *testing.T, all []*telephone) {
	done := make(chan struct{})
	var over sync.WaitGroup
	over.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		packet := make([]byte, 12+160)
		packet[0], packet[1] = 0x80, 8
		for n := uint32(1); ; n++ {
			select {
			case <-tick.C:
			case <-done:
				return
			}
			binary.BigEndian.PutUint16(packet[2:], uint16(n))
			binary.BigEndian.PutUint32(packet[4:], n*160)
			for i, x := range all {
				binary.BigEndian.PutUint32(packet[8:], uint32(i))
				if to := x.to.Load(); to != nil {
					_, _ = x.conn.WriteToUDPAddrPort(packet, *to)
				}
			}
		}
	})
	t.Cleanup(func() { close(done); over.Wait() })
}

// withBody is a message with a description.
func withBody(text, sdp string) string {
	return strings.Replace(text, "Content-Length: 0\r\n", fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n", len(sdp)), 1) + sdp
}

// anchoredCall is a call between two telephones, whose SIP the test speaks itself.
type anchoredCall struct {
	caller, carrier *telephone
	ok              message // the 200 that the caller has
}

// call sets one up.
func (b *border) call(trunk, carrier *peer, n int) *anchoredCall {
	b.t.Helper()
	c := &anchoredCall{caller: b.newTelephone(caller), carrier: b.newTelephone(tc1)}
	to := netip.MustParseAddrPort(b.at(coreSide))
	name := fmt.Sprint("media", n)
	headers := []string{
		"From: <sip:a@e2e.invalid>;tag=" + name, "To: <sip:" + number + "@" + b.at(coreSide) + ">",
		"Call-ID: " + name, "Contact: <sip:" + trunk.addr + ">",
	}
	uri := "sip:" + number + "@" + b.at(coreSide)
	trunk.send(to, withBody(trunk.request("INVITE", uri, name, append(headers, "CSeq: 1 INVITE")...), c.caller.sdp()))
	invite := carrier.find("INVITE ", patience)
	c.carrier.aim(b.t, invite)
	carrier.send(invite.from, withBody(invite.reply("200 OK", "callee"+name, "Contact: <sip:"+carrier.addr+">"), c.carrier.sdp()))
	carrier.find("ACK ", patience)
	c.ok = trunk.find("SIP/2.0 200 ", patience)
	c.caller.aim(b.t, c.ok)
	headers[1] = "To: " + c.ok.header("To")
	trunk.send(to, trunk.request("ACK", "sip:"+b.at(coreSide), name+"ack", append(headers, "CSeq: 1 ACK")...))
	return c
}

// hangUp ends it.
func (b *border) hangUp(trunk, carrier *peer, c *anchoredCall) {
	b.t.Helper()
	bye := trunk.request("BYE", "sip:"+b.at(coreSide), c.ok.header("Call-ID")+"bye",
		"From: "+c.ok.header("From"), "To: "+c.ok.header("To"), "Call-ID: "+c.ok.header("Call-ID"), "CSeq: 2 BYE")
	trunk.send(netip.MustParseAddrPort(b.at(coreSide)), bye)
	m := carrier.find("BYE ", patience)
	carrier.send(m.from, m.reply("200 OK", ""))
	trunk.find("SIP/2.0 200 ", patience)
}

// anchoredPorts has the relay carry all calls, and end those that nobody speaks in.
const anchoredPorts = "{mode: relay, relay: {ports: 31000-32999, timeout: 5s}}"

// Audio flows both ways through the relay, from and to addresses of ours alone, and the record
// tells how it was.
func TestMediaThroughTheRelay(t *testing.T) {
	t.Parallel()
	b := open(t, 232, plan{media: anchoredPorts})
	trunk, carrier := b.peerAt(caller), b.peerAt(tc1)
	c := b.call(trunk, carrier, 1)
	speak(t, []*telephone{c.caller, c.carrier})
	for name, x := range map[string]*telephone{"caller": c.caller, "carrier": c.carrier} {
		b.until("the "+name+" to hear 100 packets", patience, func() bool {
			x.mu.Lock()
			defer x.mu.Unlock()
			return x.heard >= 100
		})
	}
	if from := c.caller.hears(); from != b.ip(coreSide) {
		t.Errorf("the caller hears %s", from)
	}
	if from := c.carrier.hears(); from != b.ip(peeringSide) {
		t.Errorf("the carrier hears %s", from)
	}
	b.hangUp(trunk, carrier, c)
	r := b.record()
	m := r.Attempts[0].Media
	if m == nil || m.Mode != "relay" || len(m.Streams) != 1 {
		t.Fatalf("record: %+v", r)
	}
	for side, flow := range map[string]flow{"trunk": m.Streams[0].Trunk, "carrier": m.Streams[0].Carrier} {
		if flow.Packets < 100 || flow.Lost != 0 || flow.MOS < 4 || flow.Foreign != 0 {
			t.Errorf("%s: %+v", side, flow)
		}
	}
	t.Logf("%+v", m.Streams[0])
}

// Where nobody speaks, both sides get their BYE.
func TestMediaTimeout(t *testing.T) {
	t.Parallel()
	b := open(t, 233, plan{media: anchoredPorts})
	trunk, carrier := b.peerAt(caller), b.peerAt(tc1)
	b.call(trunk, carrier, 1)
	for _, p := range []*peer{trunk, carrier} {
		bye := p.find("BYE ", patience)
		if !strings.Contains(bye.header("Reason"), "cause=102") {
			t.Errorf("%s has %q", p.addr, bye.text)
		}
		p.send(bye.from, bye.reply("200 OK", ""))
	}
	if r := b.record(); r.Cause != "media_timeout" || r.EndedBy != "bulkhead" || r.Duration < 5 || r.Duration > 9 {
		t.Errorf("record: %+v", r)
	}
}

// Audio flows both ways through an rtpengine, whose addresses alone the peers are shown. What was
// described by the other side's user agent is not; a re-INVITE that is refused leaves the session;
// and the record has rtpengine's counts.
func TestMediaThroughRTPEngine(t *testing.T) {
	t.Parallel()
	e := startEngine(t, 235)
	b := open(t, 235, plan{media: fmt.Sprintf("{mode: rtpengine, rtpengine: {nodes: [%q]}}", "udp://"+e.node.Address.String())})
	trunk, carrier := b.peerAt(caller), b.peerAt(tc1)
	c := b.call(trunk, carrier, 1)
	for _, x := range []*telephone{c.caller, c.carrier} {
		if at := x.to.Load(); at.Addr() != e.node.Address.Addr() {
			t.Errorf("media is to go to %v, and rtpengine is at %v", at, e.node.Address)
		}
	}
	if strings.Contains(c.ok.text, "o=- 1 1 ") || !strings.Contains(c.ok.text, " IN IP4 "+b.ip(coreSide)+"\r\n") {
		t.Errorf("the caller is shown another's o= line: %s", c.ok.text)
	}
	speak(t, []*telephone{c.caller, c.carrier})
	for name, x := range map[string]*telephone{"caller": c.caller, "carrier": c.carrier} {
		b.until("the "+name+" to hear 50 packets", patience, func() bool {
			x.mu.Lock()
			defer x.mu.Unlock()
			return x.heard >= 50
		})
	}
	elsewhere := b.newTelephone(caller)
	trunk.send(netip.MustParseAddrPort(b.at(coreSide)), withBody(trunk.request("INVITE", "sip:"+b.at(coreSide), "again",
		"From: "+c.ok.header("From"), "To: "+c.ok.header("To"), "Call-ID: "+c.ok.header("Call-ID"), "CSeq: 2 INVITE", "Contact: <sip:"+trunk.addr+">"), elsewhere.sdp()))
	again := carrier.find("INVITE ", patience)
	carrier.send(again.from, again.reply("488 Not Acceptable Here", ""))
	refused := trunk.find("SIP/2.0 488 ", patience)
	trunk.send(netip.MustParseAddrPort(b.at(coreSide)), trunk.request("ACK", "sip:"+b.at(coreSide), "again",
		"From: "+refused.header("From"), "To: "+refused.header("To"), "Call-ID: "+refused.header("Call-ID"), "CSeq: 2 ACK"))
	c.caller.counts()
	b.until("the caller to hear where it was", patience, func() bool {
		c.caller.mu.Lock()
		defer c.caller.mu.Unlock()
		return c.caller.heard >= 50
	})
	bye := trunk.request("BYE", "sip:"+b.at(coreSide), "bye",
		"From: "+c.ok.header("From"), "To: "+c.ok.header("To"), "Call-ID: "+c.ok.header("Call-ID"), "CSeq: 3 BYE")
	trunk.send(netip.MustParseAddrPort(b.at(coreSide)), bye)
	m := carrier.find("BYE ", patience)
	carrier.send(m.from, m.reply("200 OK", ""))
	trunk.find("SIP/2.0 200 ", patience)
	r := b.record()
	if m := r.Attempts[0].Media; m == nil || m.Mode != "rtpengine" || len(m.Streams) != 1 || m.Streams[0].Trunk.Packets < 50 || m.Streams[0].Carrier.Packets < 100 {
		t.Fatalf("record: %+v", r)
	}
	e.closed(*c.caller.to.Load(), *c.carrier.to.Load())
}
