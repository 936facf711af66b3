package b2bua

import (
	"context"
	"sync"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// strand is the queue of one call. A goroutine works on it only while there is
// something in it, and never do two, so the messages of a call are stepped in
// the order in which they arrived. Where the store is waited for, none does: the
// queue grows until the store calls, and that goes on.
type strand struct {
	engine   *Engine
	profiles *profiles // those that the call has begun with
	id       dialog.CallID

	mu      sync.Mutex
	queue   []item
	running bool
	gone    bool // let go of: a message must look for the call anew
	ending  bool // the clock wakes it for its end, and nothing else

	// Touched only by the goroutine that runs.
	batch  []item   // taken from the queue, to be stepped
	after  []Action // what waits for the store
	hasty  bool     // nothing waits for it
	call   *Call
	packed packed    // instead of the call
	woken  bool      // by the clock, just now
	heard  time.Time // when anything but the clock came last
	trunk  string
	places []carriers.Place // that the call takes up
	among  counted          // where it is counted
	told   int              // attempts that are accounted for
	begun  bool             // that it has been answered is told
	alive  uint8            // the leg whose peer has said something
	last   *[8]event        // the last events, for the log where a defect shows; nil: none
	count  int
	size   int       // of the record, when last written
	armed  time.Time // as told to the clock; zero: not at all
	alarm  alarm

	capture   *Capture     // nil: nobody wants the call whole
	asked     captureAsked // by which filters it is wanted has been looked up
	panics    int
	absorbing bool      // the record is written
	grave     time.Time // until when a call that a defect has ended is answered for
}

// item is one thing in the queue: a message, a failed send, or a command.
type item struct {
	command Event // Due, Unsent, Hangup; nil: a message
	admit   func(*strand, time.Time) []Action
	decided func(time.Time) item // has waited for a decision, and is this item now
	state   func(*strand)        // wants to look at the call
	leg     uint8
	message *dialog.Message
	path    dialog.Path
	raw     []byte
	at      time.Time

	replaced *dialog.Replaced // of a REFER
	asked    bool             // of a REFER: where it leads has been asked
	targets  []Target
}

// sight is a message that has come in, as an observer sees it.
func (it *item) sight(s *strand) Sight {
	return Sight{Call: s.id, Leg: it.leg, Peer: s.peer(it.leg), In: true, At: it.at, Path: it.path, Method: it.message.Method, Code: it.message.Code, Data: it.raw}
}

// event is what is remembered of an item: small, since every call has some.
type event struct {
	at   time.Time
	what string // method or command; of a fixed set
	code uint16 // 0: a request or a command
	leg  uint8
}

// deliver gives a message to its call, or does without where there is none.
func (e *Engine) deliver(id dialog.CallID, it item, without func()) {
	if e.give(id, it) {
		return
	}
	l := e.loading.Load()
	if l == nil {
		without()
		return
	}
	begins := it.message.Method == "INVITE" && it.message.Code == 0 && it.message.ToTag == ""
	l.load(e, id, begins, func(sure bool) {
		switch {
		case e.give(id, it):
		case sure || begins:
			without()
		default:
			e.stray(it.message, "call_not_looked_for")
		}
	})
}

// give gives a message to its call; false: there is no such call.
func (e *Engine) give(id dialog.CallID, it item) bool {
	for {
		sh := e.shard(id)
		sh.mu.Lock()
		s := sh.strands[id]
		sh.mu.Unlock()
		if s == nil {
			return false
		}
		if s.put(it) {
			return true
		}
	}
}

func (e *Engine) shard(id dialog.CallID) *shard { return &e.shards[id[7]%64] }

// open makes the strand of a call with its first message, or gives the message to
// the one that is there. Nobody sees a strand that has nothing in it yet.
func (e *Engine) open(id dialog.CallID, p *profiles, trunk string, places []carriers.Place, it item) {
	for {
		sh := e.shard(id)
		sh.mu.Lock()
		s := sh.strands[id]
		if s == nil {
			s = &strand{engine: e, profiles: p, id: id, trunk: trunk, places: places, queue: []item{it}, running: true}
			e.hold(p)
			sh.strands[id] = s
			e.active.Add(1)
			sh.mu.Unlock()
			e.start(s, true)
			return
		}
		sh.mu.Unlock()
		if s.put(it) {
			s.returns(places)
			return
		}
	}
}

// returns gives back what a copy of the INVITE was given of places, if the call that another
// copy has opened meanwhile does not take them up, or no longer.
func (s *strand) returns(places []carriers.Place) {
	if len(places) > 0 && !s.put(item{state: func(s *strand) { s.engine.places.hold(s.id, places, s.places) }}) {
		s.engine.places.hold(s.id, places, nil)
	}
}

// put queues an item; false: the strand is gone. Where too many messages wait,
// one more is dropped and counted; commands are never.
func (s *strand) put(it item) bool {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return false
	}
	if it.message != nil && len(s.queue) >= s.engine.config.Queue {
		s.mu.Unlock()
		s.engine.metrics.Dropped.WithLabelValues("strand", "queue_full").Inc()
		return true
	}
	s.queue = append(s.queue, it)
	start := !s.running
	_, woken := it.command.(Due)
	here := it.message != nil || woken && start && s.ending
	s.running = true
	s.mu.Unlock()
	if start {
		s.engine.start(s, here)
	}
	return true
}

// start has a strand run. A message is stepped here, where it was read, and a call let go of
// where its time was up: to wake another thread for it costs more than the step. Everything
// else runs on a worker that is idle, whose stack has grown to what a step takes, or on a
// goroutine of its own.
func (e *Engine) start(s *strand, here bool) {
	if here && !e.waits() { // an rtpengine is waited for, and nobody who reads is to wait
		s.run()
		return
	}
	select {
	case e.idle <- s:
	default:
		go s.run()
	}
}

