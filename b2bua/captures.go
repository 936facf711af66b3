package b2bua

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/dialog"
)

// Captures take calls down whole: every message with its bytes, and every step of the call
// with what it came to, so that it can be shown to others and replayed. A journal has a line
// a message; this has all of it, so nothing is taken down before somebody asks for it.
//
// It is an Observer, for what has gone out. What a node captured is lost with it.
type Captures struct {
	// Keep is how long the capture of a call that has ended is kept; zero: not at all.
	Keep time.Duration
	// PerCall is how many bytes of one call are kept; zero: 1 MiB. What comes beyond them
	// is counted only, and the capture cannot be replayed to the end.
	PerCall int
	// InAll is how many bytes are kept; zero: 64 MiB. Beyond that captures of calls that have
	// ended make room, the oldest first.
	InAll int

	version atomic.Uint64 // rises with every filter that comes or goes; zero: there has never been one
	bytes   atomic.Int64
	calls   atomic.Int64 // that are captured, whether they are up or have ended

	mu      sync.Mutex
	last    int
	filters []*Wanted
	all     map[dialog.CallID]*Capture
	ended   []*Capture  // oldest first
	sweep   *time.Timer // runs while some have ended: their time comes without traffic
}

// Filter says which calls are meant; what is empty means every call.
type Filter struct {
	Call    dialog.CallID
	Trunk   string
	Carrier string // that has been tried, or may be
	Number  string // what the number dialled begins with
	From    string // what the caller's number begins with
}

// String is the filter as it is written in a command.
func (f Filter) String() string {
	var list []string
	if f.Call != (dialog.CallID{}) {
		list = append(list, "call="+f.Call.String())
	}
	for _, one := range [][2]string{{"trunk", f.Trunk}, {"carrier", f.Carrier}, {"number", f.Number}, {"from", f.From}} {
		if one[1] != "" {
			list = append(list, one[0]+"="+one[1])
		}
	}
	return cmp.Or(strings.Join(list, " "), "every call")
}

// meant is a call as a filter looks at it.
type meant struct {
	id              dialog.CallID
	trunk, to, from string
	carriers        []string
}

// matches says that a call is meant.
func (f Filter) matches(m *meant) bool {
	return (f.Call == dialog.CallID{} || f.Call == m.id) && (f.Trunk == "" || f.Trunk == m.trunk) &&
		(f.Carrier == "" || slices.Contains(m.carriers, f.Carrier)) &&
		strings.HasPrefix(m.to, f.Number) && strings.HasPrefix(m.from, f.From)
}

// Wanted is a filter that is in force: calls that it means are captured from their next
// message on, from then to their end.
type Wanted struct {
	Name   string
	By     string // who has asked
	Filter Filter
	Since  time.Time
	Until  time.Time
	Calls  int // that it has had captured so far
	Most   int

	live *Live // nil: nobody listens
}

// MostWanted is how many filters are in force at most.
const MostWanted = 32

// ErrTooMany says that so many filters are in force.
var ErrTooMany = errors.New("too many filters are in force")

// Start puts a filter in force until an instant, for so many calls at most.
func (c *Captures) Start(f Filter, by string, now, until time.Time, most int) (Wanted, error) {
	w := &Wanted{By: by, Filter: f, Since: now, Until: until, Most: most}
	return c.add(w, now)
}

func (c *Captures) add(w *Wanted, now time.Time) (Wanted, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(now)
	if len(c.filters) >= MostWanted {
		return Wanted{}, fmt.Errorf("%w: %d", ErrTooMany, MostWanted)
	}
	c.last++
	w.Name = fmt.Sprintf("c%d", c.last)
	c.filters = append(c.filters, w)
	c.version.Add(1)
	for _, one := range c.all {
		if !one.over && (w.Most == 0 || w.Calls < w.Most) && one.joins(w) {
			w.Calls++
		}
	}
	return *w, nil
}

// Stop takes a filter out of force; the calls that it has had captured so far go on being so.
// Who listens by it is told.
// False: there is none of this name.
func (c *Captures) Stop(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.filters, func(w *Wanted) bool { return w.Name == name })
	if i < 0 {
		return false
	}
	if l := c.filters[i].live; l != nil {
		close(l.Stopped)
	}
	c.filters = slices.Delete(c.filters, i, i+1)
	c.version.Add(1)
	return true
}

