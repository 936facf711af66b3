package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Sizes of what is sent at once. A script runs alone: its size is the longest time
// that other units wait for ours.
const (
	scriptCalls   = 128
	pipelineCalls = 1024
)

// Redis is a Store in Redis, and a Leaser. All keys of its unit share a hash tag, so
// they are on one node of a cluster, where scripts are atomic with their fence.
type Redis struct {
	client    redis.UniversalClient
	prefix    string
	unit      string
	exporter  string
	keys      keys
	now       func() time.Time
	followers followers

	acquire, reclaim, lease, put, end, beat script

	arenas sync.Pool     // of *arena
	seen   atomic.Uint64 // the highest seq that Redis has confirmed to this process
	leased atomic.Int64  // ms, of the last Acquire or Renew
	taken  taken
}

// keys are the names of a unit's keys.
type keys struct{ epoch, owner, seq, live, details, nodes, wish, orders, records, call string }

func keysOf(prefix, unit string) keys {
	p := prefix + "{" + unit + "}:"
	return keys{p + "epoch", p + "owner", p + "seq", p + "live", p + "cdr", p + "nodes", p + "wish", p + "orders", p + "records", p + "call:"}
}

// Own is Store.
func (r *Redis) Own(ctx context.Context, node string) (uint64, error) {
	r.leased.Store(0)
	return r.take(ctx, node, 0)
}

// Acquire is Leaser.
func (r *Redis) Acquire(ctx context.Context, node string, ttl time.Duration) (uint64, error) {
	return r.take(ctx, node, max(ttl.Milliseconds(), 1))
}

func (r *Redis) take(ctx context.Context, node string, ms int64) (uint64, error) {
	a, err := r.run(ctx, step{r.acquire, []string{r.keys.epoch, r.keys.owner}, []any{node, ms}})
	if err != nil {
		return 0, fmt.Errorf("storage: taking unit %s: %w", r.unit, err)
	}
	if code(a[0]) != replyDone {
		return 0, &HeldError{Node: text(a[0], 1), Left: time.Duration(number(a[0], 2)) * time.Millisecond}
	}
	r.leased.Store(ms)
	r.seen.Store(0)
	return uint64(number(a[0], 1)), nil
}

// Renew is Leaser.
func (r *Redis) Renew(ctx context.Context, epoch uint64, ttl time.Duration) error {
	ms := max(ttl.Milliseconds(), 1)
	r.leased.Store(ms)
	return r.hold(ctx, "renewing the lease of", epoch, ms, "", 0)
}

// Release is Leaser.
func (r *Redis) Release(ctx context.Context, epoch uint64, next string, grace time.Duration) error {
	r.leased.Store(0)
	return r.hold(ctx, "releasing", epoch, 0, next, grace.Milliseconds())
}

func (r *Redis) hold(ctx context.Context, what string, epoch uint64, ms int64, next string, grace int64) error {
	a, err := r.run(ctx, step{r.lease, []string{r.keys.epoch, r.keys.owner}, []any{epoch, ms, next, grace}})
	if err == nil {
		err = refusal(a[0])
	}
	if err != nil {
		return fmt.Errorf("storage: %s unit %s: %w", what, r.unit, err)
	}
	return nil
}

// Reclaim is Store. A lease that ran when Redis was lost runs on.
func (r *Redis) Reclaim(ctx context.Context, node string, epoch uint64) error {
	a, err := r.run(ctx, step{r.reclaim, []string{r.keys.epoch, r.keys.owner, r.keys.seq},
		[]any{node, epoch, r.leased.Load()}})
	if err == nil {
		err = refusal(a[0])
	}
	if err != nil {
		return fmt.Errorf("storage: reclaiming unit %s: %w", r.unit, err)
	}
	r.seen.Store(uint64(number(a[0], 1)))
	return nil
}

// refusal is what a script's answer says against a write.
func refusal(reply []any) error {
	switch code(reply) {
	case replyDone:
		return nil
	case replyFenced:
		return ErrFenced
	case replyLost:
		return ErrLost
	}
	return fmt.Errorf("storage: answer %v of Redis", reply)
}

