//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bulkhead/b2bua/ops"
	"bulkhead/storage/storagetest"
)

// beside is a node with a unit of its own, whose API other nodes reach.
func beside(t *testing.T, dir, name string, network int, redis *storagetest.Server) *pair {
	t.Helper()
	tokens := filepath.Join(dir, "tokens-"+name) // of this node only: none of them travels
	if err := os.WriteFile(tokens, fmt.Appendf(nil, "noc-%s operator a-token-of-%s-that-is-long-enough\n", name, name), 0o600); err != nil {
		t.Fatal(err)
	}
	b := &pair{border: &border{dir: dir, net: network}, redis: redis}
	if network > 255 { // 127.0 has no more of them
		b.net, b.plan.prefix = network-255, "127.1"
	}
	at := b.ip(90) + ":8080"
	b.plan.more = fmt.Sprintf("api: {listen: %q, advertise: %q, socket: api.sock, tokens_file: %q}", at, "http://"+at, tokens)
	b.border.process = b.node(t, name).process
	b.ready()
	return b
}

// listed is what the command lists by a node's configuration.
func (b *pair) listed(file string, args ...string) (calls []ops.Call, problems string) {
	b.t.Helper()
	text, err := b.tool(append([]string{"calls", file, "-o", "jsonl", "--state", "hunting,ringing,up"}, args...)...)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, text)
	}
	for line := range strings.Lines(text) {
		var c ops.Call
		if json.Unmarshal([]byte(line), &c) == nil {
			calls = append(calls, c)
		} else {
			problems += line
		}
	}
	return calls, problems
}

// listens keeps what a node's API streams, until the test ends.
func (b *pair) listens(name, path string) (heard func() string) {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "http://"+b.ip(90)+":8080"+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer a-token-of-"+name+"-that-is-long-enough")
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusOK {
		b.t.Fatalf("%v %v", err, response)
	}
	var mu sync.Mutex
	var text strings.Builder
	go func() {
		defer response.Body.Close()
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			mu.Lock()
			text.WriteString(lines.Text() + "\n")
			mu.Unlock()
		}
	}()
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
}

