package b2bua

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"bulkhead/dialog"
	"bulkhead/storage"
)

// Restore takes a stored call over: from its record, as if it had been here all
// the time. A call that is here already, loaded because a message named it, stays
// as it is. A record that makes the core panic is left alone, so that it cannot
// take the next node down as well.
func (e *Engine) Restore(it storage.Item) (err error) {
	defer func() {
		if r := recover(); r != nil {
			e.metrics.Panics.Inc()
			e.log.Error("panic while restoring a call", zap.String("call", it.ID), zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
			err = fmt.Errorf("restoring call %s: panic: %v", it.ID, r)
		}
	}()
	if len(it.Data) == 0 {
		return nil // a defect has ended it
	}
	if e.lay(it) {
		return nil
	}
	p := e.profiles()
	call, err := Decode(it.Data, p)
	if err != nil {
		return fmt.Errorf("restoring call %s: %w", it.ID, err)
	}
	if call.ID.String() != it.ID {
		return fmt.Errorf("restoring call %s: its record is of %s: %w", it.ID, call.ID, dialog.ErrRecord)
	}
	sh := e.shard(call.ID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.strands[call.ID] != nil {
		return nil
	}
	if call.Done() {
		return nil
	}
	e.reopen(it.ID, &call.Media)
	call.Resume(time.Now())
	s := &strand{engine: e, profiles: p, id: call.ID, trunk: p.trunkName(call.Setup.Trunk), call: call}
	e.hold(p)
	s.passed()
	s.settleIn(p, s.trunk, call.Setup.Number)
	if call.Written {
		s.absorbing = true
		e.absorbed.Add(1)
	} else {
		e.active.Add(1)
	}
	choosing, setup := !call.Choosing.IsZero(), call.Setup
	s.arm()
	sh.strands[call.ID] = s
	e.metrics.Restored.Inc()
	if choosing {
		s.choosing(time.Now(), setup)
	}
	return nil
}

// Loader finds the record of a call that a message names before Restore has come
// to it: a storage.Store.
type Loader interface {
	Get(ctx context.Context, id string) (storage.Item, error)
}

// loads is the loading of calls by name, while the rest is being restored and for
// as long after as peers may repeat what they said to calls that have ended. So
// many run at once at most.
type loads struct {
	loader Loader
	free   chan struct{}
	wait   time.Duration
	all    atomic.Bool // that live are here: what is still in the store has ended
}

// Restoring takes over what scan gives, call by call, and meanwhile loads calls
// that messages name; those that have ended, which scan does not give, for 64·T1
// longer. It returns how many there were and the faults of those that could not be
// restored.
func (e *Engine) Restoring(ctx context.Context, from Loader, scan func(context.Context, func(storage.Item) error) error) (n int, err error) {
	l := e.Load(from)
	defer time.AfterFunc(64*e.config.Timers.T1, func() { e.loading.CompareAndSwap(l, nil) })
	var mu sync.Mutex // of n and faults
	var faults []error
	items := make(chan storage.Item, 256)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) { // reading them is quicker than decoding them
		workers.Go(func() {
			for it := range items {
				err := e.Restore(it)
				mu.Lock()
				if err != nil {
					faults = append(faults, err)
				} else {
					n++
				}
				mu.Unlock()
			}
		})
	}
	err = scan(ctx, func(it storage.Item) error {
		items <- it
		return nil
	})
	close(items)
	workers.Wait()
	if err == nil || errors.Is(err, storage.ErrUnreadable) {
		e.intake.open()
	}
	l.all.Store(err == nil && faults == nil)
	return n, errors.Join(append(faults, err)...)
}

// Load begins to look for calls that messages name: before the first message of a
// unit just taken is read, since it may come before Restoring has begun. Restoring
// ends it.
func (e *Engine) Load(from Loader) *loads {
	l := &loads{loader: from, free: make(chan struct{}, 64), wait: time.Second}
	e.loading.Store(l)
	e.intake.shut()
	return l
}

// load looks for a call in the store, then does the rest: surely there is no such
// call, or it is not known, since the store does not answer or too many are being
// looked for. Once all that live are here, a store that is known to be away is not asked
// whether what a message begins has ended already: an outage delays no call.
func (l *loads) load(e *Engine, id dialog.CallID, begins bool, then func(sure bool)) {
	if k := e.config.Keeper; begins && k != nil && l.all.Load() && k.Degraded() {
		then(false)
		return
	}
	select {
	case l.free <- struct{}{}:
	default:
		then(false)
		return
	}
	go func() {
		defer func() { <-l.free }()
		e.contained("panic while looking for a call", func() { l.find(e, id, then) })
	}()
}

// find is load that waits for the store.
func (l *loads) find(e *Engine, id dialog.CallID, then func(sure bool)) {
	ctx, cancel := context.WithTimeout(context.Background(), l.wait)
	defer cancel()
	it, err := l.loader.Get(ctx, id.String())
	if err == nil || errors.Is(err, storage.ErrEnded) {
		err = e.Restore(it)
		if err != nil {
			e.log.Error("call not restored", zap.Error(err))
		}
	}
	then(err == nil || errors.Is(err, storage.ErrNotFound))
}
