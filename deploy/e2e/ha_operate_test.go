//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/storage"
)

// tool runs the program as an operator does, and returns what it printed.
func (b *pair) tool(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, built("plain"), args...).CombinedOutput()
	return string(out), err
}

// calls are the ids of the calls in the store.
func (b *pair) calls() (ids []string) {
	b.t.Helper()
	r, err := storage.NewRedis(storage.RedisOptions{Addresses: []string{b.redis.Address}, Unit: b.unit()})
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	err = r.Scan(context.Background(), func(it storage.Item) error {
		ids = append(ids, it.ID)
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return ids
}

// TestOperatedHandover: a call is up, an operator looks at its record, and hands the
// unit over and back. Neither peer notices.
func TestOperatedHandover(t *testing.T) {
	t.Parallel()
	b := openPair(t, 251, nil, plan{})
	file := func(node int) string { return filepath.Join(b.nodes[node].dir, "bulkhead.yaml") }
	carrier := b.carrierAt(tc1, "uas.xml", nil)
	call := b.callerTo(number, "uac.xml", nil, "-d", "6000")
	var shown struct {
		ID  string
		In  struct{ State string }
		Out []struct {
			State  string
			Target struct{ Carrier, Number string }
		}
	}
	b.nodes[0].until("the call to be up in the store", patience, func() bool {
		ids := b.calls()
		if len(ids) != 1 {
			return false
		}
		text, err := b.tool("call", "dump", file(1), ids[0])
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if err := json.Unmarshal([]byte(text), &shown); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return shown.ID == ids[0] && shown.In.State == "confirmed"
	})
	if len(shown.Out) != 1 || shown.Out[0].State != "confirmed" || shown.Out[0].Target.Carrier != "tc1" {
		t.Errorf("dumped: %+v", shown)
	}
	if text, err := b.tool("call", "dump", file(0), "nobody"); err == nil || !strings.Contains(text, "no such call") {
		t.Errorf("%v: %s", err, text)
	}
	for _, way := range []struct{ node, from, to string }{{"0", "a", "b"}, {"1", "b", "a"}} {
		text, err := b.tool("handover", file(0), "--to", way.to)
		if err != nil || !strings.Contains(text, "from "+way.from+" to "+way.to) {
			t.Fatalf("%v: %s", err, text)
		}
		t.Log(strings.TrimSpace(text))
	}
	if text, err := b.tool("handover", file(0), "--to", "c"); err == nil || !strings.Contains(text, "c cannot take it") {
		t.Errorf("%v: %s", err, text)
	}
	call.finish(patience)
	carrier.finish(patience)
	if rs := b.settled(b.nodes[0], 1); len(rs) == 1 && (rs[0].Result != "answered" || rs[0].EndedBy != "trunk") {
		t.Errorf("record: %+v", rs[0])
	}
}

// TestANodeAloneDrains: a signal with nobody there to take over ends the calls by BYE.
func TestANodeAloneDrains(t *testing.T) {
	t.Parallel()
	b := openPair(t, 252, nil, plan{})
	b.nodes[1].terminate(10 * time.Second)
	carrier := b.carrierAt(tc1, "uas.xml", nil)
	call := b.callerTo(number, "uac_hungup.xml", nil)
	b.nodes[0].until("the call to be up", patience, func() bool { return len(b.calls()) == 1 })
	if text, err := b.tool("handover", filepath.Join(b.nodes[0].dir, "bulkhead.yaml")); err == nil || !strings.Contains(text, "only a is alive") {
		t.Errorf("%v: %s", err, text)
	}
	b.nodes[0].terminate(patience)
	call.finish(patience)
	carrier.finish(patience)
	if rs := b.settled(b.node(t, "a"), 1); len(rs) == 1 && rs[0].EndedBy != "bulkhead" {
		t.Errorf("record: %+v", rs[0])
	}
}
