package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// A call ends while the store does not answer, and the node is stopped: for the store
// the call is live. When the node is back the call is over, and has one record.
func TestAnEndThatTheStoreWasNotToldOf(t *testing.T) {
	store := newFailing()
	u, trunk, carrier, invite := calling(t, "", store, time.Second)
	records := filepath.Join(t.TempDir(), "calls.jsonl")
	u.file = exported(t, records, "")
	serving := func() (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		scans := store.scans.Load()
		go func() { ended <- u.run(ctx) }()
		storagetest.Eventually(t, "a serves", func() bool { return store.scans.Load() > scans })
		return func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	live := func() (n int) {
		_ = store.Memory.Scan(t.Context(), func(storage.Item) error { n++; return nil })
		return n
	}
	written := func() int {
		text, err := os.ReadFile(records)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\n")
	}

	stop := serving()
	_, _ = trunk.WriteTo([]byte(invite), net.UDPAddrFromAddrPort(u.config.Sockets()["core"][0].Address))
	sent := rings(t, u, carrier)
	if said(trunk, 5*time.Second, "SIP/2.0 180") == "" {
		t.Fatal("no 180")
	}
	down := errors.New("no answer")
	store.write.Store(&down)
	replies(u, carrier, sent, "486 Busy Here")
	if said(trunk, 5*time.Second, "SIP/2.0 486") == "" {
		t.Fatal("no 486")
	}
	stop()
	if live() != 1 || written() != 0 {
		t.Fatalf("while the store is away: %d calls live for it, %d records", live(), written())
	}
	store.write.Store(nil)
	stop = serving()
	storagetest.Eventually(t, "the record is written", func() bool { return written() == 1 })
	if text, err := os.ReadFile(records); err != nil || !strings.Contains(string(text), `"code":486`) || live() != 0 {
		t.Errorf("%d calls live; the record is not of the end that there was: %s", live(), text)
	}
	stop()
	serving()()
	if written() != 1 {
		t.Errorf("%d records", written())
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(records), "ends-*")); err != nil || len(left) != 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}
