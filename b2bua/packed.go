package b2bua

import (
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"bulkhead/dialog"
	"bulkhead/storage"
)

// A call that rests, as most do for most of their time, is kept as its record: a tenth
// of the memory, nothing in it for the garbage collector to look at, and it is what a
// takeover reads. Whatever comes for the call, a message or its deadline, unpacks it.

// packed is the record of a call, and what the store says with it.
type packed struct {
	data    []byte // nil: the call is not packed
	version uint64
	expires time.Time
}

// A call is packed when nobody has said anything to it for packAfter, so one that is over
// by then never is, and its deadline is farther than packFrom.
const (
	packAfter = 3 * time.Second
	packFrom  = 20 * time.Second
)

// packs is when the call is to be woken so that it can be packed; zero: not before its
// deadline.
func (s *strand) packs(now, deadline time.Time) time.Time {
	if now.Sub(s.heard) >= packAfter || deadline.Sub(now) < packFrom || !s.call.Rests() {
		return time.Time{}
	}
	return s.heard.Add(packAfter)
}

// pack packs a call that the clock has woken and that has found nothing to do. What is
// stored is renewed: it had transactions in it.
func (s *strand) pack() {
	if !s.woken || s.call == nil || !s.call.Rests() ||
		time.Since(s.heard) < packAfter || time.Until(s.call.Deadline()) < packFrom {
		return
	}
	keeper := s.engine.config.Keeper
	if keeper != nil {
		s.call.Version++
	}
	it := s.item()
	it.Data = slices.Clone(it.Data) // as long as it is
	if keeper != nil {
		keeper.Put(it, nil)
	}
	s.call, s.packed, s.last = nil, packed{it.Data, it.Version, it.Expires}, nil
}

// look gives a packed call to whoever only looks at it.
func (s *strand) look(at func(*strand)) {
	was := s.packed
	s.unpack()
	at(s)
	if was.data != nil && s.call != nil {
		s.call, s.packed = nil, was
	}
}

// rests says whether nobody works on the call, and gives its record if it is packed.
func (s *strand) rests() (it storage.Item, idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running || s.gone {
		return it, s.gone
	}
	if p := s.packed; p.data != nil {
		it = storage.Item{ID: s.id.String(), Version: p.version, Data: p.data, Expires: p.expires}
	}
	return it, true
}

// unpack makes the call out of its record. One that cannot be read is left alone: its
// record stays where it is, and what is said to it is answered as after a defect.
func (s *strand) unpack() {
	data := s.packed.data
	if data == nil {
		return
	}
	s.packed = packed{}
	err := dialog.ErrRecord
	s.guard("panic while unpacking a call", func() {
		var call *Call
		if call, err = Decode(data, s.profiles); err == nil && call.ID == s.id {
			s.call, s.trunk = call, s.profiles.trunkName(call.Setup.Trunk)
			s.passed()
		} else if err == nil {
			err = fmt.Errorf("its record is of %s: %w", call.ID, dialog.ErrRecord)
		}
	})
	if s.call == nil {
		s.engine.log.Error("call not unpacked", zap.Stringer("call", s.id), zap.Error(err))
		s.engine.settle()
		s.grave = time.Now().Add(64 * s.engine.config.Timers.T1)
	}
}

// lay takes over a stored call that rests, as it is stored. False: it has to be made.
func (e *Engine) lay(it storage.Item) bool {
	until, _, ok := head(it.Data)
	if !ok || until.IsZero() {
		return false
	}
	id, ok := dialog.ParseCallID(it.ID)
	if !ok {
		return false
	}
	sh := e.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.strands[id] != nil {
		return true
	}
	if e.config.Media != nil {
		if call, err := Decode(it.Data, e.profiles()); err == nil {
			e.reopen(it.ID, &call.Media)
			if len(call.Media.Anchors) > 0 { // what was counted before belongs to it now
				it.Data = slices.Clone(call.Encode(make([]byte, 0, len(it.Data)+64)))
			}
		}
	}
	s := &strand{engine: e, profiles: e.profiles(), id: id, packed: packed{it.Data, it.Version, it.Expires}, size: len(it.Data), armed: until}
	e.hold(s.profiles)
	s.rested(s.profiles)
	sh.strands[id] = s
	e.active.Add(1)
	e.clock.at(until, s)
	e.metrics.Restored.Inc()
	return true
}
