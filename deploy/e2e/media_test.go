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
}

func (b *border) newTelephone(host int) *telephone {
	b.t.Helper()
	conn := b.socket(b.ip(host), 0)
	x := &telephone{conn: conn}
	go func() {
		b := make([]byte, 1500)
		for {
			n, err := conn.Read(b)
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
			x.last = now
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
