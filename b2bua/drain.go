package b2bua

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bulkhead/dialog"
)

// Refuse has new calls refused with 503 and Retry-After, and OPTIONS of trunks and carriers
// with them, or taken again (R28). The calls that are there go on.
func (e *Engine) Refuse(is bool) { e.draining.Store(is) }

// A drain ends so many calls at a time. All at once are more than sockets hold: what peers and we
// drop has to be sent again, and each repeat makes the next loss.
const (
	endEach   = 10 * time.Millisecond
	endAtOnce = 40
	endWithin = 25 * time.Second // however many they are
)

// EndDrained ends every call, since the node goes out of service, 4,000 a second, or as many as take
// 25 s. It returns when each has been told so, or when it is no longer so: each batch asks.
func (e *Engine) EndDrained(still func() bool) {
	cause := dialog.Cause{Why: dialog.Drained, Code: 503, Q850: 41, RetryAfter: 30, Reasons: []string{`Q.850;cause=41;text="Going out of service"`}}
	all := e.strands()
	tick := time.NewTicker(endEach)
	defer tick.Stop()
	for batch := range slices.Chunk(all, max(endAtOnce, len(all)/int(endWithin/endEach))) {
		if !still() {
			return
		}
		for _, s := range batch {
			s.put(item{command: Hangup{Cause: cause}})
		}
		if len(batch) >= endAtOnce {
			<-tick.C
		}
	}
}

// Drain takes no new calls, waits for the running ones until the context ends,
// then ends them by BYE (EndDrained) and waits until each is answered or given up: at most
// 128·T1, where a BYE waits for the ACK of a 2xx first. When left ends, the calls are
// another node's: they are not waited for any more, and not ended.
func (e *Engine) Drain(ctx, left context.Context) error {
	e.draining.Store(true)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(left, cancel)()
	if e.wait(ctx) || left.Err() != nil {
		if left.Err() == nil {
			e.unregister(context.WithoutCancel(ctx))
		}
		return nil
	}
	e.EndDrained(func() bool { return left.Err() == nil && e.Active() > 0 })
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 130*e.config.Timers.T1)
	defer cancel()
	defer context.AfterFunc(left, cancel)()
	if !e.wait(last) && left.Err() == nil {
		return fmt.Errorf("drain: %d calls did not end", e.Active())
	}
	if left.Err() == nil {
		e.unregister(context.WithoutCancel(ctx))
	}
	return nil
}

// wait waits until no call is active, and the last words of those that were have been
// said.
func (e *Engine) wait(ctx context.Context) bool {
	for e.Active() > 0 {
		select {
		case <-e.settled:
		case <-ctx.Done():
			return e.Active() == 0
		}
	}
	e.Stop(ctx)
	return true
}

// settle counts a call that is not active any more.
func (e *Engine) settle() {
	e.active.Add(-1)
	select {
	case e.settled <- struct{}{}:
	default:
	}
}
