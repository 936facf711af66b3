package storage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"bulkhead/storage"
)

// freeze lets nothing be answered until thaw is called.
func (l *lying) freeze() (thaw func()) {
	frozen := make(chan struct{})
	l.set(func() { l.frozen = frozen })
	return func() {
		l.set(func() { l.frozen = nil })
		close(frozen)
	}
}

// A store that has lost everything gets all live calls, and the ends of the last
// seconds; those who wait go on waiting, within their budget.
func TestWriterSeedsAgain(t *testing.T) {
	var calls []storage.Item
	lost := 0
	o := storage.WriterOptions{Wait: budget,
		Live: func(each func(storage.Item)) {
			for _, it := range calls {
				each(it)
			}
		},
		Watch: storage.Watch{Lost: func(n int) { lost += n }}}
	with(t, o, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		for i := range 100 {
			calls = append(calls, state(fmt.Sprint(i), 7))
			w.Put(calls[i], nil)
		}
		// It has ended, but its owner has not noticed yet.
		calls = append(calls, state("ended", 1))
		if err := w.Finish(state("ended", 2), []byte("d")); err != nil {
			t.Fatal(err)
		}
		l.set(func() { l.Memory = storage.NewMemory(time.Now) })
		thaw := l.freeze()
		w.Put(state("new", 1), n.done("new1"))
		written()
		w.Put(state("new", 2), nil)
		thaw()
		written()
		n.want(t, "new1", nil)
		all := scan(t, l)
		if len(all) != 101 || all["new"].Version != 2 || all["42"].Version != 7 || lost != 100 {
			t.Fatalf("%d stored, %d seeded, %v", len(all), lost, all["new"])
		}
		if got := details(t, l); !slices.Equal(got, []string{"ended"}) {
			t.Fatalf("details of %q", got)
		}
		if w.Degraded() {
			t.Fatal("degraded")
		}
	})
}

func TestWriterBudgetHoldsOverALoss(t *testing.T) {
	var l *lying
	var thaw func()
	// The store is frozen as soon as it has been reclaimed.
	o := storage.WriterOptions{Wait: budget, Live: func(func(storage.Item)) { thaw = l.freeze() }}
	with(t, o, func(t *testing.T, w *storage.Writer, store *lying, n *note) {
		l = store
		l.set(func() { l.Memory = storage.NewMemory(time.Now) })
		start := time.Now()
		if err := w.Save(state("x", 1)); !errors.Is(err, storage.ErrUnprotected) || time.Since(start) != budget {
			t.Fatalf("after %v: %v", time.Since(start), err)
		}
		thaw()
	})
}

// The end of a call is not forgotten for what is said of the call while it is under way
// and fails.
func TestWriterEndIsTheLastWord(t *testing.T) {
	with(t, storage.WriterOptions{Wait: budget}, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		thaw := l.freeze()
		w.End(state("x", 3), []byte("d"), n.done("end"))
		written()
		l.set(func() { l.err = errDown })
		w.Put(state("x", 4), n.done("late"))
		thaw()
		written()
		n.want(t, "end", storage.ErrUnprotected)
		n.want(t, "late", storage.ErrUnprotected)
		l.set(func() { l.err = nil })
		for w.Unprotected() > 0 {
			<-time.After(time.Millisecond)
		}
		if _, err := l.Get(context.Background(), "x"); !errors.Is(err, storage.ErrEnded) {
			t.Fatalf("Get: %v", err)
		}
		if got := details(t, l); !slices.Equal(got, []string{"x"}) {
			t.Fatalf("details of %q", got)
		}
	})
}

// Who joins what is under way is not waited for once it is done.
func TestWriterLateJoiner(t *testing.T) {
	with(t, storage.WriterOptions{Wait: budget}, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		thaw := l.freeze()
		w.End(state("x", 3), []byte("d"), nil)
		written()
		w.Put(state("x", 4), n.done("late"))
		<-time.After(budget / 2)
		thaw()
		written()
		n.want(t, "late", nil)
		<-time.After(2 * budget)
		if w.Degraded() {
			t.Fatal("degraded")
		}
	})
}

// A call that the store may have got, though it did not answer, ends in the store,
// however many others end.
func TestWriterEndsWhatMayBeStored(t *testing.T) {
	with(t, storage.WriterOptions{Wait: budget, Backlog: 10}, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		l.set(func() { l.deaf = true })
		w.Put(state("x", 1), nil)
		written()
		l.set(func() { l.deaf, l.err = false, errDown })
		w.End(state("x", 2), []byte("d"), nil)
		for i := range 100 {
			w.End(state(fmt.Sprint(i), 1), []byte("d"), nil)
		}
		<-time.After(time.Second)
		l.set(func() { l.err = nil })
		for w.Unprotected() > 0 {
			<-time.After(time.Millisecond)
		}
		if all := scan(t, l); len(all) != 0 {
			t.Fatalf("%v live for ever", all)
		}
	})
}

// A promoted replica may lack the last seconds: their ends are written again, however many
// they are where a drain ends thousands of calls a second.
func TestWriterKnowsTheEndsOfTheLastSeconds(t *testing.T) {
	const perSecond, seconds = 5000, 4
	with(t, storage.WriterOptions{Wait: budget}, func(t *testing.T, w *storage.Writer, l *lying, _ *note) {
		for i := range perSecond * seconds {
			w.End(state(fmt.Sprint(i), 1), []byte("d"), nil)
			if i%(perSecond/100) == 0 {
				<-time.After(10 * time.Millisecond)
			}
		}
		written()
		l.set(func() { l.Memory = storage.NewMemory(time.Now) })
		if err := w.Save(state("x", 1)); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second) // it takes more than one batch
		if got := len(details(t, l)); got != perSecond*seconds {
			t.Errorf("of %d ends %d are there again", perSecond*seconds, got)
		}
	})
}
