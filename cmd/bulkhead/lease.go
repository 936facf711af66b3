package main

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"bulkhead/storage"
)

// lease is a claim by a lease in the store: whoever holds it binds the unit's sockets
// and serves its calls. It is for nodes that share their addresses, such as several
// processes of one host.
type lease struct {
	node  string
	store storage.Leaser
	log   *zap.Logger
}

// take asks until the unit is ours.
func (l *lease) take(ctx context.Context) (uint64, error) {
	tick := time.NewTicker(leaseAsk)
	defer tick.Stop()
	warned := false
	for {
		epoch, err := l.store.Acquire(ctx, l.node, leaseFor)
		switch {
		case err == nil:
			return epoch, nil
		case errors.Is(err, storage.ErrHeld):
			warned = false
		case !warned && ctx.Err() == nil:
			l.log.Warn("the store does not answer", zap.Error(err))
			warned = true
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
}

// left is claim: only the store can say, and says so when the lease is renewed.
func (l *lease) left(ctx context.Context) { <-ctx.Done() }

// fenced is claim: whoever asks may get the unit again.
func (l *lease) fenced() {}

// present is claim: the addresses are this host's own.
func (l *lease) present() bool { return true }
