package storage_test

import (
	"fmt"
	"testing"
	"time"

	"bulkhead/storage"
)

// TestWriterTellsHowFarBehind: of what waits, what is in flight and what a full store has
// refused, how much it is and since when.
func TestWriterTellsHowFarBehind(t *testing.T) {
	with(t, storage.WriterOptions{Wait: budget}, func(t *testing.T, w *storage.Writer, l *lying, n *note) {
		if s := w.Standing(); s != (storage.Standing{}) {
			t.Fatalf("at the start %+v", s)
		}
		frozen := make(chan struct{})
		l.set(func() { l.frozen = frozen })
		start := time.Now()
		for i := range 3 {
			w.Put(state(fmt.Sprint(i), 1), nil)
			<-time.After(time.Second)
		}
		w.Put(state("0", 2), nil) // newer, and yet since the first
		if s := w.Standing(); s.Unstored != 3 || !s.Oldest.Equal(start) || !s.Open || !s.Degraded || s.Refused != 0 {
			t.Fatalf("of a frozen store %+v, since %v", s, s.Oldest.Sub(start))
		}
		l.set(func() { l.frozen = nil })
		close(frozen)
		for w.Degraded() {
			<-time.After(time.Millisecond)
		}
		if s := w.Standing(); s != (storage.Standing{}) {
			t.Fatalf("when it has caught up %+v", s)
		}
		l.set(func() { l.full = true })
		start = time.Now()
		w.Put(state("more", 1), nil)
		<-time.After(time.Second)
		if s := w.Standing(); s.Unstored != 1 || s.Refused != 1 || !s.Oldest.Equal(start) || !s.Degraded || s.Open {
			t.Fatalf("of a full store %+v", s)
		}
		l.set(func() { l.full = false })
	})
}
