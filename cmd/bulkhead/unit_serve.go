package main

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"go.uber.org/zap"

	"bulkhead/storage"
)

// exportEach is how often ended calls' records are fetched from the store.
const exportEach = 200 * time.Millisecond

// errHandedOver ends a turn that was asked to end.
var errHandedOver = errors.New("handed over")

// serve owns the unit, since it was claimed, until it is another's, or is to be.
func (u *unit) serve(ctx context.Context, epoch uint64, claimed time.Time, s *sockets, log *zap.Logger) (err error) {
	own, lose := context.WithCancelCause(context.WithoutCancel(ctx))
	defer lose(nil)
	var b *border // nothing is written before there is one
	fenced := func() {
		b.engine.Mute()
		u.claim.fenced()
		u.nodes.fenced()
		lose(storage.ErrFenced)
	}
	writer := storage.NewWriter(u.store, storage.WriterOptions{
		Node: u.config.Node, Epoch: epoch, Wait: u.config.State.Wait,
		Live:  func(each func(storage.Item)) { b.engine.Live(each) },
		Spool: u.spool, Keep: u.keep,
		Watch: storage.Watch{
			Fenced:   fenced,
			Wrote:    u.process.unit.wrote,
			Degraded: func(is bool) { log.Warn("calls unprotected", zap.Bool("degraded", is)) },
			Lost: func(calls int) {
				u.process.unit.losses.Inc()
				log.Warn("the store had lost the calls; written again", zap.Int("calls", calls))
			},
		},
	})
	u.process.unit.writer.Store(writer)
	defer u.process.unit.writer.Store(nil)
	if u.file != nil {
		u.process.unit.exported.Store(time.Now().Unix())
	}
	u.tellEnds(ctx, epoch)
	u.orderly(ctx, log)
	hold := newHold(u.store, epoch, writer.Reseed, fenced)
	keeper, observer := crashing(writer)
	b, err = u.process.raise(s, func(c *Config) (*border, error) {
		return newBorder(c, s, u.key, discard{}, keeper, hold.speaks, u.claim.present, log, u.process.metrics, u.process.watch(), observer)
	})
	if err != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeFor)
		defer cancel()
		return errors.Join(err, s.edge.Close(), writer.Close(last), u.release(ctx, epoch, ""))
	}
	u.process.epoch.Store(epoch)
	defer u.process.lower()
	served := make(chan error, 1)
	beside, others := make(chan struct{}), []func(){
		func() { hold.keep(own) },
		func() { u.exporting(own, log) },
		func() { u.inspect(own, log) },
		func() { u.claim.left(own); lose(nil) },
		func() { u.restore(own, b, writer, claimed, log) },
	}
	wired, unwire := context.WithCancel(context.WithoutCancel(ctx))
	defer unwire()
	b.engine.Load(u.store) // before the first message is read: it may be of a call not restored yet
	go func() { served <- b.run(wired) }()
	for _, f := range others {
		go func() { f(); beside <- struct{}{} }()
	}
	u.nodes.serving(true)
	next := ""
	for stays := true; stays; {
		stays = false
		select {
		case <-own.Done():
		case err = <-served:
			served <- nil
			err = errors.Join(errors.New("the sockets have ended"), err)
		case next = <-u.nodes.wishes:
			log.Info("handing over", zap.String("to", next))
			if err = errHandedOver; !u.pass(own, b) {
				log.Error("not handed over: the addresses stay here", zap.String("to", next))
				next, err, stays = "", nil, true
				u.nodes.stay()
			}
		case <-ctx.Done():
			err = u.depart(own, b, log)
		}
	}
	u.nodes.serving(false)
	lose(nil)
	// What the next owner will say is not said here any more, nor taken for a
	// peer's fault that it cannot be sent.
	b.engine.Mute()
	unwire()
	err = errors.Join(err, <-served)
	for range others {
		<-beside
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
	released := u.release(ctx, epoch, next)
	if u.config.follows() && errors.Is(released, storage.ErrFenced) {
		released = nil // the address was gone, and who has it was quick
	}
	return errors.Join(err, released)
}

// orderly has what operators have ordered hold before the first call: a node that stood by
// knows it from a second ago, a new process from nowhere.
func (u *unit) orderly(ctx context.Context, log *zap.Logger) {
	ctx, cancel := context.WithTimeout(ctx, ordersAtOnce)
	defer cancel()
	if err := u.process.shareOrders(ctx); err != nil {
		log.Warn("serving without the orders that the store may have", zap.Error(err))
	}
}

