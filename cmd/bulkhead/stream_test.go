package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/carriers"
	"bulkhead/storage/storagetest"
)

// streamed are the entries of a unit's stream, in order.
func streamed(t *testing.T, server *storagetest.Server) (list []map[string]string) {
	t.Helper()
	out := server.Do("XRANGE", "bulkhead:{u}:records", "-", "+")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i := 0; i+8 < len(lines); i += 9 { // the entry's id, and four fields with their values
		entry := map[string]string{}
		for f := i + 1; f < i+9; f += 2 {
			entry[lines[f]] = lines[f+1]
		}
		list = append(list, entry)
	}
	return list
}

// TestRecordsAreStreamed into Redis, in the order of the file, at least once: also those that
// come while Redis does not answer, or while no process is there. Answered calls are, too.
func TestRecordsAreStreamed(t *testing.T) {
	defer func(retry, most time.Duration) { streamRetry, streamMost = retry, most }(streamRetry, streamMost)
	streamRetry, streamMost = 5*time.Millisecond, 20*time.Millisecond
	server := storagetest.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	c := defaults("sbc-a")
	c.State, c.Unit = &StateConfig{Redis: &RedisConfig{Addresses: []string{server.Address}}}, &UnitConfig{Name: "u"}
	name := filepath.Join(t.TempDir(), "calls.jsonl")
	c.CDR = &CDRConfig{File: carriers.File(name), Stream: true, Start: true}
	file, err := b2bua.OpenRecordFile(name, 4000) // of which a file holds some
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	written := 0
	write := func(n int) {
		t.Helper()
		for range n {
			if err := file.Write(b2bua.Record{Schema: 1, Call: fmt.Sprint("c", written), Trunk: "pbx", From: "+33612345678", Attempts: []b2bua.Attempt{}}); err != nil {
				t.Fatal(err)
			}
			written++
		}
	}
	begin := func() (*process, *publishing) {
		t.Helper()
		p := newProcess("", &c, zap.NewNop(), zap.NewAtomicLevel())
		o, err := p.publish(&c)
		if err != nil {
			t.Fatal(err)
		}
		return p, o
	}
	all := func() bool {
		seen := map[string]bool{}
		for _, e := range streamed(t, server) {
			if e["kind"] == "stop" {
				seen[e["id"]] = true
			}
		}
		return len(seen) == written
	}
	p, o := begin()
	write(30)
	p.starts.Start(b2bua.Start{Schema: 1, Kind: "start", Call: "c0", Carrier: "tc1"})
	storagetest.Eventually(t, "thirty records", func() bool { return all() && len(streamed(t, server)) == 31 })
	next := 0
	for _, e := range streamed(t, server) {
		var r struct{ Call, Carrier string }
		if err := json.Unmarshal([]byte(e["record"]), &r); err != nil || e["node"] != "sbc-a" || e["id"] != r.Call+":"+e["kind"] {
			t.Errorf("%v %v", err, e)
		}
		switch {
		case e["kind"] == "start" && r.Carrier == "tc1":
		case e["kind"] == "stop" && r.Call == fmt.Sprint("c", next):
			next++
		default:
			t.Errorf("after %d: %v", next, e)
		}
	}
	server.Freeze()
	write(20)
	storagetest.Eventually(t, "a failure", func() bool { return value(t, o.outs[0].failed) > 1 })
	server.Thaw()
	storagetest.Eventually(t, "what waited", all)
	o.close()
	if n, ok := gauged(t, p.registry, "cdr_stream_events_total", "sent"); !ok || n != 51 {
		t.Errorf("%v are counted", n)
	}
	write(20) // nobody streams
	server.Kill()
	p, o = begin()
	storagetest.Eventually(t, "another failure", func() bool { n, _ := gauged(t, p.registry, "cdr_stream_failing_seconds"); return n > 0 })
	server.Start()
	storagetest.Eventually(t, "what came meanwhile", all)
	o.close()
}
