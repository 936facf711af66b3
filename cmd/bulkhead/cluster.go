package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/storage"
)

// How the nodes of a cluster hear of each other. It is for operators only: no call waits
// for it.
const (
	announceEach = time.Second
	peerSilent   = 5 * announceEach / 2 // a node is taken for dead
)

// cluster are the nodes that share a Redis and a key, whichever units they serve
// (ops.Cluster).
type cluster struct {
	store *storage.Redis
	name  string // made of the key, so that it is known to nobody else
	key   []byte // by which the nodes ask each other
	log   *zap.Logger

	mu    sync.Mutex
	self  storage.Peer
	peers []ops.Peer
	err   error // why the peers are not known now
}

// newCluster is the cluster of a configuration; nil: it has no store to meet others in.
func newCluster(c *Config, key [32]byte, log *zap.Logger) (*cluster, error) {
	if c.State == nil || c.State.Redis == nil {
		return nil, nil
	}
	store, err := c.redis()
	if err != nil {
		return nil, err
	}
	return &cluster{
		store: store, name: hex.EncodeToString(derive(key, "cluster name")[:8]), key: derive(key, "cluster api"), log: log,
		self: storage.Peer{Node: c.Node, Unit: c.unitName()}, err: errors.New("it has not been asked yet"),
	}, nil
}

// derive is a key for one purpose, which tells nothing of the one that it is made of.
func derive(key [32]byte, purpose string) []byte {
	m := hmac.New(sha256.New, key[:])
	_, _ = m.Write([]byte("bulkhead " + purpose)) // a hash takes all
	return m.Sum(nil)
}

// advertised is the URL by which other nodes reach an API that listens there; empty: they do
// not.
func (a *APIConfig) advertised(listens string) string {
	switch at, err := netip.ParseAddrPort(listens); {
	case a == nil:
		return ""
	case a.Advertise != "":
		return a.Advertise
	case err != nil || at.Addr().IsUnspecified() || at.Addr().IsLoopback(): // each node's own
		return ""
	}
	if a.TLS != nil {
		return "https://" + listens
	}
	return "http://" + listens
}

// meet announces this node until the context ends, and hears of the others.
func (c *cluster) meet(ctx context.Context, url string) {
	c.mu.Lock()
	c.self.URL = url
	c.mu.Unlock()
	tick := time.NewTicker(announceEach)
	defer tick.Stop()
	for said := ""; ; {
		c.announce(ctx)
		if others := c.others(); others != said {
			said = others
			c.log.Info("nodes of the cluster", zap.String("others", others))
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), announceEach)
			defer cancel()
			if err := c.store.Depart(last, c.name, c.self.Node); err != nil {
				c.log.Debug("the cluster did not hear that we left", zap.Error(err))
			}
			return
		case <-tick.C:
		}
	}
}

// others are the other nodes for the log.
func (c *cluster) others() (text string) {
	peers, _ := c.Peers()
	for _, p := range peers {
		state := "alive"
		if p.Dead {
			state = "silent"
		}
		text += fmt.Sprintf("%s (unit %s, %s) ", p.Node, p.Unit, state)
	}
	return text
}

// announce says that this node is there, and hears who else is.
func (c *cluster) announce(ctx context.Context) {
	all, err := c.store.Announce(ctx, c.name, c.self)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err = err; err != nil {
		return // those heard of last are asked all the same
	}
	c.peers = nil
	for _, p := range all {
		if p.Node != c.self.Node {
			c.peers = append(c.peers, ops.Peer{Node: p.Node, Unit: p.Unit, URL: p.URL, Dead: p.Silent > peerSilent})
		}
	}
}

// Peers is ops.Cluster.
func (c *cluster) Peers() ([]ops.Peer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peers, c.err // which is never written in place
}

// Owner is ops.Cluster.
func (c *cluster) Owner(ctx context.Context, unit string) (ops.Owner, error) {
	o, err := c.store.Beside(unit).Owner(ctx)
	return ops.Owner{Node: o.Node, Epoch: o.Epoch, Holds: o.Holds}, err
}

// Stored is ops.Cluster. A call that cannot be read does not hide the others.
func (c *cluster) Stored(ctx context.Context, unit string, each func(*b2bua.Call)) error {
	var unreadable error
	err := c.store.Beside(unit).Scan(ctx, func(it storage.Item) error {
		if len(it.Data) == 0 { // a defect has ended it
			return nil
		}
		call, err := b2bua.Decode(it.Data, unprofiled{})
		if err != nil {
			unreadable = fmt.Errorf("call %s: %w", it.ID, err)
			return nil
		}
		each(call)
		return nil
	})
	return errors.Join(err, unreadable)
}

// StoredCall is ops.Cluster.
func (c *cluster) StoredCall(ctx context.Context, unit, id string) (*b2bua.Call, error) {
	it, err := c.store.Beside(unit).Get(ctx, id)
	switch {
	case errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrEnded) || err == nil && len(it.Data) == 0:
		return nil, nil
	case err != nil:
		return nil, err
	}
	call, err := b2bua.Decode(it.Data, unprofiled{})
	if err != nil {
		return nil, fmt.Errorf("call %s in the store: %w", id, err)
	}
	return call, nil
}

// joinCluster tells the other nodes where this one is reached, until leave.
func (p *process) joinCluster() (leave func()) {
	if p.cluster == nil {
		return func() {}
	}
	listens := ""
	if p.api != nil {
		listens = p.api.Addr()
	}
	url := p.config.API.advertised(listens)
	ctx, cancel := context.WithCancel(context.Background())
	var meeting sync.WaitGroup
	meeting.Go(func() { p.cluster.meet(ctx, url) })
	return func() {
		cancel()
		meeting.Wait()
		if err := p.cluster.store.Close(); err != nil {
			p.log.Debug("leaving the store", zap.Error(err))
		}
	}
}

// Cluster is ops.Node.
func (p *process) Cluster() ops.Cluster {
	if p.cluster == nil {
		return nil
	}
	return p.cluster
}

// Serves is ops.Node.
func (p *process) Serves() (unit string, epoch uint64) {
	if p.pair {
		unit = p.serves
	}
	return unit, p.epoch.Load()
}
