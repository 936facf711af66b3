package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/b2bua/media/ng"
)

// plain is what the peers describe, and shown what an rtpengine does.
const plain = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"

var shown = at("203.0.113.1", 20000)

// engine is an rtpengine that knows little: what it is asked, and what it says to an offer.
type engine struct {
	conn net.PacketConn

	mu      sync.Mutex
	says    string   // to offers and answers
	stats   string   // to queries; empty: it does not know the call
	asked   []string // commands, but for pings
	last    string   // request
	forgets bool     // the call, at the next request that names both legs
	silent  bool     // it answers pings alone
}

func newEngine(t *testing.T, says string) *engine {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{conn: conn, says: says}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer, answers := make([]byte, 65535), map[string]string{} // to a repeat it says what it has said
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			cookie, request, _ := bytes.Cut(buffer[:n], []byte(" "))
			answer, again := answers[string(cookie)]
			if !again {
				answer = e.reply(string(request))
				answers[string(cookie)] = answer
			}
			if answer != "" {
				_, _ = conn.WriteTo([]byte(string(cookie)+" "+answer), from)
			}
		}
	}()
	return e
}

func (e *engine) reply(request string) string {
	_, command, _ := strings.Cut(request, "7:command")
	_, command, _ = strings.Cut(command, ":")
	e.mu.Lock()
	defer e.mu.Unlock()
	if strings.HasPrefix(command, "ping") {
		return "d6:result4:ponge"
	}
	for _, known := range []string{"offer", "answer", "query", "delete"} {
		if strings.HasPrefix(command, known) {
			e.asked, e.last = append(e.asked, known), request
		}
	}
	switch {
	case e.silent:
		return ""
	case e.forgets && strings.Contains(request, "6:to-tag"):
		e.forgets = false
		return "d12:error-reason15:Unknown call-id6:result5:errore"
	case strings.HasPrefix(command, "delete"):
		return "d6:result2:oke"
	case !strings.HasPrefix(command, "query"):
		return fmt.Sprintf("d6:result2:ok3:sdp%d:%se", len(e.says), e.says)
	case e.stats == "":
		return "d12:error-reason15:Unknown call-id6:result5:errore"
	}
	return e.stats
}

// counts has queries answered with what these legs have sent, and when at the last.
func (e *engine) counts(last time.Time, legs map[string]int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats = "d6:result2:ok4:tagsd"
	for _, leg := range slices.Sorted(maps.Keys(legs)) {
		e.stats += fmt.Sprintf("%d:%sd6:mediasld5:indexi1e7:streamsld11:last packeti%de5:statsd7:packetsi%deeeeeee", len(leg), leg, last.Unix(), legs[leg])
	}
	e.stats += "ee"
}

// heard is what it has been asked for since the last time.
func (e *engine) heard() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	was := strings.Join(e.asked, " ")
	e.asked = nil
	return was
}

func (e *engine) node(name string) ng.Node {
	return ng.Node{Name: name, Address: netip.MustParseAddrPort(e.conn.LocalAddr().String())}
}

const silence = time.Minute

// ours is a port of this process.
var ours = netip.MustParseAddrPort("198.51.100.1:30000")

func engined(t *testing.T, nodes ...ng.Node) *Engined {
	t.Helper()
	return waiting(t, 300*time.Millisecond, nodes...)
}

