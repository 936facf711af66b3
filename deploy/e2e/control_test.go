//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestR28_ANodeIsDrainedAndResumed by its API: new calls get 503 with Retry-After, the one
// that is there goes on; the deadline ends what is left by BYE.
func TestR28_ANodeIsDrainedAndResumed(t *testing.T) {
	t.Parallel()
	o := operate(t, 224, plan{})
	tool := func(args ...string) string {
		t.Helper()
		text, err := (&pair{border: o.border}).tool(args...)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return strings.TrimSpace(text)
	}
	up := func() {
		t.Helper()
		o.until("the call to be up", patience, func() bool {
			_, text := o.asks(http.MethodGet, "/v1/calls?state=up&fields=id")
			return strings.Contains(string(text), `"matched":1`)
		})
	}
	carrier := o.carrierAt(tc1, "uas.xml", nil)
	call := o.callerTo(number, "uac.xml", nil, "-d", "4000")
	up()
	t.Log(tool("node", "drain", o.file, "--reason", "kernel"))
	for path, want := range map[string]int{"/readyz": 503, "/healthz": 200} {
		if code, text := o.asks(http.MethodGet, path); code != want {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	if n := o.metric("bulkhead_node_drained"); n != 1 {
		t.Errorf("bulkhead_node_drained %v", n)
	}
	refused := o.sippAt(front, "refused", "uac_refused.xml", []string{`response="486"`, `response="503"`},
		"-m", "1", "-timeout", seconds(patience), "-trace_msg", "-message_file", filepath.Join(o.dir, "refused.messages"), o.at(coreSide), "-s", number)
	refused.finish(patience)
	if got, err := os.ReadFile(refused.messages); err != nil || !strings.Contains(string(got), "Retry-After: 30") {
		t.Errorf("refused with\n%s", got)
	}
	call.finish(patience) // in its own time
	carrier.finish(patience)
	if is := tool("node", "show", o.file); !strings.Contains(is, "draining, 0 calls; drained by operator uid ") || !strings.HasSuffix(is, ": kernel") {
		t.Error(is)
	}
	if is := tool("node", "resume", o.file); is != "e2e: serving, 0 calls" {
		t.Error(is)
	}
	if code, _ := o.asks(http.MethodGet, "/readyz"); code != 200 {
		t.Errorf("/readyz: %d", code)
	}
	carrier = o.carrierAt(tc1, "uas.xml", nil)
	call = o.callerTo(number, "uac_hungup.xml", nil)
	up()
	t.Log(tool("node", "drain", o.file, "--within", "300ms"))
	call.finish(patience) // by a BYE of ours
	carrier.finish(patience)
	records := o.records(2)
	if r := records[1]; r.EndedBy != "bulkhead" || r.Cause != "drained" || records[0].EndedBy != "trunk" {
		t.Errorf("%+v", records)
	}
}

// TestACarrierIsDrainedForItsUnit by the node that stands by: the one that serves sends
// nothing there, nor does the one that takes over, nor a new process.
func TestACarrierIsDrainedForItsUnit(t *testing.T) {
	t.Parallel()
	b := openPair(t, 225, nil, plan{more: "api: {socket: api.sock}"})
	file := func(node int) string { return filepath.Join(b.nodes[node].dir, "bulkhead.yaml") }
	tool := func(args ...string) string {
		t.Helper()
		text, err := b.tool(args...)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return text
	}
	goes := func() {
		t.Helper()
		carrier := b.carrierAt(tc2, "uas.xml", nil)
		call := b.callerTo(number, "uac.xml", nil, "-d", "100")
		call.finish(patience)
		carrier.finish(patience)
	}
	t.Log(tool("carrier", "drain", file(1), "tc1", "--for", "1h", "--reason", "new trunk"))
	b.nodes[0].until("the serving node to have it", patience, func() bool {
		return strings.Contains(tool("carriers", file(0)), "tc1: drained by operator uid ")
	})
	goes()
	b.nodes[0].signal(syscall.SIGKILL)
	<-b.nodes[0].exited
	b.nodes[1].took()
	goes()
	again := b.node(t, "a")
	again.until("it to stand by", patience, func() bool { return strings.Contains(again.tail(1<<20), "standing by") })
	again.until("the new process to have it", patience, func() bool {
		return strings.Contains(tool("carriers", file(0)), "tc1: drained by operator uid ")
	})
	t.Log(tool("node", "handover", file(0), "--to", "a"))
	goes()
	list := b.settled(again, 3)
	for _, r := range list {
		if r.tried()["tc2"] != 200 || len(r.Attempts) != 1 {
			t.Errorf("%+v", r)
		}
	}
	text, err := b.tool("node", "handover", file(0), "--to", "c")
	if err == nil || !strings.Contains(text, "c cannot take it") {
		t.Errorf("%v: %s", err, text)
	}
}

// TestRecordsArePosted at least once: to a server that is down while calls end, across a
// kill -9 of the node, with the starts of answered calls.
func TestRecordsArePosted(t *testing.T) { // not parallel: it has the network of another test
	const calls = 5
	var up atomic.Bool
	var mu sync.Mutex
	taken := map[string]int{}
	posted := make(chan struct{}, 1000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		var body struct{ Events []struct{ ID, Kind string } }
		err := json.NewDecoder(q.Body).Decode(&body)
		posted <- struct{}{}
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil || len(body.Events) == 0 || q.Header.Get("Idempotency-Key") == "" {
			t.Errorf("%v %v", err, q.Header)
		}
		for _, e := range body.Events {
			taken[e.ID]++
		}
	}))
	defer server.Close()
	o := operate(t, 224, plan{build: "plain", cdr: fmt.Sprintf(", start: true, webhook: {url: %q, retry: 50ms, most: 100ms}", server.URL)})
	run := func() {
		t.Helper()
		carrier := o.carrierAt(tc1, "uas.xml", nil, "-m", fmt.Sprint(calls))
		call := o.callerTo(number, "uac.xml", nil, "-m", fmt.Sprint(calls), "-d", "100", "-r", "20")
		call.finish(patience)
		carrier.finish(patience)
	}
	run()
	o.records(calls)
	<-posted // it tries, in vain
	if err := o.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-o.exited
	o.process = startWith(t, nil, o.dir, "again", built("plain"), "serve", "--drain", "1s", o.file)
	o.ready()
	<-posted
	up.Store(true)
	run()
	records := o.records(2 * calls)
	o.until("all events", patience, func() bool { mu.Lock(); defer mu.Unlock(); return len(taken) >= 4*calls })
	o.terminate(20 * time.Second)
	mu.Lock()
	defer mu.Unlock()
	for _, r := range records {
		for _, kind := range []string{"start", "stop"} {
			if taken[r.Call+":"+kind] == 0 {
				t.Errorf("no %s of call %s", kind, r.Call)
			}
			delete(taken, r.Call+":"+kind)
		}
	}
	if len(taken) > 0 {
		t.Errorf("of no record: %v", taken)
	}
}

