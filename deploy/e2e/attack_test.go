//go:build e2e

package e2e

import (
	"bufio"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
)

// attack is what somebody does to a border while calls run: what may come back for it, and
// where it is counted.
type attack struct {
	name    string
	answers string // status codes that may come back; empty: nothing at all
	counter string // that has grown
	do      func(*assault)
	calls   bool // by INVITEs of its own
}

// assault is a border under attack. A call of another trunk is up, whose words the attackers
// know; calls of the first trunk run beside it.
type assault struct {
	*operated
	bad, good, tc2, victim *peer // a trunk that turns on us, the trunk and the carrier of the call that is up, and who is to be hit
	wary                   *peer // a trunk that has to prove who it is
	bye                    string
	answer                 string // of tc2, to our INVITE
	calls                  bool   // the attack is one by calls
	sent                   int
	heard                  map[string]int // what came back, by status code
}

// says sends to a side of the border.
func (a *assault) says(p *peer, side int, text string) {
	a.sent++
	p.send(netip.MustParseAddrPort(a.at(side)), text)
}

// hears counts what a peer is told until nothing has come for a moment.
func (a *assault) hears(p *peer) (requests []string) {
	for {
		m, ok := p.next(time.Now().Add(100 * time.Millisecond))
		if !ok {
			return requests
		}
		if code, is := strings.CutPrefix(m.text, "SIP/2.0 "); is {
			// What its own calls still have to tell the trunk is of another attack.
			if !a.calls && strings.HasSuffix(m.header("CSeq"), " INVITE") {
				continue
			}
			a.heard[code[:3]]++
		} else {
			requests = append(requests, m.text[:strings.IndexByte(m.text, ' ')])
		}
	}
}

// dials connects by TCP as the bad trunk.
func (a *assault) dials(to string) net.Conn {
	a.t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(a.ip(front))}, Timeout: time.Second}).Dial("tcp", to)
	if err != nil {
		a.t.Fatal(err)
	}
	return conn
}

// outside is a request of the bad trunk's that belongs to no dialog.
func (a *assault) outside(method string, n int, more ...string) string {
	id := fmt.Sprintf("%s-%d-%d", method, n, time.Now().UnixNano())
	return a.bad.request(method, "sip:+33123456@"+a.at(coreSide), id, append([]string{
		"From: <sip:mallory@" + a.bad.addr + ">;tag=" + id, "To: <sip:+33123456@" + a.at(coreSide) + ">",
		"Call-ID: " + id, "CSeq: 1 " + method, "Contact: <sip:mallory@" + a.bad.addr + ">"}, more...)...)
}

// many does something so often, a hundred at a time, so that a socket's buffer takes it.
func (a *assault) many(n int, p *peer, do func(int)) {
	for i := range n {
		do(i)
		if i%100 == 99 {
			a.hears(p)
		}
	}
	a.hears(p)
}

