package b2bua

import (
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// unsureFor is how long a node that has taken a unit over waits to know all of its calls
// before it lets new ones in with what it knows: its limits would be exceeded by those
// that come to light afterwards.
const unsureFor = 5 * time.Second

// maxParked is how many new calls wait for that.
const maxParked = 10_000

// intake keeps new calls until those of a unit that has just been taken over are known.
type intake struct {
	mu     sync.Mutex
	once   sync.Once // an engine takes over once
	unsure bool
	parked []parked
}

// parked is the INVITE of a new call that is kept.
type parked struct {
	id   dialog.CallID
	item item
	then func()
}

// shut begins to keep new calls.
func (i *intake) shut() {
	i.once.Do(func() {
		i.mu.Lock()
		i.unsure = true
		i.mu.Unlock()
		time.AfterFunc(unsureFor, i.open)
	})
}

// open lets in what is kept: all calls are known, or it has taken too long. One that has
// not had its turn can still be cancelled.
func (i *intake) open() {
	for {
		i.mu.Lock()
		i.unsure = false
		if len(i.parked) == 0 {
			i.parked = nil
			i.mu.Unlock()
			return
		}
		next := i.parked[0]
		i.parked = i.parked[1:]
		i.mu.Unlock()
		next.then()
	}
}

// cancel takes out what is kept of the INVITE transaction of a CANCEL: it, and its repeats.
func (i *intake) cancel(id dialog.CallID, branch string) (out []item) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.parked = slices.DeleteFunc(i.parked, func(p parked) bool {
		is := p.id == id && p.item.message.Branch == branch
		if is {
			out = append(out, p.item)
		}
		return is
	})
	return out
}

// shuts says whether new calls are kept.
func (i *intake) shuts() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.unsure
}

// park keeps a new call; neither: there is no need, or no room.
func (i *intake) park(p parked) (waits, full bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.unsure || len(i.parked) >= maxParked {
		return false, i.unsure
	}
	i.parked = append(i.parked, p)
	return true, false
}

// cancelled answers a CANCEL of a new call that is kept, and that call (RFC 3261 §9.2);
// false: none is.
func (e *Engine) cancelled(id dialog.CallID, it item) bool {
	now, life := time.Now(), 64*e.config.Timers.T1
	terminated := told{dialog.Refusal{Code: 487}, "cancelled"}
	invites := e.intake.cancel(id, it.message.Branch)
	if len(invites) > 0 {
		e.refusals.remember(now, id, terminated, life)
	} else if t, again := e.refusals.repeated(now, id, life); !again || t.name != terminated.name {
		return false
	}
	e.answer(it.message, it.path, dialog.Refusal{Code: 200})
	for _, invite := range invites {
		e.refuse(invite.message, invite.path, terminated.Refusal, terminated.name)
	}
	return true
}

// bounded gives a new call its places, or refuses it; false: it is refused, or waits.
func (e *Engine) bounded(id dialog.CallID, p *profiles, trunk *carriers.Trunk, number string, it item) ([]carriers.Place, bool) {
	now, life := time.Now(), 64*e.config.Timers.T1
	if t, again := e.refusals.repeated(now, id, life); again {
		e.refuse(it.message, it.path, t.Refusal, t.name)
		return nil, false
	}
	deny := func(r dialog.Refusal, name string) ([]carriers.Place, bool) {
		e.refusals.remember(now, id, told{r, name}, life)
		e.refuse(it.message, it.path, r, name)
		return nil, false
	}
	if wait, no := e.shed(id, it.message.Dialled()); no {
		return deny(retryAfter(503, wait), "overload")
	}
	if p.bounded || e.config.Media != nil && e.config.Media.Relay != nil { // a new call takes no port of theirs
		again := func() {
			e.contained("panic while letting in a call that has waited", func() {
				e.deliver(id, it, func() { e.admit(id, p, trunk, it) })
			})
		}
		switch waits, full := e.intake.park(parked{id, it, again}); {
		case waits:
			return nil, false
		case full:
			return deny(retryAfter(503, time.Second), carriers.SkipRestoring)
		}
	}
	want := append(p.Ranges(number), trunk.Bound())
	full, ok := e.places.take(now, id, want...)
	if !ok {
		name := full.Name
		if full.Kind == carriers.OfTrunk {
			name = e.metrics.trunks.of(name)
		}
		e.metrics.Limited.WithLabelValues(full.Kind.String(), name, full.Why).Inc()
		return deny(fullOf(full))
	}
	places := make([]carriers.Place, 0, len(want)+1) // and the carrier's
	for _, b := range want {
		places = append(places, b.Place)
	}
	return places, true
}

// fullOf is what a new call is told for which there is no place.
func fullOf(full carriers.Full) (dialog.Refusal, string) {
	r := retryAfter(503, max(full.Wait, time.Second))
	if full.Why == carriers.SkipCalls {
		r = retryAfter(full.Code, 2*time.Second)
	}
	return r, full.Kind.String() + "_" + full.Why
}

// retryAfter is a refusal that says when to come again (RFC 3261 §20.33).
func retryAfter(code int, wait time.Duration) dialog.Refusal {
	seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	return dialog.Refusal{Code: code, Extra: []dialog.Header{{Name: "Retry-After", Value: seconds}}}
}
