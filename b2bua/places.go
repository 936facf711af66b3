package b2bua

import (
	"slices"
	"sync"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// places are who takes up how much of what is limited. A call takes up a place of its
// trunk, and of the ranges that the number is in, until the trunk's leg is over, and one
// of each carrier that it has a leg with which is not: a carrier that has not answered
// our CANCEL or BYE yet still has the call.
type places struct {
	mu    sync.Mutex
	usage carriers.Usage
}

// take is carriers.Usage.Take.
func (p *places) take(now time.Time, call dialog.CallID, want ...carriers.Bound) (carriers.Full, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.usage.Take(now, call, want...)
}

// room is carriers.Usage.Room.
func (p *places) room(now time.Time, b carriers.Bound) (carriers.Full, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.usage.Room(now, b)
}

// hold is carriers.Usage.Hold.
func (p *places) hold(call dialog.CallID, had, has []carriers.Place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.usage.Hold(call, had, has)
}

// Used is how many calls take up a place.
func (e *Engine) Used(p carriers.Place) int {
	e.places.mu.Lock()
	defer e.places.mu.Unlock()
	return e.places.usage.Used(p)
}

// chooser is carriers.Judge, for one call that has no targets yet.
type chooser struct {
	engine *Engine
	call   dialog.CallID
}

// Skip is carriers.Judge.
func (j chooser) Skip(now time.Time, t dialog.Target) string {
	c := j.engine.profiles().Carrier(t.Carrier)
	if c == nil {
		return ""
	}
	if full, ok := j.engine.places.room(now, c.Bound()); !ok {
		return full.Why
	}
	return j.engine.unfit(now, j.call, t)
}

// Begin is Judge: the attempt gets its place, whatever has become of the configuration
// since the call began.
func (s *strand) Begin(now time.Time, t dialog.Target, anyway bool) string {
	e := s.engine
	place := carriers.Place{Kind: carriers.OfCarrier, Name: t.Carrier}
	bound := carriers.Bound{Place: place}
	if c := e.profiles().Carrier(t.Carrier); c != nil {
		bound = c.Bound()
	}
	if why := e.unfit(now, s.id, t); why != "" && !carriers.Last(why) && (!anyway || carriers.Firm(why)) {
		return why
	}
	has := slices.Contains(s.places, place)
	if bound.Calls > 0 && !has && e.intake.shuts() {
		return carriers.SkipRestoring
	}
	if full, ok := e.places.take(now, s.id, bound); !ok {
		return full.Why
	}
	if !has {
		s.places = append(s.places, place)
	}
	e.goes(now, t)
	return ""
}

// recount brings the places that the call takes up to what they are.
func (s *strand) recount() {
	var room [4]carriers.Place
	has := room[:0]
	switch {
	case s.packed.data != nil:
		return // as they were when it was packed
	case s.call == nil && s.grave.IsZero():
		return // it has not begun
	case s.call == nil:
		s.uncount() // a defect has ended it
	case s.call != nil:
		s.stands(s.call.State())
		if !s.call.In.Over() {
			for _, p := range s.places {
				if p.Kind != carriers.OfCarrier && p != inSetup {
					has = append(has, p)
				}
			}
		}
		if s.call.Winner < 0 && !s.call.In.Over() && s.engine.config.Overload.Setups > 0 {
			has = append(has, inSetup)
		}
		for _, leg := range s.call.Out {
			p := carriers.Place{Kind: carriers.OfCarrier, Name: leg.Target.Carrier}
			if !leg.Over() && !slices.Contains(has, p) {
				has = append(has, p)
			}
		}
	}
	s.occupy(has)
}

// occupy notes which places the call takes up now.
func (s *strand) occupy(has []carriers.Place) {
	if slices.Equal(s.places, has) {
		return
	}
	s.engine.places.hold(s.id, s.places, has)
	s.places = slices.Clone(has)
}

// settleIn counts a call that has been here before it was counted: one that was taken
// over, or whose ranges are others since.
func (s *strand) settleIn(p *profiles, trunk, number string) {
	places := []carriers.Place{{Kind: carriers.OfTrunk, Name: trunk}}
	for _, b := range p.Ranges(number) {
		places = append(places, b.Place)
	}
	for _, held := range s.places {
		if held.Kind == carriers.OfCarrier {
			places = append(places, held)
		}
	}
	s.occupy(places)
	s.recount()
}

// rested counts a call that rests, from what its record says: its legs are up or over.
func (s *strand) rested(p *profiles) {
	trunk, number, with, ok := glance(s.packed.data)
	if !ok {
		return
	}
	places := make([]carriers.Place, 0, 2)
	if t := p.TrunkNamed(string(trunk)); t != nil { // without a copy of the name
		places = append(places, carriers.Place{Kind: carriers.OfTrunk, Name: t.Name})
	} else {
		places = append(places, carriers.Place{Kind: carriers.OfTrunk, Name: string(trunk)})
	}
	if len(p.ranges) > 0 {
		for _, b := range p.Ranges(string(number)) {
			places = append(places, b.Place)
		}
	}
	for _, name := range with {
		place := carriers.Place{Kind: carriers.OfCarrier}
		if c := p.Carrier(string(name)); c != nil {
			place.Name = c.Name
		} else {
			place.Name = string(name)
		}
		if !slices.Contains(places, place) {
			places = append(places, place)
		}
	}
	s.engine.places.hold(s.id, s.places, places)
	s.places, s.trunk = places, places[0].Name
	s.stands(Up)
}

// glance reads of a record whose call it is, which number the trunk has dialled, and who
// has legs in it that are not leaving: of a call that rests, those that are not over.
func glance(record []byte) (trunk, number []byte, with [][]byte, ok bool) {
	_, fields, ok := head(record)
	if !ok {
		return nil, nil, nil, false
	}
	all := dialog.NewGlance(fields)
	g := dialog.NewGlance(all.Bytes())
	g.Uint() // when it began
	trunk, number = g.Setup()
	g.Leg() // the trunk's
	for n := g.Uint(); n > 0; n-- {
		if state, carrier := g.Leg(); state < dialog.Leaving && len(carrier) > 0 {
			with = append(with, carrier)
		} else if carrier == nil {
			break
		}
	}
	return trunk, number, with, true
}

// regroup counts all calls in the ranges of a new book.
func (e *Engine) regroup(p *profiles) {
	for _, s := range e.strands() {
		s.put(item{state: func(s *strand) {
			if s.call != nil {
				s.settleIn(p, s.trunk, s.call.Setup.Number)
			}
		}})
	}
}
