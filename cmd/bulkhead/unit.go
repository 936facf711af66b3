package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/storage"
)

// A unit is owned by lease: whoever holds it in the store binds the unit's
// sockets and serves its calls.
const (
	leaseFor   = time.Second
	leaseRenew = leaseFor / 4
	leaseAsk   = 20 * time.Millisecond // how often a standby asks: the gap of a hand-over
	exportEach = 200 * time.Millisecond
	closeFor   = 2 * time.Second
)

// unit takes a unit's calls whenever its lease is free, and serves them until it
// is lost or the process ends.
type unit struct {
	config *Config
	key    [32]byte
	log    *zap.Logger
	store  *storage.Redis
	file   *exportFile // nil: records stay in the store
}

// newUnit connects nothing yet: a store that is down at the start is waited for.
func newUnit(c *Config, key [32]byte, log *zap.Logger, file *b2bua.RecordFile) (*unit, error) {
	r := c.State.Redis
	o := storage.RedisOptions{
		Addresses: r.Addresses, Sentinel: r.Sentinel, Cluster: r.Cluster, Username: r.Username, Unit: c.unitName(),
	}
	if r.PasswordFile != "" {
		secret, err := os.ReadFile(string(r.PasswordFile))
		if err != nil {
			return nil, fmt.Errorf("reading the password of Redis: %w", err)
		}
		o.Password = strings.TrimSpace(string(secret))
	}
	store, err := storage.NewRedis(o)
	if err != nil {
		return nil, err
	}
	u := &unit{config: c, key: key, log: log, store: store}
	if file != nil {
		u.file, err = newExportFile(file)
	}
	return u, err
}

// run serves until the context ends, and then hands over.
func (u *unit) run(ctx context.Context) error {
	defer u.store.Close()
	for ctx.Err() == nil {
		epoch, err := u.acquire(ctx)
		if err != nil {
			break // the context has ended
		}
		log := u.log.With(zap.Uint64("epoch", epoch))
		if err := u.serve(ctx, epoch, log); err != nil {
			log.Error("unit given up", zap.Error(err))
		}
	}
	return nil
}

// acquire asks until the unit is ours.
func (u *unit) acquire(ctx context.Context) (uint64, error) {
	tick := time.NewTicker(leaseAsk)
	defer tick.Stop()
	silent := true
	for {
		epoch, err := u.store.Acquire(ctx, u.config.Node, leaseFor)
		switch {
		case err == nil:
			return epoch, nil
		case errors.Is(err, storage.ErrHeld):
			silent = true
		case silent && ctx.Err() == nil:
			u.log.Warn("the store does not answer", zap.Error(err))
			silent = false
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-tick.C:
		}
	}
}

// serve owns the unit for as long as the lease lasts.
func (u *unit) serve(ctx context.Context, epoch uint64, log *zap.Logger) (err error) {
	own, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	var b *border
	writer := storage.NewWriter(u.store, storage.WriterOptions{
		Node: u.config.Node, Epoch: epoch, Wait: u.config.State.Wait,
		Live:  func(each func(storage.Item)) { b.engine.Live(each) },
		Spool: u.spool,
		Watch: storage.Watch{
			Fenced:   func() { lose(storage.ErrFenced) },
			Degraded: func(is bool) { log.Warn("calls unprotected", zap.Bool("degraded", is)) },
			Lost:     func(calls int) { log.Warn("the store had lost the calls; written again", zap.Int("calls", calls)) },
		},
	})
	if b, err = newBorder(u.config, u.key, discard{}, writer, log, nil); err != nil {
		return errors.Join(err, writer.Close(own), u.store.Release(own, epoch, "", 0))
	}
	done := make(chan error, 3)
	go func() { done <- b.run(own) }()
	go func() { done <- u.renew(own, epoch, lose) }()
	go func() { done <- u.export(own, log) }()
	began := time.Now()
	n, err := b.engine.Restoring(own, u.store, func(ctx context.Context, each func(storage.Item) error) error {
		return u.store.Scan(ctx, func(it storage.Item) error {
			writer.Restored(it.ID)
			return each(it)
		})
	})
	if err != nil {
		log.Error("calls not restored", zap.Error(err))
	}
	log.Info("unit taken", zap.Int("calls", n), zap.Duration("took", time.Since(began)))
	<-own.Done()
	lose(nil)
	for range cap(done) {
		err = errors.Join(err, <-done)
	}
	// The sockets are closed: nothing more is promised. What was is stored, then
	// the unit is free.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeFor)
	defer cancel()
	b.engine.Stop(last)
	err = errors.Join(err, writer.Close(last))
	if cause := context.Cause(own); !errors.Is(cause, storage.ErrFenced) {
		return errors.Join(err, u.store.Release(last, epoch, "", 0))
	}
	return errors.Join(err, storage.ErrFenced)
}

// renew keeps the lease. A store that does not answer is no reason to stop: calls
// go on without it.
func (u *unit) renew(ctx context.Context, epoch uint64, lose context.CancelCauseFunc) error {
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := u.store.Renew(ctx, epoch, leaseFor); errors.Is(err, storage.ErrFenced) {
			lose(storage.ErrFenced)
			return nil
		}
	}
}

// export moves the records of ended calls from the store to the record file.
func (u *unit) export(ctx context.Context, log *zap.Logger) error {
	if u.file == nil {
		return nil
	}
	tick := time.NewTicker(exportEach)
	defer tick.Stop()
	for {
		if err := u.store.Details(ctx, u.file.take); err != nil && ctx.Err() == nil {
			log.Debug("records wait in the store", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// spool takes a record that will not reach the store.
func (u *unit) spool(id string, detail []byte) {
	if u.file == nil {
		return
	}
	if err := u.file.take(id, detail); err != nil {
		u.log.Error("record not written", zap.String("call", id), zap.Error(err))
	}
}

// unitName is the name of the unit, also where none is configured.
func (c *Config) unitName() string {
	if c.Unit == nil || c.Unit.Name == "" {
		return "bulkhead"
	}
	return c.Unit.Name
}
