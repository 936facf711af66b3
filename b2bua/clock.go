package b2bua

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// clock wakes calls at their deadlines: one heap, one timer. A deadline that has
// moved on leaves its old entry behind; the call finds nothing due then and is
// entered anew.
type clock struct {
	mu   sync.Mutex
	heap entries
	wake chan struct{} // the earliest entry is a new one
}

type entry struct {
	at     time.Time
	strand *strand
}

// at enters a call.
func (c *clock) at(t time.Time, s *strand) {
	c.mu.Lock()
	heap.Push(&c.heap, entry{t, s})
	first := c.heap[0].strand == s && c.heap[0].at.Equal(t)
	c.mu.Unlock()
	if first {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// run wakes calls until the context ends.
func (c *clock) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(c.fire())
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.wake:
		}
	}
}

// fire wakes what is due and says how long until the next.
func (c *clock) fire() time.Duration {
	for {
		c.mu.Lock()
		if len(c.heap) == 0 {
			c.mu.Unlock()
			return time.Hour
		}
		if wait := time.Until(c.heap[0].at); wait > 0 {
			c.mu.Unlock()
			return wait
		}
		e := heap.Pop(&c.heap).(entry)
		c.mu.Unlock()
		e.strand.put(item{command: Due{}, at: e.at})
	}
}

// entries is a heap by time.
type entries []entry

func (h entries) Len() int           { return len(h) }
func (h entries) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h entries) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is heap.Interface.
func (h *entries) Push(x any) { *h = append(*h, x.(entry)) }

// Pop is heap.Interface.
func (h *entries) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = entry{}
	*h = old[:len(old)-1]
	return e
}
