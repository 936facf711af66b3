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
// believed to be there. told is told what has been counted of each; or ErrUnknownCall
// of one that is not there, or ErrNodeLost where the node is down; again in every round
// while calls has it. A call may have ended since it was listed: told must look. Poll
// returns when ctx ends.
func (c *Client) Poll(ctx context.Context, every time.Duration, calls func(node string) []string, told Told) {
	var work sync.WaitGroup
	for _, n := range c.nodes {
		work.Go(func() { n.poll(ctx, every, calls, told) })
	}
	work.Wait()
}

// Told is told of one call of a node.
type Told func(call, node string, stats Stats, err error)

func (n *node) poll(ctx context.Context, every time.Duration, calls func(string) []string, told Told) {
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
			stats, err := n.query(ctx, call)
			// A lost answer, or one that cannot be read, is no proof of death: that is
			// what health is for.
			if err == nil || errors.Is(err, ErrUnknownCall) || errors.Is(err, ErrNodeLost) && n.lost() {
				told(call, n.name, stats, err)
			}
		}
	}
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
