//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/storage/storagetest"
)

// pair are two nodes that share a unit and a Redis of their own. border is what the
// tests of one node see of them: addresses and a directory.
type pair struct {
	*border
	redis *storagetest.Server
	nodes []*member

	history   *history // nil: nobody listens
	servers   []*storagetest.Server
	sentinels []*storagetest.Server // nil: there are none
	spaces    map[string]string     // the nodes' network namespaces; nil: they have none
	wait      string                // for the store; empty: 1s
}

// member is one node; it may be started again.
type member struct {
	*process
	dir string
}

// openPair starts the first node, waits until it serves, then the second, which
// stands by. The environment is the first's.
func openPair(t *testing.T, network int, redis *storagetest.Server, p plan, environment ...string) *pair {
	t.Helper()
	if redis == nil {
		redis = storagetest.StartRedis(t)
	}
	b := &pair{border: &border{dir: t.TempDir(), net: network, plan: p}, redis: redis}
	if p.secure {
		certify(t, b.dir, "core", b.ip(coreSide))
	}
	return b.open(t, environment...)
}

func (b *pair) open(t *testing.T, environment ...string) *pair {
	t.Helper()
	b.border.process = b.node(t, "a", environment...).process
	b.ready()
	b.node(t, "b")
	b.nodes[1].until("the second node to stand by", 10*time.Second, func() bool {
		return strings.Contains(b.nodes[1].tail(1<<20), "standing by")
	})
	return b
}

// node starts a node, or starts it again.
func (b *pair) node(t *testing.T, name string, environment ...string) *member {
	t.Helper()
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("node: e2e\n", strings.Join([]string{
		"node: " + name,
		"state: {redis: " + b.store() + ", wait: " + or(b.wait, "1s") + "}",
		fmt.Sprintf("unit: {name: %s}", b.unit()),
		"key_file: ../key", "",
	}, "\n")).Replace(b.config())
	file := filepath.Join(dir, "bulkhead.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	program := "plain"
	if len(environment) > 0 {
		program = "crash"
	}
	run := fmt.Sprint("run", len(b.nodes)) // each start has a log of its own
	command := append(append([]string{"env"}, environment...), built(program), "serve", "--drain", "1s", file)
	if b.spaces != nil {
		command = append([]string{"ip", "netns", "exec", b.spaces[name]}, command...)
	}
	m := &member{start(t, dir, run, command[0], command[1:]...), dir}
	b.nodes = append(b.nodes, m)
	return m
}

// unit is the name of the pair's unit.
func (b *pair) unit() string { return fmt.Sprintf("u%d", b.net) }

// store is where the nodes find Redis, in flow style.
func (b *pair) store() string {
	switch {
	case b.spaces != nil:
		return fmt.Sprintf("{addresses: [%q]}", b.ip(redisHost)+":"+b.redis.Port)
	case b.sentinels != nil:
		s := b.sentinels
		return fmt.Sprintf("{addresses: [%q, %q, %q], sentinel: %s}", s[0].Address, s[1].Address, s[2].Address, sentinelName)
	}
	return fmt.Sprintf("{addresses: [%q]}", b.redis.Address)
}

// signal sends one to a node.
func (m *member) signal(s syscall.Signal) {
	m.t.Helper()
	if err := m.cmd.Process.Signal(s); err != nil {
		m.t.Fatalf("%v: %v", s, err)
	}
}

// cdrs are the whole lines of all record files, by call.
func (b *pair) cdrs() map[string][]record {
	b.t.Helper()
	all := map[string][]record{}
	for _, name := range []string{"a", "b"} {
		text, err := os.ReadFile(filepath.Join(b.dir, name, "calls.jsonl"))
		if err != nil {
			continue
		}
		for line := range bytes.Lines(text) {
			if !bytes.HasSuffix(line, []byte("\n")) {
				continue
			}
			var r record
			if err := json.Unmarshal(line, &r); err != nil {
				b.t.Fatalf("record %s: %v", line, err)
			}
			all[r.Call] = append(all[r.Call], r)
		}
	}
	return all
}

// settled waits until both files together have n calls and says which they have
// more than once.
func (b *pair) settled(m *member, n int) []record {
	b.t.Helper()
	m.until("the call records", 20*time.Second, func() bool { return len(b.cdrs()) >= n })
	var list []record
	for call, rs := range b.cdrs() {
		if len(rs) != 1 {
			b.t.Errorf("%d records of call %s", len(rs), call)
		}
		list = append(list, rs...)
	}
	if len(list) != n {
		b.t.Errorf("%d records, want %d", len(list), n)
	}
	return list
}
