package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrUnprotected says that the store did not confirm within the budget, or is known
// not to: the call goes on, and the writer goes on trying.
var ErrUnprotected = errors.New("storage: not stored in time")

// ErrClosed says that the writer takes nothing more.
var ErrClosed = errors.New("storage: the writer is closed")

// WriterOptions say for whom a Writer writes.
type WriterOptions struct {
	Node  string
	Epoch uint64 // that Own or Acquire returned

	// Wait is the longest that anybody waits for a write. Zero: nobody waits.
	Wait time.Duration

	// Live calls each with every live call, in its newest state, when the store
	// has lost them. It runs in the writer's goroutine, during which nothing is
	// written. Nil: there are none.
	Live func(each func(Item))

	// Spool takes the details that will not reach the store: of calls that it
	// has never heard of and that are too many to keep (Backlog), or that end
	// when the unit is lost or the writer closed. Nil: they are gone.
	Spool func(id string, detail []byte)

	// Keep takes the ends, when the unit is lost or the writer closed, of calls that the
	// store may still take for live: who owns the unit next makes a record of them,
	// unless it is told the end before. Nil: Spool takes their details.
	Keep func([]Kept)

	// Backlog is how many ended calls that the store has never heard of are kept
	// for it; 50,000 if zero. All else that is kept is bounded by the live calls.
	Backlog int

	Watch Watch
}

// Kept is an end that the store was not told of, as far as is known.
type Kept struct {
	Ending
	Sure bool // the store has had the call; false: perhaps
}

// Watch is told what a Writer meets. Its functions must not block; any may be nil.
type Watch struct {
	Fenced   func()                                         // once: the unit is another's
	Degraded func(bool)                                     // calls are unprotected; they are not any more
	Lost     func(calls int)                                // the store had lost everything, so many are written again
	Wrote    func(calls int, took time.Duration, err error) // each attempt
}

// Sizes and times of a Writer.
const (
	attempt   = time.Second // the longest that one batch may take; the store's own timeout is shorter
	probe     = 16          // calls in a batch to a store that failed: a frozen one runs all that was sent to it
	firstBack = 10 * time.Millisecond
	lastBack  = 100 * time.Millisecond
	parkedFor = 250 * time.Millisecond // until a full store is asked again
	lazily    = 5 * time.Millisecond   // until what nobody waits for is written, where nothing else is before
	apart     = 500 * time.Microsecond // between the begins of two batches, if the second is small:
	small     = 16                     // calls; a batch costs as much as six calls in it, and little waits for it
)

// Writer writes the calls of one unit, in one goroutine: while a batch is under way the
// next one gathers, and goes on gathering for a moment if there is little in it. What
// waits is a set of calls, of which the newest state counts.
// All its methods are safe for concurrent use; none but Close waits.
type Writer struct {
	store Store
	o     WriterOptions

	mu       sync.Mutex
	b        backlog
	recent   recent
	open     bool // the breaker: nobody waits
	fenced   bool
	lost     bool // somebody else was told ErrLost
	closing  bool
	degraded bool                              // as told to Watch
	since    struct{ flying, ready time.Time } // of who waits longest
	armed    bool
	budget   *time.Timer
	due      bool      // what there is, is to be written now
	grown    time.Time // until then the goroutine lets a small batch grow; zero: it does not
	lazy     *time.Timer
	lazing   bool // it runs
	unpark   time.Time

	wake    chan struct{}
	stop    context.CancelFunc
	stopped chan struct{}
	telling sync.Mutex // keeps Degraded's calls in order
}

// NewWriter makes a writer and starts it. Who makes it closes it.
func NewWriter(s Store, o WriterOptions) *Writer {
	if o.Backlog == 0 {
		o.Backlog = 50_000
	}
	ctx, stop := context.WithCancel(context.Background())
	w := &Writer{store: s, o: o, b: newBacklog(), wake: make(chan struct{}, 1), stop: stop, stopped: make(chan struct{})}
	go w.run(ctx)
	return w
}

// Restored tells that a call is in the store: one that Scan has returned.
func (w *Writer) Restored(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b.stored[id] = true
}

// Put writes a call's state, whose data must not change any more. done, if not nil, is
// called once, perhaps before Put returns, and must not block: with nil when this state
// or a newer one is stored (or nobody waits in this configuration); with ErrUnprotected
// when the budget is over, and at once while the store is known to fail; with ErrFull,
// ErrFenced, ErrClosed. After the end of a call nothing more is written for it.
func (w *Writer) Put(it Item, done func(error)) {
	w.mu.Lock()
	if !w.takes(done) {
		return
	}
	w.joins(w.b.put(it), done)
}

// End writes the end of a call and its detail. done is as for Put.
func (w *Writer) End(tombstone Item, detail []byte, done func(error)) {
	w.mu.Lock()
	sure, known := w.b.stored[tombstone.ID]
	if !w.takes(done) {
		var late untold
		late.add(Ending{tombstone, detail}, sure, known)
		w.leave(late)
		return
	}
	e := w.b.end(tombstone, detail)
	var gone *entry
	if w.b.spare.size > w.o.Backlog {
		gone = w.b.spare.first
		w.b.spare.remove(gone)
		delete(w.b.dirty, gone.item.ID)
	}
	if gone == e { // no backlog at all
		w.mu.Unlock()
		w.spool(Ending{gone.item, gone.detail})
		if done != nil {
			done(ErrUnprotected)
		}
		return
	}
	w.joins(e, done)
	if gone != nil {
		w.spool(Ending{gone.item, gone.detail})
		tell(gone.waiters, ErrUnprotected)
	}
}

