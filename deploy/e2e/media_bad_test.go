//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Descriptions that nothing can be sent by are refused by 488, media that is none is dropped, and each is counted by its reason;
// the call beside them does not notice.
func TestBadMedia(t *testing.T) {
	t.Parallel()
	b := operate(t, 192, plan{media: "{relay: {ports: 31000-31999}}"})
	trunk, carrier := b.peerAt(caller), b.peerAt(tc1)
	c := b.call(trunk, carrier, 1)
	speak(t, []*telephone{c.caller, c.carrier})
	x := b.newTelephone(caller)
	good := x.sdp()
	to := netip.MustParseAddrPort(b.at(coreSide))
	for n, d := range []struct{ what, sdp, reason string }{
		{"port 65536", strings.Replace(good, "m=audio ", "m=audio 65536 RTP/AVP 8\r\nm=audio ", 1), "port"},
		{"multicast", strings.ReplaceAll(good, "c=IN IP4 "+b.ip(caller), "c=IN IP4 224.2.1.1"), "multicast"},
		{"broadcast", strings.ReplaceAll(good, "c=IN IP4 "+b.ip(caller), "c=IN IP4 255.255.255.255"), "address"},
		{"a port of ours, open", fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 x\r\ns=-\r\nc=IN IP4 %v\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\n", c.caller.to.Load().Addr(), c.caller.to.Load().Port()), "loop"},
		{"a port of ours on the other side", fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 x\r\ns=-\r\nc=IN IP4 %v\r\nt=0 0\r\nm=audio 31998 RTP/AVP 8\r\n", b.ip(peeringSide)), "loop"},
		{"100 m= lines", good + strings.Repeat("m=audio 5004 RTP/AVP 8\r\n", 99), "many_media"},
		{"no description", "hello", "no_sdp"},
	} {
		name := fmt.Sprint("bad", n)
		counter := fmt.Sprintf("bulkhead_media_not_anchored_total{mode=%q,reason=%q}", "relay", d.reason)
		was := b.sum(counter)
		headers := []string{"From: <sip:a@e2e.invalid>;tag=" + name, "To: <sip:" + number + "@" + b.at(coreSide) + ">", "Call-ID: " + name}
		uri := "sip:" + number + "@" + b.at(coreSide)
		trunk.send(to, withBody(trunk.request("INVITE", uri, name, append(headers, "CSeq: 1 INVITE", "Contact: <sip:"+trunk.addr+">")...), d.sdp))
		final := trunk.find("SIP/2.0 488 ", patience)
		headers[1] = "To: " + final.header("To")
		trunk.send(to, trunk.request("ACK", uri, name, append(headers, "CSeq: 1 ACK")...))
		if n := b.sum(counter) - was; n < 1 {
			t.Errorf("%s: %s has not grown", d.what, counter)
		}
	}

	// What is odd and allowed goes on to the carrier, who declines it here.
	ours := "c=IN IP4 " + b.ip(peeringSide) + "\r\n"
	for n, d := range []struct{ what, sdp, want, never string }{
		{"port 0", strings.Replace(good, fmt.Sprintf("m=audio %d ", x.at().Port()), "m=audio 0 ", 1), "m=audio 0 ", b.ip(caller)},
		{"port 65535", strings.Replace(good, fmt.Sprintf("m=audio %d ", x.at().Port()), "m=audio 65535 ", 1), ours, "65535"},
		{"0.0.0.0", strings.ReplaceAll(good, "c=IN IP4 "+b.ip(caller), "c=IN IP4 0.0.0.0"), "m=audio 31", b.ip(caller)},
	} {
		name := fmt.Sprint("odd", n)
		uri := "sip:" + number + "@" + b.at(coreSide)
		trunk.send(to, withBody(trunk.request("INVITE", uri, name, "From: <sip:a@e2e.invalid>;tag="+name, "To: <sip:"+number+"@"+b.at(coreSide)+">",
			"Call-ID: "+name, "CSeq: 1 INVITE", "Contact: <sip:"+trunk.addr+">"), d.sdp))
		invite := carrier.find("INVITE ", patience)
		carrier.send(invite.from, invite.reply("603 Decline", "odd"))
		if _, body, _ := strings.Cut(invite.text, "\r\n\r\n"); !strings.Contains(body, d.want) || strings.Contains(body, d.never) {
			t.Errorf("%s: the carrier is shown\n%s", d.what, body)
		}
		final := trunk.find("SIP/2.0 603 ", patience)
		trunk.send(to, trunk.request("ACK", uri, name, "From: <sip:a@e2e.invalid>;tag="+name, "To: "+final.header("To"), "Call-ID: "+name, "CSeq: 1 ACK"))
	}

	at := *c.caller.to.Load()
	stun := make([]byte, 20)
	copy(stun, []byte{0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42})
	zero := make([]byte, 172) // version 0 of RTP
	alien := b.newTelephone(stranger)
	for _, d := range []struct {
		by     *telephone
		packet []byte
		reason string
	}{
		{c.caller, zero, "version"}, {c.caller, stun, "stun"}, {c.caller, make([]byte, 65507), "oversize"}, {c.caller, zero[:3], "short"},
		{alien, append([]byte{0x80, 8}, zero[2:]...), "foreign"},
	} {
		counter := fmt.Sprintf("bulkhead_media_dropped_total{reason=%q}", d.reason)
		was := b.sum(counter)
		if _, err := d.by.conn.WriteToUDPAddrPort(d.packet, at); err != nil {
			t.Fatal(err)
		}
		b.until(counter, patience, func() bool { return b.sum(counter) == was+1 })
	}
	heard := (&carried{phones: []*telephone{c.caller, c.carrier}}).hear(10)
	b.until("the call to go on", patience, heard)
	b.hangUp(trunk, carrier, c)

	// After the call, and where there was none, the kernel answers that nobody is there; and the port rests.
	for _, closed := range []netip.AddrPort{at, netip.AddrPortFrom(at.Addr(), 31998)} {
		b.until(fmt.Sprint("refusals of ", closed), patience, func() bool { return b.refuses(closed) })
	}
	if n := b.metric(`bulkhead_media_ports{state="quarantined"}`); n < 2 {
		t.Errorf("%v pairs of ports rest, want one a side at least", n)
	}
	next := b.call(trunk, carrier, 2)
	if again := *next.caller.to.Load(); again == at {
		t.Errorf("the next call has %v, which has not rested", at)
	}
	b.hangUp(trunk, carrier, next)
	for _, never := range []string{"bulkhead_panics_total", "bulkhead_invariant_violations_total"} {
		if n := b.sum(never); n != 0 {
			t.Errorf("%s is %v", never, n)
		}
	}
}

// at is where the telephone is.
func (x *telephone) at() netip.AddrPort { return netip.MustParseAddrPort(x.conn.LocalAddr().String()) }

// refuses says whether what is sent there is answered by ICMP: no socket has the port.
func (b *border) refuses(to netip.AddrPort) bool {
	b.t.Helper()
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(b.ip(stranger))}, net.UDPAddrFromAddrPort(to))
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err = conn.Write(make([]byte, 172)); err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
