package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// webhook posts records, and answered calls, to a server.
type webhook struct {
	*outbox
	config WebhookConfig
	node   string
	client *http.Client
}

// posting is the body of a POST.
type posting struct {
	Node   string  `json:"node"`
	Events []event `json:"events"`
}

func newWebhook(c WebhookConfig, node string, log *zap.Logger, r prometheus.Registerer) (*webhook, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 2, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	var err error
	if transport.TLSClientConfig.RootCAs, err = c.authorities(); err != nil {
		return nil, fmt.Errorf("cdr.webhook.ca: %w", err)
	}
	w := &webhook{config: c, node: node, client: &http.Client{
		Timeout: c.Timeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a token goes nowhere else
	}}
	w.outbox = newOutbox("webhook", c.Batch, c.Retry, c.Most, w.post, log, r)
	return w, nil
}

// authorities are who vouches for the server; nil: the system's.
func (w *WebhookConfig) authorities() (*x509.CertPool, error) {
	if w.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(string(w.CA))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("there is no certificate in %s", w.CA)
	}
	return pool, nil
}

// post posts events, and says whether these will never be taken, as they are together
// (*unacceptable).
func (w *webhook) post(ctx context.Context, events []event) error {
	body := posting{Node: w.node, Events: events}
	ids := make([]string, 0, len(events))
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.config.URL, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", keyOf(ids))
	request.Header.Set("User-Agent", "Bulkhead")
	if w.config.TokenFile != "" {
		token, _, err := readSecret(string(w.config.TokenFile))
		if err != nil {
			return fmt.Errorf("cdr.webhook.token_file: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := w.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection serves again
	switch code := response.StatusCode; {
	case code/100 == 2:
		return nil
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		return &unacceptable{response.Status}
	}
	return errors.New("answered " + response.Status)
}

// keyOf is the idempotency key of a POST: of one event its id, of several a hash of theirs.
func keyOf(ids []string) string {
	if len(ids) == 1 {
		return ids[0]
	}
	sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
	return strconv.Itoa(len(ids)) + ":" + fmt.Sprintf("%x", sum[:16])
}
