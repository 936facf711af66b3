//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestDeadRoutes: R18. Each kind of dead route is left for the next target, on real
// sockets, 20 times each: half of them within 200 ms, which a machine that does other
// things besides may well miss once. What was seen is printed.
func TestDeadRoutes(t *testing.T) {
	t.Parallel()
	const calls = 20
	b := &border{dir: t.TempDir(), net: 191}
	peering, live := b.ip(peeringSide), b.at(tc2)
	nameServer(t, b.ip(53)+":5353", map[string][]string{"live.example.": {b.ip(tc2)}})
	resets, alerts := b.ip(31)+":5060", b.ip(32)+":5061"
	resetting(t, resets)
	alerting(t, b.dir, peering, alerts)
	dead := map[string]string{ // a gateway, in flow style
		"nxdomain": "{address: sip.gone.example}",
		"icmp":     fmt.Sprintf("{address: %q}", b.ip(33)+":5060"),
		"refused":  fmt.Sprintf("{address: %q, transport: tcp}", b.ip(34)+":5060"),
		"reset":    fmt.Sprintf("{address: %q, transport: tcp}", resets),
		"alert":    fmt.Sprintf("{address: %q, transport: tls}", alerts),
		"send":     `{address: "192.0.2.1:5060"}`, // from a loopback address there is no way
	}
	lines := []string{
		"node: e2e",
		"realms:",
		fmt.Sprintf("  core: {listen: [%q]}", "udp://"+b.at(coreSide)),
		fmt.Sprintf("  peering: {listen: [%q, %q, %q], tls: {certificate: peering.pem, key: peering.key, client_ca: ca.pem}}",
			"udp://"+b.at(peeringSide), "tcp://"+b.at(peeringSide), "tls://"+peering+":5061"),
		fmt.Sprintf("dns: {servers: [%q]}", b.ip(53)+":5353"),
		"trunks:",
		fmt.Sprintf("  pbx: {realm: core, from: [%q], contact: %q}", b.ip(caller), "udp://"+b.at(caller)),
		"carriers:",
		`  live: {realm: peering, gateways: [{address: "live.example:5060"}]}`,
	}
	routes := []string{"routes:"}
	kinds := []string{}
	for kind, gateway := range dead {
		kinds = append(kinds, kind)
		lines = append(lines, fmt.Sprintf("  %s: {realm: peering, gateways: [%s]}", kind, gateway))
		routes = append(routes, fmt.Sprintf("  - {match: {number: %q}, targets: [{carrier: %s}, {carrier: live}]}", kind+"*", kind))
	}
	slices.Sort(kinds)
	lines = append(append(lines, routes...), "cdr: {file: calls.jsonl}", "security: {max_rate_per_source: 100000}", "")
	file := filepath.Join(b.dir, "bulkhead.yaml")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	b.process = start(t, b.dir, "bulkhead", built("race"), "serve", "--drain", "1s", file)
	t.Cleanup(func() { b.terminate(20 * time.Second) })
	b.ready()

	trunk, carrier := b.peerAt(caller), b.peerAt(tc2)
	to := netip.MustParseAddrPort(b.at(coreSide))
	for _, kind := range kinds {
		var took []time.Duration
		for i := range calls {
			id := fmt.Sprintf("%s%d", kind, i)
			begin := time.Now()
			trunk.send(to, trunk.request("INVITE", "sip:"+id+"@"+b.at(coreSide), id,
				"From: <sip:a@"+trunk.addr+">;tag=a"+id, "To: <sip:"+id+"@"+b.at(coreSide)+">", "Call-ID: "+id, "CSeq: 1 INVITE",
				"Contact: <sip:"+trunk.addr+">"))
			invite := carrier.find("INVITE sip:"+id+"@", 10*time.Second)
			took = append(took, invite.at.Sub(begin))
			carrier.send(invite.from, invite.reply("486 Busy Here", "b"))
			carrier.find("ACK ", 10*time.Second)
			final := trunk.find("SIP/2.0 486 ", 10*time.Second)
			trunk.send(to, trunk.request("ACK", "sip:"+id+"@"+b.at(coreSide), id,
				"From: "+final.header("From"), "To: "+final.header("To"), "Call-ID: "+id, "CSeq: 1 ACK"))
		}
		slices.Sort(took)
		t.Logf("%-8s next target after %v (median of %d), %v (longest)", kind, took[calls/2].Round(10*time.Microsecond), calls, took[calls-1].Round(10*time.Microsecond))
		if took[calls/2] > 200*time.Millisecond {
			t.Errorf("%s: half of the calls took longer than %v", kind, took[calls/2])
		}
	}
	for _, r := range b.records(calls * len(kinds)) {
		if len(r.Attempts) != 2 {
			t.Fatalf("%+v", r)
		}
		a, then := r.Attempts[0], r.Attempts[1]
		if then.Gateway != "live.example:5060" || then.Address != live {
			t.Errorf("%+v", then)
		}
		if !a.NotSent || a.Cause != "not_sent" || a.Code != 0 || a.Text == "" || dead[a.Carrier] == "" || then.Code != 486 {
			t.Errorf("%+v", r.Attempts)
		}
	}
}

// nameServer serves addresses of names; all others do not exist.
func nameServer(t *testing.T, at string, names map[string][]string) (stop func()) {
	t.Helper()
	pc, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		reply := (&dns.Msg{}).SetReply(m)
		q := m.Question[0]
		list, exists := names[q.Name]
		if !exists {
			reply.Rcode = dns.RcodeNameError
		}
		for _, a := range list {
			if q.Qtype == dns.TypeA {
				reply.Answer = append(reply.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5}, A: net.ParseIP(a)})
			}
		}
		_ = w.WriteMsg(reply)
	})}
	started := make(chan struct{})
	s.NotifyStartedFunc = func() { close(started) }
	go func() { _ = s.ActivateAndServe() }()
	<-started
	stop = sync.OnceFunc(func() { _ = s.Shutdown() })
	t.Cleanup(stop)
	return stop
}

