package storage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/storage"
)

// lying is a store in memory that a test makes slow, failing, full or forgetful.
type lying struct {
	*storage.Memory
	mu      sync.Mutex
	frozen  chan struct{} // not nil: nothing answers until it is closed
	err     error         // not nil: nothing is written
	deaf    bool          // what is written is not confirmed
	full    bool
	known   map[string]bool
	batches []storage.Batch
}

func newLying() *lying {
	return &lying{Memory: storage.NewMemory(time.Now), known: map[string]bool{}}
}

func (l *lying) set(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

var errDown = errors.New("no answer")

func (l *lying) Write(ctx context.Context, epoch uint64, b storage.Batch) error {
	l.mu.Lock()
	frozen := l.frozen
	l.mu.Unlock()
	if frozen != nil {
		select {
		case <-frozen:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	l.batches = append(l.batches, storage.Batch{Puts: slices.Clone(b.Puts), Ends: slices.Clone(b.Ends)})
	refused := &storage.FullError{}
	b.Puts = slices.DeleteFunc(slices.Clone(b.Puts), func(it storage.Item) bool {
		no := l.full && !l.known[it.ID]
		if no {
			refused.IDs = append(refused.IDs, it.ID)
		}
		return no
	})
	for _, it := range b.Puts {
		l.known[it.ID] = true
	}
	if err := l.Memory.Write(ctx, epoch, b); err != nil {
		return err
	}
	if l.deaf {
		return errDown
	}
	if len(refused.IDs) > 0 {
		return refused
	}
	return nil
}

// note collects what is said to those who wait.
type note struct {
	mu   sync.Mutex
	said map[string][]error
}

func (n *note) done(who string) func(error) {
	return func(err error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.said == nil {
			n.said = map[string][]error{}
		}
		n.said[who] = append(n.said[who], err)
	}
}

func (n *note) want(t *testing.T, who string, want error) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if got := n.said[who]; len(got) != 1 || !errors.Is(got[0], want) {
		t.Fatalf("%s was told %v, want %v once", who, got, want)
	}
}

func (n *note) nothing(t *testing.T, who string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if got := n.said[who]; len(got) != 0 {
		t.Fatalf("%s was told %v already", who, got)
	}
}

func state(id string, version uint64) storage.Item {
	return storage.Item{ID: id, Version: version, Data: fmt.Append(nil, version), Expires: time.Now().Add(time.Hour)}
}

// with runs a test of a writer in virtual time.
func with(t *testing.T, o storage.WriterOptions, test func(t *testing.T, w *storage.Writer, l *lying, n *note)) {
	synctest.Test(t, func(t *testing.T) {
		l := newLying()
		o.Node, o.Epoch = "a", own(t, l, "a")
		w := storage.NewWriter(l, o)
		test(t, w, l, &note{})
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = w.Close(ctx) // tests that care close it themselves
	})
}

const budget = 50 * time.Millisecond

// written lets a small batch gather, and waits until there is nothing to do but wait.
func written() {
	<-time.After(time.Millisecond)
	synctest.Wait()
}

func TestWriterWaitsForTheStore(t *testing.T) {
	with(t, storage.WriterOptions{Wait: budget}, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		frozen := make(chan struct{})
		l.set(func() { l.frozen = frozen })
		w.Put(state("x", 1), n.done("x1"))
		written()
		// While one batch is under way the next one gathers; the newest state wins.
		for v := uint64(2); v < 100; v++ {
			w.Put(state("x", v), n.done(fmt.Sprint("x", v)))
			w.Put(state("y", v), nil)
		}
		w.Put(state("y", 5), n.done("y5"))
		n.nothing(t, "x1")
		if got := w.Unprotected(); got != 2 {
			t.Fatalf("%d unprotected", got)
		}
		l.set(func() { l.frozen = nil })
		close(frozen)
		written()
		for v := 1; v < 100; v++ {
			n.want(t, fmt.Sprint("x", v), nil)
		}
		n.want(t, "y5", nil)
		if len(l.batches) != 2 || len(l.batches[1].Puts) != 2 {
			t.Fatalf("batches %v", l.batches)
		}
		if all := scan(t, l); all["x"].Version != 99 || all["y"].Version != 99 {
			t.Fatalf("%v", all)
		}
		if got := w.Unprotected(); got != 0 || w.Degraded() {
			t.Fatalf("%d unprotected", got)
		}
		if err := w.Save(state("x", 100)); err != nil {
			t.Fatalf("Save: %v", err)
		}
	})
}

func TestWriterBudget(t *testing.T) {
	var told []bool
	o := storage.WriterOptions{Wait: budget, Watch: storage.Watch{Degraded: func(is bool) { told = append(told, is) }}}
	with(t, o, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		frozen := make(chan struct{})
		l.set(func() { l.frozen = frozen })
		start := time.Now()
		if err := w.Save(state("x", 1)); !errors.Is(err, storage.ErrUnprotected) || time.Since(start) != budget {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		// From now on nobody waits.
		for i := range 1000 {
			if err := w.Save(state(fmt.Sprint(i), 1)); !errors.Is(err, storage.ErrUnprotected) {
				t.Fatal(err)
			}
		}
		if waited := time.Since(start); waited != budget {
			t.Fatalf("waited %v", waited)
		}
		if got := w.Unprotected(); got != 1001 || !w.Degraded() {
			t.Fatalf("%d unprotected", got)
		}
		<-time.After(3 * time.Second) // of virtual time, over several attempts
		l.set(func() { l.frozen = nil })
		close(frozen)
		thawed := time.Now()
		for w.Degraded() {
			<-time.After(time.Millisecond)
		}
		if took := time.Since(thawed); took > 150*time.Millisecond {
			t.Fatalf("whole again after %v", took)
		}
		if got := len(scan(t, l)); got != 1001 || w.Unprotected() != 0 {
			t.Fatalf("%d stored, %d unprotected", got, w.Unprotected())
		}
		if err := w.Save(state("x", 2)); err != nil {
			t.Fatalf("Save: %v", err)
		}
	})
	if !slices.Equal(told, []bool{true, false}) {
		t.Fatalf("told %v", told)
	}
}

func TestWriterKeepsTheOrderOfACall(t *testing.T) {
	with(t, storage.WriterOptions{Wait: budget}, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		frozen := make(chan struct{})
		l.set(func() { l.frozen = frozen })
		w.Put(state("x", 1), n.done("put"))
		written()
		w.Put(state("x", 2), n.done("again"))
		w.End(state("x", 3), []byte("d"), n.done("end"))
		w.Put(state("x", 4), n.done("late"))
		w.End(state("x", 5), []byte("twice"), n.done("end2"))
		l.set(func() { l.frozen = nil })
		close(frozen)
		written()
		for _, who := range []string{"put", "again", "end", "late", "end2"} {
			n.want(t, who, nil)
		}
		if it, err := l.Get(context.Background(), "x"); !errors.Is(err, storage.ErrEnded) || it.Version != 3 {
			t.Fatalf("%v, %v", it, err)
		}
		if got := details(t, l); !slices.Equal(got, []string{"x"}) {
			t.Fatalf("details of %q", got)
		}
	})
}

