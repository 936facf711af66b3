package ops

import (
	"context"
	"net/http"
	"sync"
	"time"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// list makes a page of the calls in scope.
func (s *Server) list(ctx context.Context, in scope, f *Filters, p *Page) (Calls, error) {
	served, now := map[string]bool{}, time.Now()
	e, err := s.engine()
	if !in.here {
		e = nil
	} else if err != nil && in.store == nil {
		return Calls{}, err
	}
	own, _ := s.node.Serves()
	var here Calls
	var looking sync.WaitGroup
	if e != nil {
		served[own] = true
		looking.Go(func() { here = s.listHere(ctx, e, f, p, now) })
	}
	q := f.values()
	p.values(q)
	var ask []Peer
	for _, peer := range in.peers {
		if !served[peer.Unit] { // else it stands by, for the unit that is ours
			ask = append(ask, peer)
		}
	}
	said := gather[Calls](ctx, s, ask, peerWithin, http.MethodGet, "/v1/calls?"+q.Encode())
	looking.Wait()
	parts, idle, gaps := []Calls{here}, map[string]bool{}, in.gaps
	for _, t := range said {
		if t.err == nil {
			served[t.Unit] = true
			parts = append(parts, t.answer)
		}
		idle[t.Node] = t.idle()
	}
	for _, t := range said {
		if t.err != nil && !t.idle() && !served[t.Unit] {
			gaps = append(gaps, Gap{t.Node, t.Unit, t.err.Error()})
		}
	}
	kept, missing := s.listStored(ctx, in, in.units(s, served), idle, f, p, now)
	l := p.merge(append(parts, kept...))
	l.Incomplete = append(gaps, missing...)
	return l, nil
}

// listHere is the page of the calls of this node.
func (s *Server) listHere(ctx context.Context, e *b2bua.Engine, f *Filters, p *Page, now time.Time) Calls {
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	all, missing := e.Overviews(ctx)
	l := p.pick(all, f, now)
	l.Missing = missing
	for i := range l.Calls {
		s.ours(&l.Calls[i])
	}
	return l
}

// ours says whose a call is that is here.
func (s *Server) ours(c *Call) {
	c.Node = s.self()
	c.Unit, _ = s.node.Serves()
}

// keptUnit is a unit that nobody serves, as the store has it.
type keptUnit struct {
	unit  string
	owner Owner
	word  string // how the owner is called
	all   []b2bua.Overview
	saved map[string]time.Time
}

// kept reads the units of a scope that nobody serves.
func (s *Server) kept(ctx context.Context, in scope, units []string, idle map[string]bool) (all []keptUnit, gaps []Gap) {
	ctx, cancel := context.WithTimeout(ctx, storedWithin)
	defer cancel()
	for _, unit := range units {
		o, word, err := in.owner(ctx, s, unit, idle)
		if err != nil {
			gaps = append(gaps, Gap{Unit: unit, Reason: "no node has told of its calls, and the store does not answer: " + err.Error()})
			continue
		}
		if in.one && !in.here && o.Node != in.peers[0].Node {
			continue // another node's by now
		}
		k := keptUnit{unit: unit, owner: o, word: word, saved: map[string]time.Time{}}
		err = in.store.Stored(ctx, unit, func(c *b2bua.Call) {
			k.all = append(k.all, c.Overview())
			k.saved[c.ID.String()] = c.Saved
		})
		if err != nil {
			gaps = append(gaps, Gap{Node: o.Node, Unit: unit, Reason: "of its calls in the store not all could be read: " + err.Error()})
		}
		all = append(all, k)
	}
	return all, gaps
}

// listStored makes the pages of units that nobody serves.
func (s *Server) listStored(ctx context.Context, in scope, units []string, idle map[string]bool, f *Filters, p *Page, now time.Time) (parts []Calls, gaps []Gap) {
	kept, gaps := s.kept(ctx, in, units, idle)
	for _, k := range kept {
		part := p.pick(k.all, f, now)
		for i := range part.Calls {
			c := &part.Calls[i]
			c.kept(k.owner, k.unit, k.word, k.saved[c.ID], now)
		}
		parts = append(parts, part)
	}
	return parts, gaps
}

// kept marks a call that the store has told of.
func (c *Call) kept(o Owner, unit, word string, saved, now time.Time) {
	c.Node, c.Unit, c.Owner, c.Stored = o.Node, unit, word, utc(saved)
	if !saved.IsZero() { // a record of an older version does not say
		c.Age = now.Sub(saved).Round(time.Millisecond).Seconds()
	}
}

// stored is a call that no node has told of.
type stored struct {
	call  *b2bua.Call
	unit  string
	owner Owner
	word  string
}

// findStored looks for a call in the store; nil: it is not there, or not live.
func (s *Server) findStored(ctx context.Context, in scope, id string) (*stored, error) {
	if _, ok := dialog.ParseCallID(id); !ok {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storedWithin)
	defer cancel()
	for _, unit := range in.units(s, map[string]bool{}) {
		call, err := in.store.StoredCall(ctx, unit, id)
		if err != nil {
			return nil, err
		}
		if call == nil {
			continue
		}
		o, word, err := in.owner(ctx, s, unit, nil)
		if err != nil {
			return nil, err
		}
		return &stored{call, unit, o, word}, nil
	}
	return nil, nil
}

// detail is all that the store knows of the call.
func (k *stored) detail(now time.Time) CallDetail {
	d := newDetail(k.call, nil, now)
	d.kept(k.owner, k.unit, k.word, k.call.Saved, now)
	d.Epoch = k.owner.Epoch
	return d
}

// beyond says why nothing can be done to the call.
func (k *stored) beyond() string {
	switch k.word {
	case "none":
		return "the call is in the store, and no node has its unit " + k.unit
	case "dead":
		return "the call is in the store, and node " + k.owner.Node + ", which has it, is dead"
	}
	return "the call is in the store, and node " + k.owner.Node + ", which has it, does not answer"
}
