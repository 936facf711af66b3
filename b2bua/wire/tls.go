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

func loadKeys(files Certificates, log *zap.Logger) (*keys, error) {
	k := &keys{files: files, log: log, looked: time.Now(), stamps: stamps(files)}
	return k, k.read()
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

// current returns both sides' configuration, the files looked at once a second.
func (k *keys) current() (server, client *tls.Config) {
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