func TestWriterRepeatsWhatWasNotConfirmed(t *testing.T) {
	with(t, storage.WriterOptions{Wait: budget}, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		l.set(func() { l.deaf = true })
		w.Put(state("x", 1), n.done("x"))
		w.End(state("y", 2), []byte("d"), n.done("y"))
		written()
		n.want(t, "x", storage.ErrUnprotected)
		n.want(t, "y", storage.ErrUnprotected)
		<-time.After(time.Second)
		l.set(func() { l.deaf = false })
		for w.Unprotected() > 0 {
			<-time.After(time.Millisecond)
		}
		if got := details(t, l); !slices.Equal(got, []string{"y"}) {
			t.Fatalf("details of %q after %d batches", got, len(l.batches))
		}
	})
}

func TestWriterFenced(t *testing.T) {
	fenced := 0
	var spooled []string
	o := storage.WriterOptions{Wait: budget,
		Spool: func(id string, _ []byte) { spooled = append(spooled, id) },
		Keep:  func([]storage.Kept) {},
		Watch: storage.Watch{Fenced: func() { fenced++ }}}
	with(t, o, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		if err := w.Save(state("x", 1)); err != nil {
			t.Fatal(err)
		}
		own(t, l, "b")
		frozen := make(chan struct{})
		l.set(func() { l.frozen = frozen })
		w.Put(state("z", 1), n.done("z"))
		written()
		w.End(state("x", 2), []byte("d"), n.done("x")) // the next owner has it
		w.End(state("y", 2), []byte("d"), n.done("y")) // it has never heard of it
		close(frozen)
		written()
		for _, who := range []string{"x", "y", "z"} {
			n.want(t, who, storage.ErrFenced)
		}
		w.End(state("v", 1), []byte("d"), n.done("v"))
		n.want(t, "v", storage.ErrFenced)
		if err := w.Close(context.Background()); err != nil {
			t.Fatalf("Close: %v", err)
		}
	})
	if fenced != 1 || !slices.Equal(spooled, []string{"y", "v"}) {
		t.Fatalf("%d, %q", fenced, spooled)
	}
}

