package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"bulkhead/b2bua"
	"bulkhead/carriers"
	"bulkhead/storage/storagetest"
)

// receiver is a server that takes records as a test says.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	says   func(ids []string) int // status
	got    map[string]int         // how often each event was taken
	order  []string
	keys   []string
	tokens []string
	posts  int
}

func receives(t *testing.T, says func(ids []string) int) *receiver {
	r := &receiver{got: map[string]int{}, says: says}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var p posting
		text, err := io.ReadAll(q.Body)
		if err != nil || json.Unmarshal(text, &p) != nil || q.Method != "POST" || q.Header.Get("Content-Type") != "application/json" || p.Node != "sbc-a" {
			t.Errorf("%s %v %s", q.Method, q.Header, text)
		}
		var ids []string
		for _, e := range p.Events {
			ids = append(ids, e.ID)
			var rec b2bua.Record
			if json.Unmarshal(e.Record, &rec) != nil || e.ID != rec.Call+":"+e.Kind {
				t.Errorf("%s: %s", e.ID, e.Record)
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.posts++
		code := 200
		if r.says != nil {
			code = r.says(ids)
		}
		if code == 200 {
			for _, id := range ids {
				r.got[id]++
			}
			r.order = append(r.order, ids...)
			r.keys = append(r.keys, q.Header.Get("Idempotency-Key"))
			r.tokens = append(r.tokens, q.Header.Get("Authorization"))
		}
		w.WriteHeader(code)
	}))
	t.Cleanup(r.Close)
	return r
}

// until waits until so many events were taken.
func (r *receiver) until(t *testing.T, n int) {
	t.Helper()
	storagetest.Eventually(t, fmt.Sprintf("%d events", n), func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.got) >= n })
}

// hooked is a webhook of a record file.
type hooked struct {
	*webhook
	t      *testing.T
	name   string
	file   *b2bua.RecordFile
	core   zapcore.Core
	logs   *observer.ObservedLogs
	cancel context.CancelFunc
	made   int
}

func hooks(t *testing.T, url string, change func(*WebhookConfig)) *hooked {
	t.Helper()
	h := &hooked{t: t, name: filepath.Join(t.TempDir(), "calls.jsonl")}
	h.core, h.logs = observer.New(zap.InfoLevel)
	var err error
	if h.file, err = b2bua.OpenRecordFile(h.name, 4000); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.file.Close() })
	h.begin(url, change)
	return h
}

// begin is a new process.
func (h *hooked) begin(url string, change func(*WebhookConfig)) {
	h.t.Helper()
	c := WebhookConfig{URL: url}
	c.Default()
	c.Retry, c.Most = 5*time.Millisecond, 20*time.Millisecond
	if change != nil {
		change(&c)
	}
	w, err := newWebhook(c, "sbc-a", zap.New(h.core), prometheus.NewRegistry())
	if err != nil {
		h.t.Fatal(err)
	}
	tail, err := openTail(h.name, sibling("webhook", h.name))
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	h.webhook, h.cancel = w, stop
	w.follow(ctx, tail, "stop")
	h.t.Cleanup(func() { stop(); w.ended.Wait() })
}

// dies ends the process without a word.
func (h *hooked) dies() { h.cancel(); h.ended.Wait() }

// writes writes records.
func (h *hooked) writes(n int) {
	h.t.Helper()
	for range n {
		if err := h.file.Write(b2bua.Record{Schema: 1, Call: fmt.Sprint("c", h.made), Trunk: "pbx", From: "+33612345678", Attempts: []b2bua.Attempt{}}); err != nil {
			h.t.Fatal(err)
		}
		h.made++
	}
}

// once wants every record to have been taken once, in its order.
func (r *receiver) once(t *testing.T, n int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.order) != n {
		t.Errorf("%d events, want %d", len(r.order), n)
	}
	for i, id := range r.order {
		if id != fmt.Sprintf("c%d:stop", i) {
			t.Fatalf("event %d is %s", i, id)
		}
	}
}

