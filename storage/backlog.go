package storage

import "time"

// entry is the newest state of one call that is not stored yet.
type entry struct {
	item    Item
	detail  []byte
	ends    bool
	waiters []func(error)
	since   time.Time // the first state of it that is not stored was put

	in         *line // nil: in flight, or in none
	next, prev *entry
}

// line is a queue of entries from which one can also be taken out of the middle.
type line struct {
	first, last *entry
	size        int
}

func (l *line) push(e *entry) {
	e.in, e.prev, e.next = l, l.last, nil
	if l.last == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
	l.size++
}

func (l *line) pushFront(e *entry) {
	e.in, e.prev, e.next = l, nil, l.first
	if l.first == nil {
		l.last = e
	} else {
		l.first.prev = e
	}
	l.first = e
	l.size++
}

func (l *line) remove(e *entry) {
	if e.prev == nil {
		l.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.in, e.prev, e.next = nil, nil, nil
	l.size--
}

// backlog is a set of calls whose newest state is not stored: newest state wins, so
// its size is bounded by the number of calls. It is no queue of writes.
type backlog struct {
	dirty  map[string]*entry // waiting: in ready, parked or spare
	flying map[string]*entry // in the batch under way
	ready  line              // oldest first
	parked line              // refused by a full store, until they are tried again
	spare  line              // ready too, but first to go: ends of calls that the store never had
	stored map[string]bool   // calls that the store has: true, surely; false, perhaps
}

func newBacklog() backlog {
	return backlog{dirty: map[string]*entry{}, flying: map[string]*entry{}, stored: map[string]bool{}}
}

// put notes a state and returns the entry that now stands for it.
func (b *backlog) put(it Item) *entry {
	if e := b.flying[it.ID]; e != nil && e.ends {
		return e // the end has been said, nothing comes after it
	}
	e := b.dirty[it.ID]
	if e == nil {
		e = &entry{item: it, since: time.Now()}
		b.dirty[it.ID] = e
		b.ready.push(e)
	} else if !e.ends && it.Version > e.item.Version {
		e.item = it
	}
	return e
}

// end notes the end of a call and returns the entry that now stands for it.
func (b *backlog) end(tombstone Item, detail []byte) *entry {
	if e := b.flying[tombstone.ID]; e != nil && e.ends {
		return e
	}
	e := b.dirty[tombstone.ID]
	if e == nil {
		e = &entry{since: time.Now()}
		b.dirty[tombstone.ID] = e
	} else if e.ends {
		return e
	} else {
		e.in.remove(e)
	}
	e.item, e.detail, e.ends = tombstone, detail, true
	b.back(e)
	return e
}

// back queues an entry at the end.
func (b *backlog) back(e *entry) {
	if _, known := b.stored[e.item.ID]; e.ends && !known && b.flying[e.item.ID] == nil {
		b.spare.push(e)
	} else {
		b.ready.push(e)
	}
}

// take moves up to n entries into flight, and adds them to the batch.
func (b *backlog) take(n int, batch *Batch) {
	for ; n > 0; n-- {
		e := b.ready.first
		if e == nil {
			e = b.spare.first
		}
		if e == nil {
			return
		}
		e.in.remove(e)
		id := e.item.ID
		delete(b.dirty, id)
		b.flying[id] = e
		if e.ends {
			batch.Ends = append(batch.Ends, Ending{e.item, e.detail})
		} else {
			batch.Puts = append(batch.Puts, e.item)
		}
	}
}

// landed takes an entry out of flight that is stored.
func (b *backlog) landed(e *entry) {
	delete(b.flying, e.item.ID)
	if e.ends {
		delete(b.stored, e.item.ID)
	} else {
		b.stored[e.item.ID] = true
	}
}

// returned takes an entry out of flight that is not stored, to try it again: at once,
// or when what is parked is. A newer state takes its waiters over.
func (b *backlog) returned(e *entry, park bool) {
	id := e.item.ID
	delete(b.flying, id)
	if newer := b.dirty[id]; newer != nil {
		newer.waiters, newer.since = append(e.waiters, newer.waiters...), e.since
		return
	}
	b.dirty[id] = e
	_, known := b.stored[id]
	switch {
	case park:
		b.parked.push(e)
	case e.ends && !known:
		b.spare.pushFront(e)
	default:
		b.ready.pushFront(e)
	}
}

// unpark makes what was refused ready again.
func (b *backlog) unpark() {
	for e := b.parked.first; e != nil; e = b.parked.first {
		b.parked.remove(e)
		b.back(e)
	}
}

// size is the number of calls whose newest state is not stored.
func (b *backlog) size() int {
	n := len(b.dirty)
	for id := range b.flying {
		if b.dirty[id] == nil {
			n++
		}
	}
	return n
}

// waiters takes all who wait.
func (b *backlog) waiters() (all []func(error)) {
	for _, entries := range []map[string]*entry{b.flying, b.dirty} {
		for _, e := range entries {
			all = append(all, e.waiters...)
			e.waiters = nil
		}
	}
	return all
}

// untold are ends that the store will not be told of.
type untold struct {
	kept    []Kept // of calls that it has, perhaps
	unknown []Ending
}

// untold are those of the backlog.
func (b *backlog) untold() (all untold) {
	for _, entries := range []map[string]*entry{b.flying, b.dirty} {
		for id, e := range entries {
			if e.ends {
				sure, known := b.stored[id]
				all.add(Ending{e.item, e.detail}, sure, known)
			}
		}
	}
	return all
}

func (u *untold) add(e Ending, sure, known bool) {
	if known {
		u.kept = append(u.kept, Kept{e, sure})
	} else {
		u.unknown = append(u.unknown, e)
	}
}

// recent remembers the ends that were stored last, for a store that may have lost them.
type recent struct {
	ends []recentEnd
}

type recentEnd struct {
	Ending
	at time.Time
}

// A replica that is promoted lags behind by seconds at most. A drain ends 4,000 calls a second,
// and nothing else ends more.
const (
	recentFor = 5 * time.Second
	recentMax = 30_000
)

func (r *recent) add(e Ending, now time.Time) {
	old := max(0, len(r.ends)+1-recentMax)
	for old < len(r.ends) && now.Sub(r.ends[old].at) > recentFor {
		old++
	}
	clear(r.ends[:old])
	r.ends = append(r.ends[old:], recentEnd{e, now})
}
