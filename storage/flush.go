package storage

import (
	"context"
	"errors"
	"time"
)

// run is the writer's goroutine.
func (w *Writer) run(ctx context.Context) {
	defer close(w.stopped)
	var batch Batch
	var pause time.Duration
	var started time.Time
	size := pipelineCalls
	for w.gather(ctx, pause, size, started, &batch) {
		started = time.Now()
		try, cancel := context.WithTimeout(ctx, attempt)
		err := w.write(try, batch)
		if errors.Is(err, ErrLost) {
			err = w.reseed(try, batch)
		}
		cancel()
		took := time.Since(started)
		if w.o.Watch.Wrote != nil {
			w.o.Watch.Wrote(len(batch.Puts)+len(batch.Ends), took, err)
		}
		switch {
		case errors.Is(err, ErrFenced):
			w.fence()
			return
		case err == nil || errors.Is(err, ErrFull):
			w.stored(err, took, batch)
			pause, size = 0, min(2*size, pipelineCalls)
		case errors.Is(err, ErrLost): // and reclaimed by now
			w.failed(false)
			pause, size = 0, pipelineCalls
		default:
			w.failed(true)
			pause, size = min(max(2*pause, firstBack), lastBack), probe
		}
		clear(batch.Puts) // nothing of it is held on to
		clear(batch.Ends)
	}
}

// write writes a batch, unless it is known already what the store will say.
func (w *Writer) write(ctx context.Context, batch Batch) error {
	w.mu.Lock()
	lost := w.lost
	w.lost = false
	w.mu.Unlock()
	if lost {
		return ErrLost
	}
	return w.store.Write(ctx, w.o.Epoch, batch)
}

// gather waits for the pause and for calls, and takes them into the batch: a small one
// not too soon after the last one began. It is false when there is nothing more to come.
func (w *Writer) gather(ctx context.Context, pause time.Duration, size int, last time.Time, batch *Batch) bool {
	if pause > 0 {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	for ctx.Err() == nil {
		w.mu.Lock()
		if w.b.parked.size > 0 && !time.Now().Before(w.unpark) {
			w.b.unpark()
			w.due = true
		}
		batch.Puts, batch.Ends = batch.Puts[:0], batch.Ends[:0]
		var grow time.Duration
		if n := w.b.ready.size + w.b.spare.size; w.due && n > 0 && n < small && !w.closing && !w.lost {
			grow = w.apart() - time.Since(last)
		}
		w.grown = time.Time{}
		if grow > 0 {
			w.grown = time.Now().Add(grow)
		} else if w.due {
			w.b.take(size, batch)
			w.due = w.b.ready.size+w.b.spare.size > 0
		}
		if len(batch.Puts)+len(batch.Ends) > 0 || w.lost {
			w.since.flying = w.since.ready
			if w.b.ready.size+w.b.spare.size == 0 {
				w.since.ready = time.Time{}
			}
			w.mu.Unlock()
			return true
		}
		var again <-chan time.Time
		if grow > 0 {
			again = time.After(grow)
		} else if w.b.parked.size > 0 {
			again = time.After(time.Until(w.unpark))
		} else if w.closing {
			w.mu.Unlock()
			return false
		}
		w.mu.Unlock()
		select {
		case <-w.wake:
		case <-again:
		case <-ctx.Done():
		}
	}
	return false
}

// apart is what there is between the begins of two small batches: of what anybody is to
// wait at most, a part that he does not feel.
func (w *Writer) apart() time.Duration {
	if w.o.Wait == 0 {
		return apart
	}
	return min(apart, w.o.Wait/10)
}

// stored settles a batch that was written, but for those that a full store refused.
func (w *Writer) stored(err error, took time.Duration, batch Batch) {
	refused := map[string]bool{}
	var full *FullError
	if errors.As(err, &full) {
		for _, id := range full.IDs {
			refused[id] = true
		}
	}
	var done, late []func(error)
	now := time.Now()
	w.mu.Lock()
	for _, it := range batch.Puts {
		e := w.b.flying[it.ID]
		if refused[it.ID] {
			late = append(late, e.waiters...)
			e.waiters = nil
			w.b.returned(e, true)
			w.unpark = now.Add(parkedFor)
			continue
		}
		done = append(done, e.waiters...)
		w.b.landed(e)
	}
	for _, end := range batch.Ends {
		e := w.b.flying[end.Tombstone.ID]
		done = append(done, e.waiters...)
		w.b.landed(e)
		w.recent.add(end, now)
	}
	w.since.flying = time.Time{}
	// Only a store that has caught up, at a pace within the budget, is waited for
	// again: otherwise each call would find out for itself.
	if w.open && w.b.ready.size+w.b.spare.size < probe && (w.o.Wait == 0 || took < w.o.Wait/2) {
		w.open = false
	}
	w.mu.Unlock()
	w.tellDegraded()
	tell(done, nil)
	tell(late, ErrFull)
}

// failed settles a batch of which nothing is known. Who waits is let go if the store
// does not answer.
func (w *Writer) failed(opens bool) {
	w.mu.Lock()
	var waiters []func(error)
	if opens {
		waiters = w.opens()
	} else if f, r := w.since.flying, w.since.ready; !f.IsZero() && (r.IsZero() || f.Before(r)) {
		w.since.ready = f
	}
	for id, e := range w.b.flying {
		// A store that did not answer may have done it, or do it when it thaws.
		if opens && !e.ends && !w.b.stored[id] {
			w.b.stored[id] = false
		}
		w.b.returned(e, false)
	}
	w.due = true
	w.since.flying = time.Time{}
	w.mu.Unlock()
	w.tellDegraded()
	tell(waiters, ErrUnprotected)
}

// fence ends the writer: the unit is another's. It goes on with the calls that were stored,
// those perhaps that ended here among them.
func (w *Writer) fence() {
	w.mu.Lock()
	w.fenced = true
	b := w.b
	w.b = newBacklog()
	w.b.stored = b.stored
	waiters := b.waiters()
	untold := b.untold()
	w.mu.Unlock()
	w.leave(untold)
	if w.o.Watch.Fenced != nil {
		w.o.Watch.Fenced()
	}
	tell(waiters, ErrFenced)
}

// reseed makes a store that has lost our epoch or our writes know them again. It
// returns ErrLost when what is there is to be written again, all of it.
func (w *Writer) reseed(ctx context.Context, batch Batch) error {
	if err := w.store.Reclaim(ctx, w.o.Node, w.o.Epoch); err != nil {
		return err
	}
	w.mu.Lock()
	clear(w.b.stored)
	gone := map[string]bool{}
	for _, e := range w.recent.ends {
		gone[e.Tombstone.ID] = true
		if w.b.flying[e.Tombstone.ID] == nil {
			w.b.end(e.Tombstone, e.Detail)
		}
	}
	for _, e := range batch.Ends {
		gone[e.Tombstone.ID] = true
	}
	w.recent = recent{}
	w.mu.Unlock()
	calls := 0
	if w.o.Live != nil {
		w.o.Live(func(it Item) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if !gone[it.ID] {
				calls++
				w.b.put(it)
			}
		})
	}
	if w.o.Watch.Lost != nil {
		w.o.Watch.Lost(calls)
	}
	return ErrLost
}
