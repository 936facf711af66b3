package b2bua

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// clock wakes calls at their deadlines: one heap, one timer, one entry a call.
type clock struct {
	mu   sync.Mutex
	heap wakes
	wake chan struct{} // the earliest entry is a new one
}

// alarm is a strand's place in the clock. It belongs to the clock's lock.
type alarm struct {
	at   time.Time
	slot int // in the heap, from 1; 0: it is not there
}

// at sets when a strand is to be woken; the zero time: not at all.
func (c *clock) at(t time.Time, s *strand) {
	c.mu.Lock()
	switch a := &s.alarm; {
	case a.slot == 0 && t.IsZero():
	case t.IsZero():
		heap.Remove(&c.heap, a.slot-1)
	case a.slot == 0:
		a.at = t
		heap.Push(&c.heap, s)
	default:
		a.at = t
		heap.Fix(&c.heap, a.slot-1)
	}
	first := s.alarm.slot == 1
	c.mu.Unlock()
	if first {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// With many calls a deadline may be late by a grain, and those of one grain are
// met together.
const (
	crowd = 1000
	grain = 5 * time.Millisecond
)

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
		first := c.heap[0]
		if wait := time.Until(first.alarm.at); wait > 0 {
			many := len(c.heap) > crowd
			c.mu.Unlock()
			if many {
				wait = max(wait, grain)
			}
			return wait
		}
		heap.Pop(&c.heap)
		c.mu.Unlock()
		first.put(item{command: Due{}})
	}
}

// wakes is a heap by time; each strand in it knows its slot.
type wakes []*strand

func (h wakes) Len() int           { return len(h) }
func (h wakes) Less(i, j int) bool { return h[i].alarm.at.Before(h[j].alarm.at) }

func (h wakes) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].alarm.slot, h[j].alarm.slot = i+1, j+1
}

// Push is heap.Interface.
func (h *wakes) Push(x any) {
	s := x.(*strand)
	*h = append(*h, s)
	s.alarm.slot = len(*h)
}

// Pop is heap.Interface.
func (h *wakes) Pop() any {
	old := *h
	s := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	s.alarm.slot = 0
	return s
}