// Filters are those in force.
func (c *Captures) Filters(now time.Time) (list []Wanted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(now)
	for _, w := range c.filters {
		list = append(list, *w)
	}
	return list
}

// expire lets go of filters whose time is over. The lock is held.
func (c *Captures) expire(now time.Time) {
	before := len(c.filters)
	c.filters = slices.DeleteFunc(c.filters, func(w *Wanted) bool { return w.live == nil && !w.Until.After(now) })
	if len(c.filters) != before {
		c.version.Add(1)
	}
}

// want is the capture of a call that somebody wants whole; nil: nobody does.
func (c *Captures) want(m meant, p *profiles, now time.Time) *Capture {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.all[m.id]; one != nil && !one.over { // another owner of the call made it
		return one
	}
	c.expire(now)
	var one *Capture
	for _, w := range c.filters {
		if !w.Filter.matches(&m) || w.Most > 0 && w.Calls >= w.Most || w.live == nil && c.bytes.Load() >= int64(c.inAll()) {
			continue
		}
		w.Calls++
		if one == nil {
			one = &Capture{of: c, meant: m, profiles: p}
		}
		if w.live != nil {
			one.live = append(one.live, listening{live: w.live, carrier: w.Filter.Carrier})
		} else {
			one.named = append(one.named, w.Filter.Carrier)
		}
	}
	if one == nil {
		return nil
	}
	if c.all == nil {
		c.all = map[dialog.CallID]*Capture{}
	}
	c.all[m.id] = one
	c.calls.Add(1)
	return one
}

func (c *Captures) inAll() int { return cmp.Or(c.InAll, 64<<20) }

func (c *Captures) perCall() int { return cmp.Or(c.PerCall, 1<<20) }

// Of is the capture of a call; nil: there is none.
func (c *Captures) Of(id dialog.CallID, now time.Time) *Capture {
	c.mu.Lock()
	defer c.mu.Unlock()
	one := c.all[id]
	if one == nil || one.over && now.Sub(one.gone) >= c.Keep {
		return nil
	}
	return one
}

// Bytes is how many are kept.
func (c *Captures) Bytes() int { return int(c.bytes.Load()) }

// Kept is how many calls are captured, whether they are up or have ended.
func (c *Captures) Kept() int { return int(c.calls.Load()) }

// Saw is Observer: what goes out is seen here, and what comes in with its step.
func (c *Captures) Saw(s Sight) {
	if s.In || s.Data == nil || c.calls.Load() == 0 {
		return
	}
	c.mu.Lock()
	one := c.all[s.Call]
	c.mu.Unlock()
	if one != nil {
		one.frame(Frame{Sight: s})
	}
}

// Hunted is Observer: the steps have it.
func (c *Captures) Hunted(dialog.CallID, Failover) {}

// Ended is Observer.
func (c *Captures) Ended(dialog.CallID, Record) {}

// Left is Observer.
func (c *Captures) Left(id dialog.CallID) {
	if c.calls.Load() == 0 {
		return
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if one := c.all[id]; one != nil && !one.over {
		one.over, one.gone = true, now
		if one.kept() && c.Keep > 0 {
			c.ended = append(c.ended, one)
		} else {
			c.forget(one)
		}
	}
	c.outdate(now)
}

// outdate lets go of captures of calls that have ended: of those whose time is over, and where
// there is no room; the rest is looked at again when the time of the first of them is over. The
// lock is held.
func (c *Captures) outdate(now time.Time) {
	for len(c.ended) > 0 && (now.Sub(c.ended[0].gone) >= c.Keep || c.bytes.Load() > int64(c.inAll())*9/10) {
		c.forget(c.ended[0])
		c.ended[0] = nil // the array behind holds it else
		c.ended = c.ended[1:]
	}
	switch {
	case len(c.ended) == 0:
		if c.sweep != nil {
			c.sweep.Stop()
		}
		c.ended, c.sweep = nil, nil
	case c.sweep == nil:
		c.sweep = time.AfterFunc(c.Keep-now.Sub(c.ended[0].gone), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.sweep = nil
			c.outdate(time.Now())
		})
	}
}

// forget lets go of a capture. The lock is held.
func (c *Captures) forget(one *Capture) {
	if c.all[one.id] == one {
		delete(c.all, one.id)
	}
	c.calls.Add(-1)
	one.mu.Lock()
	defer one.mu.Unlock()
	c.bytes.Add(-int64(one.size))
	one.size, one.steps, one.frames = 0, nil, nil
}