// work runs strands until the context ends.
func (e *Engine) work(ctx context.Context) {
	for {
		select {
		case s := <-e.idle:
			s.run()
		case <-ctx.Done():
			return
		}
	}
}

// run works until the queue is empty, or what is to be done waits for the store.
func (s *strand) run() {
	for {
		for len(s.batch) > 0 {
			it := s.batch[0]
			s.batch = s.batch[1:]
			if !s.step(&it) {
				return
			}
		}
		s.guard("panic while counting a call", s.recount)
		s.guard("panic while arming a call", s.arm)
		s.guard("panic while packing a call", s.pack)
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.batch, s.queue = nil, nil
			s.running = false
			if s.over() {
				s.leave()
			}
			s.mu.Unlock()
			return
		}
		s.batch, s.queue = s.queue, nil
		s.mu.Unlock()
	}
}

// resume goes on with what has waited for the store.
func (s *strand) resume() {
	after := s.after
	s.after = nil
	if s.performed(after) {
		s.run()
	}
}

// performed is perform in which a defect ends the call.
func (s *strand) performed(actions []Action) (done bool) {
	now := time.Now()
	defer func() {
		if r := recover(); r != nil {
			s.broken(now, nil, r)
			done = true
		}
	}()
	return s.perform(now, actions)
}

// over says that the strand can be let go. A call that only absorbs can be where
// too many do, once the trunk has acknowledged its end: what carriers still say is
// answered without it, what the trunk repeats is not.
func (s *strand) over() bool {
	switch {
	case s.packed.data != nil:
		return false
	case s.call == nil:
		return !s.grave.After(time.Now())
	case s.call.Done():
		return true
	}
	return s.call.Written && s.call.In.Done() && s.spared()
}

// spared says that one call too many absorbs, and takes this one for it: of those
// that end at once, no more than are too many.
func (s *strand) spared() bool {
	for {
		n := s.engine.absorbed.Load()
		if n <= int64(s.engine.config.Absorbing) {
			return false
		}
		if s.engine.absorbed.CompareAndSwap(n, n-1) {
			s.absorbing = false
			return true
		}
	}
}

// leave lets go of the call. The lock of the strand is held.
func (s *strand) leave() {
	s.gone = true
	s.occupy(nil)
	s.forsake()
	s.uncount()
	s.call = nil
	s.engine.clock.at(time.Time{}, s)
	if s.absorbing {
		s.engine.absorbed.Add(-1)
	}
	sh := s.engine.shard(s.id)
	sh.mu.Lock()
	delete(sh.strands, s.id)
	sh.mu.Unlock()
	s.engine.release(s.profiles)
	if s.engine.observer != nil {
		s.engine.observer.Left(s.id)
	}
}

// step gives one item to the call and performs what it wants. False: some of that
// waits for the store. A panic in the core ends this call and nothing else.
func (s *strand) step(it *item) (done bool) {
	now := time.Now()
	defer func() {
		if r := recover(); r != nil {
			s.broken(now, it, r)
			done = true
		}
	}()
	if it.state != nil {
		s.look(it.state)
		return true
	}
	if it.decided != nil {
		*it = it.decided(now)
	}
	s.unpack()
	s.remember(now, it)
	if _, s.woken = it.command.(Due); !s.woken {
		s.heard = now
	}
	if it.admit != nil && s.call == nil && s.panics == 0 {
		actions := it.admit(s, now)
		s.observe(now)
		s.recount()
		return s.perform(now, actions)
	}
	if s.woken {
		s.armed = time.Time{} // the clock has let go of it
	}
	if s.call == nil {
		if it.message != nil { // a defect has ended it
			s.engine.refuse(it.message, it.path, dialog.Refusal{Code: 500}, "defect")
		}
		return true
	}
	var ev Event
	switch {
	case it.command != nil:
		ev = it.command
	case !s.engine.belongs(s, it):
		s.engine.stray(it.message, "wrong_source")
		return true
	case !s.referral(now, it):
		return true // where it leads is asked, and it comes back
	default:
		s.engine.saw(it.sight(s))
		ev = Arrived{Leg: it.leg, Received: dialog.Received{Message: it.message, Path: it.path, Replaced: it.replaced}, Targets: it.targets}
	}
	s.call.judge, s.call.anchors = s, s.anchors()
	s.capturing()
	actions := s.call.Step(now, ev)
	s.captured(now, ev, it, actions)
	s.observe(now)
	s.begins(now)
	s.recount() // before a peer hears that there is a place
	return s.perform(now, actions)
}

// endsEach is how far apart, where there are many, calls are let go of that have answered
// repeats for long enough, all of a time together: nobody waits for that, and the clock wakes
// less often.
const endsEach = 250 * time.Millisecond

// arm sees to it that the clock wakes the call at its deadline.
func (s *strand) arm() {
	if s.packed.data != nil {
		return
	}
	d := s.grave
	if s.call != nil {
		if s.call.Done() {
			return
		}
		_, s.ending = s.call.absorbs()
		if d = s.call.Deadline(); d.IsZero() {
			s.engine.violated(s, ViolationNoDeadline)
			d = time.Now().Add(time.Minute)
		}
		if p := s.packs(time.Now(), d); !p.IsZero() {
			d = p
		}
		if s.ending && s.engine.active.Load() > crowd {
			d = d.Add(endsEach - 1).Truncate(endsEach)
		}
	}
	// One that has moved on stays where it is: woken, the call finds nothing due
	// and is entered anew. Most deadlines move on with every message; the last does not.
	if s.armed.IsZero() || d.Before(s.armed) || s.ending && d.After(s.armed) {
		s.armed = d
		s.engine.clock.at(d, s)
	}
}