func TestWriterFullStore(t *testing.T) {
	with(t, storage.WriterOptions{Wait: budget}, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		if err := w.Save(state("old", 1)); err != nil {
			t.Fatal(err)
		}
		l.set(func() { l.full = true })
		if err := w.Save(state("new", 1)); !errors.Is(err, storage.ErrFull) {
			t.Fatalf("a new call: %v", err)
		}
		if err := w.Save(state("old", 2)); err != nil {
			t.Fatalf("a call that is stored: %v", err)
		}
		if err := w.Finish(state("old", 3), []byte("d")); err != nil {
			t.Fatalf("its end: %v", err)
		}
		if !w.Degraded() || w.Unprotected() != 1 {
			t.Fatalf("%d unprotected", w.Unprotected())
		}
		l.set(func() { l.full = false })
		for w.Degraded() {
			<-time.After(time.Millisecond)
		}
		if all := scan(t, l); len(all) != 1 || all["new"].Version != 1 {
			t.Fatalf("%v", all)
		}
	})
}

// What waits is bounded by the live calls, and by Backlog.
func TestWriterBacklogIsBounded(t *testing.T) {
	spooled := map[string]bool{}
	o := storage.WriterOptions{Wait: budget, Backlog: 100, Spool: func(id string, _ []byte) { spooled[id] = true }}
	with(t, o, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		for i := range 20 {
			if err := w.Save(state(fmt.Sprint("old", i), 1)); err != nil {
				t.Fatal(err)
			}
		}
		l.set(func() { l.err = errDown })
		_ = w.Save(state("old0", 2)) // finds out
		for i := range 20 {
			w.End(state(fmt.Sprint("old", i), 2), []byte("d"), nil)
		}
		for i := range 10_000 {
			id := fmt.Sprint("new", i)
			for v := range uint64(5) {
				w.Put(state(id, v), nil)
			}
			w.End(state(id, 5), []byte("d"), nil)
			if w.Unprotected() > 121 {
				t.Fatalf("%d kept", w.Unprotected())
			}
		}
		l.set(func() { l.err = nil })
		for w.Unprotected() > 0 {
			<-time.After(time.Millisecond)
		}
		got := details(t, l)
		for _, id := range got {
			if spooled[id] {
				t.Errorf("%s is in both", id)
			}
		}
		if len(got) != 120 || len(spooled) != 9_900 {
			t.Fatalf("%d stored, %d spooled", len(got), len(spooled))
		}
		if all := scan(t, l); len(all) != 0 {
			t.Fatalf("%d live calls", len(all))
		}
	})
}

func TestWriterCloses(t *testing.T) {
	var spooled []string
	o := storage.WriterOptions{Wait: budget, Spool: func(id string, _ []byte) { spooled = append(spooled, id) }}
	with(t, o, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		frozen := make(chan struct{})
		l.set(func() { l.frozen = frozen })
		w.Put(state("x", 1), nil)
		go func() {
			<-time.After(200 * time.Millisecond)
			l.set(func() { l.frozen = nil })
			close(frozen)
		}()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.Close(ctx); err != nil {
			t.Fatalf("Close: %v", err)
		}
		if len(scan(t, l)) != 1 {
			t.Fatal("not drained")
		}
		w.Put(state("x", 2), n.done("late"))
		n.want(t, "late", storage.ErrClosed)

		l.set(func() { l.err = errDown })
		w = storage.NewWriter(l, storage.WriterOptions{Epoch: 1, Wait: budget, Spool: o.Spool})
		w.End(state("y", 1), []byte("d"), nil)
		w.Put(state("z", 1), nil)
		start := time.Now()
		if err := w.Close(ctx); !errors.Is(err, storage.ErrUnprotected) || time.Since(start) > time.Second {
			t.Fatalf("Close of a failing store: %v after %v", err, time.Since(start))
		}
	})
	if !slices.Equal(spooled, []string{"y"}) {
		t.Fatalf("spooled %q", spooled)
	}
}

