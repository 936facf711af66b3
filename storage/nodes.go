package storage

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Node is a node that has been heard of.
type Node struct {
	Name   string
	Silent time.Duration // since its last beat
}

// Owner is who has taken a unit last.
type Owner struct {
	Node  string // empty: nobody
	Epoch uint64
	Holds bool // it has said so within its lease
}

// Assembly is a Store by which the nodes of a unit know of each other. None of it
// needs the epoch, and none of it decides who owns the unit.
type Assembly interface {
	// Beat notes that the node is alive, and returns all that have been within the
	// time after which a node is forgotten. Who is no node, "", only asks.
	Beat(ctx context.Context, node string, forget time.Duration) ([]Node, error)

	// Leave notes that the node is not alive any more.
	Leave(ctx context.Context, node string) error

	// Wish asks the owner to hand the unit over to a node. Who does not hear of it
	// within the time is not asked any more.
	Wish(ctx context.Context, next string, within time.Duration) error

	// Wished is what the owner is asked, once; empty: nothing.
	Wished(ctx context.Context) (next string, err error)

	// Owner says who has the unit.
	Owner(ctx context.Context) (Owner, error)
}

// Beat is Assembly.
func (r *Redis) Beat(ctx context.Context, node string, forget time.Duration) ([]Node, error) {
	a, err := r.run(ctx, step{r.beat, []string{r.keys.nodes}, []any{node, strconv.FormatInt(forget.Milliseconds(), 10)}})
	if err != nil {
		return nil, fmt.Errorf("storage: heartbeat: %w", err)
	}
	now := number(a[0], 0)
	var nodes []Node
	for i := 1; i+1 < len(a[0]); i += 2 {
		nodes = append(nodes, Node{text(a[0], i), time.Duration(now-number(a[0], i+1)) * time.Millisecond})
	}
	return nodes, nil
}

// Leave is Assembly.
func (r *Redis) Leave(ctx context.Context, name string) error {
	node, err := r.node(ctx)
	if err == nil {
		err = node.HDel(ctx, r.keys.nodes, name).Err()
	}
	if err != nil {
		return fmt.Errorf("storage: taking leave of unit %s: %w", r.unit, r.failed(ctx, err))
	}
	return nil
}

// Wish is Assembly.
func (r *Redis) Wish(ctx context.Context, next string, within time.Duration) error {
	node, err := r.node(ctx)
	if err == nil {
		err = node.Set(ctx, r.keys.wish, next, within).Err()
	}
	if err != nil {
		return fmt.Errorf("storage: asking for unit %s: %w", r.unit, r.failed(ctx, err))
	}
	return nil
}

// Wished is Assembly.
func (r *Redis) Wished(ctx context.Context) (string, error) {
	node, err := r.node(ctx)
	if err != nil {
		return "", err
	}
	next, err := node.GetDel(ctx, r.keys.wish).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return "", fmt.Errorf("storage: whether unit %s is asked for: %w", r.unit, r.failed(ctx, err))
	}
	return next, nil
}

// Owner is Assembly.
func (r *Redis) Owner(ctx context.Context) (Owner, error) {
	node, err := r.node(ctx)
	if err != nil {
		return Owner{}, err
	}
	pipe := node.Pipeline()
	said, now := pipe.HMGet(ctx, r.keys.owner, "node", "epoch", "until"), pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return Owner{}, fmt.Errorf("storage: who owns unit %s: %w", r.unit, r.failed(ctx, err))
	}
	says := said.Val()
	return Owner{text(says, 0), uint64(number(says, 1)), number(says, 2) > now.Val().UnixMilli()}, nil
}
