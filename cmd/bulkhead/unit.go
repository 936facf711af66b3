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

// unitStore is what a unit needs of its store.
type unitStore interface {
	storage.Store
	storage.Leaser
}

// unit takes a unit's calls whenever its lease is free, and serves them until it
// is lost or the process ends.
type unit struct {
	config *Config
	key    [32]byte
	log    *zap.Logger
	store  unitStore
	file   *exportFile // nil: records stay in the store
}

// newUnit connects nothing yet: a store that is down at the start is waited for.
func newUnit(c *Config, key [32]byte, log *zap.Logger, file *b2bua.RecordFile) (*unit, error) {
	r := c.State.Redis
	o := storage.RedisOptions{
		Addresses: r.Addresses, Sentinel: r.Sentinel, Cluster: r.Cluster, Username: r.Username,
		Unit: c.unitName(), Node: c.Node,
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
	returned := false
	for ctx.Err() == nil {
		epoch, err := u.acquire(ctx, func() {
			if !returned { // a node that comes back may have died with records in its hand
				u.export(ctx, u.log)
			}
			returned = true
		})
		if err != nil {
			break // the context has ended
		}
		log := u.log.With(zap.Uint64("epoch", epoch))
		if err := u.serve(ctx, epoch, log); err != nil {
			log.Error("unit given up", zap.Error(err))
			// Whatever it was, it may last; and who was fenced lets the other go first.
			select {
			case <-time.After(leaseFor):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

// acquire asks until the unit is ours. It tells when the store answers.
func (u *unit) acquire(ctx context.Context, answers func()) (uint64, error) {
	tick := time.NewTicker(leaseAsk)
	defer tick.Stop()
	warned := false
	for {
		epoch, err := u.store.Acquire(ctx, u.config.Node, leaseFor)
		switch {
		case err == nil:
			return epoch, nil
		case errors.Is(err, storage.ErrHeld):
			warned = false
			answers()
		case !warned && ctx.Err() == nil:
			u.log.Warn("the store does not answer", zap.Error(err))
			warned = true
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
		Live:  func(each func(storage.Item)) { b.engine.Live(each) }, // nothing is written before there is one
		Spool: u.spool,
		Watch: storage.Watch{
			Fenced:   func() { lose(storage.ErrFenced) },
			Degraded: func(is bool) { log.Warn("calls unprotected", zap.Bool("degraded", is)) },
			Lost:     func(calls int) { log.Warn("the store had lost the calls; written again", zap.Int("calls", calls)) },
		},
	})
	hold := newHold(u.store, epoch, writer.Reseed, func() { lose(storage.ErrFenced) })
	keeper, observer := crashing(writer)
	if b, err = newBorder(u.config, u.key, discard{}, keeper, hold.speaks, log, observer); err != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeFor)
		defer cancel()
		return errors.Join(err, writer.Close(last), u.store.Release(last, epoch, "", 0))
	}
	served, others := make(chan error, 1), make(chan struct{}, 2)
	wired, unwire := context.WithCancel(context.WithoutCancel(ctx))
	defer unwire()
	go func() { served <- b.run(wired) }()
	go func() { hold.keep(own); others <- struct{}{} }()
	go func() { u.exporting(own, log); others <- struct{}{} }()
	u.restore(own, b, writer, log)
	select {
	case <-own.Done():
	case err = <-served:
		served <- nil
		err = errors.Join(errors.New("the sockets have ended"), err)
	}
	lose(nil)
	// What the next owner will say is not said here any more, nor taken for a
	// peer's fault that it cannot be sent.
	b.engine.Mute()
	unwire()
	err = errors.Join(err, <-served)
	for range cap(others) {
		<-others
	}
	// The sockets are closed: nothing more is promised. What was is stored, then
	// the unit is free.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeFor)
	defer cancel()
	b.engine.Stop(last)
	err = errors.Join(err, writer.Close(last))
	if errors.Is(context.Cause(own), storage.ErrFenced) {
		return errors.Join(err, storage.ErrFenced)
	}
	return errors.Join(err, u.store.Release(last, epoch, "", 0))
}

// restore takes the calls over, and tries until all have been read.
func (u *unit) restore(ctx context.Context, b *border, writer *storage.Writer, log *zap.Logger) {
	tick := time.NewTicker(leaseAsk)
	defer tick.Stop()
	for began := time.Now(); ; {
		var broken error // of the reading, not of single calls
		n, err := b.engine.Restoring(ctx, u.store, func(ctx context.Context, each func(storage.Item) error) error {
			broken = u.store.Scan(ctx, func(it storage.Item) error {
				writer.Restored(it.ID)
				return each(it)
			})
			return broken
		})
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			log.Error("calls not restored", zap.Error(err))
		}
		if broken == nil || errors.Is(broken, storage.ErrUnreadable) {
			log.Info("unit taken", zap.Int("calls", n), zap.Duration("took", time.Since(began)))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// exporting moves the records of ended calls from the store to the record file.
func (u *unit) exporting(ctx context.Context, log *zap.Logger) {
	tick := time.NewTicker(exportEach)
	defer tick.Stop()
	for {
		u.export(ctx, log)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (u *unit) export(ctx context.Context, log *zap.Logger) {
	if u.file == nil {
		return
	}
	if err := u.store.Details(ctx, u.file.take); err != nil && ctx.Err() == nil {
		log.Debug("records wait in the store", zap.Error(err))
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
