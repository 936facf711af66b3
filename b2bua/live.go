package b2bua

import (
	"slices"
	"sync/atomic"
	"time"
)

// Live are the messages of calls as they cross the wire. Who is too slow misses some: no call
// waits for it.
type Live struct {
	Frames  chan Frame
	Missed  atomic.Uint64 // frames that did not fit
	Stopped chan struct{} // closed where somebody has stopped it

	name string
	of   *Captures
}

// liveWaiting is how many frames may wait for who listens.
const liveWaiting = 4096

// Listen begins to capture calls that are meant, and to show them; it ends with Close. Until when
// it is wanted is for others to see. What of a call came before it was known that it is meant comes first.
func (c *Captures) Listen(f Filter, by string, now, until time.Time) (*Live, error) {
	l := &Live{Frames: make(chan Frame, liveWaiting), Stopped: make(chan struct{}), of: c}
	w := &Wanted{By: by, Filter: f, Since: now, Until: until, live: l}
	added, err := c.add(w, now)
	l.name = added.Name
	return l, err
}

// Close ends it. Calls that nobody else wants are let go of.
func (l *Live) Close() {
	c := l.of
	c.Stop(l.name)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.all {
		one.mu.Lock()
		one.live = slices.DeleteFunc(one.live, func(i listening) bool { return i.live == l })
		unwanted := len(one.live) == 0 && len(one.named) == 0
		one.mu.Unlock()
		if unwanted && !one.over {
			one.left.Store(true)
			c.forget(one)
		}
	}
}

// listening is somebody who looks at a call.
type listening struct {
	live    *Live
	carrier string // nothing is shown before it is tried; empty: no carrier was named
	shown   bool
}

// joins has a call that is captured already be so for one more filter, if it is meant. The lock
// of Captures is held.
func (c *Capture) joins(w *Wanted) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !w.Filter.matches(&meant{c.id, c.trunk, c.to, c.from, append(slices.Clone(c.carriers), c.legs...)}) {
		return false
	}
	if w.live == nil {
		c.named = append(c.named, w.Filter.Carrier)
	} else {
		c.live = append(c.live, listening{live: w.live, carrier: w.Filter.Carrier, shown: true}) // from the next message on
	}
	return true
}

// show shows a message. The lock of the capture is held.
func (i *listening) show(c *Capture, f Frame) {
	if i.carrier != "" && !slices.Contains(c.legs, i.carrier) {
		return
	}
	if !i.shown {
		i.shown = true
		for _, before := range c.frames {
			if before.At != f.At || &before.Data[0] != &f.Data[0] {
				i.live.give(before)
			}
		}
	}
	i.live.give(f)
}

func (l *Live) give(f Frame) {
	select {
	case l.Frames <- f:
	default:
		l.Missed.Add(1)
	}
}
