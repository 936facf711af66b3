package b2bua

import (
	"bytes"
	"container/heap"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bulkhead/dialog"
)

// Course is how a call would have gone.
type Course struct {
	Call *Call
	// Untold are what peers said in the capture that has no place here: what it followed has
	// not been sent.
	Untold []CaptureStep
	// Unheard are attempts that were not made in the capture, so that nobody knows what those
	// carriers would have said: they are silent here.
	Unheard []dialog.Target
}

// WhatIf plays the call as it would have gone with the book that the replay has, and with its
// routes if they are wanted. Our side decides anew, its timers fire when they are due; what
// a peer said comes as long after what it followed as it did: a response after its request, a
// request after what its peer was sent last, what a caller does of itself at its time. was is
// the call as it came out of Run.
func (r *Replay) WhatIf(was *Call, routes bool) (Course, error) {
	w := &whatIf{Replay: r, sent: map[sending]int{}, after: map[sending][]following{}, routes: routes}
	if err := w.index(was); err != nil {
		return Course{}, err
	}
	begin := w.captured.Steps[0].At
	r.call = nil
	if err := w.first(begin); err != nil {
		return Course{}, err
	}
	last := w.captured.Steps[len(w.captured.Steps)-1].At.Add(24 * time.Hour)
	for n := 0; !r.call.Done(); n++ {
		if n > maxCourse {
			return Course{}, errors.New("the call does not end")
		}
		due := r.call.Deadline()
		if len(w.queue) > 0 && (due.IsZero() || w.queue[0].at.Before(due) || w.queue[0].at.Equal(due) && !w.dueFirst(w.queue[0].step)) {
			next := heap.Pop(&w.queue).(pending)
			if err := w.give(next); err != nil {
				return Course{}, err
			}
			continue
		}
		if due.IsZero() || due.After(last) {
			break
		}
		w.follow(due, r.do(Due{}, &CaptureStep{}, due))
	}
	c := Course{Call: r.call}
	for i := range w.captured.Steps {
		if s := &w.captured.Steps[i]; i > 0 && s.Event != "due" && !w.told[i] {
			c.Untold = append(c.Untold, *s)
		}
	}
	for n, leg := range r.call.Out {
		if !w.alike(n) {
			c.Unheard = append(c.Unheard, leg.Target)
		}
	}
	return c, nil
}

// maxCourse is how many steps a course has at most.
const maxCourse = 100_000

// whatIf is a course that is being played.
type whatIf struct {
	*Replay
	routes bool
	was    *Call
	sent   map[sending]int         // how often, by what it was
	after  map[sending][]following // what followed what we sent
	queue  pendings
	told   map[int]bool // steps of the capture that have been given
}

// sending is something that we sent, not for a repeat: the nth of its kind on its leg.
type sending struct {
	leg  uint8
	what string
	n    int // from 1
}

// following is a step of the capture that came after something that we sent.
type following struct {
	step   int
	after  time.Duration
	branch string // of the request that it answers, as the capture has it; empty: it is none
}

// pending is a step that is to be given.
type pending struct {
	at   time.Time
	step int
	from string // the branch as the capture has it
	to   string // and as it is here
}

type pendings []pending

func (p pendings) Len() int { return len(p) }
func (p pendings) Less(i, j int) bool {
	return p[i].at.Before(p[j].at) || p[i].at.Equal(p[j].at) && p[i].step < p[j].step
}
func (p pendings) Swap(i, j int) { p[i], p[j] = p[j], p[i] }

// Push is heap.Interface.
func (p *pendings) Push(x any) { *p = append(*p, x.(pending)) }

// Pop is heap.Interface.
func (p *pendings) Pop() any {
	old := *p
	x := old[len(old)-1]
	*p = old[:len(old)-1]
	return x
}

