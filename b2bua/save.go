package b2bua

import (
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"bulkhead/storage"
)

// Keeper is where the states of calls are kept so that another node can go on
// with them: a *storage.Writer. done, if not nil, is called once, perhaps before
// the method returns: when the state is safe or the time for that is over, which is
// an error.
type Keeper interface {
	Put(it storage.Item, done func(error))
	End(tombstone storage.Item, detail []byte, done func(error))

	// Degraded says that the store is known to fail or to be late.
	Degraded() bool
}

// keepAfter is how long a record stays beyond the call's last deadline, for an
// owner that is slow to renew it.
const keepAfter = time.Hour

// buryFor is how long a tombstone stays beyond what peers may still say to the call.
const buryFor = 10 * time.Second

// save stores the state of the call. With wait, false says that what follows has to
// wait: whoever hears of the store goes on with it.
func (s *strand) save(wait bool) bool {
	keeper := s.engine.config.Keeper
	if keeper == nil {
		return true
	}
	if !wait {
		keeper.Put(s.item(), nil)
		return true
	}
	return s.await(func(done func(error)) { keeper.Put(s.item(), done) })
}

// await asks the store for something. True: it has answered already. False: it will
// call, and that goes on with the strand, where the call comes from.
func (s *strand) await(ask func(done func(error))) bool {
	if s.hasty {
		ask(s.protected)
		return true
	}
	const asked, answered, left = 0, 1, 2
	var state atomic.Int32
	ask(func(err error) {
		s.protected(err)
		if !state.CompareAndSwap(asked, answered) {
			s.resume()
		}
	})
	return !state.CompareAndSwap(asked, left)
}

// protected counts a promise that rests on a state which is not safe. A node whose
// unit is another's, or given up, makes none: the calls are not its own any more.
func (s *strand) protected(err error) {
	if errors.Is(err, storage.ErrFenced) || errors.Is(err, storage.ErrClosed) {
		s.engine.Mute()
	}
	if err != nil {
		s.engine.metrics.Unprotected.Inc()
	}
}

// record gives the record out: to the store, which ends the call there and hands
// the record on exactly once, or without a store straight to the records; wait and the
// result as in save.
func (s *strand) record(r Record, wait bool) bool {
	e := s.engine
	failed := func(err error) {
		e.metrics.Dropped.WithLabelValues("record", "not_written").Inc()
		e.log.Error("record not written", zap.Stringer("call", s.id), zap.Error(err))
	}
	if e.config.Keeper == nil {
		if err := e.records.Write(r); err != nil {
			failed(err)
		}
		return true
	}
	detail, err := json.Marshal(r)
	if err != nil {
		failed(err)
		return true
	}
	if !wait {
		e.config.Keeper.End(s.tombstone(), detail, nil)
		return true
	}
	return s.await(func(done func(error)) { e.config.Keeper.End(s.tombstone(), detail, done) })
}

// item is the call as it is stored. It expires after the call could still be
// there; every Save moves that on.
func (s *strand) item() storage.Item {
	if s.call == nil { // a defect has ended it: only its name is kept
		return storage.Item{ID: s.id.String(), Version: storage.MaxVersion, Expires: time.Now().Add(keepAfter)}
	}
	deadline := s.call.Deadline()
	if e := s.call.Expires; e.After(deadline) {
		deadline = e
	}
	if deadline.IsZero() {
		deadline = time.Now()
	}
	if s.engine.config.Keeper != nil {
		s.call.Saved = time.Now()
		s.relayed()
	}
	data := s.call.Encode(make([]byte, 0, s.size+64))
	s.size = len(data)
	return storage.Item{ID: s.id.String(), Version: s.call.Version, Data: data, Expires: deadline.Add(keepAfter)}
}

// tombstone is what stays of a call that has ended: for as long as any of its legs
// absorbs what its peer repeats. The last of them may have begun to do so just now.
func (s *strand) tombstone() storage.Item {
	it := s.item()
	absorbs := 2 * 64 * s.engine.config.Timers.T1
	if s.call != nil {
		for _, leg := range s.call.Out {
			if leg.Policy != nil {
				absorbs = max(absorbs, 2*64*s.engine.config.Timers.T1+leg.Policy.Linger)
			}
		}
	}
	it.Expires = time.Now().Add(absorbs + buryFor)
	return it
}

// Mute lets nothing more be sent, and nothing that is not sent be held against a
// peer: another node is about to speak for these calls, or does already.
func (e *Engine) Mute() { e.muted.Store(true) }

// speaks says whether this node may send.
func (e *Engine) speaks() bool {
	return !e.muted.Load() && (e.config.Speaks == nil || e.config.Speaks())
}

// Live calls each with every call that has no record yet, as it is now: for a
// store that has lost them.
func (e *Engine) Live(each func(storage.Item)) {
	var mu sync.Mutex
	e.visit(func(it storage.Item) {
		if it.ID != "" {
			mu.Lock()
			defer mu.Unlock()
			each(it)
		}
	}, func(s *strand) {
		if s.call != nil && !s.absorbing {
			mu.Lock()
			defer mu.Unlock()
			each(s.item())
		}
	})
}

// visit shows every call: a packed one at once, as its record, any other when what has
// come for it so far has been stepped.
func (e *Engine) visit(record func(storage.Item), call func(*strand)) {
	var wg sync.WaitGroup
	for _, s := range e.strands() {
		if it, idle := s.rests(); idle && (it.ID != "" || call == nil) {
			record(it)
			continue
		}
		wg.Add(1)
		if !s.put(item{state: func(s *strand) {
			defer wg.Done()
			if call != nil {
				call(s)
			}
		}}) {
			wg.Done()
		}
	}
	wg.Wait()
}