// TestNamesOutliveTheirServer: when no name server answers any more, calls go where names led
// last, for as long as dns.stale says; then they go to the next target at once. When a server is
// back, so is the name.
func TestNamesOutliveTheirServer(t *testing.T) {
	t.Parallel()
	b := &border{net: 34}
	servers, known := b.ip(53)+":5353", map[string][]string{"first.example.": {b.ip(tc1)}}
	stop := nameServer(t, servers, known)
	o := operate(t, b.net, plan{whole: strings.Join([]string{
		"node: e2e",
		"realms:",
		fmt.Sprintf("  core: {listen: [%q]}", "udp://"+b.at(coreSide)),
		fmt.Sprintf("  peering: {listen: [%q]}", "udp://"+b.at(peeringSide)),
		fmt.Sprintf("dns: {servers: [%q], stale: 12s}", servers),
		"trunks:",
		fmt.Sprintf("  pbx: {realm: core, from: [%q]}", b.ip(caller)),
		"carriers:",
		`  first: {realm: peering, gateways: [{address: "first.example:5060"}]}`,
		fmt.Sprintf("  second: {realm: peering, gateways: [{address: %q}]}", b.at(tc2)),
		"routes: [{targets: [{carrier: first}, {carrier: second}]}]",
	}, "\n")})
	trunk, first, second := o.peerAt(caller), o.peerAt(tc1), o.peerAt(tc2)
	to := netip.MustParseAddrPort(o.at(coreSide))
	names := func(state string) {
		t.Helper()
		metric := fmt.Sprintf(`bulkhead_gateway_names{state=%q}`, state)
		o.until("the name to be "+state, patience, func() bool { return o.metric(metric) == 1 })
	}
	calls := 0
	// A call goes to one of them, who is busy.
	reaches := func(who *peer) {
		t.Helper()
		calls++
		id := fmt.Sprint("stale", calls)
		uri := "sip:" + id + "@" + o.at(coreSide)
		head := []string{"From: <sip:a@" + trunk.addr + ">;tag=" + id, "Call-ID: " + id}
		trunk.send(to, trunk.request("INVITE", uri, id, append(head, "To: <"+uri+">", "CSeq: 1 INVITE", "Contact: <sip:"+trunk.addr+">")...))
		invite := who.find("INVITE sip:"+id+"@", 2*time.Second)
		who.send(invite.from, invite.reply("486 Busy Here", "b"))
		final := trunk.find("SIP/2.0 486 ", 5*time.Second)
		trunk.send(to, trunk.request("ACK", uri, id, append(head, "To: "+final.header("To"), "CSeq: 1 ACK")...))
	}
	names("fresh")
	reaches(first)
	stop()
	names("stale")
	reaches(first)
	names("nowhere")
	reaches(second)
	nameServer(t, servers, known)
	names("fresh")
	reaches(first)
	if log := o.tail(1 << 20); strings.Count(log, `"name leads nowhere"`) != 1 {
		t.Errorf("the log says that a name leads nowhere %d times", strings.Count(log, `"name leads nowhere"`))
	}
}

// resetting takes connections, reads what comes first, and resets them.
func resetting(t *testing.T, at string) {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = nc.Read(make([]byte, 1))
			_ = nc.(*net.TCPConn).SetLinger(0)
			nc.Close()
		}
	}()
}

// certified makes the files of a border's realm and the certificate of a peer, by one authority.
func certified(t *testing.T, dir, us, at string) tls.Certificate {
	t.Helper()
	ca, key := issue(t, nil, nil, "")
	write(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", ca.Raw)
	for name, ip := range map[string]string{"peering": us, "far": netip.MustParseAddrPort(at).Addr().String()} {
		cert, own := issue(t, ca, key, ip)
		writePair(t, filepath.Join(dir, name), cert, own)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "far.pem"), filepath.Join(dir, "far.key"))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// alerting takes TLS connections and refuses the certificate that it is shown. The files
// of the border, whose authority it does not believe, are made beside it.
func alerting(t *testing.T, dir, us, at string) {
	t.Helper()
	pair := certified(t, dir, us, at)
	other, _ := issue(t, nil, nil, "")
	pool := x509.NewCertPool()
	pool.AddCert(other)
	l, err := tls.Listen("tcp", at, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			_ = nc.(*tls.Conn).Handshake() // fails, and says so
			nc.Close()
		}
	}()
}

// certify makes the files of a certificate for an address, by an authority that nobody knows.
func certify(t *testing.T, dir, name, ip string) {
	t.Helper()
	ca, key := issue(t, nil, nil, "")
	cert, own := issue(t, ca, key, ip)
	writePair(t, filepath.Join(dir, name), cert, own)
}

// writePair writes a certificate and its key.
func writePair(t *testing.T, at string, cert *x509.Certificate, own *ecdsa.PrivateKey) {
	t.Helper()
	write(t, at+".pem", "CERTIFICATE", cert.Raw)
	secret, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	write(t, at+".key", "PRIVATE KEY", secret)
}

// issue makes a certificate for an address, or an authority where there is none.
func issue(t *testing.T, by *x509.Certificate, with *ecdsa.PrivateKey, ip string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour)}
	if by == nil {
		by, with = template, key
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		template.IPAddresses = []net.IP{net.ParseIP(ip)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), with)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func write(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
