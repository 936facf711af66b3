package storage

import "time"

// Standing is how far a Writer's store is behind.
type Standing struct {
	Unstored int       // calls whose newest state is not stored
	Refused  int       // of them, those that a full store has refused, until it is asked again
	Oldest   time.Time // since when the longest of them is not; zero: all are stored
	Open     bool      // the breaker: nobody waits for the store
	Degraded bool      // writes fail, are late, or refused
}

// Standing tells it. What is in flight counts as not stored.
func (w *Writer) Standing() Standing {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Standing{Unstored: w.b.size(), Refused: w.b.parked.size, Open: w.open, Degraded: w.isDegraded()}
	older := func(e *entry) {
		if e != nil && (s.Oldest.IsZero() || e.since.Before(s.Oldest)) {
			s.Oldest = e.since
		}
	}
	// Lines are in the order in which their entries came, but for those that were tried
	// before, which are at the front.
	for _, l := range []*line{&w.b.ready, &w.b.parked, &w.b.spare} {
		older(l.first)
		older(l.last)
	}
	for _, e := range w.b.flying { // a batch at most
		older(e)
	}
	return s
}