// Write is Store.
func (r *Redis) Write(ctx context.Context, epoch uint64, b Batch) error {
	full := &FullError{}
	for len(b.Puts) > 0 || len(b.Ends) > 0 {
		var part Batch
		n := min(len(b.Puts), pipelineCalls)
		part.Puts, b.Puts = b.Puts[:n], b.Puts[n:]
		n = min(len(b.Ends), pipelineCalls)
		part.Ends, b.Ends = b.Ends[:n], b.Ends[n:]
		if err := r.write(ctx, epoch, part, full); err != nil {
			return fmt.Errorf("storage: writing %d calls of unit %s: %w", len(part.Puts)+len(part.Ends), r.unit, err)
		}
	}
	if len(full.IDs) > 0 {
		return full
	}
	return nil
}

// write writes what fits in one pipeline.
func (r *Redis) write(ctx context.Context, epoch uint64, b Batch, full *FullError) error {
	now, seen, cut := r.now(), r.seen.Load(), len(r.keys.call)
	records, _ := r.arenas.Get().(*arena)
	if records == nil {
		records = &arena{}
	}
	defer r.arenas.Put(records) // the client has sent it, or let go of the connection
	records.b = records.b[:0]
	var steps []step
	for rest := b.Puts; len(rest) > 0; {
		n := min(len(rest), scriptCalls)
		s := step{r.put, append(make([]string, 0, 3+n), r.keys.epoch, r.keys.seq, r.keys.live),
			append(make([]any, 0, 3+2*n), epoch, seen, cut)}
		for _, it := range rest[:n] {
			if it.Version > MaxVersion {
				return fmt.Errorf("version %d of call %s is above %d", it.Version, it.ID, uint64(MaxVersion))
			}
			s.keys = append(s.keys, r.keys.call+it.ID)
			s.args = append(s.args, ttl(it.Expires, now), records.encode(live, it))
		}
		steps, rest = append(steps, s), rest[n:]
	}
	puts := len(steps)
	for rest := b.Ends; len(rest) > 0; {
		n := min(len(rest), scriptCalls)
		s := step{r.end, append(make([]string, 0, 4+n), r.keys.epoch, r.keys.seq, r.keys.live, r.keys.details),
			append(make([]any, 0, 3+3*n), epoch, seen, cut)}
		for _, e := range rest[:n] {
			s.keys = append(s.keys, r.keys.call+e.Tombstone.ID)
			s.args = append(s.args, ttl(e.Tombstone.Expires, now), records.encode(ended, e.Tombstone), e.Detail)
		}
		steps, rest = append(steps, s), rest[n:]
	}
	replies, err := r.run(ctx, steps...)
	if err != nil {
		return err
	}
	for i, a := range replies {
		if err := refusal(a); err != nil {
			return err
		}
		r.confirmed(uint64(number(a, 1)))
		for j := 2; i < puts && j < len(a); j++ {
			full.IDs = append(full.IDs, b.Puts[i*scriptCalls+int(number(a, j))-1].ID)
		}
	}
	return nil
}

// confirmed notes what Redis must never be behind of.
func (r *Redis) confirmed(seq uint64) {
	for {
		seen := r.seen.Load()
		if seq <= seen || r.seen.CompareAndSwap(seen, seq) {
			return
		}
	}
}

// Get is Store.
func (r *Redis) Get(ctx context.Context, id string) (Item, error) {
	node, err := r.node(ctx)
	if err != nil {
		return Item{}, err
	}
	record, err := node.Get(ctx, r.keys.call+id).Result()
	if errors.Is(err, redis.Nil) {
		return Item{}, ErrNotFound
	}
	if err != nil {
		return Item{}, fmt.Errorf("storage: reading call %s: %w", id, r.failed(ctx, err))
	}
	it, state, err := decode(id, record)
	if err == nil && state == ended {
		err = ErrEnded
	}
	return it, err
}

// Close is Store.
func (r *Redis) Close() error { return r.client.Close() }
