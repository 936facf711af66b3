package storage_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// A lease that ran out while Redis stood still is its owner's, also to questions that
// were asked meanwhile by a standby which has long given up waiting for the answer.
func TestLeaseOutlastsAFrozenRedis(t *testing.T) {
	const lease = 400 * time.Millisecond
	server := storagetest.StartRedis(t)
	o := at(server)
	o.Unit, o.Timeout = "u", 200*time.Millisecond
	a, b := connect(t, o), connect(t, o)
	ctx := context.Background()
	var e uint64
	storagetest.Eventually(t, "a has the lease", func() (ok bool) {
		var err error
		e, err = a.Acquire(ctx, "a", lease)
		return err == nil
	})
	if _, err := b.Acquire(ctx, "b", lease); !errors.Is(err, storage.ErrHeld) {
		t.Fatalf("Acquire: %v", err)
	}
	server.Freeze()
	for began := time.Now(); time.Since(began) < 2*lease; {
		if _, err := b.Acquire(ctx, "b", lease); err == nil || errors.Is(err, storage.ErrHeld) {
			t.Fatalf("Acquire from a frozen Redis: %v", err)
		}
	}
	server.Thaw()
	if _, err := b.Acquire(ctx, "b", lease); !errors.Is(err, storage.ErrHeld) {
		t.Fatalf("Acquire from a thawed Redis: %v", err)
	}
	if err := a.Renew(ctx, e, lease); err != nil {
		t.Fatalf("Renew: %v", err)
	}
	// And it runs out when its owner is silent.
	storagetest.Eventually(t, "b has the lease", func() bool {
		_, err := b.Acquire(ctx, "b", lease)
		return err == nil
	})
}

// A detail that a node had in hand when it died is not handed to another: it may be
// written already. The node gets it again when it is back.
func TestDetailInTheHandOfADeadNode(t *testing.T) {
	server := storagetest.StartRedis(t)
	o := at(server)
	o.Unit, o.Node = "u", "a"
	a, again := connect(t, o), connect(t, o)
	o.Node = "b"
	b := connect(t, o)
	e := own(t, a, "a")
	write(t, a, e, storage.Batch{Ends: []storage.Ending{{Tombstone: call("x", 1, 1), Detail: []byte("x")}}})
	died := errors.New("died")
	if err := a.Details(context.Background(), func(string, []byte) error { return died }); !errors.Is(err, died) {
		t.Fatal(err)
	}
	e = own(t, b, "b")
	write(t, b, e, storage.Batch{Ends: []storage.Ending{{Tombstone: call("y", 1, 1), Detail: []byte("y")}}})
	for _, c := range []struct {
		r    *storage.Redis
		want []string
	}{{b, []string{"y"}}, {again, []string{"x"}}, {b, nil}, {again, nil}} {
		var ids []string
		if err := c.r.Details(context.Background(), func(id string, _ []byte) error {
			ids = append(ids, id)
			return nil
		}); err != nil || !slices.Equal(ids, c.want) {
			t.Fatalf("%q, want %q; %v", ids, c.want, err)
		}
	}
}

// An owner that is told by its lease that all is lost writes all again, also when no
// call has anything to write.
func TestWriterReseedsWhenAsked(t *testing.T) {
	server := storagetest.StartRedis(t)
	o := at(server)
	o.Unit = "u"
	r := connect(t, o)
	e := own(t, r, "a")
	w := storage.NewWriter(r, storage.WriterOptions{
		Node: "a", Epoch: e, Wait: 10 * time.Second,
		Live: func(each func(storage.Item)) { each(call("x", 1, 10)) },
	})
	defer w.Close(context.Background())
	if err := errors.Join(w.Save(call("x", 1, 10)), w.Finish(call("gone", 1, 10), []byte("gone"))); err != nil {
		t.Fatal(err)
	}
	server.Do("FLUSHALL")
	w.Reseed()
	storagetest.Eventually(t, "all is there again", func() bool {
		_, live := r.Get(context.Background(), "x")
		_, ended := r.Get(context.Background(), "gone")
		return live == nil && errors.Is(ended, storage.ErrEnded)
	})
}
