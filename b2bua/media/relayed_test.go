package media_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua/media"
	"bulkhead/b2bua/media/relay"
	"bulkhead/dialog"
)

// phone is somebody with a socket who describes it.
type phone struct {
	t    *testing.T
	conn *net.UDPConn
	seq  uint16
}

func newPhone(t *testing.T, ip string) *phone {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &phone{t: t, conn: conn}
}

func (p *phone) at() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func (p *phone) sdp(more ...string) []byte {
	at := p.at()
	return []byte(fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %v\r\ns=-\r\nc=IN IP4 %v\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\n%s", at.Addr(), at.Addr(), at.Port(), strings.Join(more, "")))
}

// portIn is the port of the first stream of a description, and the address.
func portIn(t *testing.T, sdp []byte) netip.AddrPort {
	t.Helper()
	var port uint16
	_, rest, _ := strings.Cut(string(sdp), "m=audio ")
	if _, err := fmt.Sscan(rest, &port); err != nil {
		t.Fatalf("%v in\n%s", err, sdp)
	}
	_, rest, _ = strings.Cut(string(sdp), "c=IN IP4 ")
	addr, _, _ := strings.Cut(rest, "\r\n")
	return netip.AddrPortFrom(netip.MustParseAddr(addr), port)
}

// says sends a packet of RTP; hears says whether one of that text came within a time.
func (p *phone) says(to netip.AddrPort, text string) {
	p.t.Helper()
	p.seq++
	packet := append([]byte{0x80, 8, byte(p.seq >> 8), byte(p.seq), 0, 0, 0, byte(p.seq), 1, 2, 3, 4}, text...)
	if _, err := p.conn.WriteToUDPAddrPort(packet, to); err != nil {
		p.t.Fatal(err)
	}
}

func (p *phone) hears(text string, within time.Duration) bool {
	p.t.Helper()
	return p.heard(within, func(packet []byte) bool { return len(packet) > 12 && string(packet[12:]) == text })
}

// heard says whether a packet that fits came within a time.
func (p *phone) heard(within time.Duration, fits func(packet []byte) bool) bool {
	p.t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		p.t.Fatal(err)
	}
	b := make([]byte, 1500)
	for {
		n, err := p.conn.Read(b)
		if err != nil {
			return false
		}
		if fits(b[:n]) {
			return true
		}
	}
}

const (
	soon  = 5 * time.Second        // for what has to come
	never = 100 * time.Millisecond // for what must not
)

// border is a relay between two loopback addresses.
type border struct {
	t     *testing.T
	relay *relay.Relay
	way   *media.Relayed
	legs  media.Legs
}

func newBorder(t *testing.T, pairs uint16) *border {
	t.Helper()
	r, err := relay.New(relay.Config{First: 42000, Last: 42000 + 2*pairs - 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Shut)
	b := &border{t: t, relay: r, way: media.NewRelayed(r, func(netip.AddrPort) bool { return false }, time.Minute)}
	for side, ip := range []string{"127.0.235.1", "127.0.235.2"} {
		at := netip.MustParseAddr(ip)
		b.legs[side] = media.Leg{Number: uint8(side), Address: at, Bind: at, Source: netip.MustParseAddr("127.0.235.9")}
	}
	return b
}

// shows is an offer or an answer of one side as the other is shown it.
func (b *border) shows(a *media.Anchor, from media.Side, answer bool, sdp []byte) netip.AddrPort {
	b.t.Helper()
	do := b.way.Offer
	if answer {
		do = b.way.Answer
	}
	out, err := do("call", a, &b.legs, from, sdp)
	if err != nil {
		b.t.Fatal(err)
	}
	return portIn(b.t, out)
}

func (b *border) talk(one, other *phone, toOne, toOther netip.AddrPort) {
	b.t.Helper()
	// one sends to the port that it was shown, and other hears it, and the other way round.
	one.says(toOther, "hello")
	if !other.hears("hello", soon) {
		b.t.Fatal("nothing comes to the carrier")
	}
	other.says(toOne, "hi")
	if !one.hears("hi", soon) {
		b.t.Fatal("nothing comes to the trunk")
	}
}

// baseline waits until every port is back: sockets are closed on their own thread.
func (b *border) baseline() {
	b.t.Helper()
	tick, late := time.NewTicker(time.Millisecond), time.After(soon)
	defer tick.Stop()
	for {
		n := b.relay.Totals()
		if n.Ends == 0 && n.Used == 0 && n.Sockets == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			b.t.Fatalf("left behind: %+v", n)
		}
	}
}

