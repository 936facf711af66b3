package main

import (
	"context"
	"testing"
	"time"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// TestAUnitIsLetGoWhileTheRecordFileStandsStill: in the middle of a record that was in the
// store, with nobody who reads the pipe. The other node need not wait for this one's disk.
func TestAUnitIsLetGoWhileTheRecordFileStandsStill(t *testing.T) {
	store := newFailing()
	epoch, err := store.Acquire(t.Context(), "old", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	end := storage.Ending{Tombstone: storage.Item{ID: "x", Version: 1, Expires: time.Now().Add(time.Minute)}, Detail: detail("x")}
	if err := store.Write(t.Context(), epoch, storage.Batch{Ends: []storage.Ending{end}}); err != nil {
		t.Fatal(err)
	}
	if err := store.Release(t.Context(), epoch, "", 0); err != nil {
		t.Fatal(err)
	}
	u := unitAt(t, "a", somewhere(t), store)
	pipe, read := stuck(t)
	u.file = exported(t, pipe, "")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- u.run(ctx) }()
	storagetest.Eventually(t, "the file is being written", func() bool {
		is := !u.exports.TryLock()
		if !is {
			u.exports.Unlock()
		}
		return is && owner(t, store) == "a"
	})
	cancel()
	select {
	case err := <-ended:
		if _, taken := store.Acquire(t.Context(), "b", time.Minute); err != nil || taken != nil {
			t.Errorf("%v; the other node takes it: %v", err, taken)
		}
	case <-time.After(20 * time.Second):
		t.Error("it goes on")
	}
	read() // the record is written after all
	u.exports.Lock()
	defer u.exports.Unlock()
	if !u.file.known["x"] {
		t.Error("the record was not written")
	}
}
