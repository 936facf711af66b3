package storage

import (
	"context"
	"fmt"
	"slices"
)

// Orders is a Store that keeps what operators have ordered, beside the calls of the unit:
// short texts by name, which every node of the unit may write and read, whoever owns it.
// They stay until they are overwritten. Whoever writes decides which of two holds.
type Orders interface {
	// Order keeps a text under a name, in the place of the one before.
	Order(ctx context.Context, name string, text []byte) error

	// Ordered returns all texts by their names.
	Ordered(ctx context.Context) (map[string][]byte, error)
}

// Order is Orders.
func (r *Redis) Order(ctx context.Context, name string, text []byte) error {
	node, err := r.node(ctx)
	if err == nil {
		err = node.HSet(ctx, r.keys.orders, name, text).Err()
	}
	if err != nil {
		return fmt.Errorf("storage: keeping an order of unit %s: %w", r.unit, r.failed(ctx, err))
	}
	return nil
}

// Ordered is Orders.
func (r *Redis) Ordered(ctx context.Context) (map[string][]byte, error) {
	node, err := r.node(ctx)
	if err != nil {
		return nil, err
	}
	all, err := node.HGetAll(ctx, r.keys.orders).Result()
	if err != nil {
		return nil, fmt.Errorf("storage: reading the orders of unit %s: %w", r.unit, r.failed(ctx, err))
	}
	texts := make(map[string][]byte, len(all))
	for name, text := range all {
		texts[name] = []byte(text)
	}
	return texts, nil
}

// Order is Orders.
func (m *Memory) Order(ctx context.Context, name string, text []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.orders == nil {
		m.orders = map[string][]byte{}
	}
	m.orders[name] = slices.Clone(text)
	return nil
}

// Ordered is Orders.
func (m *Memory) Ordered(ctx context.Context) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	texts := make(map[string][]byte, len(m.orders))
	for name, text := range m.orders {
		texts[name] = slices.Clone(text)
	}
	return texts, ctx.Err()
}