// waiting is engined that waits so long for an answer.
func waiting(t *testing.T, timeout time.Duration, nodes ...ng.Node) *Engined {
	t.Helper()
	client, err := ng.New(ng.Config{Nodes: nodes, Repeat: 10 * time.Millisecond, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return NewEngined(client, func(at netip.AddrPort) bool { return at == ours }, silence)
}

func sides() *Legs {
	at := netip.MustParseAddr("198.51.100.1")
	peer := netip.MustParseAddr("192.0.2.9")
	return &Legs{{Address: at, Bind: at, Source: peer}, {Number: 1, Address: at, Bind: at, Source: peer}}
}

// at is plain with media to another address.
func at(addr string, port int, more ...string) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\n%s", addr, port, strings.Join(more, ""))
}

// talks is an anchor of which an offer was answered, at that node.
func talks(t *testing.T, e *Engined, legs *Legs, trunk, carrier string) *Anchor {
	t.Helper()
	a := &Anchor{Leg: 1, Mode: RTPEngine}
	if _, err := e.Offer("call", a, legs, Trunk, []byte(trunk)); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Answer("call", a, legs, Carrier, []byte(carrier)); err != nil {
		t.Fatal(err)
	}
	return a
}

// lost is a node where nobody is.
func lost(t *testing.T) ng.Node {
	t.Helper()
	e := newEngine(t, shown)
	n := e.node("lost")
	e.conn.Close()
	return n
}

// TestALostNodeHangsNobodyUp: that an rtpengine cannot be asked is no proof that its calls are
// silent; who hears nothing hangs up.
func TestALostNodeHangsNobodyUp(t *testing.T) {
	e := engined(t, lost(t))
	if e.Silent("call", &Anchor{Leg: 1, Root: 1, Mode: RTPEngine, Node: "lost", Agreed: true}) {
		t.Error("a call of a node that does not answer is taken for silent")
	}
}

// TestAnOfferLeavesALostNode: what a call describes after its node was lost goes to another
// one, as of a new call there; so a re-INVITE brings the media back, and the next carrier is tried.
func TestAnOfferLeavesALostNode(t *testing.T) {
	other := newEngine(t, shown)
	for _, a := range []*Anchor{
		{Leg: 1, Root: 1, Mode: RTPEngine, Node: "lost", Agreed: true},
		{Leg: 2, Root: 1, Was: 1, Renew: true, Mode: RTPEngine, Node: "lost"},
	} {
		e := engined(t, lost(t), other.node("other"))
		if _, err := e.Offer("call", a, sides(), Trunk, []byte(plain)); err != nil {
			t.Errorf("attempt %d: %v", a.Leg, err)
		}
		if a.Node != "other" || a.Agreed {
			t.Errorf("attempt %d is at node %q", a.Leg, a.Node)
		}
	}
	if got := other.heard(); got != "offer offer" {
		t.Errorf("the other node was asked for: %s", got)
	}
}

// TestARefusedDescriptionIsDeleted: what rtpengine has opened ports for goes with the call,
// also where its description could not be shown to anybody.
func TestARefusedDescriptionIsDeleted(t *testing.T) {
	node := newEngine(t, strings.Replace(plain, "RTP/AVP", "RTP/SAVP", 1)) // without a key
	e := engined(t, node.node("a"))
	a := &Anchor{Leg: 1, Mode: RTPEngine}
	if _, err := e.Offer("call", a, sides(), Trunk, []byte(plain)); err == nil {
		t.Fatal("no error")
	}
	node.counts(time.Now(), nil)
	e.Release("call", a)
	if got := node.heard(); !strings.HasPrefix(got, "offer ") || !strings.Contains(got, "delete") {
		t.Errorf("the node was asked for: %s", got)
	}
}

// TestAGarbledDescriptionIsDeleted: so does what it has opened for an answer that is none. It takes an IPv4
// address where it has no IPv6 one, without a word.
func TestAGarbledDescriptionIsDeleted(t *testing.T) {
	six := sides()
	six[Carrier].Address = netip.MustParseAddr("2001:db8::1")
	for name, c := range map[string]struct {
		legs *Legs
		says string
	}{
		"IPv4 where IPv6 was asked for": {six, shown},
		"no description":                {sides(), ""},
	} {
		node := newEngine(t, c.says)
		e := engined(t, node.node("a"))
		a := &Anchor{Leg: 1, Mode: RTPEngine}
		if _, err := e.Offer("call", a, c.legs, Trunk, []byte(plain)); !errors.Is(err, ErrUnavailable) || !errors.Is(err, ng.ErrGarbled) {
			t.Errorf("%s: %v", name, err)
		}
		node.counts(time.Now(), nil)
		e.Release("call", a)
		if got := node.heard(); got != "offer query delete" {
			t.Errorf("%s: the node was asked for: %s", name, got)
		}
	}
}

// TestASilentNodeIsAskedOnce: an offer that its call's node does not answer does not wait for that one again.
func TestASilentNodeIsAskedOnce(t *testing.T) {
	silent, other := newEngine(t, shown), newEngine(t, shown)
	silent.mu.Lock()
	silent.silent = true
	silent.mu.Unlock()
	offers := func(e *Engined, leg uint8) (*Anchor, error) {
		a := &Anchor{Leg: leg, Root: leg, Mode: RTPEngine, Node: "silent", Agreed: true}
		_, err := e.Offer("call", a, sides(), Trunk, []byte(plain))
		if got := silent.heard(); got != "offer" {
			t.Errorf("it was asked for: %s", got)
		}
		return a, err
	}
	if a, err := offers(engined(t, silent.node("silent")), 1); !errors.Is(err, ErrUnavailable) || a.Node != "silent" || !a.Agreed {
		t.Errorf("%v, %+v", err, a)
	}
	e := waiting(t, 600*time.Millisecond, silent.node("silent"), other.node("other"))
	for leg := range uint8(4) { // by the call's name the one ranks higher, or the other
		if a, err := offers(e, leg+1); err != nil || a.Node != "other" || a.Agreed || other.heard() != "offer" {
			t.Errorf("%v, %+v", err, a)
		}
	}
}

// TestACallThatMovesIsDeletedWhereItWent: also where the description of the node that it went to could not be used, and what
// the one before had counted stays.
func TestACallThatMovesIsDeletedWhereItWent(t *testing.T) {
	other := newEngine(t, "")
	e := engined(t, lost(t), other.node("other"))
	a := &Anchor{Leg: 1, Root: 1, Mode: RTPEngine, Node: "lost", Agreed: true, Streams: make([]Stream, 1)}
	a.Streams[0].Ends[Trunk].Stats.Packets = 5
	if _, err := e.Offer("call", a, sides(), Trunk, []byte(plain)); !errors.Is(err, ng.ErrGarbled) || a.Agreed {
		t.Errorf("%v, %+v", err, a)
	}
	other.counts(time.Now(), map[string]int{"0": 1})
	e.Release("call", a)
	if got := other.heard(); got != "offer query delete" || a.Streams[0].Ends[Trunk].Stats.Packets != 6 {
		t.Errorf("the other node was asked for: %s; %d packets", got, a.Streams[0].Ends[Trunk].Stats.Packets)
	}
}

// TestWhatNoEngineIsGiven: what the relay refuses an rtpengine is not even asked for. It would send
// to any address, also to a port of its own or of the relay's, and the packets would go round for ever.
func TestWhatNoEngineIsGiven(t *testing.T) {
	node := newEngine(t, shown)
	e := engined(t, node.node("a"))
	talks(t, e, sides(), plain, plain) // the rtpengine's port 203.0.113.1:20000 is this call's
	node.heard()
	for name, c := range map[string]struct {
		body string
		want string // in the error; empty: it passes
	}{
		"multicast":                {at("224.1.2.3", 4000), "multicast"},
		"broadcast":                {at("255.255.255.255", 4000), "address"},
		"this network":             {at("0.1.2.3", 4000), "address"},
		"a link":                   {at("169.254.1.1", 4000), "169.254.1.1:4000"},
		"a name":                   {at("media.invalid", 4000), "media.invalid"},
		"the other family":         {strings.ReplaceAll(at("2001:db8::1", 4000), "c=IN IP4", "c=IN IP6"), "[2001:db8::1]:4000"},
		"our own port":             {at("198.51.100.1", 30000), "loop"},
		"rtpengine's own":          {at("203.0.113.1", 20000), "loop"},
		"and that of RTCP":         {at("203.0.113.1", 20001), "loop"},
		"RTCP to an own one":       {at("192.0.2.9", 4000, "a=rtcp:20001 IN IP4 203.0.113.1\r\n"), "loop"},
		"RTCP to it, on hold":      {at("0.0.0.0", 4000, "a=rtcp:20001 IN IP4 203.0.113.1\r\n"), "loop"},
		"our loopback":             {at("127.0.0.1", 2223), "address"},
		"all of it":                {at("127.1.2.3", 2223), "address"},
		"IPv4 in IPv6":             {strings.ReplaceAll(at("::ffff:127.0.0.1", 2223), "c=IN IP4", "c=IN IP6"), "address"},
		"our loopback, IPv6":       {strings.ReplaceAll(at("::1", 2223), "c=IN IP4", "c=IN IP6"), "address"},
		"RTCP to our loopback":     {at("192.0.2.9", 4000, "a=rtcp:2223 IN IP4 127.0.0.1\r\n"), "address"},
		"RTCP to it, IPv6":         {at("192.0.2.9", 4000, "a=rtcp:2223 IN IP6 ::1\r\n"), "address"},
		"RTCP to it, mapped":       {at("192.0.2.9", 4000, "a=rtcp:2223 IN IP6 ::ffff:127.0.0.1\r\n"), "address"},
		"RTCP to it, said first":   {at("192.0.2.9", 4000, "a=rtcp:2223 IN IP4 127.0.0.1\r\na=rtcp:4001\r\n"), "address"},
		"RTCP to it, port 2223x":   {at("192.0.2.9", 4000, "a=rtcp:2223x IN IP4 127.0.0.1\r\n"), "address"},
		"RTCP to ours, +20001":     {at("192.0.2.9", 4000, "a=rtcp:+20001 IN IP4 203.0.113.1\r\n"), "loop"},
		"RTCP to it, and a word":   {at("192.0.2.9", 4000, "a=rtcp:2223 IN IP4 127.0.0.1 x\r\n"), "address"},
		"RTCP to ours, on hold":    {at("0.0.0.0", 4000, "a=rtcp:2223 IN IP4 127.0.0.1\r\n"), "address"},
		"100 streams":              {at("192.0.2.9", 4000, strings.Repeat("m=audio 4000 RTP/AVP 8\r\n", 99)), "many_media"},
		"no stream that can be":    {strings.Replace(plain, "RTP/AVP 8", "TCP/MSRP *", 1), "no stream"},
		"keys in clear":            {strings.Replace(plain, "RTP/AVP", "RTP/SAVP", 1) + crypto, "no stream"},
		"beside the rtpengine's":   {at("203.0.113.1", 20002), ""},
		"port 65535":               {at("192.0.2.9", 65535), ""},
		"on hold":                  {at("0.0.0.0", 4000), ""},
		"refused":                  {at("192.0.2.9", 0), ""},
		"beside one that can't be": {plain + "m=message 5000 TCP/MSRP *\r\n", ""},
	} {
		a := &Anchor{Leg: 1, Mode: RTPEngine}
		for i, do := range []func() ([]byte, error){
			func() ([]byte, error) { return e.Offer(name, a, sides(), Trunk, []byte(c.body)) },
			func() ([]byte, error) { return e.Answer(name, a, sides(), Carrier, []byte(c.body)) },
		} {
			if i == 1 && (c.want == "no stream" || c.want == "") {
				break
			}
			node.mu.Lock()
			node.says = at("203.0.113.2", 20010) // elsewhere: this test's calls are not there
			if strings.Contains(c.body, "MSRP") && strings.Contains(c.body, "audio") {
				node.says += "m=message 0 TCP/MSRP *\r\n"
			}
			node.mu.Unlock()
			_, err := do()
			got := node.heard()
			switch {
			case c.want == "" && (err != nil || got != "offer"):
				t.Errorf("%s: %v, and it was asked for %q", name, err, got)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrUnreadable)):
				t.Errorf("%s: %v, not of %s", name, err, c.want)
			case c.want != "" && got != "":
				t.Errorf("%s: rtpengine was asked for %q", name, got)
			}
		}
		if c.want == "" {
			node.counts(time.Now(), nil)
			e.Release(name, a)
			node.heard()
		}
	}
	node.mu.Lock()
	defer node.mu.Unlock()
	if e.Owns(netip.MustParseAddrPort("203.0.113.2:20010")) {
		t.Error("a port is owned after the end of its call")
	}
}

const crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw\r\n"

// TestAStreamNobodyCarriesIsRefused: rtpengine would pass what it does not know with its own
// address in it; so it sees it refused.
func TestAStreamNobodyCarriesIsRefused(t *testing.T) {
	node := newEngine(t, shown+"m=message 0 TCP/MSRP *\r\n")
	e := engined(t, node.node("a"))
	a := &Anchor{Leg: 1, Mode: RTPEngine}
	if _, err := e.Offer("call", a, sides(), Trunk, []byte(plain+"m=message 5000 TCP/MSRP *\r\na=path:msrp://192.0.2.9:5000/x;tcp\r\n")); err != nil {
		t.Fatal(err)
	}
	if node.mu.Lock(); !strings.Contains(node.last, "m=message 0 TCP/MSRP *\r\n") || !strings.Contains(node.last, "m=audio 4000 RTP/AVP 8\r\n") {
		t.Errorf("it sees %q", node.last)
	}
	node.mu.Unlock()
}

// TestSilenceIsFound: also of what is SRTP, also where nobody was ever heard, and not on hold, nor
// before the time is over.
func TestSilenceIsFound(t *testing.T) {
	secure := func() *Legs {
		l := sides()
		l[Carrier].Secure, l[Carrier].SRTP = true, true
		return l
	}
	srtp := strings.Replace(plain, "RTP/AVP", "RTP/SAVP", 1) + crypto
	recent, old := time.Now(), time.Now().Add(-2*silence)
	for name, c := range map[string]struct {
		legs    *Legs
		carrier string
		last    time.Time
		packets int
		since   time.Time // of the answer
		silent  bool
	}{
		"heard":                   {sides(), plain, recent, 9, old, false},
		"not heard for long":      {sides(), plain, old, 9, old, true},
		"SRTP, heard":             {secure(), srtp, recent, 9, old, false},
		"SRTP, not for long":      {secure(), srtp, old, 9, old, true},
		"never heard":             {sides(), plain, old, 0, old, true},
		"not heard yet":           {sides(), plain, old, 0, recent, false},
		"on hold":                 {sides(), plain + "a=inactive\r\n", old, 9, old, false},
		"SRTP, on hold":           {secure(), srtp + "a=sendonly\r\n", old, 9, old, false},
		"held as in former times": {sides(), at("0.0.0.0", 4000), old, 9, old, false},
		"refused by the carrier":  {sides(), at("192.0.2.9", 0), old, 9, old, false},
	} {
		node := newEngine(t, shown)
		e := engined(t, node.node("a"))
		a := talks(t, e, c.legs, plain, c.carrier)
		e.live[called(a)].since = c.since
		node.counts(c.last, map[string]int{"0": c.packets, "1": c.packets})
		if got := e.Silent("call", a); got != c.silent {
			t.Errorf("%s: silent is %v", name, got)
		}
	}
}