// Reseed does what a write does that is told ErrLost: for the owner of a lease, whose
// renewal is.
func (w *Writer) Reseed() {
	w.mu.Lock()
	w.lost, w.due = true, true
	w.mu.Unlock()
	w.rouse()
}

// takes says whether anything is taken; if not, it has unlocked and told.
func (w *Writer) takes(done func(error)) bool {
	var err error
	switch {
	case w.fenced:
		err = ErrFenced
	case w.closing:
		err = ErrClosed
	default:
		return true
	}
	w.mu.Unlock()
	if done != nil {
		done(err)
	}
	return false
}

// joins lets done wait for an entry, and unlocks. What nobody waits for goes with what
// somebody does, and has a batch of its own only if there is nothing for a while: most
// states are followed by another before that.
func (w *Writer) joins(e *entry, done func(error)) {
	var err error
	var now time.Time // zero: nobody waits
	switch {
	case done == nil:
	case w.o.Wait == 0:
	case w.open:
		err = ErrUnprotected
	default:
		e.waiters = append(e.waiters, done)
		done, now = nil, time.Now()
		since := &w.since.ready
		if e.in == nil {
			since = &w.since.flying
		}
		if since.IsZero() {
			*since = now
		}
		w.arm(w.o.Wait)
	}
	switch {
	case !now.IsZero() || w.closing || w.b.ready.size+w.b.spare.size >= pipelineCalls:
		w.due = true
	case w.due || w.lazing:
	case w.lazy == nil:
		w.lazing = true
		w.lazy = time.AfterFunc(lazily, w.hurry)
	default:
		w.lazing = true
		w.lazy.Reset(lazily)
	}
	// Timers are late: who comes when the time is over does not wait for one.
	wake := w.due && (now.After(w.grown) || w.grown.IsZero() || w.b.ready.size+w.b.spare.size >= small)
	w.mu.Unlock()
	if wake {
		w.rouse()
	}
	if done != nil {
		done(err)
	}
}

// hurry has everything written that waits.
func (w *Writer) hurry() {
	w.mu.Lock()
	w.due, w.lazing = true, false
	w.mu.Unlock()
	w.rouse()
}

// rouse lets the goroutine look.
func (w *Writer) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// arm sets the timer of the budget, unless it runs.
func (w *Writer) arm(d time.Duration) {
	if w.armed {
		return
	}
	w.armed = true
	if w.budget == nil {
		w.budget = time.AfterFunc(d, w.overBudget)
	} else {
		w.budget.Reset(d)
	}
}

// overBudget opens the breaker if somebody has waited too long.
func (w *Writer) overBudget() {
	w.mu.Lock()
	w.armed = false
	oldest := w.since.flying
	if oldest.IsZero() || !w.since.ready.IsZero() && w.since.ready.Before(oldest) {
		oldest = w.since.ready
	}
	if oldest.IsZero() {
		w.mu.Unlock()
		return
	}
	if age := time.Since(oldest); age < w.o.Wait {
		w.arm(w.o.Wait - age)
		w.mu.Unlock()
		return
	}
	waiters := w.opens()
	w.mu.Unlock()
	w.tellDegraded()
	tell(waiters, ErrUnprotected)
}

// opens opens the breaker and returns those who waited.
func (w *Writer) opens() []func(error) {
	w.open = true
	w.since.flying, w.since.ready = time.Time{}, time.Time{}
	return w.b.waiters()
}

func tell(waiters []func(error), err error) {
	for _, done := range waiters {
		done(err)
	}
}

// leave gives away ends that the store will not be told of by this writer.
func (w *Writer) leave(all untold) {
	if w.o.Keep == nil {
		for _, e := range all.kept {
			w.spool(e.Ending)
		}
	} else if len(all.kept) > 0 {
		w.o.Keep(all.kept)
	}
	for _, e := range all.unknown {
		w.spool(e)
	}
}

func (w *Writer) spool(e Ending) {
	if w.o.Spool != nil {
		w.o.Spool(e.Tombstone.ID, e.Detail)
	}
}

// tellDegraded tells Watch if that has changed.
func (w *Writer) tellDegraded() {
	w.telling.Lock()
	defer w.telling.Unlock()
	w.mu.Lock()
	is := w.isDegraded()
	changed := is != w.degraded
	w.degraded = is
	w.mu.Unlock()
	if changed && w.o.Watch.Degraded != nil {
		w.o.Watch.Degraded(is)
	}
}

func (w *Writer) isDegraded() bool { return w.open || w.b.parked.size > 0 }

// Degraded says whether writes fail, are late, or refused.
func (w *Writer) Degraded() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.isDegraded()
}

// Unprotected is the number of calls whose newest state is not stored.
func (w *Writer) Unprotected() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.size()
}

// Close writes what waits, until the context is done, and ends the writer. It returns
// an error if calls remain unstored; the details among them were spooled.
func (w *Writer) Close(ctx context.Context) error {
	w.mu.Lock()
	w.closing, w.due = true, true
	w.mu.Unlock()
	w.rouse()
	select {
	case <-w.stopped:
	case <-ctx.Done():
	}
	w.stop()
	<-w.stopped
	w.mu.Lock()
	left := w.b
	w.b = newBacklog()
	w.b.stored = left.stored
	waiters := left.waiters()
	untold := left.untold()
	for _, timer := range []*time.Timer{w.budget, w.lazy} {
		if timer != nil {
			timer.Stop()
		}
	}
	w.mu.Unlock()
	tell(waiters, ErrUnprotected)
	w.leave(untold)
	if n := len(left.dirty); n > 0 {
		return fmt.Errorf("storage: closed with %d calls not stored: %w", n, ErrUnprotected)
	}
	return nil
}
