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
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// webhook posts the lines of the record file, and of the file of answered calls, each at
// least once: what has not been taken waits in the files, whose place is remembered beside
// them. No call waits for it, and no other file.
type webhook struct {
	config WebhookConfig
	node   string
	client *http.Client
	log    *zap.Logger // has no record: it may not show the numbers in them, and the files keep them

	sent, rejected, failed prometheus.Counter

	mu    sync.Mutex
	since time.Time // when posting began to fail; zero: it does not
	stop  context.CancelFunc
	last  chan struct{} // closed: what waits is posted once more, and then nothing
	ended sync.WaitGroup
}

// event is what is posted of a call, with its idempotency key.
type event struct {
	ID     string          `json:"id"`   // the same whenever it is posted: CALL:start, CALL:stop
	Kind   string          `json:"kind"` // start, stop
	Record json.RawMessage `json:"record"`
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
	w := &webhook{config: c, node: node, log: log, last: make(chan struct{}), client: &http.Client{
		Timeout: c.Timeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a token goes nowhere else
	}}
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "bulkhead", Name: "cdr_webhook_events_total", Help: "Records and answered calls posted, by what became of them: sent; rejected, that the server will never take.",
	}, []string{"result"})
	w.sent, w.rejected = events.WithLabelValues("sent"), events.WithLabelValues("rejected")
	w.failed = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "bulkhead", Name: "cdr_webhook_failures_total", Help: "POSTs of records that failed and are tried again.",
	})
	r.MustRegister(events, w.failed, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "bulkhead", Name: "cdr_webhook_failing_seconds", Help: "For how long records have waited since posting them began to fail; 0: it does not.",
	}, func() float64 {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.since.IsZero() {
			return 0
		}
		return time.Since(w.since).Seconds()
	}))
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

// follow posts the lines of a file from now on.
func (w *webhook) follow(ctx context.Context, t *tail, kind string) {
	w.ended.Go(func() {
		defer t.close()
		w.run(ctx, t, kind)
	})
}

// run posts until the context ends, or until it is at the end of the file once last is closed.
func (w *webhook) run(ctx context.Context, t *tail, kind string) {
	wait, most := w.config.Retry, w.config.Batch
	ending := false
	for ctx.Err() == nil {
		lines, lost, err := t.lines(most)
		if lost {
			w.log.Error("records that were not posted yet are gone with their file", zap.String("file", t.name))
		}
		if err == nil && len(lines) == 0 {
			if ending {
				return
			}
			select {
			case <-w.last:
				ending = true // what has come meanwhile is there to be read now
			case <-ctx.Done():
			case <-time.After(exportEach):
			}
			continue
		}
		posted := 0
		if err == nil {
			posted, err = w.post(ctx, kind, lines)
		}
		final := &unacceptable{}
		switch {
		case errors.As(err, &final) && len(lines) > 1: // one of them, or all together
			most = (len(lines) + 1) / 2
			continue
		case errors.As(err, &final):
			w.rejected.Inc()
			w.log.Error("a record that the webhook will never take", zap.String("call", callOf(lines[0])), zap.String("kind", kind), zap.Error(err))
		case err != nil && ctx.Err() == nil:
			w.fails(err, wait)
			select {
			case <-ctx.Done():
			case <-w.last: // it waits in the file for the next process
				return
			case <-time.After(wait):
			}
			wait = min(2*wait, w.config.Most)
			continue
		case err != nil:
			return
		default:
			w.sent.Add(float64(posted))
			w.rejected.Add(float64(len(lines) - posted))
		}
		w.works()
		wait, most = w.config.Retry, min(2*most, w.config.Batch)
		if err := t.done(); err != nil {
			w.log.Error("how far records were posted is not remembered: they will be again", zap.Error(err))
		}
	}
}

// fails tells once that posting fails.
func (w *webhook) fails(err error, wait time.Duration) {
	w.failed.Inc()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() {
		w.since = time.Now()
		w.log.Warn("records are not posted; they wait in their file", zap.Error(err), zap.Duration("tried again in", wait))
	}
}

// works tells once that it does again.
func (w *webhook) works() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.since.IsZero() {
		w.log.Info("records are posted again", zap.Duration("failed for", time.Since(w.since)))
		w.since = time.Time{}
	}
}

// callOf is the call that a line is the record of; empty: it is no record.
func callOf(line []byte) string {
	var r struct{ Call string }
	if json.Unmarshal(line, &r) != nil {
		return ""
	}
	return r.Call
}

// unacceptable is an answer that will be the same whenever a record is posted.
type unacceptable struct{ status string }

func (u *unacceptable) Error() string { return "answered " + u.status }

// post posts those of the lines that are records, and says how many these were; *unacceptable:
// they will never be taken, as they are together.
func (w *webhook) post(ctx context.Context, kind string, lines [][]byte) (posted int, err error) {
	body := posting{Node: w.node}
	ids := make([]string, 0, len(lines))
	for _, line := range lines {
		call := callOf(line)
		if call == "" {
			w.log.Error("a line that is no record is not posted", zap.String("kind", kind), zap.Int("bytes", len(line)))
			continue
		}
		id := call + ":" + kind
		ids = append(ids, id)
		body.Events = append(body.Events, event{ID: id, Kind: kind, Record: line})
	}
	if len(ids) == 0 {
		return 0, nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.config.URL, bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", keyOf(ids))
	request.Header.Set("User-Agent", "Bulkhead")
	if w.config.TokenFile != "" {
		token, _, err := readSecret(string(w.config.TokenFile))
		if err != nil {
			return 0, fmt.Errorf("cdr.webhook.token_file: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := w.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection serves again
	switch code := response.StatusCode; {
	case code/100 == 2:
		return len(ids), nil
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		return 0, &unacceptable{response.Status}
	}
	return 0, errors.New("answered " + response.Status)
}

// keyOf is the idempotency key of a POST: of one event its id, of several a hash of theirs.
func keyOf(ids []string) string {
	if len(ids) == 1 {
		return ids[0]
	}
	sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
	return strconv.Itoa(len(ids)) + ":" + fmt.Sprintf("%x", sum[:16])
}

// close posts what waits, for a moment, and ends.
func (w *webhook) close(within time.Duration) {
	close(w.last)
	timer := time.AfterFunc(within, w.stop)
	defer timer.Stop()
	w.ended.Wait()
	w.stop()
}