// TestAConfigurationThatIsMountedReadOnly, as in a container, is not changed, and the refusal
// says what to do; it can be validated and compared.
func TestAConfigurationThatIsMountedReadOnly(t *testing.T) { // not parallel: it has the network of another test
	b := &border{dir: t.TempDir(), net: 225}
	mount := filepath.Join(b.dir, "mount")
	if err := os.Mkdir(mount, 0o755); err != nil {
		t.Fatal(err)
	}
	socket, file := filepath.Join(b.dir, "api.sock"), filepath.Join(mount, "bulkhead.yaml")
	text := strings.Replace(b.config(), "cdr: {file: calls.jsonl}\n", "", 1) + "api: {socket: " + socket + "}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.process = start(t, b.dir, "bulkhead", "unshare", "--mount", "sh", "-c",
		`mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$2" serve --drain 1s "$3"`, "sh", mount, built("race"), file)
	t.Cleanup(func() { b.terminate(20 * time.Second) })
	b.ready()
	tool := (&pair{border: b}).tool
	next := filepath.Join(b.dir, "next.yaml")
	if err := os.WriteFile(next, []byte(text+"log: {level: debug}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := tool("config", "diff", "--socket", socket, next); err != nil || out != "log: level is debug, was info\n" {
		t.Errorf("%v: %s", err, out)
	}
	out, err := tool("config", "apply", "--socket", socket, next)
	if err == nil || !strings.Contains(out, "read-only file system") || !strings.Contains(out, "change it where it comes from, and reload") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := tool("config", "diff", "--socket", socket, next); err != nil || out != "log: level is debug, was info\n" {
		t.Errorf("it is in force all the same: %v: %s", err, out)
	}
}
