package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/storage"
)

// hold is the lease of a unit in the hand of its owner.
type hold struct {
	store storage.Leaser
	epoch uint64
	lost  func() // the store knows nothing of the lease
	lose  func() // the unit is another's

	began time.Time
	until atomic.Int64 // since began: who has not asked by then, asks before it speaks
	gone  atomic.Bool
	mu    sync.Mutex
}

func newHold(store storage.Leaser, epoch uint64, lost, lose func()) *hold {
	h := &hold{store: store, epoch: epoch, lost: lost, lose: lose, began: time.Now()}
	h.until.Store(int64(leaseFor))
	return h
}

// keep renews the lease until the context ends. A store that does not answer is no
// reason to stop: calls go on without it.
func (h *hold) keep(ctx context.Context) {
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	for {
		h.mu.Lock()
		h.renew(ctx)
		h.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// renew asks the store, whose silence is an answer, too. The lock is held. Either counts
// from when it was asked: who has stood still since knows nothing of now.
func (h *hold) renew(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leaseFor/3)
	defer cancel()
	asked := time.Since(h.began)
	err := h.store.Renew(ctx, h.epoch, leaseFor)
	switch {
	case errors.Is(err, storage.ErrFenced):
		h.gone.Store(true)
		h.lose()
		return
	case errors.Is(err, storage.ErrLost):
		h.lost()
	}
	h.until.Store(int64(asked + leaseFor))
}

// speaks says whether the unit is still ours. A process that has stood still for
// longer than its lease finds out before it says anything: another may have spoken.
func (h *hold) speaks() bool {
	if !h.late() {
		return !h.gone.Load()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.late() && !h.gone.Load() {
		h.renew(context.Background())
	}
	return !h.gone.Load()
}

func (h *hold) late() bool { return int64(time.Since(h.began)) > h.until.Load() }
