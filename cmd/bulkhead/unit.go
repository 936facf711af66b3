package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/storage"
)

// How long a unit waits for what.
const (
	leaseFor   = time.Second // who stood still for longer asks before it speaks
	leaseRenew = leaseFor / 4
	leaseAsk   = 20 * time.Millisecond // how often a standby asks: the gap of a hand-over
	closeFor   = 2 * time.Second
	accountFor = time.Second     // to store what the relay has counted, before a hand-over
	givenUp    = leaseFor        // until a unit that was given up for a fault is taken again
	reserved   = 2 * time.Second // for the node that a unit is handed over to
)

// unitStore is what a unit needs of its store.
type unitStore interface {
	storage.Store
	storage.Leaser
	storage.Assembly
	storage.Orders
}

// claim decides when a unit is this node's.
type claim interface {
	// take waits until the unit is ours, and returns its epoch.
	take(ctx context.Context) (epoch uint64, err error)
	// left waits until the unit is not ours any more, as far as the claim can say.
	left(ctx context.Context)
	// present says whether the unit's addresses are here, of which left may not have
	// heard yet.
	present() bool
	// fenced tells that another node has taken the unit.
	fenced()
}

// unit takes a unit's calls whenever it may, and serves them until it is lost or
// the process ends.
type unit struct {
	config  *Config // what a reload does not change of it
	process *process
	key     [32]byte
	log     *zap.Logger
	store   unitStore
	claim   claim
	nodes   *nodes
	file    *exportFile // nil: records stay in the store

	orders   storage.Orders // the store
	assembly storage.Assembly

	exports   sync.Mutex // details are fetched by one at a time
	unwritten bool       // the record file has not taken the last ones; under exports

	drain time.Duration   // how long calls may go on where nobody takes them over
	hurry context.Context // ends when they may not
}

// serveUnit serves the unit's calls whenever this node owns them. A signal hands
// them over: they are stored, and the node that takes the unit goes on with them.
// Where there is none, the node drains; a second signal is for those who cannot wait.
func serveUnit(p *process, c *Config, key [32]byte, file *b2bua.RecordFile, hangup func(), drain time.Duration, track string) error {
	log := p.log
	storage.LogRedis(func(line string) { log.Debug("redis", zap.String("line", line)) })
	store, err := c.redis()
	if err != nil {
		return err
	}
	defer store.Close()
	hurry, now := context.WithCancel(context.Background())
	defer now()
	u := newUnit(c, key, log, store, drain, hurry)
	u.process = p
	if file != nil {
		if u.file, err = newExportFile(file); err != nil {
			return err
		}
	}
	if track != "" {
		u.nodes.fit = func(is bool) error { return writeTrack(track, is) }
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	go func() {
		for s := range signals {
			switch {
			case s != syscall.SIGHUP && ctx.Err() != nil:
				now()
			case s != syscall.SIGHUP:
				log.Info("leaving", zap.Stringer("signal", s))
				p.leaving.Store(true)
				stop()
			default:
				hangup()
			}
		}
	}()
	log.Info("standing by", zap.String("unit", c.unitName()))
	return u.run(ctx)
}

// newUnit connects nothing yet: a store that is down at the start is waited for.
func newUnit(c *Config, key [32]byte, log *zap.Logger, store unitStore, drain time.Duration, hurry context.Context) *unit {
	u := &unit{config: c, key: key, log: log, store: store, orders: store, assembly: store, drain: drain, hurry: hurry, nodes: newNodes(c.Node, store)}
	u.process = newProcess("", c, log, zap.NewAtomicLevel())
	u.claim = &lease{node: c.Node, store: store, log: log}
	if c.follows() {
		f := newFollower(c.Node, c.Unit.addresses(), store, log)
		u.claim, u.nodes.barred, u.nodes.forgive = f, f.barred, f.forgive
	}
	return u
}

// redis is the store of the configuration's unit. It connects when it is first used.
func (c *Config) redis() (*storage.Redis, error) {
	r := c.State.Redis
	o := storage.RedisOptions{
		Addresses: r.Addresses, Sentinel: r.Sentinel, Cluster: r.Cluster, Username: r.Username,
		Unit: c.unitName(), Node: c.Node, Replicas: 1, // if it has one
	}
	if r.TLS {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12} // vouched for by the system's authorities
	}
	if r.PasswordFile != "" {
		secret, err := os.ReadFile(string(r.PasswordFile))
		if err != nil {
			return nil, fmt.Errorf("reading the password of Redis: %w", err)
		}
		o.Password = strings.TrimSpace(string(secret))
	}
	return storage.NewRedis(o)
}