// TestWebhookPostsRecords in batches, with their ids as keys, across rotations of the file.
func TestWebhookPostsRecords(t *testing.T) {
	r := receives(t, nil)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := hooks(t, r.URL, func(c *WebhookConfig) { c.Batch, c.TokenFile = 7, carriers.File(token) })
	h.writes(1)
	r.until(t, 1)
	h.writes(99) // of 4000 bytes a file holds some
	r.until(t, 100)
	r.once(t, 100)
	if all, err := filepath.Glob(strings.TrimSuffix(h.name, ".jsonl") + "-*.jsonl"); err != nil || len(all) < 3 {
		t.Errorf("%d files: the test is about several", len(all)+1)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys[0] != "c0:stop" || r.tokens[0] != "Bearer secret" {
		t.Errorf("%q %q", r.keys[0], r.tokens[0])
	}
	seen := map[string]bool{}
	for _, key := range r.keys {
		if seen[key] {
			t.Errorf("two POSTs with the key %s", key)
		}
		seen[key] = true
	}
}

// TestWebhookOutlivesItsServer, that refuses and answers late, and is away; and its process.
// What is written meanwhile is posted afterwards; what was taken is not posted again.
func TestWebhookOutlivesItsServer(t *testing.T) {
	codes := []int{503, 500, 429, 401, 302}
	posts := 0
	r := receives(t, func([]string) int {
		posts++
		if posts <= len(codes) {
			return codes[posts-1]
		}
		return 200
	})
	h := hooks(t, r.URL, nil)
	h.writes(10)
	r.until(t, 10)
	storagetest.Eventually(t, "ten that were sent", func() bool { return value(t, h.sent) == 10 })
	if n := value(t, h.failed); n != float64(len(codes)) {
		t.Errorf("%v failures, want %d", n, len(codes))
	}
	h.dies()
	h.writes(20) // nobody posts
	away := httptest.NewServer(nil)
	away.Close()
	h.begin(away.URL, nil)
	h.writes(20)
	storagetest.Eventually(t, "failures", func() bool { return value(t, h.failed) > 3 })
	h.mu.Lock()
	if h.since.IsZero() {
		t.Error("it does not show that it fails")
	}
	h.mu.Unlock()
	h.dies()
	h.begin(r.URL, nil)
	h.writes(5)
	r.until(t, 55)
	r.once(t, 55)
	storagetest.Eventually(t, "the rest sent by the last process", func() bool { return value(t, h.sent) == 45 })
}

// TestWebhookTriesAgainWhatTookTooLong: at least once, with the same id.
func TestWebhookTriesAgainWhatTookTooLong(t *testing.T) {
	release, first := make(chan struct{}), make(chan struct{}, 1)
	first <- struct{}{}
	var mu sync.Mutex
	var keys []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		mu.Lock()
		keys = append(keys, q.Header.Get("Idempotency-Key"))
		mu.Unlock()
		select {
		case <-first: // taken, and nobody hears of it
			<-release
		default:
		}
	}))
	defer server.Close()
	defer close(release)
	h := hooks(t, server.URL, func(c *WebhookConfig) { c.Timeout = 50 * time.Millisecond })
	h.writes(1)
	storagetest.Eventually(t, "sent", func() bool { return value(t, h.sent) == 1 })
	mu.Lock()
	defer mu.Unlock()
	if len(keys) != 2 || keys[0] != "c0:stop" || keys[1] != "c0:stop" {
		t.Errorf("%q", keys)
	}
}

