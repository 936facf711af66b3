package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"bulkhead/b2bua/ops"
)

// A node is out of service at an operator's word for as long as the process runs: whichever
// border it has then refuses new calls.

// Drain is ops.Node.
func (p *process) Drain(d *ops.Drain) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leaving.Load() {
		return ops.Conflict("the process is about to end")
	}
	if p.ending != nil {
		p.ending.Stop()
		p.ending = nil
	}
	p.drain.Store(d)
	calls := 0
	if p.border != nil {
		p.border.engine.Refuse(d != nil)
		calls = p.border.engine.Active()
	}
	if d == nil {
		p.log.Info("node in service again", zap.Int("calls", calls))
		return nil
	}
	fields := []zap.Field{zap.String("by", "operator "+d.By), zap.String("reason", d.Reason), zap.Int("calls", calls)}
	if !d.Ends.IsZero() {
		fields = append(fields, zap.Time("ends", d.Ends))
	}
	p.log.Info("node drained", fields...)
	if !d.Ends.IsZero() {
		p.ending = time.AfterFunc(time.Until(d.Ends), func() { p.endDrained(d) })
	}
	return nil
}

// endDrained ends the calls that are left at the deadline of a drain, unless it holds no more.
func (p *process) endDrained(d *ops.Drain) {
	p.mu.Lock()
	b := p.border
	p.mu.Unlock()
	still := func() bool { return p.drain.Load() == d }
	if b == nil || !still() {
		return
	}
	p.log.Info("the time for calls to end by themselves is over", zap.Int("calls", b.engine.Active()))
	b.engine.EndDrained(still)
}

// Now is ops.Node.
func (p *process) Now() ops.NodeState {
	state, ready := p.State()
	n := ops.NodeState{State: state, Ready: ready, Drain: p.drain.Load()}
	if e := p.Engine(); e != nil {
		n.Calls = e.Active()
	}
	v := p.Version()
	n.Node, n.Unit = v.Node, v.Unit
	return n
}

// Handover is ops.Node.
func (p *process) Handover(ctx context.Context, to string) (ops.Handover, error) {
	store := p.assembly.Load()
	if store == nil {
		return ops.Handover{}, ops.Conflict("there is no unit to hand over: the configuration has no state.redis")
	}
	p.mu.Lock()
	unit, follows := p.config.unitName(), p.config.follows()
	p.mu.Unlock()
	if to != "" && follows {
		return ops.Handover{}, ops.Conflict("the unit follows an address, which goes where keepalived takes it")
	}
	from, next, took, err := handover(ctx, *store, to)
	if _, nobody := errors.AsType[cannot](err); nobody {
		return ops.Handover{}, ops.Conflict(fmt.Sprintf("unit %s: %s", unit, err))
	}
	if err != nil {
		return ops.Handover{}, fmt.Errorf("unit %s: %w", unit, err)
	}
	return ops.Handover{Unit: unit, From: from, To: next, Seconds: took.Seconds()}, nil
}

// cannot is why a unit has no successor.
type cannot string

// Error is the reason.
func (c cannot) Error() string { return string(c) }
