package storage

import (
	"context"
	"fmt"
)

// scanCalls is how many records are read at once: some 200 KB.
const scanCalls = 128

// Scan is Store. The index is read at once, and while each runs the next records are
// under way.
func (r *Redis) Scan(ctx context.Context, each func(Item) error) error {
	node, err := r.node(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ids, err := node.ZRange(ctx, r.keys.live, 0, -1).Result()
	if err != nil {
		return fmt.Errorf("storage: reading the calls of unit %s: %w", r.unit, r.failed(ctx, err))
	}
	type chunk struct {
		ids     []string
		records []any
		err     error
	}
	chunks := make(chan chunk, 4)
	go func() {
		defer close(chunks)
		for len(ids) > 0 {
			c := chunk{ids: ids[:min(len(ids), scanCalls)]}
			ids = ids[len(c.ids):]
			names := make([]string, len(c.ids))
			for i, id := range c.ids {
				names[i] = r.keys.call + id
			}
			c.records, c.err = node.MGet(ctx, names...).Result()
			select {
			case chunks <- c:
			case <-ctx.Done():
				return
			}
			if c.err != nil {
				return
			}
		}
	}()
	var unreadable error
	for c := range chunks {
		if c.err != nil {
			return fmt.Errorf("storage: reading the calls of unit %s: %w", r.unit, r.failed(ctx, c.err))
		}
		for i, v := range c.records {
			record, ok := v.(string)
			if !ok {
				continue // expired
			}
			it, state, err := decode(c.ids[i], record)
			if err != nil {
				unreadable = err
				continue
			}
			if state != live {
				continue // ended meanwhile
			}
			if err := each(it); err != nil {
				return err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("storage: reading the calls of unit %s: %w", r.unit, err)
	}
	return unreadable
}