// TestWebhookLeavesOutWhatIsNeverTaken: one record that the server refuses holds up no other.
func TestWebhookLeavesOutWhatIsNeverTaken(t *testing.T) {
	r := receives(t, func(ids []string) int {
		for _, id := range ids {
			if id == "c13:stop" {
				return 422
			}
		}
		if len(ids) > 10 {
			return 413
		}
		return 200
	})
	h := hooks(t, r.URL, nil)
	h.writes(40)
	r.until(t, 39)
	storagetest.Eventually(t, "counted", func() bool { return value(t, h.sent) == 39 && value(t, h.rejected) == 1 })
	if r.got["c13:stop"] != 0 {
		t.Error("taken")
	}
	said := h.logs.FilterMessage("a record that the webhook will never take").All()
	if len(said) != 1 || said[0].ContextMap()["call"] != "c13" {
		t.Errorf("%v", said)
	}
	for _, line := range h.logs.All() {
		if text := fmt.Sprint(line.ContextMap()); strings.Contains(text, "33612345678") {
			t.Errorf("the log shows a number: %s", text)
		}
	}
}

// TestWebhookTellsOfALineThatIsNoRecord, and not what stands in it: it may be half of one.
func TestWebhookTellsOfALineThatIsNoRecord(t *testing.T) {
	r := receives(t, func([]string) int { return 200 })
	h := hooks(t, r.URL, nil)
	f, err := os.OpenFile(h.name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"schema":1,"from":"+33612345678"}` + "\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	storagetest.Eventually(t, "counted", func() bool { return value(t, h.rejected) == 1 })
	said := h.logs.FilterMessage("a line that is no record is not posted").All()
	if len(said) != 1 || fmt.Sprint(said[0].ContextMap()) != "map[bytes:34 kind:stop]" {
		t.Errorf("%v", said)
	}
}

// TestWebhookBeginsWithWhatComes: the records of before are nobody's surprise. A file that is
// gone is lost, and what comes after it is not.
func TestWebhookBeginsWithWhatComes(t *testing.T) {
	r := receives(t, nil)
	h := &hooked{t: t, name: filepath.Join(t.TempDir(), "calls.jsonl")}
	var err error
	if h.file, err = b2bua.OpenRecordFile(h.name, 1<<20); err != nil {
		t.Fatal(err)
	}
	defer h.file.Close()
	h.writes(3)
	h.begin(r.URL, nil)
	h.writes(2)
	r.until(t, 2)
	if r.got["c2:stop"] != 0 || r.got["c3:stop"] != 1 {
		t.Errorf("%v", r.got)
	}
	h.dies()
	h.writes(1)
	if err := os.Remove(h.name); err != nil {
		t.Fatal(err)
	}
	if err := h.file.Reopen(); err != nil {
		t.Fatal(err)
	}
	h.writes(2)
	h.begin(r.URL, nil)
	r.until(t, 4)
	if r.got["c5:stop"] != 0 || r.got["c7:stop"] != 1 {
		t.Errorf("%v", r.got)
	}
}

// TestWebhookWaitsForWholeLines: half a line is not posted, nor is it lost.
func TestWebhookWaitsForWholeLines(t *testing.T) {
	r := receives(t, nil)
	h := hooks(t, r.URL, nil)
	f, err := os.OpenFile(h.name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(`{"call":"c0"`); err != nil {
		t.Fatal(err)
	}
	other := &tail{name: h.name, mark: filepath.Join(t.TempDir(), "mark")}
	if lines, _, err := other.lines(10); err != nil || len(lines) > 0 {
		t.Fatalf("%v %q", err, lines)
	}
	if _, err := f.WriteString("}\nno record\n"); err != nil {
		t.Fatal(err)
	}
	r.until(t, 1)
	storagetest.Eventually(t, "counted", func() bool { return value(t, h.rejected) == 1 })
}

// TestWebhookEndsInTime: the last records are posted, a server that is away is not waited for.
func TestWebhookEndsInTime(t *testing.T) {
	r := receives(t, nil)
	h := hooks(t, r.URL, nil)
	h.writes(300)
	h.close(10 * time.Second)
	r.once(t, 300)
	away := httptest.NewServer(nil)
	away.Close()
	h = hooks(t, away.URL, func(c *WebhookConfig) { c.Retry, c.Most = time.Hour, time.Hour })
	h.writes(1)
	storagetest.Eventually(t, "a failure", func() bool { return value(t, h.failed) == 1 })
	h.close(time.Hour) // or the test does not end
}

// value is a counter's.
func value(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}
