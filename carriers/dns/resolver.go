package dns

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/carriers"
)

// Config is what a Resolver goes by. Zero values mean the defaults.
type Config struct {
	Servers  Servers
	Exchange Exchange                   // nil: Ask
	Stale    time.Duration              // how long the last answer serves on while no server gives one; default DefaultStale
	Keep     time.Duration              // how long an address of a former answer is still told; default DefaultKeep
	Watch    func(carriers.Name, State) // told where a name leads elsewhere, or can be renewed no more, or again; nil: nobody
}

// What holds where the configuration says nothing.
const (
	DefaultStale = 24 * time.Hour
	DefaultKeep  = 12 * time.Hour
)

// Between two attempts while no server answers.
const (
	leastRetry = time.Second
	mostRetry  = 30 * time.Second
)

// maxFormer is how many former addresses of one name are kept.
const maxFormer = 256

// abreast is how many names are asked for at once.
const abreast = 16

// State is what is known of one name.
type State struct {
	carriers.Lead
	Until time.Time // the answer's life is over; zero: there has been none
	Err   error     // why it could not be renewed; nil: it is fresh
}

// Stale says that the answer has outlived its time because no server gives another.
func (s State) Stale(now time.Time) bool { return s.Err != nil && !s.Until.After(now) }

// Resolver follows names. It is a carriers.Names.
type Resolver struct {
	config Config
	free   chan struct{}
	server atomic.Uint32 // that answered last

	mu      sync.Mutex // of all below, and of the writing of now
	ctx     context.Context
	stops   map[carriers.Name]context.CancelFunc // nil: not begun
	former  map[carriers.Name]map[netip.Addr]time.Time
	changed chan struct{} // closed with every answer, then a new one
	running sync.WaitGroup

	now atomic.Pointer[snapshot]
}

// snapshot is what all names lead to at one instant. It is never changed.
type snapshot struct {
	states map[carriers.Name]State
	at     map[netip.Addr][]carriers.Name
}

// New makes a resolver of no names.
func New(c Config) *Resolver {
	if c.Exchange == nil {
		c.Exchange = Ask
	}
	if c.Stale <= 0 {
		c.Stale = DefaultStale
	}
	if c.Keep <= 0 {
		c.Keep = DefaultKeep
	}
	if c.Watch == nil {
		c.Watch = func(carriers.Name, State) {}
	}
	r := &Resolver{
		config: c, free: make(chan struct{}, abreast), changed: make(chan struct{}),
		stops: map[carriers.Name]context.CancelFunc{}, former: map[carriers.Name]map[netip.Addr]time.Time{},
	}
	r.now.Store(&snapshot{})
	return r
}

// Follow says which names are asked for from now on. One that is asked for already
// goes on, one that is not there any more is forgotten.
func (r *Resolver) Follow(names []carriers.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n, stop := range r.stops {
		if !slices.Contains(names, n) {
			if stop != nil {
				stop()
			}
			delete(r.stops, n)
			delete(r.former, n)
			r.put(n, nil)
		}
	}
	for _, n := range names {
		if _, known := r.stops[n]; !known {
			r.stops[n] = nil
		}
	}
	r.begin()
}

// Run asks until the context ends.
func (r *Resolver) Run(ctx context.Context) {
	r.mu.Lock()
	r.ctx = ctx
	r.begin()
	r.mu.Unlock()
	<-ctx.Done()
	r.running.Wait()
}

// begin asks for what is not asked for yet. The lock is held.
func (r *Resolver) begin() {
	if r.ctx == nil || r.ctx.Err() != nil {
		return
	}
	for n, stop := range r.stops {
		if stop == nil {
			ctx, cancel := context.WithCancel(r.ctx)
			r.stops[n] = cancel
			r.running.Go(func() { r.follow(ctx, n) })
		}
	}
}

