//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// plan is what a test wants of its border; the zero value is a border with two
// carriers over UDP and the timers of a test.
type plan struct {
	build   string // race (empty) or plain
	caller  string // transport of the trunk: udp (empty), tcp
	carrier string // transport of the carriers: udp (empty), tcp
	tls     string // files' name of a certificate with which realm core listens at port 5061 too, without ending
	trunk   string // more keys of the trunk, in flow style
	tc1     string // more keys of carrier tc1, in flow style
	tc2     string
	timers  string // in flow style; empty: a tenth of RFC 3261's
	media   string // in flow style; empty: it flows directly
	cdr     string // more keys of cdr, in flow style
	more    string // further sections
	whole   string // what stands in place of all above, but for more; empty: nothing does
	drain   string // how long calls may go on at the end; empty: 1s
	env     []string
	secure  bool   // the core also listens on tls, port 5061
	ipv6    bool   // everybody is ::1, told apart by ports
	prefix  string // of the addresses: 127.0 (empty), or one of other machines
}

// border is a running Bulkhead and the addresses around it.
type border struct {
	*process
	dir   string
	net   int
	plan  plan
	peers *machine // where the peers are; nil: on this machine
}

// Who lives at which host of the test's network.
const (
	coreSide    = 1
	peeringSide = 2
	caller      = 11
	front       = 12
	tc1         = 21
	tc2         = 22
	stranger    = 66
)

// secondNumber is what the route makes tc2 be asked for.
const secondNumber = "+33789456"

// open starts a border in network 127.0.network.0 and returns when it answers.
// When the test ends it is asked to end, and must do so with status 0; a race
// that was seen makes that another.
func open(t *testing.T, network int, p plan) *border {
	t.Helper()
	b := &border{dir: t.TempDir(), net: network, plan: p}
	file := filepath.Join(b.dir, "bulkhead.yaml")
	if err := os.WriteFile(file, []byte(b.config()), 0o600); err != nil {
		t.Fatal(err)
	}
	program := "race"
	if p.build != "" {
		program = p.build
	}
	b.process = startWith(t, p.env, b.dir, "bulkhead", built(program), "serve", "--drain", or(p.drain, "1s"), file)
	t.Cleanup(func() { b.terminate(20 * time.Second) })
	b.ready()
	return b
}

// socket is one of a peer. Port 0: any.
func (b *border) socket(ip string, port int) (conn *net.UDPConn) {
	b.t.Helper()
	err := b.peers.on(func() (err error) {
		conn, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip), Port: port})
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	return conn
}

// at is the address of a host in the network, port 5060.
func (b *border) at(host int) string {
	if b.plan.ipv6 {
		return fmt.Sprintf("[::1]:%d", b.port(host))
	}
	return fmt.Sprintf("%s:%d", b.ip(host), b.port(host))
}

func (b *border) ip(host int) string {
	if b.plan.ipv6 {
		return "::1"
	}
	return fmt.Sprintf("%s.%d.%d", or(b.plan.prefix, fmt.Sprintf("127.%d", b.net/256)), b.net%256, host)
}

func (b *border) port(host int) int {
	if b.plan.ipv6 {
		return b.net*100 + host
	}
	return 5060
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (b *border) config() string {
	if b.plan.whole != "" {
		return b.plan.whole + b.plan.more + "\n"
	}
	more := func(s string) string {
		if s == "" {
			return ""
		}
		return ", " + s
	}
	trunks := fmt.Sprintf("[%q, %q]", b.ip(caller), b.ip(front))
	if b.plan.ipv6 {
		trunks = fmt.Sprintf("[%q]", b.ip(caller))
	}
	secure, pair := "", ""
	at := b.plan.tls
	if at == "" && b.plan.secure {
		at = filepath.Join(b.dir, "core")
	}
	if at != "" {
		secure, pair = fmt.Sprintf(", %q", "tls://"+b.ip(coreSide)+":5061"), fmt.Sprintf(", tls: {certificate: %q, key: %q}", at+".pem", at+".key")
	}
	lines := []string{
		"node: e2e",
		"realms:",
		fmt.Sprintf("  core: {listen: [%q, %q%s]%s}", "udp://"+b.at(coreSide), "tcp://"+b.at(coreSide), secure, pair),
		fmt.Sprintf("  peering: {listen: [%q, %q]}", "udp://"+b.at(peeringSide), "tcp://"+b.at(peeringSide)),
		"trunks:",
		fmt.Sprintf("  pbx: {realm: core, from: %s, contact: %q%s}", trunks, or(b.plan.caller, "udp")+"://"+b.at(caller), more(b.plan.trunk)),
		"carriers:",
		fmt.Sprintf("  tc1: {realm: peering, gateways: [{address: %q, transport: %s}]%s}", b.at(tc1), or(b.plan.carrier, "udp"), more(b.plan.tc1)),
		fmt.Sprintf("  tc2: {realm: peering, gateways: [{address: %q, transport: %s}]%s}", b.at(tc2), or(b.plan.carrier, "udp"), more(b.plan.tc2)),
		"routes:",
		"  - match: {number: \"+33987*\"}", // who tc1 refers to
		"    targets: [{carrier: tc2}]",
		"  - match: {number: \"*\"}",
		fmt.Sprintf("    targets: [{carrier: tc1}, {carrier: tc2, number: %q}]", secondNumber),
		"timers: " + or(b.plan.timers, "{t1: 50ms, t2: 400ms, t4: 500ms}"),
		"security: {max_rate_per_source: 100000}",
		"cdr: {file: calls.jsonl" + b.plan.cdr + "}",
		"media: " + or(b.plan.media, "{mode: bypass}"),
		b.plan.more,
		"",
	}
	return strings.Join(lines, "\n")
}

// ready asks with OPTIONS, as the trunk, until an answer comes.
func (b *border) ready() {
	b.t.Helper()
	conn, err := net.ListenPacket("udp", net.JoinHostPort(b.ip(caller), "0"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close()
	to, err := net.ResolveUDPAddr("udp", b.at(coreSide))
	if err != nil {
		b.t.Fatal(err)
	}
	request := []byte(strings.Join([]string{
		"OPTIONS sip:" + b.at(coreSide) + " SIP/2.0",
		"Via: SIP/2.0/UDP " + conn.LocalAddr().String() + ";branch=z9hG4bKready",
		"Max-Forwards: 70",
		"From: <sip:ready@e2e.invalid>;tag=ready",
		"To: <sip:" + b.at(coreSide) + ">",
		"Call-ID: ready",
		"CSeq: 1 OPTIONS",
		"Content-Length: 0", "", "",
	}, "\r\n"))
	buffer := make([]byte, 4096)
	b.until("an answer to OPTIONS", 20*time.Second, func() bool {
		if _, err := conn.WriteTo(request, to); err != nil {
			return false
		}
		if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			return false
		}
		n, _, err := conn.ReadFrom(buffer)
		return err == nil && strings.HasPrefix(string(buffer[:n]), "SIP/2.0 200 ")
	})
}
