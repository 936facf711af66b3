//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// The worst habits of the carrier zoo (b2bua/testdata/carrier_zoo_*), on real sockets.

// described is what these carriers answer with.
func described(ip string) string {
	return "v=0\r\no=- 7 1 IN IP4 " + ip + "\r\ns=-\r\nc=IN IP4 " + ip + "\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
}

// with puts a description into a reply.
func with(reply, sdp string) string {
	return strings.Replace(reply, "Content-Length: 0\r\n\r\n", fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", len(sdp), sdp), 1)
}

// closer is a carrier over TCP that closes each connection as soon as it has read one
// request from it, and answered what is to be answered.
type closer struct {
	addr string
	mu   sync.Mutex
	came map[string]map[string]bool // Call-IDs by method
}

func (b *border) closer(host int) *closer {
	b.t.Helper()
	c := &closer{addr: b.at(host), came: map[string]map[string]bool{"INVITE": {}, "ACK": {}, "BYE": {}}}
	l, err := net.Listen("tcp", c.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { c.serve(conn, b.ip(host)) })
		}
	})
	b.t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return c
}

func (c *closer) serve(conn net.Conn, ip string) {
	defer conn.Close()
	if conn.SetDeadline(time.Now().Add(patience)) != nil {
		return
	}
	var head strings.Builder
	lines := bufio.NewReader(conn)
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		head.WriteString(line)
	}
	m := message{text: head.String()}
	if _, err := io.CopyN(io.Discard, lines, int64(number64(m.header("Content-Length")))); err != nil {
		return
	}
	c.mu.Lock()
	if calls := c.came[m.method()]; calls != nil {
		calls[m.header("Call-ID")] = true
	}
	c.mu.Unlock()
	answer := m.reply("200 OK", "closer", "Contact: <sip:"+c.addr+";transport=tcp>")
	switch m.method() {
	case "ACK":
		return
	case "INVITE":
		answer = with(answer, described(ip))
	}
	_, _ = io.WriteString(conn, answer) // who is gone shows by what is missing
}

// Many calls share a connection that is closed under each of them: none is lost, each is
// acknowledged though the carrier says its 200 once, and each is ended.
func TestCarrierClosesItsConnectionAfterEachTransaction(t *testing.T) {
	t.Parallel()
	const calls = 100
	b := open(t, 161, plan{carrier: "tcp", timers: "{t1: 500ms, t2: 4s, t4: 5s}"})
	c := b.closer(tc1)
	call := b.callerTo(number, "uac.xml", nil, "-d", "300", "-m", fmt.Sprint(calls), "-r", "50")
	call.finish(patience)
	for _, r := range b.records(calls) {
		if r.Result != "answered" || r.EndedBy != "trunk" || len(r.Attempts) != 1 || r.Attempts[0].Cause != "hung_up" {
			t.Errorf("record: %+v", r)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for method, ids := range c.came {
		if len(ids) != calls {
			t.Errorf("%s of %d calls came, want %d", method, len(ids), calls)
		}
	}
}

// scattering is a carrier over UDP each of whose messages comes from a new port.
type scattering struct {
	*peer
	t *testing.T
}

func (s scattering) send(to netip.AddrPort, text string) {
	s.t.Helper()
	from := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddrPort(s.addr).Addr(), 0))
	conn, err := net.DialUDP("udp", from, net.UDPAddrFromAddrPort(to))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		s.t.Error(err)
	}
}

// TC1 answers from other ports than the one that it was asked at, and writes an address of its own
// network into its Contact: our ACK and BYE come to where it was asked, under its Contact.
func TestCarrierAnswersFromOtherPortsWithAPrivateContact(t *testing.T) {
	t.Parallel()
	b := open(t, 162, plan{})
	s := scattering{b.peerAt(tc1), t}
	call := b.callerTo(number, "uac.xml", nil, "-d", "300")
	const contact = "sip:gw@10.11.12.13:5066"
	invite := s.find("INVITE ", patience)
	s.send(invite.from, invite.reply("100 Trying", ""))
	s.send(invite.from, invite.reply("180 Ringing", "scattered", "Contact: <"+contact+">"))
	s.send(invite.from, with(invite.reply("200 OK", "scattered", "Contact: <"+contact+">"), described(b.ip(tc1))))
	s.find("ACK "+contact+" ", patience)
	bye := s.find("BYE "+contact+" ", patience)
	s.send(bye.from, bye.reply("200 OK", ""))
	call.finish(patience)
	if r := b.record(); r.Result != "answered" || len(r.Attempts) != 1 || r.Attempts[0].Code != 200 {
		t.Errorf("record: %+v", r)
	}
}

// TC1 writes compact names and lower case, folds lines, and has blanks before its colons, in what
// it answers and what it asks.
func TestCarrierWritesHeadersItsOwnWay(t *testing.T) {
	t.Parallel()
	b := open(t, 163, plan{})
	p := b.peerAt(tc1)
	call := b.callerTo(number, "uac_hungup.xml", nil)
	invite := p.find("INVITE ", patience)
	own := strings.NewReplacer(
		"Via: ", "v  :\r\n ", "From: ", "f\t:", "To: ", "t :\r\n\t", "Call-ID: ", "i:", "CSeq: ", "cseq  :  ",
		"Contact: ", "m\t:", "Content-Type: ", "c:", "Content-Length: ", "L : ", "Max-Forwards: ", "MAX-FORWARDS :",
	)
	answer := with(invite.reply("200 OK", "own", "Contact: <sip:"+p.addr+">"), described(b.ip(tc1)))
	p.send(invite.from, own.Replace(invite.reply("180 Ringing", "own")))
	p.send(invite.from, own.Replace(answer))
	p.find("ACK ", patience)
	p.send(invite.from, own.Replace(p.request("BYE", target(invite), "ownbye",
		"From: "+invite.header("To")+";tag=own", "To: "+invite.header("From"), "Call-ID: "+invite.header("Call-ID"), "CSeq: 1 BYE")))
	p.find("SIP/2.0 200 ", patience)
	call.finish(patience)
	if r := b.record(); r.Result != "answered" || r.EndedBy != "carrier" {
		t.Errorf("record: %+v", r)
	}
}
