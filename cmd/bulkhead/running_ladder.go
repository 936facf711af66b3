package main

import (
	"fmt"
	"io"
	"sync"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/dialog"
)

// runningLadder prints a ladder while it happens, one line a message.
type runningLadder struct {
	mu      sync.Mutex
	out     io.Writer
	ladder  ops.Ladder
	waiting *ops.Rung // the last that came in: what became of it is not known yet
}

// Saw is b2bua.Observer.
func (l *runningLadder) Saw(s b2bua.Sight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.Data == nil {
		if w := l.waiting; w != nil && w.Leg == s.Leg {
			w.Note = s.Note
		}
		return
	}
	l.flush()
	r := &ops.Rung{Rung: b2bua.Rung{At: s.At, Until: s.At, Leg: s.Leg, In: s.In, Method: s.Method, Code: s.Code, Count: 1}}
	if s.In {
		l.waiting = r
		return
	}
	l.print(r)
}

// Hunted is b2bua.Observer.
func (l *runningLadder) Hunted(dialog.CallID, b2bua.Failover) {}

// Ended is b2bua.Observer.
func (l *runningLadder) Ended(dialog.CallID, b2bua.Record) {}

// Left is b2bua.Observer.
func (l *runningLadder) Left(dialog.CallID) {}

// done prints what is still held.
func (l *runningLadder) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
}

func (l *runningLadder) flush() {
	if l.waiting != nil {
		l.print(l.waiting)
		l.waiting = nil
	}
}

func (l *runningLadder) print(r *ops.Rung) {
	if row := l.ladder.Row(*r); row != "" {
		fmt.Fprintln(l.out, row)
	}
}