// called is the name of the anchor of talks.
func called(a *Anchor) string { return name("call", a) }

// TestWatchTellsOfWhatMayBeOver: of a call that its rtpengine does not know, and of one that it has heard
// nobody in for too long; of no other.
func TestWatchTellsOfWhatMayBeOver(t *testing.T) {
	for name, c := range map[string]struct {
		last  time.Time
		since time.Time
		known bool
		told  bool
	}{
		"heard":         {time.Now(), time.Now().Add(-2 * silence), true, false},
		"silent":        {time.Now().Add(-2 * silence), time.Now().Add(-2 * silence), true, true},
		"described now": {time.Now().Add(-2 * silence), time.Now(), true, false},
		"gone":          {time.Time{}, time.Now(), false, true},
	} {
		node := newEngine(t, shown)
		e := engined(t, node.node("a"))
		a := talks(t, e, sides(), plain, plain)
		e.live[called(a)].since = c.since
		if c.known {
			node.counts(c.last, map[string]int{"0": 9, "1": 9})
		}
		node.heard()
		ctx, cancel := context.WithCancel(context.Background())
		told := make(chan string, 100)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			e.Watch(ctx, 5*time.Millisecond, func(call string, leg uint8) { told <- fmt.Sprint(call, " ", leg) })
		}()
		asked := 0
		tick := time.NewTicker(time.Millisecond)
		for deadline := time.Now().Add(10 * time.Second); asked < 3 && time.Now().Before(deadline); <-tick.C {
			asked += strings.Count(node.heard(), "query")
		}
		tick.Stop()
		cancel()
		<-ended
		close(told)
		n := 0
		for is := range told {
			if n++; is != "call 1" {
				t.Errorf("%s: told of %s", name, is)
			}
		}
		if asked < 3 || n > 0 != c.told {
			t.Errorf("%s: asked %d times, told %d times", name, asked, n)
		}
	}
}

