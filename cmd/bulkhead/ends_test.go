package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

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

// Only what is live for the store is told: another owner may have made the record since,
// and its tombstone may be forgotten. A line that cannot be read is kept apart.
func TestEndsThatOthersHaveRecorded(t *testing.T) {
	store := newFailing()
	u := unitAt(t, "a", somewhere(t), store)
	core, logs := observer.New(zap.DebugLevel)
	u.log = zap.New(core)
	epoch, err := store.Own(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	state := func(id string) storage.Item {
		return storage.Item{ID: id, Version: 1, Data: []byte("x"), Expires: time.Now().Add(time.Minute)}
	}
	if err := store.Write(t.Context(), epoch, storage.Batch{
		Puts: []storage.Item{state("live")}, Ends: []storage.Ending{{Tombstone: state("ended"), Detail: []byte(`{"call":"ended"}`)}},
	}); err != nil {
		t.Fatal(err)
	}
	var kept []storage.Kept
	for _, id := range []string{"live", "ended", "forgotten", "unsure"} {
		kept = append(kept, storage.Kept{Ending: storage.Ending{Tombstone: state(id), Detail: []byte(`{"call":"` + id + `","by":"a"}`)}, Sure: id != "unsure"})
	}
	if err := os.WriteFile(u.endsFile(), []byte(`{"call":"ha`), 0o600); err != nil {
		t.Fatal(err)
	}
	u.keep(kept)
	u.tellEnds(t.Context(), epoch)
	u.tellEnds(t.Context(), epoch) // there is nothing more to tell
	var told []string
	if err := store.Details(t.Context(), func(_ string, detail []byte) error {
		told = append(told, string(detail))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{`{"call":"ended"}`, `{"call":"live","by":"a"}`, `{"call":"unsure","by":"a"}`}
	if !slices.Equal(told, want) {
		t.Errorf("records %q, want %q", told, want)
	}
	if _, err := os.Stat(u.endsFile() + ".unread"); err != nil {
		t.Error(err)
	}
	// Whether the last one has a record nobody knows: it is kept apart, and no number of it logged.
	if text, err := os.ReadFile(u.endsFile() + ".untold"); err != nil || string(text) != `{"call":"forgotten","by":"a"}`+"\n" {
		t.Errorf("%v: %q", err, text)
	}
	if info, err := os.Stat(u.endsFile() + ".untold"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v", err)
	}
	said := logs.FilterField(zap.String("call", "forgotten")).All()
	if len(said) != 1 || said[0].ContextMap()["file"] != u.endsFile()+".untold" {
		t.Errorf("%v", said)
	}
	for _, line := range logs.All() {
		if strings.Contains(fmt.Sprint(line.ContextMap()), `"by"`) {
			t.Errorf("logged: %v", line.ContextMap())
		}
	}
}

// TestEndsThatCannotBeKeptApart stay where they are.
func TestEndsThatCannotBeKeptApart(t *testing.T) {
	store := newFailing()
	u := unitAt(t, "a", somewhere(t), store)
	epoch, err := store.Own(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	item := storage.Item{ID: "forgotten", Version: 1, Data: []byte("x"), Expires: time.Now().Add(time.Minute)}
	u.keep([]storage.Kept{{Ending: storage.Ending{Tombstone: item, Detail: []byte(`{"call":"forgotten"}`)}, Sure: true}})
	before, err := os.ReadFile(u.endsFile())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(u.endsFile()+".untold", 0o700); err != nil {
		t.Fatal(err)
	}
	u.tellEnds(t.Context(), epoch)
	if after, err := os.ReadFile(u.endsFile()); err != nil || string(after) != string(before) {
		t.Errorf("%v: %q", err, after)
	}
}
