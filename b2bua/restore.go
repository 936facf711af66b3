package b2bua

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
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
	call, err := Decode(it.Data, e)
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
	call.Resume(time.Now())
	s := &strand{engine: e, id: call.ID, trunk: call.Setup.Trunk, call: call}
	if call.Written {
		s.absorbing = true
		e.absorbed.Add(1)
	} else {
		e.active.Add(1)
	}
	s.arm()
	sh.strands[call.ID] = s
	e.metrics.Restored.Inc()
	return nil
}

// Loader finds the record of a call that a message names before Restore has come
// to it: a storage.Store.
type Loader interface {
	Get(ctx context.Context, id string) (storage.Item, error)
}

// loads is the loading of calls by name while the rest is being restored. So
// many run at once at most; beyond that a message is answered as if there were no
// such call, and its sender repeats it.
type loads struct {
	loader Loader
	free   chan struct{}
	wait   time.Duration
}

// Restoring takes over what scan gives, call by call, and meanwhile loads calls
// that messages name. It returns how many there were and the faults of those that
// could not be restored.
func (e *Engine) Restoring(ctx context.Context, from Loader, scan func(context.Context, func(storage.Item) error) error) (n int, err error) {
	e.loading.Store(&loads{loader: from, free: make(chan struct{}, 64), wait: time.Second})
	defer e.loading.Store(nil)
	var faults []error
	err = scan(ctx, func(it storage.Item) error {
		if err := e.Restore(it); err != nil {
			faults = append(faults, err)
			return nil
		}
		n++
		return nil
	})
	return n, errors.Join(append(faults, err)...)
}

// load looks for a call in the store, then does the rest; false: too many are
// being looked for.
func (l *loads) load(e *Engine, id dialog.CallID, then func()) bool {
	select {
	case l.free <- struct{}{}:
	default:
		return false
	}
	go func() {
		defer func() { <-l.free }()
		ctx, cancel := context.WithTimeout(context.Background(), l.wait)
		defer cancel()
		it, err := l.loader.Get(ctx, id.String())
		if err == nil || errors.Is(err, storage.ErrEnded) {
			if err := e.Restore(it); err != nil {
				e.log.Error("call not restored", zap.Error(err))
			}
		}
		then()
	}()
	return true
}