// TestWhatALosingAttemptWasHeardStays: what the carrier has said of its media before another one was tried
// is in the anchor, beside what the next one says.
func TestWhatALosingAttemptWasHeardStays(t *testing.T) {
	node := newEngine(t, shown)
	e := engined(t, node.node("a"))
	a := talks(t, e, sides(), plain, plain)
	node.counts(time.Now(), map[string]int{"0": 3, "1": 30})
	node.heard()
	a.Was, a.Leg, a.Renew = 1, 2, true
	legs := sides()
	legs[Carrier].Number = 2
	if _, err := e.Offer("call", a, legs, Trunk, []byte(plain)); err != nil {
		t.Fatal(err)
	}
	if got := node.heard(); got != "offer query delete" {
		t.Errorf("it was asked for %s", got)
	}
	if _, err := e.Answer("call", a, legs, Carrier, []byte(plain)); err != nil {
		t.Fatal(err)
	}
	node.counts(time.Now(), map[string]int{"0": 7, "2": 500})
	e.Release("call", a)
	ends := a.Streams[0].Ends
	if ends[Carrier].Stats.Packets != 530 || ends[Trunk].Stats.Packets != 7 {
		t.Errorf("%d packets of the carriers and %d of the trunk", ends[Carrier].Stats.Packets, ends[Trunk].Stats.Packets)
	}
}

