package main

import (
	"context"
	"encoding/json"
	"time"

	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/carriers"
	"bulkhead/storage"
)

// How operators' orders go round the nodes of a unit.
const (
	ordersEach   = time.Second
	ordersWithin = time.Second            // that somebody waits for the store
	ordersAtOnce = 100 * time.Millisecond // that a unit which has just been taken does
)

// Standings is ops.Node.
func (p *process) Standings() *b2bua.Standings { return p.standings }

// Order is ops.Node.
func (p *process) Order(ctx context.Context, o carriers.Order) (shared bool) {
	if was, ok := p.standings.Orders()[o.Carrier]; ok && !was.Before(o) {
		o.Since = was.Since.Add(time.Millisecond) // the clock of who gave it goes before ours
	}
	p.standings.Order(o)
	p.ordered(o)
	store := p.ordersIn.Load()
	if store == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, ordersWithin)
	defer cancel()
	err := give(ctx, *store, o)
	if err != nil {
		p.log.Warn("an order is not in the store yet; it is tried again", zap.String("carrier", o.Carrier), zap.Error(err))
	}
	return err == nil
}

// ordered tells how a carrier stands by an order.
func (p *process) ordered(o carriers.Order) {
	now := time.Now()
	s := p.standings.Of(now, o.Carrier)
	fields := []zap.Field{zap.String("carrier", o.Carrier), zap.Stringer("state", s.Standing), zap.String("by", "operator "+o.By), zap.String("reason", o.Reason)}
	if !o.Until.IsZero() {
		fields = append(fields, zap.Time("until", o.Until))
	}
	p.log.Info("carrier", fields...)
	p.feed.Stands(now, o.Carrier, s)
}

// scored tells how a carrier stands by its scorecard.
func (p *process) scored(carrier string, s b2bua.Stand) {
	p.log.Warn("carrier", zap.String("carrier", carrier), zap.Stringer("state", s.Standing), zap.String("by", "scorecard"), zap.String("reason", s.Reason))
	p.feed.Stands(time.Now(), carrier, s)
}

func give(ctx context.Context, store storage.Orders, o carriers.Order) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return store.Order(ctx, o.Carrier, text)
}

// keepOrders has the orders of all nodes hold here, and those of this one there, and tells
// when the time of one is over, until the context ends.
func (p *process) keepOrders(ctx context.Context) {
	tick := time.NewTicker(ordersEach)
	defer tick.Stop()
	said := ""
	for last := time.Now(); ; {
		if err := p.shareOrders(ctx); err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			p.log.Debug("orders are not shared", zap.Error(err))
		} else if err == nil {
			said = ""
		}
		now := time.Now()
		for _, o := range p.standings.Orders() {
			if o.Standing != carriers.InService && o.At(last) != o.At(now) {
				p.log.Info("carrier", zap.String("carrier", o.Carrier), zap.Stringer("state", p.standings.Of(now, o.Carrier).Standing),
					zap.String("reason", "the time of an order of operator "+o.By+" is over"))
				p.feed.Stands(now, o.Carrier, p.standings.Of(now, o.Carrier))
			}
		}
		last = now
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// shareOrders brings the orders here and in the store to the later of each. A store that has
// lost them gets them again.
func (p *process) shareOrders(ctx context.Context) error {
	store := p.ordersIn.Load()
	if store == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, ordersWithin)
	defer cancel()
	texts, err := (*store).Ordered(ctx)
	if err != nil {
		return err
	}
	theirs := map[string]carriers.Order{}
	for name, text := range texts {
		var o carriers.Order
		if err := json.Unmarshal(text, &o); err != nil || o.Carrier != name {
			p.log.Warn("an order in the store cannot be read", zap.String("carrier", name), zap.Error(err))
			continue // a newer version's, perhaps: it is left alone unless there is an order here
		}
		theirs[name] = o
		if p.standings.Order(o) {
			p.ordered(o)
		}
	}
	for name, o := range p.standings.Orders() {
		if was, ok := theirs[name]; !ok || was.Before(o) {
			if err := give(ctx, *store, o); err != nil {
				return err
			}
		}
	}
	return nil
}