// First waits until every name has had an answer, or the context ends.
func (r *Resolver) First(ctx context.Context) {
	for {
		r.mu.Lock()
		changed, waiting := r.changed, len(r.stops) > len(r.now.Load().states)
		for _, s := range r.now.Load().states {
			waiting = waiting || s.Until.IsZero()
		}
		r.mu.Unlock()
		if !waiting {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// Lead is carriers.Names.
func (r *Resolver) Lead(n carriers.Name) carriers.Lead { return r.now.Load().states[n].Lead }

// At is carriers.Names.
func (r *Resolver) At(source netip.Addr) []carriers.Name { return r.now.Load().at[source] }

// States is what is known of every name that there was an answer or a failure for.
// It must not be changed.
func (r *Resolver) States() map[carriers.Name]State { return r.now.Load().states }

// follow asks for one name again and again, each time ahead of the end of the
// answer's life.
func (r *Resolver) follow(ctx context.Context, n carriers.Name) {
	failures := 0
	for {
		wait, ok := r.once(ctx, n, failures)
		if failures++; ok {
			failures = 0
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// once asks for a name and tells how long until it is to be asked for again.
func (r *Resolver) once(ctx context.Context, n carriers.Name, failures int) (wait time.Duration, ok bool) {
	select {
	case r.free <- struct{}{}:
	case <-ctx.Done():
		return 0, false
	}
	l := lookup{ask: r.ask, ctx: ctx}
	answer, life, err := l.answer(n)
	<-r.free
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return 0, false
	}
	now := time.Now()
	before := r.now.Load().states[n]
	after := State{Lead: answer, Until: now.Add(life)}
	wait = life * time.Duration(80+rand.IntN(10)) / 100
	if err != nil {
		wait = min(leastRetry<<min(failures, 10), mostRetry)
		after = before
		after.Err = err
		switch {
		case before.Until.IsZero():
			after.Fault = "no name server has answered yet"
		case !before.Until.Add(r.config.Stale).After(now):
			after.Lead = carriers.Lead{Fault: "no name server has answered since " + before.Until.UTC().Format(time.RFC3339)}
		}
	}
	after.Former = r.left(n, before, after, now)
	r.put(n, &after)
	moved := before.Fault != after.Fault || !slices.Equal(before.Addresses, after.Addresses)
	if moved || (before.Err == nil) != (after.Err == nil) {
		r.config.Watch(n, after)
	}
	return wait, err == nil
}

// left lists the former addresses of a name, those that are in the answer no more
// among them. The lock is held.
func (r *Resolver) left(n carriers.Name, before, after State, now time.Time) []netip.Addr {
	former := r.former[n]
	if former == nil {
		former = map[netip.Addr]time.Time{}
		r.former[n] = former
	}
	for _, a := range before.Addresses {
		former[a.Remote.Addr()] = now.Add(r.config.Keep)
	}
	for _, a := range after.Addresses {
		delete(former, a.Remote.Addr())
	}
	var list []netip.Addr
	for a, until := range former {
		if !until.After(now) {
			delete(former, a)
			continue
		}
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b netip.Addr) int { // those that left last come first
		if c := former[b].Compare(former[a]); c != 0 {
			return c
		}
		return a.Compare(b)
	})
	for _, a := range list[min(len(list), maxFormer):] {
		delete(former, a)
	}
	return list[:min(len(list), maxFormer)]
}

// put makes the next snapshot; nil: without the name. The lock is held.
func (r *Resolver) put(n carriers.Name, s *State) {
	old := r.now.Load()
	next := &snapshot{states: make(map[carriers.Name]State, len(old.states)+1), at: make(map[netip.Addr][]carriers.Name, len(old.at)+1)}
	for name, state := range old.states {
		if name != n {
			next.states[name] = state
		}
	}
	if s != nil {
		next.states[n] = *s
	}
	for name, state := range next.states {
		for _, a := range state.Addresses {
			next.leads(a.Remote.Addr(), name)
		}
		for _, a := range state.Former {
			next.leads(a, name)
		}
	}
	r.now.Store(next)
	close(r.changed)
	r.changed = make(chan struct{})
}

func (s *snapshot) leads(to netip.Addr, n carriers.Name) {
	if !slices.Contains(s.at[to], n) {
		s.at[to] = append(s.at[to], n)
	}
}