// run serves until the context ends, and then hands over.
func (u *unit) run(ctx context.Context) error {
	// The others hear of us, and we of our addresses, until the last call is away.
	last, leave := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	defer beside.Wait()
	defer leave()
	beside.Go(func() { u.nodes.meet(last, u.log) })
	beside.Go(func() { u.returned(last) })
	u.process.ordersIn.Store(&u.orders)
	u.process.assembly.Store(&u.assembly)
	beside.Go(func() { u.process.keepOrders(last) })
	if f, ok := u.claim.(*follower); ok {
		beside.Go(func() { f.follow(last) })
	}
	for ctx.Err() == nil {
		err := u.turn(ctx)
		switch {
		case errors.Is(err, errHandedOver) && u.config.follows():
			return nil // whoever moves the address does so when we end
		case err == nil, errors.Is(err, errHandedOver):
			continue
		}
		u.log.Error("unit given up", zap.Error(err))
		u.nodes.ready(false)
		if errors.Is(err, storage.ErrFenced) {
			u.namesake(ctx)
		}
		// Whatever it was, it may last; and who was fenced lets the other go first.
		select {
		case <-time.After(givenUp):
		case <-ctx.Done():
		}
	}
	return nil
}

// namesake tells of another process that has taken the unit under the name of this
// node: the two would take it from each other for ever.
func (u *unit) namesake(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closeFor)
	defer cancel()
	if o, err := u.store.Owner(ctx); err == nil && o.Node == u.config.Node {
		u.log.Error("another process has taken the unit under the name of this node: give each a `node:` of its own",
			zap.String("node", o.Node), zap.Uint64("its epoch", o.Epoch))
	}
}

// turn waits until the unit is ours and serves it until it is not. Who follows an
// address has its sockets bound before, so that what comes in as soon as the address
// is here waits until the unit is ours; who holds a lease binds them when it does.
func (u *unit) turn(ctx context.Context) (err error) {
	var s *sockets
	if u.config.follows() {
		s, err = u.config.bind(u.log)
		u.nodes.ready(err == nil)
		if err != nil {
			return err
		}
	}
	epoch, err := u.claim.take(ctx)
	if err != nil { // the context has ended
		return closeUnused(s)
	}
	claimed := time.Now()
	if f, ok := u.claim.(*follower); ok && f.late() {
		err, s = s.edge.Close(), nil
	}
	if s == nil && err == nil {
		s, err = u.config.bind(u.log)
	}
	if err != nil {
		return errors.Join(err, u.release(ctx, epoch, ""))
	}
	err = u.serve(ctx, epoch, claimed, s, u.log.With(zap.Uint64("epoch", epoch)))
	// Records that were fetched, and not written when the unit went, are this node's:
	// no other one gets them.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeFor)
	defer cancel()
	u.export(last, u.log)
	return err
}

func closeUnused(s *sockets) error {
	if s == nil {
		return nil
	}
	return s.edge.Close()
}

// release gives the unit up, to a node or to any.
func (u *unit) release(ctx context.Context, epoch uint64, next string) error {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeFor)
	defer cancel()
	return u.store.Release(last, epoch, next, reserved)
}

// returned writes what this node had in hand when it died, once the store answers.
func (u *unit) returned(ctx context.Context) {
	select {
	case <-u.nodes.heard:
		u.export(ctx, u.log)
	case <-ctx.Done():
	}
}

// unitName is the name of the unit, also where none is configured.
func (c *Config) unitName() string {
	if c.Unit == nil || c.Unit.Name == "" {
		return "bulkhead"
	}
	return c.Unit.Name
}