// What nobody waits for goes with what somebody does, or soon by itself.
func TestWriterDoesNotHurryForNobody(t *testing.T) {
	with(t, storage.WriterOptions{Wait: budget}, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		w.Put(state("x", 1), nil)
		w.Put(state("y", 1), nil)
		written()
		if len(l.batches) != 0 {
			t.Fatalf("batches %v", l.batches)
		}
		w.Put(state("x", 2), n.done("x"))
		written()
		n.want(t, "x", nil)
		if len(l.batches) != 1 || len(l.batches[0].Puts) != 2 {
			t.Fatalf("batches %v", l.batches)
		}
		w.Put(state("y", 2), nil)
		start := time.Now()
		for w.Unprotected() > 0 {
			<-time.After(time.Millisecond)
		}
		if took := time.Since(start); len(l.batches) != 2 || took > 10*time.Millisecond {
			t.Fatalf("after %v, batches %v", took, l.batches)
		}
	})
}

// leaving are options that note which ends a writer leaves behind, and how.
func leaving(spooled, kept *[]string) storage.WriterOptions {
	return storage.WriterOptions{Wait: budget,
		Spool: func(id string, _ []byte) { *spooled = append(*spooled, id) },
		Keep: func(all []storage.Kept) {
			for _, e := range all {
				*kept = append(*kept, fmt.Sprint(e.Tombstone.ID, e.Sure))
			}
		}}
}

// saved stores calls.
func saved(t *testing.T, w *storage.Writer, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := w.Save(state(id, 1)); err != nil {
			t.Fatal(err)
		}
	}
}

// An end that comes while the writer is being closed, or after it, of a call that the
// store has: it is kept, and makes no record of its own.
func TestWriterKeepsEndsWhenClosed(t *testing.T) {
	var spooled, kept []string
	with(t, leaving(&spooled, &kept), func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		saved(t, w, "a", "b")
		l.set(func() { l.err = errDown })
		w.End(state("a", 2), []byte("d"), nil)
		w.End(state("new", 1), []byte("d"), nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Close(ctx); !errors.Is(err, storage.ErrUnprotected) {
			t.Errorf("Close: %v", err)
		}
		w.End(state("b", 2), []byte("d"), nil)
		w.End(state("late", 1), []byte("d"), nil)
	})
	if !slices.Equal(kept, []string{"atrue", "btrue"}) || !slices.Equal(spooled, []string{"new", "late"}) {
		t.Errorf("kept %q, spooled %q", kept, spooled)
	}
}

// A unit that is lost while a call is perhaps stored: its end is kept, since the next owner
// may go on with the call and make its one record; that of a call which it surely has, too.
func TestWriterKeepsEndsWhenFenced(t *testing.T) {
	var spooled, kept []string
	with(t, leaving(&spooled, &kept), func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		saved(t, w, "a", "b")
		l.set(func() { l.deaf = true })
		for _, id := range []string{"c", "d"} { // stored, and not confirmed
			w.Put(state(id, 1), nil)
		}
		<-time.After(10 * time.Millisecond)
		l.set(func() { l.deaf, l.err = false, errDown })
		for _, id := range []string{"a", "c", "new"} {
			w.End(state(id, 2), []byte("d"), n.done(id))
		}
		<-time.After(time.Second)
		own(t, l, "b")
		l.set(func() { l.err = nil })
		<-time.After(time.Second)
		written()
		for _, id := range []string{"b", "d", "late"} {
			w.End(state(id, 2), []byte("d"), n.done(id))
			n.want(t, id, storage.ErrFenced)
		}
		if all := scan(t, l); len(all) != 4 {
			t.Errorf("the next owner has %v", all)
		}
	})
	slices.Sort(kept)
	if !slices.Equal(kept, []string{"atrue", "btrue", "cfalse", "dfalse"}) || !slices.Equal(spooled, []string{"new", "late"}) {
		t.Errorf("kept %q, spooled %q", kept, spooled)
	}
}

func TestWriterWriteBehind(t *testing.T) {
	with(t, storage.WriterOptions{}, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		frozen := make(chan struct{})
		l.set(func() { l.frozen = frozen })
		for i := range 100 {
			if err := w.Save(state(fmt.Sprint(i), 1)); err != nil {
				t.Fatal(err)
			}
		}
		close(frozen)
		<-time.After(10 * time.Millisecond)
		written()
		if got := len(scan(t, l)); got != 100 {
			t.Fatalf("%d stored", got)
		}
	})
}
