package storagetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"bulkhead/storage"
)

func testLease(t *testing.T, s storage.Store, c Clock) {
	l, ok := s.(storage.Leaser)
	if !ok {
		t.Fatalf("%T has no leases", s)
	}
	ctx := context.Background()
	acquire := func(node string) (epoch uint64) {
		t.Helper()
		Eventually(t, node+" acquires", func() bool {
			var err error
			epoch, err = l.Acquire(ctx, node, 100*time.Millisecond)
			if err != nil && !errors.Is(err, storage.ErrHeld) {
				t.Fatalf("Acquire: %v", err)
			}
			c.Advance(10 * time.Millisecond) // who waits asks often
			return err == nil
		})
		return epoch
	}
	held := func(by, node string) {
		t.Helper()
		_, err := l.Acquire(ctx, node, time.Hour)
		var h *storage.HeldError
		if !errors.As(err, &h) || h.Node != by || h.Left <= 0 {
			t.Fatalf("Acquire by %s: %v, want it held by %s", node, err, by)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a := acquire("a")
	must(l.Renew(ctx, a, time.Hour))
	held("a", "b")
	put(t, s, a, item(c, "x", 1, "one"))
	// It runs out.
	must(l.Renew(ctx, a, time.Millisecond))
	c.Advance(time.Second)
	b := acquire("b")
	if b <= a {
		t.Fatalf("epoch %d after %d", b, a)
	}
	if err := l.Renew(ctx, a, time.Hour); !errors.Is(err, storage.ErrFenced) {
		t.Fatalf("Renew of an old epoch: %v", err)
	}
	if err := l.Release(ctx, a, "", 0); !errors.Is(err, storage.ErrFenced) {
		t.Fatalf("Release of an old epoch: %v", err)
	}
	// It is handed over: what is under way may still be written until b2 comes.
	must(l.Renew(ctx, b, time.Hour))
	must(l.Release(ctx, b, "c", time.Hour))
	held("c", "a")
	put(t, s, b, item(c, "x", 2, "two"))
	third, err := l.Acquire(ctx, "c", time.Hour)
	must(err)
	held("c", "b")
	// It is given up, and free for all. A new process of a node fences the old one.
	must(l.Release(ctx, third, "", 0))
	fourth, err := l.Acquire(ctx, "b", time.Hour)
	must(err)
	fifth, err := l.Acquire(ctx, "b", time.Hour)
	must(err)
	if fifth <= fourth {
		t.Fatalf("epoch %d after %d", fifth, fourth)
	}
	if err := s.Write(ctx, fourth, storage.Batch{Puts: []storage.Item{item(c, "x", 3, "three")}}); !errors.Is(err, storage.ErrFenced) {
		t.Fatalf("Write of an old epoch: %v", err)
	}
	// Who has the address does not ask.
	own(t, s, "a")
}

func testAssembly(t *testing.T, s storage.Store, c Clock) {
	l, ok := s.(storage.Assembly)
	if !ok {
		t.Fatalf("%T has no nodes", s)
	}
	ctx := context.Background()
	names := func(node string, forget time.Duration) (names []string) {
		t.Helper()
		nodes, err := l.Beat(ctx, node, forget)
		if err != nil {
			t.Fatalf("Beat: %v", err)
		}
		for _, n := range nodes {
			if n.Silent < 0 || n.Silent > forget {
				t.Errorf("%s silent for %v", n.Name, n.Silent)
			}
			names = append(names, n.Name)
		}
		slices.Sort(names)
		return names
	}
	owner := func() storage.Owner {
		t.Helper()
		o, err := l.Owner(ctx)
		if err != nil {
			t.Fatalf("Owner: %v", err)
		}
		return o
	}
	wished := func() string {
		t.Helper()
		next, err := l.Wished(ctx)
		if err != nil {
			t.Fatalf("Wished: %v", err)
		}
		return next
	}
	wish := func(next string, within time.Duration) {
		t.Helper()
		if err := l.Wish(ctx, next, within); err != nil {
			t.Fatalf("Wish: %v", err)
		}
	}
	if got := names("a", time.Minute); !slices.Equal(got, []string{"a"}) {
		t.Errorf("nodes %q", got)
	}
	if got := names("b", time.Minute); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("nodes %q", got)
	}
	if got := names("", time.Minute); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("nodes %q", got)
	}
	Eventually(t, "a is forgotten", func() bool {
		c.Advance(10 * time.Millisecond)
		return slices.Equal(names("b", 5*time.Millisecond), []string{"b"})
	})
	names("a", time.Minute)
	if err := l.Leave(ctx, "a"); err != nil {
		t.Fatalf("Leave: %v", err)
	}
	if got := names("b", time.Minute); !slices.Equal(got, []string{"b"}) {
		t.Errorf("nodes %q", got)
	}
	if o := owner(); o != (storage.Owner{}) {
		t.Errorf("owner %+v of a free unit", o)
	}
	e := own(t, s, "a")
	if o := owner(); o != (storage.Owner{Node: "a", Epoch: e}) {
		t.Errorf("owner %+v, want a with %d", o, e)
	}
	if lease, ok := s.(storage.Leaser); ok {
		if err := lease.Renew(ctx, e, time.Hour); err != nil {
			t.Fatalf("Renew: %v", err)
		}
		if o := owner(); !o.Holds {
			t.Error("an owner whose lease runs does not hold the unit")
		}
		if err := lease.Release(ctx, e, "", 0); err != nil {
			t.Fatalf("Release: %v", err)
		}
		if o := owner(); o.Holds {
			t.Error("an owner that has released the unit holds it")
		}
	}
	if next := wished(); next != "" {
		t.Errorf("asked for %q, by nobody", next)
	}
	wish("b", time.Hour)
	if next := wished(); next != "b" {
		t.Errorf("asked for %q, want b", next)
	}
	if next := wished(); next != "" {
		t.Errorf("asked for %q again", next)
	}
	// The last wish holds, and none for longer than it is meant.
	wish("b", time.Hour)
	wish("c", time.Hour)
	if next := wished(); next != "c" {
		t.Errorf("asked for %q, want c", next)
	}
	wish("b", 5*time.Millisecond)
	began := time.Now()
	Eventually(t, "the time of the wish is over", func() bool { return time.Since(began) > 20*time.Millisecond })
	c.Advance(20 * time.Millisecond)
	if next := wished(); next != "" {
		t.Errorf("asked for %q after its time", next)
	}
}