func TestR20_LosersPacketsDoNotReachTheCall(t *testing.T) {
	b, a := newBorder(t, 20), &media.Anchor{Leg: 1, Mode: media.Relay}
	caller, loser, winner := newPhone(t, "127.0.235.11"), newPhone(t, "127.0.235.21"), newPhone(t, "127.0.235.21") // of one host
	first := b.shows(a, media.Trunk, false, caller.sdp())
	shown := b.shows(a, media.Carrier, true, loser.sdp())
	b.talk(caller, loser, first, shown)
	a.Leg, a.Renew = 2, true
	second := b.shows(a, media.Trunk, false, caller.sdp())
	if second == first {
		t.Error("the second carrier is shown the first one's port")
	}
	if again := b.shows(a, media.Carrier, true, winner.sdp()); again != shown {
		t.Errorf("the caller is shown %v and then %v", shown, again)
	}
	loser.says(first, "ghost")
	b.talk(caller, winner, second, shown)
	if caller.hears("ghost", never) {
		t.Error("the loser is heard")
	}
	b.way.Release("call", a)
	b.baseline()
	if got := a.Streams[0].Ends[media.Carrier].Stats.Packets; got != 2 {
		t.Errorf("%d packets of the carriers were counted, not 2", got)
	}
}

func TestRefusedChangeLeavesWhatWas(t *testing.T) {
	b, a := newBorder(t, 20), &media.Anchor{Leg: 1, Mode: media.Relay}
	caller, carrier, elsewhere := newPhone(t, "127.0.235.11"), newPhone(t, "127.0.235.21"), newPhone(t, "127.0.235.12")
	toCarrier := b.shows(a, media.Trunk, false, caller.sdp())
	toCaller := b.shows(a, media.Carrier, true, carrier.sdp())
	b.shows(a, media.Trunk, false, elsewhere.sdp("m=video 5000 RTP/AVP 34\r\n"))
	a.Offered = 0 // refused
	b.talk(caller, carrier, toCarrier, toCaller)
	if elsewhere.hears("hi", never) {
		t.Error("what was refused holds")
	}
	b.shows(a, media.Trunk, false, elsewhere.sdp())
	b.shows(a, media.Carrier, true, carrier.sdp())
	b.talk(elsewhere, carrier, toCarrier, toCaller)
	b.way.Release("call", a)
	if n := b.relay.Totals(); n.Ends != 0 {
		t.Errorf("%d ends are left", n.Ends)
	}
}

func TestNoPortLeavesNothingBehind(t *testing.T) {
	b, a := newBorder(t, 1), &media.Anchor{Leg: 1, Mode: media.Relay} // a pair on each address
	caller := newPhone(t, "127.0.235.11")
	_, err := b.way.Offer("call", a, &b.legs, media.Trunk, caller.sdp("m=video 5000 RTP/AVP 34\r\n"))
	if !errors.Is(err, media.ErrExhausted) {
		t.Fatalf("%v", err)
	}
	if n := b.relay.Totals(); n.Ends != 0 || len(a.Streams) != 0 || a.Offered != 0 {
		t.Errorf("left behind: %+v, %+v", n, a)
	}
}

