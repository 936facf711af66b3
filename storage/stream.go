package storage

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// StreamMost is about how many entries the stream of records has at most: who reads it has
// to be quicker than that many calls, or finds them in the record files.
const StreamMost = 100_000

// Streamed is an entry of the stream of records, which is for readers beside Bulkhead.
type Streamed struct {
	ID     string // the same whenever it is added
	Kind   string // start, stop
	Node   string // that adds it
	Record []byte // JSON
}

// Stream adds entries to the unit's stream of records, all of them or none, in their order,
// and forgets the oldest where there are more than about so many. After an error they may
// have been added all the same: who adds them again has them there twice, with one ID.
// Nobody needs to own the unit for it.
func (r *Redis) Stream(ctx context.Context, most int64, list []Streamed) error {
	node, err := r.node(ctx)
	if err != nil {
		return err
	}
	if _, err := node.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, e := range list {
			pipe.XAdd(ctx, &redis.XAddArgs{
				Stream: r.keys.records, MaxLen: most, Approx: true,
				Values: []any{"id", e.ID, "kind", e.Kind, "node", e.Node, "record", e.Record},
			})
		}
		return nil
	}); err != nil {
		return fmt.Errorf("storage: adding to the records of unit %s: %w", r.unit, r.failed(ctx, err))
	}
	return nil
}
