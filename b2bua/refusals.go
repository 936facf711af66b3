package b2bua

import (
	"sync"
	"time"

	"bulkhead/dialog"
)

// An INVITE that is refused for how things stand at the moment leaves no call, and yet
// its repeats must hear the same (P1): the trunk that has had its 503 would not
// acknowledge the answer of a call that a repeat has made. So for as long as it may
// repeat itself, and within a bound, we remember what it was told.

// refusals are the latest of those, in two halves: the older one is forgotten at once.
type refusals struct {
	mu         sync.Mutex
	now, older map[dialog.CallID]told
	since      time.Time // when now was begun
}

type told struct {
	dialog.Refusal
	name string
}

// maxRefusals is how many a half holds, of some 100 bytes each.
const maxRefusals = 1 << 15

// remember notes what an INVITE was told, which may be repeated for so long.
func (r *refusals) remember(now time.Time, id dialog.CallID, t told, life time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age(now, life)
	if len(r.now) >= maxRefusals {
		r.now, r.older, r.since = nil, r.now, now
	}
	if r.now == nil {
		r.now = map[dialog.CallID]told{}
	}
	r.now[id] = t
}

// repeated is what the first of these INVITEs was told; false: it was not refused.
func (r *refusals) repeated(now time.Time, id dialog.CallID, life time.Duration) (told, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.age(now, life)
	t, ok := r.now[id]
	if !ok {
		t, ok = r.older[id]
	}
	return t, ok
}

// age moves on to a new half once nothing in the older one can be repeated.
func (r *refusals) age(now time.Time, life time.Duration) {
	switch d := now.Sub(r.since); {
	case d < life:
	case d < 2*life:
		r.now, r.older, r.since = nil, r.now, now
	default:
		r.now, r.older, r.since = nil, nil, now
	}
}