var attacks = []attack{
	{"torture messages from a trunk", "100 180 181 183 200 300 4xx 5xx", `bulkhead_refused_total{reason="`, func(a *assault) {
		files, err := filepath.Glob("../../b2bua/wire/testdata/torture/*/*.dat")
		if err != nil || len(files) < 50 {
			a.t.Fatalf("%d torture messages: %v", len(files), err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				a.t.Fatal(err)
			}
			a.says(a.bad, coreSide, string(text))
		}
		a.hears(a.bad)
	}, true},
	{"header fields of parameters alone", "4xx 503", `bulkhead_refused_total{reason="`, func(a *assault) {
		bomb := "X: y" + strings.Repeat(";", 12_000)
		a.many(1000, a.bad, func(n int) { a.says(a.bad, coreSide, a.outside("SUBSCRIBE", n, bomb)) })
	}, false},
	{"three thousand header fields", "4xx", `bulkhead_refused_total{reason="`, func(a *assault) {
		bomb := strings.TrimSuffix(strings.Repeat("X: y\r\n", 2500), "\r\n")
		a.many(500, a.bad, func(n int) { a.says(a.bad, coreSide, a.outside("SUBSCRIBE", n, bomb)) })
	}, false},
	{"a flood of INVITEs from a permitted trunk", "100 180 200 4xx 503", `bulkhead_limited_total{limit="cps",name="bad",on="trunk"}`, func(a *assault) {
		a.many(1000, a.bad, func(n int) { a.says(a.bad, coreSide, a.outside("INVITE", n)) })
	}, true},
	{"scanners from 20,000 unknown sources", "", `bulkhead_dropped_total{by="wire",reason="unknown_source"}`, func(a *assault) {
		const sources = 20_000
		conn, err := net.ListenUDP("udp4", nil)
		if err != nil {
			a.t.Fatal(err)
		}
		defer conn.Close()
		to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(a.at(coreSide)))
		scans := ipv4.NewPacketConn(conn)
		dropped := func() float64 { return a.sum(`bulkhead_dropped_total{by="wire",reason="unknown_source"}`) }
		was, before := dropped(), a.resident()
		for n := range sources {
			from := net.IPv4(127, 224+byte(n>>16), byte(n>>8), byte(n)) // all of 127/8 is this machine's
			if _, err := scans.WriteTo([]byte(a.outside("REGISTER", n)), &ipv4.ControlMessage{Src: from}, to); err != nil {
				a.t.Fatal(err)
			}
			a.sent++
			if n%500 == 499 { // what a socket's buffer takes
				a.until("the scans to be dropped", 10*time.Second, func() bool { return dropped()-was >= 0.9*float64(n-500) })
			}
		}
		if err := conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			a.t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			a.heard["an answer"]++
		}
		if grown := a.resident() - before; grown > 8<<10 {
			a.t.Errorf("%d sources that nobody knows take %d KiB", sources, grown)
		}
	}, false},
	{"a BYE, a CANCEL and a re-INVITE with the call's own tags, from another trunk", "481", `bulkhead_dropped_total{by="stray",reason="wrong_source"}`, func(a *assault) {
		for _, method := range []string{"BYE", "INVITE", "UPDATE", "CANCEL"} {
			for n := range 50 {
				text := strings.NewReplacer("BYE ", method+" ", " BYE", " "+method, "z9hG4bKbye", fmt.Sprintf("z9hG4bK%s%d", method, n)).Replace(a.bye)
				a.says(a.bad, coreSide, text)
			}
			a.hears(a.bad)
		}
	}, false},
	{"guessed tags", "481", `bulkhead_refused_total{reason="no_dialog"}`, func(a *assault) {
		a.many(1000, a.bad, func(n int) {
			guess := fmt.Sprintf(">;tag=u1%026d", n)
			a.says(a.bad, coreSide, strings.Replace(a.outside("BYE", n), "To: <sip:+33123456@"+a.at(coreSide)+">", "To: <sip:x@"+a.at(coreSide)+guess, 1))
		})
	}, false},
	{"forged responses", "", `bulkhead_dropped_total{by="stray",reason="foreign_response"}`, func(a *assault) {
		_, branch, _ := strings.Cut(a.answer, "branch=")
		branch = branch[:strings.IndexAny(branch, ";\r")]
		for n := range 1000 {
			forged := branch[:len(branch)-4] + fmt.Sprintf("%04d", n)
			a.says(a.tc2, peeringSide, strings.Replace(a.answer, branch, forged, 1))
		}
		if requests := a.hears(a.tc2); len(requests) > 0 {
			a.heard[requests[0]] += len(requests)
		}
	}, false},
	{"a storm of ACKs from a trunk", "", `bulkhead_dropped_total{by="stray",reason="stray_ack"}`, func(a *assault) {
		a.many(2000, a.bad, func(n int) { a.says(a.bad, coreSide, a.outside("ACK", n)) })
	}, false},
	{"a storm of the 200 from the carrier", "ACK", `bulkhead_absorbed_total{peer="tc2"}`, func(a *assault) {
		a.many(2000, a.tc2, func(int) { a.says(a.tc2, peeringSide, a.answer) })
		a.heard["ACK"]++ // a copy of each is P4, held elsewhere
	}, false},
	{"Route, Via and Contact that point at a victim", "200 405 4xx", `bulkhead_refused_total{reason="`, func(a *assault) {
		a.many(200, a.bad, func(n int) {
			text := a.outside("SUBSCRIBE", n, "Route: <sip:"+a.victim.addr+";lr>")
			text = strings.Replace(text, "Via: SIP/2.0/UDP "+a.bad.addr, "Via: SIP/2.0/UDP "+a.victim.addr, 1)
			a.says(a.bad, coreSide, strings.Replace(text, "Contact: <sip:mallory@"+a.bad.addr, "Contact: <sip:mallory@"+a.victim.addr, 1))
		})
	}, false},
	{"credentials that are shown again", "180 200 407", `bulkhead_refused_total{reason="auth_replayed"}`, func(a *assault) {
		uri := "sip:+33123456@" + a.at(coreSide)
		invite := func(n int, more ...string) {
			a.says(a.wary, coreSide, a.wary.request("INVITE", uri, fmt.Sprint("wary", n), append([]string{"From: <sip:w@" + a.wary.addr + ">;tag=w", "To: <" + uri + ">",
				fmt.Sprint("Call-ID: wary", n), "CSeq: 1 INVITE", "Contact: <sip:w@" + a.wary.addr + ">"}, more...)...))
		}
		invite(0)
		shown := "Proxy-Authorization: " + digest(a.wary.find("SIP/2.0 407", 5*time.Second).header("Proxy-Authenticate"), "wary", "correct horse", "INVITE", uri)
		invite(1, shown)
		a.wary.find("SIP/2.0 100", 5*time.Second) // it is a call
		was := a.sum(`bulkhead_refused_total{reason="auth_replayed"}`)
		for n := range 500 {
			invite(n+2, shown)
		}
		a.hears(a.wary)
		a.until("each to be refused", 10*time.Second, func() bool { return a.sum(`bulkhead_refused_total{reason="auth_replayed"}`)-was >= 500 })
	}, true},
	{"a Refer-To and a Route that point inside", "403 405", `bulkhead_refused_total{reason="`, func(a *assault) {
		inside := []string{"sip:x@" + a.at(peeringSide), "sip:x@" + a.tc2.addr, "sip:x@127.0.0.1:5060;transport=tcp", "http://127.0.0.1:8080/v1/reload", "sip:+33987000@" + a.at(coreSide)}
		a.many(200, a.bad, func(n int) {
			a.says(a.bad, coreSide, a.outside("REFER", n, "Refer-To: <"+inside[n%len(inside)]+">", "Route: <sip:"+a.at(peeringSide)+";lr>, <sip:"+a.tc2.addr+";lr>"))
		})
		// And within a dialog that is theirs.
		for n, to := range inside {
			a.says(a.good, coreSide, strings.NewReplacer("BYE ", "REFER ", " BYE", " REFER", "CSeq: 900", fmt.Sprint("CSeq: ", 10+n), "z9hG4bKbye", fmt.Sprint("z9hG4bKrefer", n),
				"Content-Length", "Refer-To: <"+to+">\r\nContent-Length").Replace(a.bye))
		}
		a.hears(a.good)
		if requests := a.hears(a.tc2); len(requests) > 0 {
			a.heard[requests[0]+" at tc2"] += len(requests)
		}
	}, false},
	{"TCP: a thousand requests glued, two hundred in pieces", "405", `bulkhead_refused_total{reason="`, func(a *assault) {
		var glued strings.Builder
		for n := range 1000 {
			glued.WriteString(strings.Replace(a.outside("SUBSCRIBE", n), "SIP/2.0/UDP", "SIP/2.0/TCP", 1))
		}
		conn := a.dials(a.at(coreSide))
		defer conn.Close()
		write := func(text string, piece int) {
			for from := 0; from < len(text); from += piece {
				if _, err := conn.Write([]byte(text[from:min(from+piece, len(text))])); err != nil {
					a.t.Fatal(err)
				}
			}
		}
		reader := bufio.NewReader(conn)
		answered := func(n int) {
			for n > 0 {
				if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
					a.t.Fatal(err)
				}
				line, err := reader.ReadString('\n')
				if err != nil {
					a.t.Fatalf("%d have no answer: %v", n, err)
				}
				if code, is := strings.CutPrefix(line, "SIP/2.0 "); is {
					a.heard[code[:3]]++
					n--
				}
			}
		}
		a.sent += 1200
		write(glued.String(), glued.Len())
		answered(1000)
		for n := range 200 {
			write(strings.Replace(a.outside("SUBSCRIBE", n), "SIP/2.0/UDP", "SIP/2.0/TCP", 1), 7)
		}
		answered(200)
	}, false},
	{"TLS handshakes left open", "", `bulkhead_dropped_total{by="wire",reason="connections_per_source"}`, func(a *assault) {
		for n := range 400 {
			conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(a.ip(front))}, Timeout: time.Second}).Dial("tcp", a.ip(coreSide)+":5061")
			if err != nil {
				continue // refused: what is wanted
			}
			defer conn.Close()
			a.sent++
			_, _ = conn.Write([]byte("\x16\x03\x01\x02\x00\x01"[:1+n%6])) // of a ClientHello the beginning
		}
	}, false},
	{"2,000 sources with a connection each that says nothing", "", `bulkhead_dropped_total{by="wire",reason="unknown_source"}`, func(a *assault) {
		for n := range 2000 {
			conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 230, byte(n>>8), byte(n))}, Timeout: time.Second}).Dial("tcp", a.at(coreSide))
			if err != nil {
				continue
			}
			defer conn.Close()
			a.sent++
		}
	}, false},
	{"connections that send a byte and wait", "", `bulkhead_dropped_total{by="wire",reason="connections_per_source"}`, func(a *assault) {
		for range 400 {
			conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(a.ip(front))}, Timeout: time.Second}).Dial("tcp", a.at(coreSide))
			if err != nil {
				continue // refused: what is wanted
			}
			defer conn.Close()
			a.sent++
			_, _ = conn.Write([]byte("I")) // it may be closed already
		}
	}, false},
}

