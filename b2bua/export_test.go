package b2bua

import (
	"bytes"
	"errors"
	"slices"
	"time"
	"unsafe"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// RestoreEveryStep makes the engine write and read every call's record between
// any two events (promise P9). A call that says that it rests is one in which a
// takeover would change nothing.
func (e *Engine) RestoreEveryStep(failed func(error)) {
	e.between = func(c *Call) *Call {
		record := c.Encode(nil)
		restored, err := Decode(record, e.profiles())
		if err != nil {
			failed(err)
			return c
		}
		if c.Rests() {
			again, _ := Decode(record, e.profiles())
			if again.Resume(time.Now()); !bytes.Equal(again.Encode(nil), record) {
				failed(errors.New("a call that rests has something to do"))
			}
		}
		return restored
	}
}

// Packed is how many calls are kept as their records.
func (e *Engine) Packed() (n int) {
	for _, s := range e.strands() {
		s.mu.Lock()
		if !s.running && s.packed.data != nil {
			n++
		}
		s.mu.Unlock()
	}
	return n
}

// Borrowed is how many packed calls hold on to memory of what they were made of: the
// names of their trunks are to be the book's own.
func (e *Engine) Borrowed() (n int) {
	for _, s := range e.strands() {
		s.mu.Lock()
		if t := s.profiles.TrunkNamed(s.trunk); s.packed.data != nil && unsafe.StringData(t.Name) != unsafe.StringData(s.trunk) {
			n++
		}
		s.mu.Unlock()
	}
	return n
}

// Spoil replaces the records of calls that are packed.
func (e *Engine) Spoil(record []byte) {
	for _, s := range e.strands() {
		s.mu.Lock()
		if s.packed.data != nil {
			s.packed.data = record
		}
		s.mu.Unlock()
	}
}

// Next is when the clock wakes the call that it wakes first; the zero time: it has none.
func (e *Engine) Next() (at time.Time) {
	e.clock.mu.Lock()
	defer e.clock.mu.Unlock()
	if len(e.clock.heap) > 0 {
		at = e.clock.heap[0].alarm.at
	}
	return at
}

// Waiting is how many entries the clock has.
func (e *Engine) Waiting() int {
	e.clock.mu.Lock()
	defer e.clock.mu.Unlock()
	return len(e.clock.heap)
}

// UnderRace says that the race detector is built in.
func UnderRace() bool { return underRace }

// Snapshots is how many profiles are kept, those in force among them.
func (e *Engine) Snapshots() int { return 1 + len(e.earlier()) }

// Unheld is how many calls have profiles that are not kept.
func (e *Engine) Unheld() (n int) {
	kept := append(slices.Clone(e.earlier()), e.profiles())
	for _, s := range e.strands() {
		if !slices.Contains(kept, s.profiles) {
			n++
		}
	}
	return n
}

// Forget lets go of every call, as if each had ended.
func (e *Engine) Forget() {
	for e.Strands() > 0 {
		for _, s := range e.strands() {
			s.mu.Lock()
			if !s.running && !s.gone {
				s.leave()
			}
			s.mu.Unlock()
		}
	}
}

// OpensLate is a copy of a call's INVITE that found no call, and comes to open one when another
// copy has.
func (e *Engine) OpensLate(id dialog.CallID, trunk, number string) {
	p := e.profiles()
	t := p.TrunkNamed(trunk)
	places, ok := e.bounded(id, p, t, number, item{message: &dialog.Message{}})
	if !ok {
		panic("a call has no room for itself")
	}
	e.open(id, p, t.Name, places, item{state: func(*strand) {}})
}

// Taken are the places that some call takes up.
func (e *Engine) Taken() (list []carriers.Place) {
	e.places.mu.Lock()
	defer e.places.mu.Unlock()
	return e.places.usage.Taken()
}

// IDs are the calls that there are.
func (e *Engine) IDs() (all []dialog.CallID) {
	for _, s := range e.strands() {
		all = append(all, s.id)
	}
	return all
}
