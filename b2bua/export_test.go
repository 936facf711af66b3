package b2bua

import (
	"bytes"
	"errors"
	"time"
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

// Waiting is how many entries the clock has.
func (e *Engine) Waiting() int {
	e.clock.mu.Lock()
	defer e.clock.mu.Unlock()
	return len(e.clock.heap)
}

// UnderRace says that the race detector is built in.
func UnderRace() bool { return underRace }
