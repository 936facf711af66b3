package wire_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"os"
	"testing"
	"time"

	"bulkhead/b2bua/wire"
)

// shows makes a certificate with just these names, of which file is the name.
func (a *authority) shows(file string, dns, uris []string, ips ...string) wire.Certificates {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotAfter: time.Now().Add(time.Hour), DNSNames: dns}
	for _, u := range uris {
		parsed, err := url.Parse(u)
		if err != nil {
			a.t.Fatal(err)
		}
		template.URIs = append(template.URIs, parsed)
	}
	for _, ip := range ips {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(ip))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(file+".pem", "CERTIFICATE", der)
	a.write(file+".key", "PRIVATE KEY", secret)
	return wire.Certificates{Certificate: a.path(file + ".pem"), Key: a.path(file + ".key"), ClientCA: a.path("ca.pem")}
}

func load(t *testing.T, c wire.Certificates) tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// far is a TLS server that says whom it was asked for and who asked.
type far struct {
	acceptor
	seen  chan tls.ConnectionState
	conns chan *tls.Conn
}

func farAway(t *testing.T, conf *tls.Config) *far {
	t.Helper()
	f := &far{acceptor: accepting(t, "127.0.0.1"), seen: make(chan tls.ConnectionState, 8), conns: make(chan *tls.Conn, 8)}
	go func() {
		for {
			nc, err := f.l.Accept()
			if err != nil {
				return
			}
			over := tls.Server(nc, conf)
			if over.Handshake() != nil {
				nc.Close()
				continue
			}
			f.seen <- over.ConnectionState()
			f.conns <- over
		}
	}()
	return f
}

func TestRFC5922_7_WhoThePeerIs(t *testing.T) {
	a := newAuthority(t)
	for what, c := range map[string]struct {
		dns, uris, ips []string
		peer           wire.Peer
		ok             bool
	}{
		"the host's name":                          {dns: []string{"SIP.tc.example"}, peer: wire.Peer{Host: "sip.tc.example"}, ok: true},
		"another host's name":                      {dns: []string{"sip.other.example"}, peer: wire.Peer{Host: "sip.tc.example"}},
		"a SIP domain":                             {uris: []string{"sip:tc.example"}, peer: wire.Peer{Host: "sip.tc.example", Name: "tc.example"}, ok: true},
		"a SIP domain with a port":                 {uris: []string{"sip:tc.example:5061;transport=tls"}, peer: wire.Peer{Name: "tc.example"}, ok: true},
		"a user is no domain":                      {uris: []string{"sip:tc@tc.example"}, peer: wire.Peer{Name: "tc.example"}},
		"nor is a URI of the web":                  {uris: []string{"https://tc.example/"}, peer: wire.Peer{Name: "tc.example"}},
		"beside a SIP domain no host name":         {uris: []string{"sip:tc.example"}, dns: []string{"sip.tc.example"}, peer: wire.Peer{Host: "sip.tc.example"}},
		"beside other URIs a host name":            {uris: []string{"https://tc.example/"}, dns: []string{"sip.tc.example"}, peer: wire.Peer{Host: "sip.tc.example"}, ok: true},
		"an asterisk stands for nothing":           {dns: []string{"*.tc.example"}, peer: wire.Peer{Host: "sip.tc.example"}},
		"but for itself, where that is configured": {dns: []string{"*.tc.example"}, peer: wire.Peer{Host: "sip.tc.example", Name: "*.tc.example"}, ok: true},
		"an address":                               {ips: []string{"127.0.0.1"}, ok: true},
		"another address":                          {ips: []string{"127.0.0.2"}},
		"an address is no name":                    {dns: []string{"127.0.0.1"}, ips: []string{"127.0.0.2"}},
	} {
		t.Run(what, func(t *testing.T) {
			f := farAway(t, &tls.Config{Certificates: []tls.Certificate{load(t, a.shows("far", c.dns, c.uris, c.ips...))}})
			e, _ := listenTLS(t, wire.Config{Peer: func(string, wire.Transport, netip.AddrPort) wire.Peer { return c.peer }}, a.issue("sbc", 2))
			unsent := make(chan error, 1)
			e.Send(wire.Hop{Realm: "core", Transport: wire.TLS, Remote: f.addr()}, wire.Hop{}, []byte("request"), func(err error) { unsent <- err })
			if c.ok {
				if got := take(t, f.seen).ServerName; got != c.peer.Host {
					t.Errorf("asked for %q", got)
				}
				nc := take(t, f.conns)
				gets(t, nc, "request")
				nc.Close()
				return
			}
			var verify *tls.CertificateVerificationError
			if err := take(t, unsent); !errors.As(err, &verify) {
				t.Error(err)
			}
		})
	}
}