func TestTakeoverOpensTheSamePorts(t *testing.T) {
	b, a := newBorder(t, 20), &media.Anchor{Leg: 1, Mode: media.Relay}
	caller, carrier := newPhone(t, "127.0.235.11"), newPhone(t, "127.0.235.21")
	toCarrier := b.shows(a, media.Trunk, false, caller.sdp())
	toCaller := b.shows(a, media.Carrier, true, carrier.sdp())
	b.talk(caller, carrier, toCarrier, toCaller)
	b.way.Sync("call", a)
	state := media.State{Anchors: []media.Anchor{*a}}
	w := dialog.NewWriter(nil)
	state.Fields(w)
	b.relay.Shut() // the node is gone
	var read media.State
	r := dialog.NewReader(w.Data())
	if read.Fields(r); r.Err() != nil || len(r.Data()) != 0 {
		t.Fatalf("%v, %d bytes left", r.Err(), len(r.Data()))
	}
	next := newBorder(t, 20)
	if err := next.way.Restore("call", &read.Anchors[0]); err != nil {
		t.Fatal(err)
	}
	next.talk(caller, carrier, toCarrier, toCaller)
	next.way.Release("call", &read.Anchors[0])
	for side, want := range []uint64{2, 2} {
		if got := read.Anchors[0].Streams[0].Ends[side].Stats.Packets; got != want {
			t.Errorf("side %d: %d packets, not %d", side, got, want)
		}
	}
	if n := next.relay.Totals(); n.Ends != 0 {
		t.Errorf("%d ends are left", n.Ends)
	}
}

func TestSilenceIsToldOnceAndNotOfWhatIsHeld(t *testing.T) {
	b, a := newBorder(t, 20), &media.Anchor{Leg: 1, Mode: media.Relay}
	caller, carrier := newPhone(t, "127.0.235.11"), newPhone(t, "127.0.235.21")
	b.shows(a, media.Trunk, false, caller.sdp())
	b.shows(a, media.Carrier, true, carrier.sdp())
	var told []string
	watch := func(after time.Duration) int {
		told = nil
		b.way.Watch(time.Now().Add(after), media.Watched{
			Silent: func(call string, at netip.AddrPort) {
				if s := (&media.State{Anchors: []media.Anchor{*a}}); s.At(at) == nil {
					t.Errorf("%v is not of the call", at)
				}
				told = append(told, call)
			},
			Heard: func(string, netip.AddrPort) {},
		})
		return len(told)
	}
	if n := watch(50 * time.Second); n != 0 {
		t.Error("told before the time")
	}
	if n := watch(61 * time.Second); n != 1 || told[0] != "call" {
		t.Errorf("told %q", told)
	}
	if n := watch(62 * time.Second); n != 0 {
		t.Error("told twice")
	}
	b.shows(a, media.Trunk, false, caller.sdp("a=sendonly\r\n"))
	b.shows(a, media.Carrier, true, carrier.sdp("a=recvonly\r\n"))
	if n := watch(time.Hour); n != 0 {
		t.Error("a call on hold is silent")
	}
}

// TestJitterIsByTheFormatTheAnswerPicks: both sides talk what the answer says, that of the latest fork.
func TestJitterIsByTheFormatTheAnswerPicks(t *testing.T) {
	b, a := newBorder(t, 20), &media.Anchor{Leg: 1, Mode: media.Relay}
	caller, fork := newPhone(t, "127.0.235.11"), newPhone(t, "127.0.235.21")
	formats := func(p *phone, of string, more ...string) []byte {
		return bytes.Replace(p.sdp(more...), []byte("RTP/AVP 8"), []byte("RTP/AVP "+of), 1)
	}
	const wide = "a=rtpmap:104 AMR-WB/16000\r\n"
	b.shows(a, media.Trunk, false, formats(caller, "104 8", wide))
	for _, c := range []struct {
		answer []byte
		want   uint32
	}{
		{formats(fork, "8"), 8000},
		{formats(fork, "104", wide), 16000},
		{formats(fork, "8 104", wide), 8000},
		{formats(fork, "104"), 16000}, // as the offer says
	} {
		b.shows(a, media.Carrier, true, c.answer)
		if got := a.Streams[0].Ends[media.Trunk].Far.Clock; got != c.want {
			t.Errorf("the clock of the offer's side is %d, not %d, by\n%s", got, c.want, c.answer)
		}
	}
}

