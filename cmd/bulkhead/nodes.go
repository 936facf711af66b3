package main

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"bulkhead/storage"
)

// How the nodes of a unit hear of each other.
const (
	beatEach   = 250 * time.Millisecond
	beatSilent = 5 * beatEach // a node is taken for dead
	beatForget = 10 * time.Second
	rivalFor   = 10 * time.Second // two nodes that are cut off from each other take turns no faster
)

// nodes is what this node tells the others of the unit, and hears from them.
type nodes struct {
	node  string
	store storage.Assembly
	fit   func(is bool) error // tells who moves the address; nil: nobody
	heard chan struct{}       // closed when the store has answered
	// barred says that the unit's addresses must leave this node before it may serve
	// again: it was fenced while it had them. Not fit, it has them taken away, and the
	// peers are told where they are now.
	barred func() bool
	// forgive lets the unit be taken although the addresses have not left: whoever had
	// taken it holds it no more.
	forgive func()
	// wishes are nodes that the unit shall be handed over to; read by its owner.
	wishes chan string

	mu    sync.Mutex
	last  time.Time // that the store answered
	alive string    // another node that was alive then
	had   string    // the other node that was seen to hold the unit last
	other time.Time // its last sign of life
	bound bool
	owns  bool
	told  *bool // what fit was told last
	leave bool
	wrong bool      // fit does not work, which is said once
	rival time.Time // until then the unit is left to the node that fenced this one
	log   *zap.Logger
}

func newNodes(node string, store storage.Assembly) *nodes {
	return &nodes{node: node, store: store, heard: make(chan struct{}), wishes: make(chan string, 1), log: zap.NewNop(),
		barred: func() bool { return false }, forgive: func() {}}
}

// meet beats until the context ends. A node that ends is no fit one.
func (n *nodes) meet(ctx context.Context, log *zap.Logger) {
	n.mu.Lock()
	n.log = log
	n.mu.Unlock()
	tick := time.NewTicker(beatEach)
	defer tick.Stop()
	defer n.left()
	for {
		n.beat(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// left takes leave: nobody hands anything over to us any more.
func (n *nodes) left() {
	n.unfit()
	ctx, cancel := context.WithTimeout(context.Background(), beatEach)
	defer cancel()
	if err := n.store.Leave(ctx, n.node); err != nil {
		n.log.Debug("the store did not hear that we left", zap.Error(err))
	}
}

// fenced tells that another node has taken the unit from this one.
func (n *nodes) fenced() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rival = time.Now().Add(rivalFor)
	n.tell()
}

// rivalled looks whether the node that fenced this one still holds the unit.
func (n *nodes) rivalled(ctx context.Context) {
	n.mu.Lock()
	rival := !n.rival.IsZero() || n.barred()
	n.mu.Unlock()
	if !rival {
		return
	}
	if o, err := n.store.Owner(ctx); err != nil || o.Holds && o.Node != n.node {
		return
	}
	n.mu.Lock()
	n.rival = time.Time{}
	n.mu.Unlock()
	n.forgive()
}

func (n *nodes) beat(ctx context.Context) {
	n.rivalled(ctx)
	all, err := n.store.Beat(ctx, n.node, beatForget)
	next := ""
	n.mu.Lock()
	owns := n.owns
	n.mu.Unlock()
	had := ""
	switch {
	case err != nil:
	case owns:
		next, _ = n.store.Wished(ctx) // who asked hears that nothing came of it
	default:
		if o, err := n.store.Owner(ctx); err == nil && o.Holds && o.Node != n.node {
			had = o.Node
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if had != "" && had != n.had {
		n.had, n.other = had, time.Time{}
	}
	if err == nil {
		if n.last.IsZero() {
			close(n.heard)
		}
		n.last, n.alive = time.Now(), ""
		if next != "" && !slices.ContainsFunc(all, func(other storage.Node) bool { return other.Name == next && other.Silent <= beatSilent }) {
			n.log.Warn("not handed over: the node is not alive", zap.String("to", next))
		}
		for _, other := range all {
			if other.Name == n.node {
				continue
			}
			if last := n.last.Add(-other.Silent); other.Name == n.had && last.After(n.other) {
				n.other = last
			}
			if other.Silent > beatSilent {
				continue
			}
			n.alive = other.Name
			if other.Name == next {
				select {
				case n.wishes <- next:
				default: // one is under way
				}
			}
		}
	}
	n.tell()
}

// peer is another node that is alive, as far as is known.
func (n *nodes) peer() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.last) > beatSilent {
		return ""
	}
	return n.alive
}

// heardOwner is when the other node that had the unit last gave its last sign of life; zero:
// none had it, as far as is known.
func (n *nodes) heardOwner() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.other
}

// await waits until another node is alive, and says so.
func (n *nodes) await(ctx context.Context, alive func()) {
	tick := time.NewTicker(beatEach)
	defer tick.Stop()
	for ctx.Err() == nil {
		if n.peer() != "" {
			alive()
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// ready tells whether the sockets are bound.
func (n *nodes) ready(is bool) { n.set(&n.bound, is) }

// serving tells whether the unit is this node's. Wishes of before are no more.
func (n *nodes) serving(is bool) {
	select {
	case <-n.wishes:
	default:
	}
	n.set(&n.owns, is)
}

// stay takes unfit back: nobody else has come to serve.
func (n *nodes) stay() { n.set(&n.leave, false) }

// unfit gives up the unit's address; false: there is nobody to tell.
func (n *nodes) unfit() bool {
	n.set(&n.leave, true)
	return n.fit != nil
}

func (n *nodes) set(what *bool, is bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	*what = is
	n.tell()
}

// tell says whether this node can serve the unit: its owner always, another one while
// it hears the store, from which it would take the calls. The lock is held.
func (n *nodes) tell() {
	is := !n.leave && n.bound && !n.barred() && time.Now().After(n.rival) && (n.owns || !n.last.IsZero() && time.Since(n.last) <= beatSilent)
	if n.fit == nil || n.told != nil && *n.told == is {
		return
	}
	if err := n.fit(is); err != nil {
		if !n.wrong {
			n.log.Error("the track file cannot be written; told once", zap.Error(err))
		}
		n.wrong = true
		return
	}
	n.wrong = false
	n.told = &is
}

// writeTrack writes the file that keepalived tracks: 0, or 1 for unfit. It is written
// in place and at once, so that it is never read half.
func writeTrack(name string, fit bool) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	text := "1\n"
	if fit {
		text = "0\n"
	}
	_, err = f.WriteString(text)
	return err
}
