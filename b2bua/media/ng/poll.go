package ng

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Poll finds the calls whose media has ended without us: rtpengine tells of a call
// that it has timed out to nobody who does not ask. Every so often it asks each node
// for each of its calls, evenly spread over the time; calls(node) says which are
// believed to be there. dead is told of each that is not, with ErrUnknownCall, or with
// ErrNodeLost where the node is down; again in every round while calls has it. A call
// may have ended since it was listed: dead must look. Poll returns when ctx ends.
func (c *Client) Poll(ctx context.Context, every time.Duration, calls func(node string) []string, dead func(call, node string, why error)) {
	var work sync.WaitGroup
	for _, n := range c.nodes {
		work.Go(func() { n.poll(ctx, every, calls, dead) })
	}
	work.Wait()
}

func (n *node) poll(ctx context.Context, every time.Duration, calls func(string) []string, dead func(string, string, error)) {
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		list := calls(n.name)
		if len(list) == 0 {
			if !pause(ctx, timer, every) {
				return
			}
			continue
		}
		for _, call := range list {
			if !pause(ctx, timer, every/time.Duration(len(list))) {
				return
			}
			if err := n.has(ctx, call); err != nil {
				dead(call, n.name, err)
			}
		}
	}
}

// has asks whether the node has the call. A lost answer, or one that cannot be read,
// is no proof of death: that is what health is for.
func (n *node) has(ctx context.Context, call string) error {
	r := newRequest()
	defer r.release()
	_, err := n.askOf(ctx, r, call)
	if errors.Is(err, ErrUnknownCall) || errors.Is(err, ErrNodeLost) && n.lost() {
		return err
	}
	return nil
}

// pause waits; false says that ctx has ended.
func pause(ctx context.Context, timer *time.Timer, d time.Duration) bool {
	timer.Reset(d)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