// index finds out what followed what.
func (w *whatIf) index(was *Call) error {
	w.was, w.told = was, map[int]bool{}
	type said struct {
		sending
		at   time.Time
		tx   uint16
		data []byte
	}
	last := map[uint8][]said{}
	count := map[sending]int{}
	begin := w.captured.Steps[0].At
	for i := range w.captured.Steps {
		s := &w.captured.Steps[i]
		if i > 0 && s.Event != "due" {
			var of *said
			for j := len(last[s.Leg]) - 1; j >= 0 && of == nil; j-- {
				if one := &last[s.Leg][j]; follows(s, one.what, one.tx) {
					of = one
				}
			}
			if of == nil {
				heap.Push(&w.queue, pending{at: s.At, step: i})
			} else {
				f := following{step: i, after: s.At.Sub(of.at)}
				if m, err := message(s); err == nil && m.Code != 0 {
					f.branch = viaBranch(of.data)
				}
				w.after[of.sending] = append(w.after[of.sending], f)
			}
		}
		for _, raw := range s.Did {
			var d deed
			if err := json.Unmarshal(raw, &d); err != nil {
				return fmt.Errorf("step %d: %w", i+1, err)
			}
			if d.Do != "send" || d.Repeat {
				continue
			}
			kind := sending{leg: d.Leg, what: d.What}
			count[kind]++
			kind.n = count[kind]
			last[d.Leg] = append(last[d.Leg], said{kind, s.At, d.Tx, []byte(d.Data)})
		}
	}
	for i := range w.queue { // as long after the beginning
		w.queue[i].at = begin.Add(w.queue[i].at.Sub(begin))
	}
	return nil
}

// follows says that a step of the capture followed something that we sent before it.
func follows(s *CaptureStep, what string, tx uint16) bool {
	request := what[0] < '1' || what[0] > '6'
	switch s.Event {
	case "message":
	case "unsent":
		return request && tx == s.Tx
	default:
		return false
	}
	m, err := message(s)
	switch {
	case err != nil:
		return false
	case m.Code == 487 && m.Method == "INVITE":
		return what == "CANCEL" || what == "INVITE"
	case m.Code != 0:
		return what == m.Method
	case s.Leg == 0 && (m.Method == "CANCEL" || m.Method == "INVITE" && m.ToTag == ""):
		return false // the caller's own clock
	}
	return true
}

// viaBranch is the branch of the topmost Via.
func viaBranch(data []byte) string {
	_, rest, _ := bytes.Cut(data, []byte("branch="))
	end := bytes.IndexAny(rest, ";\r\n, ")
	if end < 0 {
		return ""
	}
	return string(rest[:end])
}

// dueFirst says that at the instant of a step the clock was heard before it.
func (w *whatIf) dueFirst(step int) bool {
	at := w.captured.Steps[step].At
	for i := step - 1; i >= 0 && w.captured.Steps[i].At.Equal(at); i-- {
		if w.captured.Steps[i].Event == "due" {
			return true
		}
	}
	return false
}

// first makes the call.
func (w *whatIf) first(now time.Time) error {
	s := w.captured.Steps[0]
	if w.routes && w.captured.Head.Record == nil {
		m, err := message(&s)
		if err != nil {
			return err
		}
		asked := askedFor(w.id, w.profiles.TrunkNamed(w.captured.Head.Trunk), m)
		if c := w.profiles.Select(now, asked, nil); c.Ask == nil {
			s.Targets, s.Skipped, s.Cause, s.Choosing, s.Judged = c.Targets, c.Skipped, &c.Refusal, false, nil
		}
	}
	s.Judged = nil // a target that is tried at another time was well then
	actions, err := w.play(&s, now)
	w.follow(now, actions)
	return err
}

// give gives a step of the capture to the call.
func (w *whatIf) give(p pending) error {
	s := w.captured.Steps[p.step]
	w.told[p.step] = true
	if p.from != "" && p.from != p.to {
		s.Data = string(bytes.ReplaceAll([]byte(s.Data), []byte(p.from), []byte(p.to)))
	}
	s.Judged = nil
	actions, err := w.play(&s, p.at)
	w.follow(p.at, actions)
	return err
}

// follow queues what follows what a step has sent.
func (w *whatIf) follow(now time.Time, actions []Action) {
	for _, a := range actions {
		send, ok := a.(Send)
		if !ok || send.Repeat {
			continue
		}
		kind := sending{leg: send.Leg, what: whatOf(send.Method, send.Code)}
		w.sent[kind]++
		kind.n = w.sent[kind]
		if send.Leg > 0 && !w.alike(int(send.Leg)-1) {
			continue
		}
		for _, f := range w.after[kind] {
			heap.Push(&w.queue, pending{now.Add(f.after), f.step, f.branch, viaBranch(send.Data)})
		}
	}
}

// alike says that an attempt, from 0, was made at the same target in the capture.
func (w *whatIf) alike(n int) bool {
	if n >= len(w.was.Out) {
		return false
	}
	a, b := w.was.Out[n].Target, w.call.Out[n].Target
	return a.Carrier == b.Carrier && a.Path.Remote == b.Path.Remote
}
