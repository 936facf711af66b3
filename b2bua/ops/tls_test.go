package ops_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"bulkhead/b2bua/ops"
)

// issue writes a certificate for 127.0.0.1 that vouches for itself.
func issue(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTLS: by TCP in nothing else where there is a certificate, with another one after
// Renew, and with a certificate of the caller's where one is asked for.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	first := issue(t, dir, "server")
	client := issue(t, dir, "client")
	if err := os.WriteFile(at("tokens"), []byte("a viewer a-token-of-mine-0123456789\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ops.Listen(ops.Config{
		Listen: "127.0.0.1:0", TokensFile: at("tokens"),
		TLS: ops.Files{Certificate: at("server.pem"), Key: at("server.key"), ClientCA: at("client.pem")},
	}, &node{state: "serving", ready: true}, prometheus.NewRegistry(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	defer func() {
		if err := errors.Join(s.Close(), <-ended); err != nil {
			t.Error(err)
		}
	}()
	get := func(scheme string, vouches *x509.Certificate, shows bool) int {
		conf := &tls.Config{RootCAs: x509.NewCertPool()}
		conf.RootCAs.AddCert(vouches)
		if shows {
			pair, err := tls.LoadX509KeyPair(at("client.pem"), at("client.key"))
			if err != nil {
				t.Fatal(err)
			}
			conf.Certificates = []tls.Certificate{pair}
		}
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}
		request, err := http.NewRequestWithContext(t.Context(), "GET", scheme+"://"+s.Addr()+"/v1/version", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer a-token-of-mine-0123456789")
		response, err := c.Do(request)
		if err != nil {
			return 0
		}
		response.Body.Close()
		return response.StatusCode
	}
	for name, got := range map[string]bool{
		"with a certificate": get("https", first, true) == 200, "without one": get("https", first, false) == 0,
		"in clear": get("http", first, true) == 400, "vouched for by another": get("https", client, true) == 0,
	} {
		if !got {
			t.Errorf("%s: not as it should be", name)
		}
	}
	second := issue(t, dir, "server")
	if get("https", second, true) != 0 {
		t.Error("the new certificate is shown before Renew")
	}
	apply, err := s.Renew()
	if err != nil {
		t.Fatal(err)
	}
	apply()
	if get("https", second, true) != 200 {
		t.Error("the new certificate is not shown")
	}
	if err := os.WriteFile(at("server.pem"), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Renew(); err == nil {
		t.Error("rubbish passes")
	}
	if get("https", second, true) != 200 {
		t.Error("the certificate of before does not stay")
	}
}