// TestARefusedFaxLeavesSpeech: what a stream is, is what was answered; before that, what is offered.
func TestARefusedFaxLeavesSpeech(t *testing.T) {
	b, a := newBorder(t, 20), &media.Anchor{Leg: 1, Mode: media.Relay}
	caller, carrier := newPhone(t, "127.0.235.11"), newPhone(t, "127.0.235.21")
	fax := func(p *phone) []byte {
		return []byte(strings.Replace(string(p.sdp()), fmt.Sprintf("m=audio %d RTP/AVP 8", p.at().Port()), fmt.Sprintf("m=image %d udptl t38", p.at().Port()), 1))
	}
	is := func(want string) {
		t.Helper()
		if got := a.Streams[0].Kind; got != want {
			t.Errorf("it is %s, not %s", got, want)
		}
	}
	b.offer(a, media.Trunk, caller.sdp())
	is("audio")
	b.answer(a, media.Carrier, carrier.sdp())
	b.offer(a, media.Carrier, fax(carrier))
	b.way.Refused("call", a, &b.legs, media.Carrier)
	is("audio")
	b.offer(a, media.Carrier, fax(carrier))
	b.answer(a, media.Trunk, fax(caller))
	is("image")
}

// TestNoMediaToOurLoopback: who is not on it himself may have nothing sent there, where services of this machine
// listen that believe whoever reaches them.
func TestNoMediaToOurLoopback(t *testing.T) {
	v4, v6 := netip.MustParseAddr("127.0.235.1"), netip.IPv6Loopback()
	on := func(c, more string) string {
		return "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN " + c + "\r\nt=0 0\r\nm=audio 2223 RTP/AVP 8\r\n" + more
	}
	for name, c := range map[string]struct {
		bind netip.Addr
		body string
	}{
		"RTP":               {v4, on("IP4 127.0.0.1", "")},
		"RTP, mapped":       {v4, on("IP6 ::ffff:127.0.0.1", "")},
		"RTP, IPv6":         {v6, on("IP6 ::1", "")},
		"RTCP":              {v4, on("IP4 192.0.2.9", "a=rtcp:2223 IN IP4 127.0.0.1\r\n")},
		"RTCP, mapped":      {v4, on("IP4 192.0.2.9", "a=rtcp:2223 IN IP6 ::ffff:127.0.0.1\r\n")},
		"RTCP, IPv6":        {v6, on("IP6 2001:db8::9", "a=rtcp:2223 IN IP6 ::1\r\n")},
		"a second stream's": {v4, on("IP4 192.0.2.9", "m=video 2223 RTP/AVP 34\r\nc=IN IP4 127.0.0.1\r\n")},
	} {
		for source, passes := range map[string]bool{"192.0.2.9": false, "2001:db8::9": false, "127.0.0.9": true, "::1": true} {
			b := newBorder(t, 20)
			for side := range b.legs {
				b.legs[side].Address, b.legs[side].Bind, b.legs[side].Source = c.bind, c.bind, netip.MustParseAddr(source)
			}
			_, err := b.way.Offer("call", &media.Anchor{Leg: 1, Mode: media.Relay}, &b.legs, media.Trunk, []byte(c.body))
			if passes && err != nil || !passes && (!errors.Is(err, media.ErrUnsupported) || media.Reason(err) != "address") {
				t.Errorf("%s, from %s: %v", name, source, err)
			}
			b.relay.Shut()
		}
	}
}
