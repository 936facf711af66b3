//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// operated is a border with an API.
type operated struct {
	*border
	file   string
	client *http.Client
}

func operate(t *testing.T, network int, p plan) *operated {
	t.Helper()
	p.more += "\napi: {socket: api.sock}"
	o := &operated{border: open(t, network, p)}
	o.file = filepath.Join(o.dir, "bulkhead.yaml")
	o.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(o.dir, "api.sock"))
	}}}
	t.Cleanup(o.client.CloseIdleConnections)
	return o
}

// asks is an answer of the API.
func (o *operated) asks(method, path string) (code int, text []byte) {
	o.t.Helper()
	request, err := http.NewRequestWithContext(o.t.Context(), method, "http://bulkhead"+path, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	response, err := o.client.Do(request)
	if err != nil {
		o.t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err = io.ReadAll(response.Body); err != nil {
		o.t.Fatal(err)
	}
	return response.StatusCode, text
}

// metric is the value of a metric without labels, or with those that are written here.
func (o *operated) metric(name string) float64 {
	o.t.Helper()
	_, text := o.asks(http.MethodGet, "/metrics")
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				o.t.Fatal(err)
			}
			return n
		}
	}
	o.t.Fatalf("no metric %s", name)
	return 0
}

// rewrite puts a file in the place of the configuration at once.
func (o *operated) rewrite(text string) {
	o.t.Helper()
	if err := os.WriteFile(o.file+".new", []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
	if err := os.Rename(o.file+".new", o.file); err != nil {
		o.t.Fatal(err)
	}
}

// lines is how many records there are.
func (o *operated) lines() int {
	text, err := os.ReadFile(filepath.Join(o.dir, "calls.jsonl"))
	if err != nil {
		o.t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

// TestR27_ReloadUnderLoad reloads as fast as it goes while calls run: two files in which
// nobody has the name that he has in the other, and one that cannot be used. No call
// notices, and nothing is kept.
func TestR27_ReloadUnderLoad(t *testing.T) {
	t.Parallel()
	const rate, calls, least = 50, 1500, 1000
	o := operate(t, 216, plan{build: "plain", timers: "{t1: 100ms, t2: 800ms, t4: 1s}"})
	good := o.config()
	other := strings.NewReplacer("  pbx:", "  renamed:", "  tc1:", "  first:", "{carrier: tc1}", "{carrier: first}", "  tc2:", "  second:", "{carrier: tc2", "{carrier: second").Replace(good)
	bad := strings.Replace(other, "  first: {realm: peering", "  first: {realm: periing", 1)
	line := 1 + strings.Count(bad[:strings.Index(bad, "periing")], "\n")
	column := strings.Index(strings.Split(bad, "\n")[line-1], "periing") + 1
	place := fmt.Sprintf("%s:%d:%d", o.file, line, column)

	ring := []string{`<pause milliseconds="50"/>`, `<pause milliseconds="1000"/>`}
	carrier := o.sippAt(tc1, "tc1", "uas.xml", ring, "-m", fmt.Sprint(calls), "-timeout", seconds(3*patience))
	carrier.until("tc1 to listen", 10*time.Second, func() bool { return bound("udp", o.at(tc1)) })
	call := o.sippAt(caller, "caller", "uac.xml", nil, o.at(coreSide), "-s", number, "-d", "1000",
		"-r", fmt.Sprint(rate), "-m", fmt.Sprint(calls), "-timeout", seconds(3*patience))

	taken, refused, early := 0, 0, 0.0
	for running := true; running || taken+refused < least; {
		select {
		case <-call.exited:
			running = false
		default:
		}
		for n, text := range []string{other, good, bad} {
			o.rewrite(text)
			code, answer := o.asks(http.MethodPost, "/v1/reload")
			switch {
			case n < 2 && code == http.StatusOK:
				taken++
			case n == 2 && code == http.StatusUnprocessableEntity && bytes.Contains(answer, []byte(place)):
				refused++
			default:
				t.Fatalf("file %d: %d %s", n, code, answer)
			}
		}
		if early == 0 && o.lines() >= 10*rate { // calls begin and go as fast as they will
			early = o.metric("process_resident_memory_bytes")
		}
	}
	late := o.metric("process_resident_memory_bytes")
	call.finish(2 * patience)
	carrier.finish(2 * patience)
	if n, m := call.failed(), carrier.failed(); n+m != 0 {
		t.Errorf("failed: %d calls of the caller, %d of the carrier", n, m)
	}
	records := o.records(calls)
	for _, r := range records {
		if r.Result != "answered" || r.EndedBy != "trunk" || len(r.Attempts) != 1 {
			t.Errorf("%s, ended by %s, %d attempts", r.Result, r.EndedBy, len(r.Attempts))
		}
	}
	if got := o.metric("bulkhead_config_generation"); got != float64(1+taken) {
		t.Errorf("generation %v after %d reloads", got, taken)
	}
	if got := o.metric(`bulkhead_config_reloads_total{result="refused"}`); got != float64(refused) {
		t.Errorf("%v refused of %d", got, refused)
	}
	if ratio := late / early; ratio > 1.5 {
		t.Errorf("memory has grown by a factor of %.2f from %.0f MB", ratio, early/1e6)
	}
	o.until("the old configurations to be let go", 30*time.Second, func() bool { return o.metric("bulkhead_config_snapshots") == 1 })
	t.Logf("%d reloads taken, %d refused, %d calls, %d failed; %.1f MB after 10 s, %.1f MB at the end",
		taken, refused, len(records), call.failed()+carrier.failed(), early/1e6, late/1e6)
}

// TestReloadByAnOperator: with the command, and by SIGHUP.
func TestReloadByAnOperator(t *testing.T) {
	t.Parallel()
	o := operate(t, 217, plan{})
	command := func() (string, error) {
		out, err := exec.Command(built("race"), "reload", o.file).CombinedOutput()
		return string(out), err
	}
	good := o.config()
	o.rewrite(strings.Replace(good, "  pbx: {", "  pbx: {max_duration: 1h, ", 1))
	if out, err := command(); err != nil || !strings.Contains(out, "changed  trunks.pbx.max_duration\n") || !strings.Contains(out, "generation 2 of ") {
		t.Errorf("%v\n%s", err, out)
	}
	o.rewrite(strings.Replace(good, "node: e2e", "node: other", 1))
	if out, err := command(); err == nil || !strings.Contains(out, "bulkhead.yaml:1:7: node: is changed, which needs a restart\n") {
		t.Errorf("%v\n%s", err, out)
	}
	o.rewrite(good)
	if err := o.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	o.until("generation 3", 10*time.Second, func() bool { return o.metric("bulkhead_config_generation") == 3 })
	var v struct {
		State      string
		Generation int
	}
	_, text := o.asks(http.MethodGet, "/v1/version")
	if err := json.Unmarshal(text, &v); err != nil || v.State != "serving" || v.Generation != 3 {
		t.Errorf("%v %s", err, text)
	}
}

// TestR28_ADrainIsSeen: whoever balances sends no more calls to a node that drains, whoever
// supervises lets it live, and the call that is up stays up until the time is over.
func TestR28_ADrainIsSeen(t *testing.T) {
	t.Parallel()
	o := operate(t, 218, plan{drain: "5s"})
	carrier := o.carrierAt(tc1, "uas.xml", nil)
	call := o.callerTo(number, "uac_hungup.xml", nil)
	var list struct {
		Matched int
		Calls   []struct{ ID, Carrier string }
	}
	o.until("the call to be up", patience, func() bool {
		_, text := o.asks(http.MethodGet, "/v1/calls?state=up")
		return json.Unmarshal(text, &list) == nil && list.Matched == 1
	})
	if len(list.Calls) != 1 || list.Calls[0].Carrier != "tc1" {
		t.Errorf("%+v", list)
	}
	if code, text := o.asks(http.MethodGet, "/readyz"); code != http.StatusOK || string(text) != "serving\n" {
		t.Errorf("before: %d %s", code, text)
	}
	if err := o.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	o.until("readyz to say so", 4*time.Second, func() bool {
		code, text := o.asks(http.MethodGet, "/readyz")
		return code == http.StatusServiceUnavailable && string(text) == "draining\n"
	})
	if code, _ := o.asks(http.MethodGet, "/healthz"); code != http.StatusOK {
		t.Errorf("it does not live: %d", code)
	}
	if _, text := o.asks(http.MethodGet, "/v1/calls?state=up"); json.Unmarshal(text, &list) != nil || list.Matched != 1 {
		t.Errorf("the call is not up any more: %s", text)
	}
	call.finish(patience)
	carrier.finish(patience)
	o.finish(patience)
}