// TestAttacksTouchNoCall: whatever is thrown at a border, the calls that run do not notice, and
// each attack is answered as it should be, counted by its name, and paid for in bounded memory
// (R30, P11).
func TestAttacksTouchNoCall(t *testing.T) {
	t.Parallel()
	const rate, calls = 30, 30 * 40
	dir := t.TempDir()
	cert, key := issue(t, nil, nil, "127.0.118.1")
	write(t, filepath.Join(dir, "core.pem"), "CERTIFICATE", cert.Raw)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "core.key"), "PRIVATE KEY", private)
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &assault{operated: operate(t, 118, plan{build: "plain", tls: filepath.Join(dir, "core"), env: []string{"GOGC=100"}, timers: "{t1: 100ms, t2: 800ms, t4: 1s}"})}
	config := strings.Replace(a.config(), fmt.Sprintf("from: [%q, %q]", a.ip(caller), a.ip(front)), fmt.Sprintf("from: [%q]", a.ip(caller)), 1)
	a.rewrite(strings.Replace(config, "carriers:", fmt.Sprintf("  bad: {realm: core, from: [%q], limits: {cps: 20}}\n  good: {realm: core, from: [%q]}\n  wary: {realm: core, from: [%q], auth: {username: wary, password_file: %q}}\ncarriers:",
		a.ip(front), a.ip(13), a.ip(14), password), 1))
	if code, text := a.asks(http.MethodPost, "/v1/reload"); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	a.bad, a.good, a.wary, a.tc2, a.victim = a.peerAt(front), a.peerAt(13), a.peerAt(14), a.peerAt(tc2), a.peerAt(stranger)

	// The call that is up: of another trunk, to tc2.
	core := "sip:+33987000@" + a.at(coreSide)
	from, to := "From: <sip:alice@"+a.good.addr+">;tag=alice", "To: <"+core+">"
	a.good.send(netip.MustParseAddrPort(a.at(coreSide)), a.good.request("INVITE", core, "invite", from, to, "Call-ID: up", "CSeq: 1 INVITE", "Contact: <sip:alice@"+a.good.addr+">"))
	invite := a.tc2.find("INVITE", 5*time.Second)
	a.answer = invite.reply("200 OK", "tc2", "Contact: <sip:tc2@"+a.tc2.addr+">")
	a.tc2.send(netip.MustParseAddrPort(a.at(peeringSide)), a.answer)
	ok := a.good.find("SIP/2.0 200", 5*time.Second)
	dialog := []string{from, "To: " + ok.header("To"), "Call-ID: up"}
	target := strings.TrimSuffix(strings.TrimPrefix(ok.header("Contact"), "<"), ">")
	a.good.send(netip.MustParseAddrPort(a.at(coreSide)), a.good.request("ACK", target, "ack", append(dialog, "CSeq: 1 ACK")...))
	a.tc2.find("ACK", 5*time.Second)
	a.bye = a.good.request("BYE", target, "bye", append(dialog, "CSeq: 900 BYE")...)

	carrier := a.sippAt(tc1, "tc1", "uas.xml", nil, "-timeout", seconds(3*patience))
	carrier.until("tc1 to listen", 10*time.Second, func() bool { return bound("udp", a.at(tc1)) })
	call := a.sippAt(caller, "caller", "uac.xml", nil, a.at(coreSide), "-s", number, "-d", "1000",
		"-r", fmt.Sprint(rate), "-m", fmt.Sprint(calls), "-timeout", seconds(3*patience))
	a.until("the first calls", patience, func() bool { return a.lines() >= 2*rate })
	before := a.resident()

	for _, k := range attacks {
		a.sent, a.heard, a.calls = 0, map[string]int{}, k.calls
		was, held := a.sum(k.counter), a.resident()
		k.do(a)
		var wrong []string
		for code := range a.heard {
			if !strings.Contains(k.answers, code) && !strings.Contains(k.answers, code[:1]+"xx") {
				wrong = append(wrong, code)
			}
		}
		if len(wrong) > 0 {
			t.Errorf("%s: answered with %v", k.name, wrong)
		}
		a.until("the counter of "+k.name, 10*time.Second, func() bool { return a.sum(k.counter) > was })
		if requests := a.hears(a.victim); len(requests) > 0 || a.heard["victim"] > 0 {
			t.Errorf("%s: the victim got %v", k.name, requests)
		}
		t.Logf("%-75s %6d sent; back: %v; %s +%.0f; resident %+d KiB", k.name, a.sent, back(a.heard), k.counter, a.sum(k.counter)-was, a.resident()-held)
	}
	during := a.resident()

	// The call that they spoke for is up still, and ends when its own caller says so.
	a.good.send(netip.MustParseAddrPort(a.at(coreSide)), a.bye)
	a.good.find("SIP/2.0 200", 5*time.Second)
	a.tc2.find("BYE", 5*time.Second)
	call.finish(3 * patience)
	if n := call.failed(); n != 0 {
		t.Errorf("%d of %d calls failed", n, calls)
	}
	for _, never := range []string{"bulkhead_panics_total", "bulkhead_invariant_violations_total"} {
		if n := a.sum(never); n != 0 {
			t.Errorf("%s is %v", never, n)
		}
	}
	if grown := during - before; grown > 64<<10 {
		t.Errorf("memory has grown by %d KiB", grown)
	}
	t.Logf("%d calls beside it, %d failed; resident %d KiB before, %d KiB after", calls, call.failed(), before, during)
}

// back tells what came back.
func back(heard map[string]int) string {
	var list []string
	for _, code := range slices.Sorted(maps.Keys(heard)) {
		list = append(list, fmt.Sprintf("%s ×%d", code, heard[code]))
	}
	return strings.Join(list, ", ")
}

// sum adds up the metrics whose names begin so.
func (o *operated) sum(prefix string) (sum float64) {
	_, text := o.asks(http.MethodGet, "/metrics")
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, prefix) {
			var n float64
			if _, err := fmt.Sscan(line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1:], &n); err == nil {
				sum += n
			}
		}
	}
	return sum
}
