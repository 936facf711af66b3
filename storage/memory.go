package storage

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Memory is a Store that lives and dies with the process: for nodes without a
// peer, and for tests.
type Memory struct {
	mu      sync.Mutex
	now     func() time.Time
	owner   string
	epoch   uint64
	live    map[string]Item
	ended   map[string]Item
	details []detail
	holder  string // of the lease, or for whom it is reserved
	until   time.Time
	swept   time.Time
	beats   map[string]time.Time
	wish    string
	wished  time.Time // until then the wish holds
	orders  map[string][]byte
}

type detail struct {
	id   string
	data []byte
}

// NewMemory makes an empty store. now is the clock that records expire by.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, live: map[string]Item{}, ended: map[string]Item{}, beats: map[string]time.Time{}}
}

// Own is Store.
func (m *Memory) Own(ctx context.Context, node string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.owner = node
	m.epoch++
	return m.epoch, nil
}

// Acquire is Leaser.
func (m *Memory) Acquire(ctx context.Context, node string, ttl time.Duration) (uint64, error) {
	m.mu.Lock()
	if left := m.until.Sub(m.now()); left > 0 && m.holder != node {
		defer m.mu.Unlock()
		return 0, &HeldError{Node: m.holder, Left: left}
	}
	m.holder, m.until = node, m.now().Add(ttl)
	m.mu.Unlock()
	return m.Own(ctx, node)
}

// Renew is Leaser.
func (m *Memory) Renew(ctx context.Context, epoch uint64, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.admit(ctx, epoch); err != nil {
		return err
	}
	m.holder, m.until = m.owner, m.now().Add(ttl)
	return nil
}

// Release is Leaser.
func (m *Memory) Release(ctx context.Context, epoch uint64, next string, grace time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.admit(ctx, epoch); err != nil {
		return err
	}
	m.holder, m.until = next, time.Time{}
	if next != "" {
		m.until = m.now().Add(grace)
	}
	return nil
}

// Reclaim is Store.
func (m *Memory) Reclaim(ctx context.Context, node string, epoch uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if epoch < m.epoch {
		return ErrFenced
	}
	m.owner, m.epoch = node, epoch
	return nil
}

// Write is Store.
func (m *Memory) Write(ctx context.Context, epoch uint64, b Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.admit(ctx, epoch); err != nil {
		return err
	}
	for _, it := range b.Puts {
		if _, ended := m.ended[it.ID]; ended {
			continue
		}
		if old, ok := m.live[it.ID]; ok && old.Version >= it.Version {
			continue
		}
		m.live[it.ID] = kept(it)
	}
	for _, e := range b.Ends {
		id := e.Tombstone.ID
		if _, ended := m.ended[id]; ended {
			continue
		}
		delete(m.live, id)
		m.ended[id] = kept(e.Tombstone)
		m.details = append(m.details, detail{id, slices.Clone(e.Detail)})
	}
	return nil
}

// Get is Store.
func (m *Memory) Get(ctx context.Context, id string) (Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Item{}, err
	}
	m.sweep()
	if it, ok := m.ended[id]; ok {
		return kept(it), ErrEnded
	}
	if it, ok := m.live[id]; ok {
		return kept(it), nil
	}
	return Item{}, ErrNotFound
}

// Scan is Store. The lock is not held while each runs.
func (m *Memory) Scan(ctx context.Context, each func(Item) error) error {
	m.mu.Lock()
	m.sweep()
	all := make([]Item, 0, len(m.live))
	for _, it := range m.live {
		all = append(all, kept(it))
	}
	m.mu.Unlock()
	for _, it := range all {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(it); err != nil {
			return err
		}
	}
	return nil
}

// Details is Store.
func (m *Memory) Details(ctx context.Context, each func(string, []byte) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		m.mu.Lock()
		if len(m.details) == 0 {
			m.mu.Unlock()
			return nil
		}
		d := m.details[0]
		m.details = m.details[1:]
		m.mu.Unlock()
		if err := each(d.id, d.data); err != nil {
			m.mu.Lock()
			m.details = slices.Insert(m.details, 0, d)
			m.mu.Unlock()
			return err
		}
	}
}

// Beat is Assembly.
func (m *Memory) Beat(ctx context.Context, node string, forget time.Duration) ([]Node, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if node != "" {
		m.beats[node] = now
	}
	var nodes []Node
	for name, at := range m.beats {
		if now.Sub(at) > forget {
			delete(m.beats, name)
		} else {
			nodes = append(nodes, Node{name, now.Sub(at)})
		}
	}
	return nodes, ctx.Err()
}

// Leave is Assembly.
func (m *Memory) Leave(ctx context.Context, node string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.beats, node)
	return ctx.Err()
}

// Wish is Assembly.
func (m *Memory) Wish(ctx context.Context, next string, within time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wish, m.wished = next, m.now().Add(within)
	return ctx.Err()
}

// Wished is Assembly.
func (m *Memory) Wished(ctx context.Context) (next string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now().Before(m.wished) {
		next = m.wish
	}
	m.wish = ""
	return next, ctx.Err()
}

// Owner is Assembly.
func (m *Memory) Owner(ctx context.Context) (Owner, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Owner{m.owner, m.epoch, m.owner != "" && m.holder == m.owner && m.now().Before(m.until)}, ctx.Err()
}

// Close is Store.
func (m *Memory) Close() error { return nil }

// admit refuses writes of an old epoch, and forgets now and then.
func (m *Memory) admit(ctx context.Context, epoch uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if epoch < m.epoch {
		return ErrFenced
	}
	if epoch > m.epoch {
		return ErrLost
	}
	if m.now().Sub(m.swept) > time.Second {
		m.sweep()
	}
	return nil
}

// sweep forgets what has expired.
func (m *Memory) sweep() {
	m.swept = m.now()
	for _, records := range []map[string]Item{m.live, m.ended} {
		for id, it := range records {
			if !it.Expires.IsZero() && !it.Expires.After(m.swept) {
				delete(records, id)
			}
		}
	}
}

// kept shares no memory with the caller.
func kept(it Item) Item {
	it.Data = slices.Clone(it.Data)
	return it
}