// pass has what the relay has counted stored with the calls, lets the address go to another node, and serves until it has
// gone: nobody speaks into a gap. Where nobody moves it at our word, it goes when we end. False: it
// has not gone.
func (u *unit) pass(own context.Context, b *border) bool {
	last, cancel := context.WithTimeout(own, accountFor)
	b.engine.Account(last)
	cancel()
	if !u.config.follows() || !u.nodes.unfit() {
		return true
	}
	gone := time.NewTimer(closeFor)
	defer gone.Stop()
	select {
	case <-own.Done():
		return true
	case <-gone.C:
		return false
	}
}

// depart hands over to a node that is alive. Without one it drains, until there is one.
func (u *unit) depart(own context.Context, b *border, log *zap.Logger) error {
	u.nodes.beat(own) // what was heard last is old by now
	if u.nodes.peer() == "" {
		log.Info("draining: no other node of the unit is alive", zap.Int("calls", b.engine.Active()), zap.Duration("for", u.drain))
		wait, cancel := context.WithTimeout(u.hurry, u.drain)
		defer cancel()
		left, leave := context.WithCancel(own)
		defer leave()
		go u.nodes.await(left, leave)
		if err := b.engine.Drain(wait, left); left.Err() == nil {
			last, cancel := context.WithTimeout(context.WithoutCancel(own), closeFor)
			defer cancel()
			u.export(last, log) // nobody else will for some time
			return err
		}
	}
	if own.Err() == nil {
		log.Info("handing over", zap.Int("calls", b.engine.Active()))
		u.pass(own, b)
	}
	return nil
}

// restore takes the calls over, and tries until all have been read. What it tells of how long it took counts from
// the claim: all that a takeover takes beside being noticed.
func (u *unit) restore(ctx context.Context, b *border, writer *storage.Writer, claimed time.Time, log *zap.Logger) {
	tick := time.NewTicker(leaseAsk)
	defer tick.Stop()
	for began, said := time.Now(), ""; ; {
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
		if err != nil && err.Error() != said {
			said = err.Error() // once, while it stays so
			log.Error("calls not restored", zap.Error(err))
		}
		if broken == nil || errors.Is(broken, storage.ErrUnreadable) {
			log.Info("unit taken", zap.Int("calls", n), zap.Duration("took", time.Since(claimed)))
			u.tookOver(ctx, began, n)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// inspect says why calls are not safe in this Redis, if they are not.
func (u *unit) inspect(ctx context.Context, log *zap.Logger) {
	r, ok := u.store.(interface {
		Inspect(context.Context) (storage.Server, error)
	})
	if !ok {
		return
	}
	is, err := r.Inspect(ctx)
	if err != nil {
		return // it is said elsewhere that the store does not answer
	}
	for _, fault := range is.Faults() {
		log.Warn("calls are not safe in this Redis", zap.String("fault", fault))
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

// export writes the records that are in the store. It is not waited for long after the context's
// end: a disk may say nothing, and the unit is to go on elsewhere. What is being written then is
// this node's in the store still.
func (u *unit) export(ctx context.Context, log *zap.Logger) {
	if u.file == nil {
		return
	}
	done := make(chan struct{})
	go func() {
		u.fetch(ctx, log)
		close(done)
	}()
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(closeFor / 4):
		log.Error("the record file stands still, and is not waited for")
	}
}

// fetch has records fetched by one at a time.
func (u *unit) fetch(ctx context.Context, log *zap.Logger) {
	u.exports.Lock()
	defer u.exports.Unlock()
	var file *fs.PathError // else it is the store, which says so itself
	switch err := u.store.Details(ctx, u.file.take); {
	case err == nil:
		u.process.unit.exported.Store(time.Now().Unix())
		if u.unwritten {
			log.Info("records that waited have been written")
		}
		u.unwritten = false
	case errors.As(err, &file) && !u.unwritten:
		u.unwritten = true
		log.Error("records wait in the store for the record file", zap.Error(err))
	case ctx.Err() == nil:
		log.Debug("records wait in the store", zap.Error(err))
	}
}

// spool takes a record that will not reach the store.
func (u *unit) spool(id string, detail []byte) {
	if u.file == nil {
		return
	}
	if err := u.file.take(id, detail); err != nil {
		u.process.metrics.Dropped.WithLabelValues("record", "not_written").Inc()
		u.log.Error("record not written", zap.String("call", id), zap.Error(err))
	}
}