// Each carrier gets the certificate that is meant for it, and is believed by its own
// authority, whoever connects.
func TestTLS_CertificatesOfAPeer(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	mine := theirs.shows("us", []string{"us.tc.example"}, nil) // as the carrier's authority knows us
	mine.ClientCA = theirs.path("ca.pem")
	f := farAway(t, &tls.Config{Certificates: []tls.Certificate{theirs.pair("far")}, ClientCAs: theirs.pool, ClientAuth: tls.RequireAndVerifyClientCert})
	peers := func(string, wire.Transport, netip.AddrPort) wire.Peer { return wire.Peer{Host: "far", Keys: "tc"} }
	e, r := listenTLS(t, wire.Config{Peer: peers, Keys: map[string]wire.Certificates{"tc": mine}}, ours.issue("sbc", 2))
	e.Send(wire.Hop{Realm: "core", Transport: wire.TLS, Remote: f.addr()}, wire.Hop{}, []byte("request"), func(err error) { t.Error(err) })
	if s := take(t, f.seen); s.PeerCertificates[0].DNSNames[0] != "us.tc.example" || s.ServerName != "far" {
		t.Errorf("shown %v, asked for %q", s.PeerCertificates[0].DNSNames, s.ServerName)
	}
	nc := take(t, f.conns)
	gets(t, nc, "request")

	back, err := tls.Dial("tcp", e.Addrs("core")[0].Addr.String(), &tls.Config{RootCAs: theirs.pool, ServerName: "us.tc.example", Certificates: []tls.Certificate{theirs.pair("far")}})
	if err != nil {
		t.Fatal(err)
	}
	put(t, back, message("OPTIONS", "back", 0))
	if p := take(t, r.packets); callID(p) != "back" {
		t.Errorf("%s", p.Raw)
	}
	back.Close()

	// The certificate changes: the connection that there is goes on, the next one has it.
	theirs.shows("us", []string{"new.tc.example"}, nil)
	later := time.Now().Add(time.Minute)
	for _, name := range []string{"us.pem", "us.key"} {
		if err := os.Chtimes(theirs.path(name), later, later); err != nil {
			t.Fatal(err)
		}
	}
	e.LookAtPeerKeys("tc")
	e.Send(wire.Hop{Realm: "core", Transport: wire.TLS, Remote: f.addr()}, wire.Hop{}, []byte("again"), func(err error) { t.Error(err) })
	gets(t, nc, "again")
	another := farAway(t, &tls.Config{Certificates: []tls.Certificate{theirs.pair("far")}, ClientCAs: theirs.pool, ClientAuth: tls.RequireAndVerifyClientCert})
	e.Send(wire.Hop{Realm: "core", Transport: wire.TLS, Remote: another.addr()}, wire.Hop{}, []byte("anew"), func(err error) { t.Error(err) })
	if s := take(t, another.seen); s.PeerCertificates[0].DNSNames[0] != "new.tc.example" {
		t.Errorf("shown %v", s.PeerCertificates[0].DNSNames)
	}
	gets(t, take(t, another.conns), "anew")
}

// R18: an alert is told at once, whenever it comes: with TLS 1.3 a peer can refuse our
// certificate only after we have sent.
func TestTLS_AlertIsTold(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	for version, name := range map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"} {
		t.Run(name, func(t *testing.T) {
			f := farAway(t, &tls.Config{Certificates: []tls.Certificate{a.pair("far")}, MaxVersion: version,
				ClientCAs: other.pool, ClientAuth: tls.RequireAndVerifyClientCert})
			e, _ := listenTLS(t, wire.Config{Peer: func(string, wire.Transport, netip.AddrPort) wire.Peer { return wire.Peer{Host: "far"} }}, a.issue("sbc", 2))
			unsent := make(chan error, 2)
			e.Send(wire.Hop{Realm: "core", Transport: wire.TLS, Remote: f.addr()}, wire.Hop{}, message("INVITE", "one", 0), func(err error) { unsent <- err })
			var alert tls.AlertError
			if err := take(t, unsent); !errors.As(err, &alert) && !errors.As(err, new(*net.OpError)) {
				t.Errorf("%v", err)
			} else {
				t.Log(err)
			}
		})
	}
}

func TestTLS_OlderThan12IsRefused(t *testing.T) {
	a := newAuthority(t)
	e, r := listenTLS(t, wire.Config{}, a.issue("sbc", 2))
	_, err := tls.Dial("tcp", e.Addrs("core")[0].Addr.String(), &tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1",
		MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11, Certificates: []tls.Certificate{a.pair("peer")}})
	if err == nil {
		t.Error("agreed on TLS 1.1")
	}
	r.dropped("handshake")
	f := farAway(t, &tls.Config{Certificates: []tls.Certificate{a.pair("far")}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
	unsent := make(chan error, 1)
	e.Send(wire.Hop{Realm: "core", Transport: wire.TLS, Remote: f.addr()}, wire.Hop{}, []byte("request"), func(err error) { unsent <- err })
	if err := take(t, unsent); err == nil {
		t.Error("agreed on TLS 1.1")
	}
}