// TestR19_OneNodeTellsOfTheCluster: two nodes, each with a unit and a call of its own. Each
// lists both calls, and shows the other's. One is killed, and nobody takes its unit: its call
// is listed out of Redis, marked, and cannot be ended. When it is back, the other one ends
// both.
func TestR19_OneNodeTellsOfTheCluster(t *testing.T) {
	t.Parallel()
	redis, dir := storagetest.StartRedis(t), t.TempDir()
	a, b := beside(t, dir, "a", 222, redis), beside(t, dir, "b", 223, redis)
	events := a.listens("a", "/v1/events")
	hears := func(what string, times int, want ...string) {
		t.Helper()
		a.nodes[0].until(what, patience, func() (is bool) {
			n := 0
			for line := range strings.Lines(events()) {
				all := true
				for _, w := range want {
					all = all && strings.Contains(line, w)
				}
				if all {
					n++
				}
			}
			return n == times
		})
	}
	hears("node b to be heard", 1, `"node":"b"`, `"state":"joined"`)
	var peers []*sipp
	for _, n := range []*pair{a, b} {
		carrier := n.carrierAt(tc1, "uas.xml", nil)
		call := n.callerTo(number, "uac_hungup.xml", nil)
		peers = append(peers, carrier, call)
	}
	file := func(name string) string { return filepath.Join(dir, name, "bulkhead.yaml") }
	for _, name := range []string{"a", "b"} {
		a.nodes[0].until("node "+name+" to list both calls", patience, func() bool {
			calls, problems := a.listed(file(name), "--state", "up")
			return len(calls) == 2 && problems == ""
		})
	}
	calls, _ := a.listed(file("a"), "--node", "b")
	if len(calls) != 1 || calls[0].Node != "b" || calls[0].Unit != "u223" || calls[0].Owner != "" {
		t.Fatalf("of node b: %+v", calls)
	}
	theirs := calls[0].ID
	if text, err := a.tool("call", "ladder", file("a"), theirs); err != nil || !strings.Contains(text, "INVITE") || !strings.Contains(text, "tc1") {
		t.Errorf("%v\n%s", err, text)
	}

	for _, name := range []string{"a", "b"} {
		hears("the answered call of node "+name, 1, `"node":"`+name+`"`, `"what":"answered"`)
	}

	screen := a.inTerminal(built("plain") + " top --every 200ms " + file("a"))
	screen.shows("bulkhead, 2 nodes", "a of unit u222: serving, 1 call", "b of unit u223: serving, 1 call", "2 calls", "NODE", "n node")
	row := regexp.MustCompile(`(?m)^` + theirs + `  up .*  b\s*$`)
	if board := screen.shows("2 calls"); !row.MatchString(board) {
		t.Errorf("the board does not say whose call %s is:\n%s", theirs, board)
	}
	screen.types("n")
	screen.shows("bulkhead a of unit u222", "1 calls with node=a")
	screen.types("n")
	screen.shows("bulkhead b of unit u223: serving", "1 calls with node=b", theirs)
	screen.types("Enter")
	screen.shows("ladder of "+theirs, "INVITE")
	screen.types("Escape") // at once with n it would be Alt-n
	screen.shows("WENT WRONG LAST")
	screen.types("n")
	screen.shows("bulkhead, 2 nodes")

	b.nodes[0].signal(syscall.SIGKILL)
	<-b.nodes[0].exited
	killed := time.Now()
	if calls, problems := a.listed(file("a")); len(calls) != 2 || !strings.Contains(problems, "node b") { // at once
		t.Errorf("%+v %s", calls, problems)
	}
	a.nodes[0].until("node b to be taken for dead", patience, func() bool {
		calls, problems := a.listed(file("a"), "--node", "b")
		if len(calls) != 1 || calls[0].ID != theirs || calls[0].State != "up" || !strings.Contains(problems, "node b") {
			t.Fatalf("%+v %s", calls, problems)
		}
		return calls[0].Owner == "dead"
	})
	t.Logf("taken for dead %v after it was killed", time.Since(killed).Round(100*time.Millisecond))
	board := screen.shows("b of unit u223: dead, 1 call as the store has them", "b dead, as stored", "incomplete: node b")
	if dir := os.Getenv("BULKHEAD_PICTURES"); dir != "" { // to be looked at
		if err := os.WriteFile(filepath.Join(dir, "top-cluster.txt"), []byte(board), 0o600); err != nil {
			t.Error(err)
		}
	}
	calls, _ = a.listed(file("a"))
	for _, c := range calls {
		if own := c.ID != theirs; own && c.Owner != "" || !own && (c.Owner != "dead" || c.Node != "b" || c.Unit != "u223" || c.Stored.IsZero() || c.Age <= 0) {
			t.Errorf("%+v", c)
		}
	}
	if text, err := a.tool("call", "show", file("a"), theirs, "-o", "json"); err != nil || !strings.Contains(text, `"owner": "dead"`) {
		t.Errorf("%v\n%s", err, text)
	}
	if text, err := a.tool("call", "why", file("a"), theirs); err != nil || !strings.Contains(text, "tc1") {
		t.Errorf("%v\n%s", err, text)
	}
	if text, err := a.tool("call", "hangup", file("a"), theirs); err == nil || !strings.Contains(text, "node b, which has it, is dead") {
		t.Errorf("%v\n%s", err, text)
	}

	hears("node b to be lost", 1, `"node":"b"`, `"state":"lost"`, `"reason":`)

	b.border.process = b.node(t, "b").process
	hears("node b to be heard again", 2, `"node":"b"`, `"state":"joined"`)
	a.nodes[0].until("node b to be back", patience, func() bool {
		calls, problems := a.listed(file("a"))
		return len(calls) == 2 && calls[0].Owner == "" && calls[1].Owner == "" && problems == ""
	})
	if text, err := a.tool("calls", "hangup", file("a"), "--all", "--confirm", "2"); err != nil || !strings.Contains(text, "2 calls being ended") {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, p := range peers {
		p.finish(patience)
	}
	hears("the end of node b's call", 1, `"node":"b"`, `"what":"ended"`, `"call":"`+theirs+`"`)
	if log := b.nodes[1].tail(1 << 20); !strings.Contains(log, `"action":"hangup-calls"`) || !strings.Contains(log, `"via":"a"`) {
		t.Errorf("node b does not say for whom it has ended its call:\n%s", log)
	}
}