// TestAnAttemptThatNeverAnsweredIsNotAsked: there is nothing to count of one that has described nothing.
func TestAnAttemptThatNeverAnsweredIsNotAsked(t *testing.T) {
	node := newEngine(t, shown)
	e := engined(t, node.node("a"))
	a := &Anchor{Leg: 1, Mode: RTPEngine}
	for leg := range uint8(2) {
		if leg > 0 {
			a.Was, a.Leg, a.Renew = 1, 2, true
		}
		if _, err := e.Offer("call", a, sides(), Trunk, []byte(plain)); err != nil {
			t.Fatal(err)
		}
	}
	if got := node.heard(); got != "offer offer delete" {
		t.Errorf("it was asked for %s", got)
	}
}

// TestANodeThatHasForgottenIsDescribedAnew: one that was started again gets the next offer as of a new
// call, though no other node is there.
func TestANodeThatHasForgottenIsDescribedAnew(t *testing.T) {
	node := newEngine(t, shown)
	e := engined(t, node.node("a"))
	a := talks(t, e, sides(), plain, plain)
	a.Streams[0].Ends[Trunk].Stats.Packets = 5
	node.mu.Lock()
	node.forgets = true
	node.mu.Unlock()
	node.heard()
	if _, err := e.Offer("call", a, sides(), Trunk, []byte(plain)); err != nil {
		t.Fatal(err)
	}
	if a.Agreed || a.Node != "a" || node.heard() != "offer offer" {
		t.Errorf("%+v", a)
	}
	node.counts(time.Now(), map[string]int{"0": 7})
	if e.Sync("call", a); a.Streams[0].Ends[Trunk].Stats.Packets != 12 {
		t.Errorf("%+v", a.Streams[0].Ends[Trunk].Stats)
	}
}

// TestWhatFailsIsTold: whatever an rtpengine does not do beside descriptions is told of, by what it was.
func TestWhatFailsIsTold(t *testing.T) {
	node := newEngine(t, shown)
	e := engined(t, node.node("a"))
	var told []string
	e.Failed = func(call string, doing Doing, err error) {
		told = append(told, fmt.Sprint(call, " ", doing, " ", Failure(err)))
	}
	a := talks(t, e, sides(), plain, plain)
	node.counts(time.Now(), map[string]int{"0": 1, "1": 1})
	if e.Sync("call", a); e.Silent("call", a) || len(told) > 0 {
		t.Fatalf("told of %q", told)
	}
	if _, err := e.Offer("call", a, sides(), Trunk, []byte(plain)); err != nil {
		t.Fatal(err)
	}
	node.conn.Close()
	e.Sync("call", a)
	e.Silent("call", a)
	e.Refused("call", a, sides(), Trunk)
	e.Release("call", a)
	want := "call query node_lost|call query node_lost|call restore node_lost|call delete node_lost"
	if got := strings.Join(told, "|"); got != want {
		t.Errorf("told of %s, not of %s", got, want)
	}
}

// TestARefusedFaxLeavesSpeech: what a stream is, is what was answered; before that, what is offered.
func TestARefusedFaxLeavesSpeech(t *testing.T) {
	node := newEngine(t, shown)
	e := engined(t, node.node("a"))
	a, legs, fax := &Anchor{Leg: 1, Mode: RTPEngine}, sides(), []byte(strings.Replace(plain, "m=audio 4000 RTP/AVP 8", "m=image 4000 udptl t38", 1))
	describes := func(do func(string, *Anchor, *Legs, Side, []byte) ([]byte, error), from Side, body []byte, want string) {
		t.Helper()
		if _, err := do("call", a, legs, from, body); err != nil {
			t.Fatal(err)
		}
		if got := a.Streams[0].Kind; got != want {
			t.Errorf("it is %s, not %s", got, want)
		}
	}
	describes(e.Offer, Trunk, []byte(plain), "audio")
	describes(e.Answer, Carrier, []byte(plain), "audio")
	describes(e.Offer, Carrier, fax, "audio")
	e.Refused("call", a, legs, Carrier)
	describes(e.Offer, Carrier, fax, "audio")
	describes(e.Answer, Trunk, fax, "image")
}
