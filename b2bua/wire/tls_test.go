package wire_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"bulkhead/b2bua/wire"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	dir  string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, cert: cert, key: key, pool: x509.NewCertPool(), dir: t.TempDir()}
	a.pool.AddCert(cert)
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// issue writes a certificate for 127.0.0.1 and that name.
func (a *authority) issue(name string, serial int64) wire.Certificates {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", secret)
	return wire.Certificates{Certificate: a.path(name + ".pem"), Key: a.path(name + ".key"), ClientCA: a.path("ca.pem")}
}

// pair is what a peer shows.
func (a *authority) pair(name string) tls.Certificate {
	a.t.Helper()
	c := a.issue(name, 99)
	pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

func listenTLS(t *testing.T, c wire.Config, keys wire.Certificates) (*wire.Edge, *receiver) {
	t.Helper()
	c.Realms = map[string]wire.Realm{"core": {TLS: keys}}
	return listen(t, c, "tls://127.0.0.1:0")
}

func TestTLS_BothWays(t *testing.T) {
	a := newAuthority(t)
	e, r := listenTLS(t, wire.Config{}, a.issue("sbc", 2))
	nc, err := tls.Dial("tcp", e.Addrs("core")[0].Addr.String(),
		&tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{a.pair("peer")}})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	put(t, nc, message("INVITE", "call", 100))
	p := take(t, r.packets)
	if p.Transport != wire.TLS || callID(p) != "call" || p.Conn == 0 {
		t.Errorf("%+v", p.Hop)
	}
	e.Send(p.Hop, wire.Hop{}, []byte("answer"), func(err error) { t.Error(err) })
	gets(t, nc, "answer")
}

func TestTLS_PeerWithoutCertificateIsRefused(t *testing.T) {
	a := newAuthority(t)
	e, r := listenTLS(t, wire.Config{}, a.issue("sbc", 2))
	nc, err := tls.Dial("tcp", e.Addrs("core")[0].Addr.String(), &tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1"})
	if err == nil { // TLS 1.3 tells with the first read
		_ = nc.SetDeadline(time.Now().Add(patience))
		if _, err := nc.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		nc.Close()
	}
	r.dropped("handshake")
	r.nothing()
}

func TestTLS_ConnectsToWhomTheAuthorityVouchesFor(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	for name, try := range map[string]struct {
		peer     *authority
		expected string // name in the certificate
		ok       bool
	}{
		"by address":    {peer: a, ok: true},
		"by name":       {peer: a, expected: "peer", ok: true},
		"another name":  {peer: a, expected: "somebody.else"},
		"another's own": {peer: other},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := listenTLS(t, wire.Config{Peer: func(string, wire.Transport, netip.AddrPort) wire.Peer { return wire.Peer{Name: try.expected} }}, a.issue("sbc", 2))
			far := accepting(t, "127.0.0.1")
			far.l = tls.NewListener(far.l, &tls.Config{Certificates: []tls.Certificate{try.peer.pair("peer")},
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool})
			shown := make(chan string, 1)
			go func() {
				nc, err := far.l.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				b := make([]byte, 7)
				n, _ := nc.Read(b)
				shown <- string(b[:n])
			}()
			unsent := make(chan error, 1)
			e.Send(wire.Hop{Realm: "core", Transport: wire.TLS, Remote: far.addr()}, wire.Hop{}, []byte("request"), func(err error) { unsent <- err })
			if got := take(t, shown); (got == "request") != try.ok {
				t.Errorf("%q", got)
			}
			if !try.ok {
				var verify *tls.CertificateVerificationError
				if err := take(t, unsent); !errors.As(err, &verify) {
					t.Error(err)
				}
			}
		})
	}
}

func TestTLS_CertificatesAreReadAgain(t *testing.T) {
	a := newAuthority(t)
	e, _ := listenTLS(t, wire.Config{}, a.issue("sbc", 2))
	serial := func() int64 {
		nc, err := tls.Dial("tcp", e.Addrs("core")[0].Addr.String(),
			&tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{a.pair("peer")}})
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		return nc.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	change := func() {
		later := time.Now().Add(time.Minute)
		for _, name := range []string{"sbc.pem", "sbc.key"} {
			if err := os.Chtimes(a.path(name), later, later); err != nil {
				t.Fatal(err)
			}
		}
		e.LookAtKeys("core")
	}
	if got := serial(); got != 2 {
		t.Errorf("first: %d", got)
	}
	a.issue("sbc", 3)
	change()
	if got := serial(); got != 3 {
		t.Errorf("changed: %d", got)
	}
	a.write("sbc.pem", "CERTIFICATE", []byte("rubbish"))
	e.LookAtKeys("core")
	if got := serial(); got != 3 {
		t.Errorf("spoilt: %d", got)
	}
}

// TestTLS_Certify: other certificates, from other files, for who connects from then on;
// of those that cannot be used nothing is taken.
func TestTLS_Certify(t *testing.T) {
	a := newAuthority(t)
	e, r := listenTLS(t, wire.Config{}, a.issue("sbc", 2))
	dial := func() *tls.Conn {
		nc, err := tls.Dial("tcp", e.Addrs("core")[0].Addr.String(),
			&tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{a.pair("peer")}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return nc
	}
	serial := func() int64 { return dial().ConnectionState().PeerCertificates[0].SerialNumber.Int64() }
	old := dial()
	broken := a.issue("broken", 4)
	a.write("broken.pem", "CERTIFICATE", []byte("rubbish"))
	if apply, faults := e.Certify(map[string]wire.Certificates{"core": broken}); apply != nil || faults["core"] == nil {
		t.Errorf("broken: %v", faults)
	}
	if broken.Check() == nil {
		t.Error("what is broken passes")
	}
	apply, faults := e.Certify(map[string]wire.Certificates{"core": a.issue("other", 3)})
	if faults != nil {
		t.Fatal(faults)
	}
	if got := serial(); got != 2 {
		t.Errorf("before it is applied: %d", got)
	}
	apply()
	if got := serial(); got != 3 {
		t.Errorf("applied: %d", got)
	}
	put(t, old, message("INVITE", "call", 100))
	if p := take(t, r.packets); callID(p) != "call" {
		t.Errorf("by the connection of before: %+v", p.Hop)
	}
}

func TestListen_NeedsReadableCertificates(t *testing.T) {
	a := newAuthority(t)
	keys := a.issue("sbc", 2)
	a.write("sbc.key", "PRIVATE KEY", []byte("rubbish"))
	l, err := wire.ParseListener("tls://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e, err := wire.New(wire.Config{Realms: map[string]wire.Realm{"peering": {Listen: []wire.Listener{l}, TLS: keys}}}, &receiver{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Listen(); err == nil {
		t.Error("listens")
	}
}
