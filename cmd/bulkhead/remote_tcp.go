package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// bearer sends requests to a node by TCP, with a token.
type bearer struct {
	base  *url.URL
	token string
	next  http.RoundTripper
}

// RoundTrip is http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = b.base.Scheme, b.base.Host, ""
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// newRemoteAt is a running node by the port of its API: http or https, host and port. The
// token is in a file, where it does not show among the processes; ca is who vouches for
// the node instead of the system's authorities, if not empty.
func newRemoteAt(at, tokenFile, ca string) (*remote, error) {
	base, err := url.Parse(at)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || strings.Trim(base.Path, "/") != "" {
		return nil, fmt.Errorf("--url %s: want http or https, host and port, such as https://node-a:8080", at)
	}
	text, err := os.ReadFile(tokenFile)
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	transport := &http.Transport{Proxy: nil}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca: %s has no certificate in it", ca)
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	return &remote{base.Host, &http.Client{Timeout: answersWithin, Transport: bearer{base, strings.TrimSpace(string(text)), transport}}}, nil
}
