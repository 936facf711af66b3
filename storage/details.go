package storage

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Each node is a consumer of the one group: what was handed out to it when it died it
// gets again, and no other node does, since it may have been taken.
const (
	exporters     = "exporters"
	detailsAtOnce = 128
)

// Details is Store. What each has taken is acknowledged in groups; details that are
// handed out again in this process (an acknowledgement was lost, an end was written
// again to a Redis that had forgotten it) are recognised.
func (r *Redis) Details(ctx context.Context, each func(id string, detail []byte) error) error {
	node, err := r.node(ctx)
	if err != nil {
		return err
	}
	// "0" is what was handed out and not acknowledged, ">" what nobody has seen.
	for from := "0"; ; {
		read, err := node.XReadGroup(ctx, &redis.XReadGroupArgs{Group: exporters, Consumer: r.exporter,
			Streams: []string{r.keys.details, from}, Count: detailsAtOnce, Block: -1}).Result()
		switch {
		case redis.HasErrorPrefix(err, "NOGROUP"):
			err = node.XGroupCreateMkStream(ctx, r.keys.details, exporters, "0").Err()
			if err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP") {
				return fmt.Errorf("storage: reading details of unit %s: %w", r.unit, r.failed(ctx, err))
			}
			continue
		case err == redis.Nil:
		case err != nil:
			return fmt.Errorf("storage: reading details of unit %s: %w", r.unit, r.failed(ctx, err))
		}
		var messages []redis.XMessage
		if len(read) > 0 {
			messages = read[0].Messages
		}
		if len(messages) == 0 {
			if from == ">" {
				return nil
			}
			from = ">"
			continue
		}
		if err := r.export(ctx, node, messages, each); err != nil {
			return err
		}
	}
}

// export hands details out and acknowledges those that were taken.
func (r *Redis) export(ctx context.Context, node *redis.Client, messages []redis.XMessage, each func(string, []byte) error) error {
	var done []string
	var refused error
	for _, m := range messages {
		id, _ := m.Values["call"].(string)
		detail, whole := m.Values["detail"].(string)
		// Without fields it was deleted by somebody who trimmed the stream.
		if had, sum := r.taken.had(id, detail); whole && !had {
			if refused = each(id, []byte(detail)); refused != nil {
				break
			}
			r.taken.add(sum)
		}
		done = append(done, m.ID)
	}
	if len(done) > 0 {
		pipe := node.Pipeline()
		pipe.XAck(ctx, r.keys.details, exporters, done...)
		pipe.XDel(ctx, r.keys.details, done...)
		if _, err := pipe.Exec(ctx); err != nil && refused == nil {
			return fmt.Errorf("storage: acknowledging details of unit %s: %w", r.unit, r.failed(ctx, err))
		}
	}
	return refused
}

// takenDetails is how many exported details are remembered.
const takenDetails = 8192

// taken remembers the details that were taken last, by a hash of call and detail: one
// that is written again is the same to the byte.
type taken struct {
	mu   sync.Mutex
	seed maphash.Seed
	set  map[uint64]struct{}
	ring []uint64
	next int
}

// had says whether the detail was taken lately, and its hash.
func (t *taken) had(id, detail string) (bool, uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.set == nil {
		t.seed, t.set = maphash.MakeSeed(), map[uint64]struct{}{}
	}
	sum := maphash.Comparable(t.seed, [2]string{id, detail})
	_, ok := t.set[sum]
	return ok, sum
}

func (t *taken) add(sum uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ring) < takenDetails {
		t.ring = append(t.ring, sum)
	} else {
		delete(t.set, t.ring[t.next])
		t.ring[t.next] = sum
		t.next = (t.next + 1) % takenDetails
	}
	t.set[sum] = struct{}{}
}
