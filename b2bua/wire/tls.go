package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

// keys are certificates that are in use, read again when the files change. What
// cannot be read leaves the old ones in use.
type keys struct {
	files Certificates
	log   *zap.Logger

	mu     sync.Mutex
	looked time.Time    // last time at the files
	stamps [3]time.Time // their changes as of the last reading
	server *tls.Config
	client *tls.Config // lacks what Peer.client adds
}

// loadKeys reads the certificates of a realm or peer; nil: it has none.
func (e *Edge) loadKeys(of string, files Certificates) (*keys, error) {
	if files == (Certificates{}) {
		return nil, nil
	}
	k := &keys{files: files, log: e.log.With(zap.String("of", of)), looked: time.Now(), stamps: stamps(files)}
	if err := k.read(); err != nil {
		return nil, err
	}
	return k, nil
}

// Check reads the certificates and says why they cannot be used.
func (c Certificates) Check() error { return (&keys{files: c}).read() }

// Certify reads certificates for all realms, and for the peers that Config.Keys would
// name, also where their files have other names than before; who is not named has none. apply takes them into use for the
// connections that come; those that are there stay. Where some cannot be used, faults
// says why by name, and apply is nil.
func (e *Edge) Certify(files map[string]Certificates) (apply func(), faults map[string]error) {
	all, peers := map[*realm]*keys{}, map[string]*keys{}
	read := func(name string) *keys {
		k, err := e.loadKeys(name, files[name])
		if err != nil {
			if faults == nil {
				faults = map[string]error{}
			}
			faults[name] = err
		}
		return k
	}
	for name, r := range e.realms {
		all[r] = read(name)
	}
	for name := range files {
		if e.realms[name] == nil {
			peers[name] = read(name)
		}
	}
	if faults != nil {
		return nil, faults
	}
	return func() {
		for r, k := range all {
			r.keys.Store(k)
		}
		e.peers.Store(&peers)
	}, nil
}

func stamps(files Certificates) (at [3]time.Time) {
	for i, name := range [...]string{files.Certificate, files.Key, files.ClientCA} {
		if info, err := os.Stat(name); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at
}

func (k *keys) read() error {
	base := &tls.Config{MinVersion: tls.VersionTLS12}
	if k.files.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(k.files.Certificate, k.files.Key)
		if err != nil {
			return fmt.Errorf("load certificate and key: %w", err)
		}
		base.Certificates = []tls.Certificate{pair}
	}
	server, client := base, base.Clone()
	if k.files.ClientCA != "" {
		pem, err := os.ReadFile(k.files.ClientCA)
		if err != nil {
			return fmt.Errorf("load client CA: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("load client CA: %w", errors.New(k.files.ClientCA+" has no certificate in it"))
		}
		server.ClientCAs, server.ClientAuth = pool, tls.RequireAndVerifyClientCert
		client.RootCAs = pool
	}
	k.server, k.client = server, client
	return nil
}

// current returns both sides' configuration, the files looked at once a second. A realm
// may have lost its certificates.
func (k *keys) current() (server, client *tls.Config) {
	if k == nil { // nothing to show, and the system's authorities vouch
		return &tls.Config{MinVersion: tls.VersionTLS12}, &tls.Config{MinVersion: tls.VersionTLS12}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); now.Sub(k.looked) >= time.Second {
		k.looked = now
		if at := stamps(k.files); at != k.stamps {
			k.stamps = at
			if err := k.read(); err != nil {
				k.log.Error("certificates changed and cannot be read; the old ones stay", zap.Error(err))
			} else {
				k.log.Info("certificates read again")
			}
		}
	}
	return k.server, k.client
}

// client is the configuration of a connection to the peer.
func (p Peer) client(k *keys, at netip.Addr) *tls.Config {
	_, base := k.current()
	conf := base.Clone()
	conf.ServerName = at.String() // not told: only names are (RFC 6066 §3)
	if p.Host != "" {
		conf.ServerName = p.Host
	}
	name := p.Name
	if name == "" {
		name = conf.ServerName
	}
	// Go's own check knows neither the names of RFC 5922 nor its rule on wildcards.
	conf.InsecureSkipVerify = true
	conf.VerifyConnection = func(s tls.ConnectionState) error { return verify(s.PeerCertificates, base.RootCAs, name) }
	return conf
}

// verify checks a peer's certificates, its own first, as those of a server, and that it
// is who it should be (RFC 5922 §7.3).
func verify(shown []*x509.Certificate, roots *x509.CertPool, name string) error {
	if len(shown) == 0 {
		return errors.New("the peer shows no certificate")
	}
	own, between := shown[0], x509.NewCertPool()
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	_, err := own.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	if err == nil && !identifies(own, name) {
		err = x509.HostnameError{Certificate: own, Host: name}
	}
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: shown, Err: err}
	}
	return nil
}

// identifies says that a certificate has a SIP domain as its identity, or an address
// (RFC 5922 §7.1, §7.2): URIs of the scheme sip without a user, host names only where
// there are none of those, compared letter by letter, so that an asterisk stands for
// itself. The common name says nothing.
func identifies(c *x509.Certificate, name string) bool {
	if ip, err := netip.ParseAddr(name); err == nil {
		for _, own := range c.IPAddresses {
			if a, ok := netip.AddrFromSlice(own); ok && a.Unmap() == ip.Unmap() {
				return true
			}
		}
		return false
	}
	domains := false
	for _, u := range c.URIs {
		if !strings.EqualFold(u.Scheme, "sip") {
			continue
		}
		host := u.Host + u.Opaque // sip:example.com is opaque to a parser of URLs
		if u.User != nil || strings.Contains(host, "@") {
			continue
		}
		if i := strings.IndexAny(host, ":;"); i >= 0 {
			host = host[:i]
		}
		domains = true
		if strings.EqualFold(host, name) {
			return true
		}
	}
	if domains {
		return false
	}
	for _, own := range c.DNSNames {
		if strings.EqualFold(own, name) {
			return true
		}
	}
	return false
}
