package wire

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// keys are the certificates of a realm, read again when the files change. What
// cannot be read leaves the old ones in use.
type keys struct {
	files Certificates
	log   *zap.Logger

	mu     sync.Mutex
	looked time.Time    // last time at the files
	stamps [3]time.Time // their changes as of the last reading
	server *tls.Config
	client *tls.Config // lacks ServerName
}

// loadKeys reads the certificates of a realm; nil: it has none.
func (e *Edge) loadKeys(realm string, files Certificates) (*keys, error) {
	if files == (Certificates{}) {
		return nil, nil
	}
	k := &keys{files: files, log: e.log.With(zap.String("realm", realm)), looked: time.Now(), stamps: stamps(files)}
	if err := k.read(); err != nil {
		return nil, err
	}
	return k, nil
}

// Check reads the certificates and says why they cannot be used.
func (c Certificates) Check() error { return (&keys{files: c}).read() }

// Certify reads certificates for all realms, also where their files have other names
// than before; a realm that is not named has none. apply takes them into use for the
// connections that come; those that are there stay. Where some cannot be used, faults
// says why by realm, and apply is nil.
func (e *Edge) Certify(files map[string]Certificates) (apply func(), faults map[string]error) {
	all := map[*realm]*keys{}
	for name, r := range e.realms {
		k, err := e.loadKeys(name, files[name])
		if err != nil {
			if faults == nil {
				faults = map[string]error{}
			}
			faults[name] = err
		}
		all[r] = k
	}
	if faults != nil {
		return nil, faults
	}
	return func() {
		for r, k := range all {
			r.keys.Store(k)
		}
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
