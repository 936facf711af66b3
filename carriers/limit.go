package carriers

import (
	"cmp"
	"time"

	"bulkhead/dialog"
)

// Limit bounds what one trunk, carrier or range of numbers may use. Zero: no bound.
type Limit struct {
	Calls int // at once
	CPS   int // new calls a second, in the long run
	Burst int // new calls at one instant; never zero where CPS is not
	Code  int // the answer to a trunk that has Calls: 503 or 486
}

func (c LimitsConfig) limit() Limit {
	l := Limit{Calls: c.Calls, CPS: c.CPS, Code: cmp.Or(c.Code, 503)}
	if c.CPS > 0 {
		l.Burst = cmp.Or(c.Burst, c.CPS)
	}
	return l
}

// Kind is what a limit is on.
type Kind uint8

// Who or what can use places.
const (
	OfTrunk Kind = iota
	OfCarrier
	OfNumbers
	OfNode // all calls of some kind
)

// String is the word for it in metrics and reasons.
func (k Kind) String() string { return [...]string{"trunk", "carrier", "numbers", "node"}[k] }

// Place is whom a call takes up: a trunk, a carrier, a range of numbers by its pattern.
type Place struct {
	Kind Kind
	Name string
}

// Bound is the limit of a place, as the configuration has it now.
type Bound struct {
	Place
	Limit
}

// Usage is which calls take up which places: sets of calls, so that to count one again
// changes nothing, and who takes a unit over comes to the same sets from the calls that
// it finds. The zero value is empty. It is for one goroutine at a time.
type Usage struct {
	seats map[Place]*seat
}

// seat is what is known of one place.
type seat struct {
	calls  map[dialog.CallID]struct{}
	tokens float64 // of the bucket for new calls, full when first looked at
	at     time.Time
}

// Full says which bound a new call has met.
type Full struct {
	Bound
	Why  string        // SkipCalls, SkipCPS
	Wait time.Duration // until there will be a token; zero: nobody knows when there is room
}

// Take gives a new call all places or none, and says which bound is met. A call that has
// a place keeps it, whatever the bound; a token is taken in any case.
func (u *Usage) Take(now time.Time, call dialog.CallID, want ...Bound) (Full, bool) {
	for _, b := range want {
		if full, ok := u.room(now, call, b); !ok {
			return full, false
		}
	}
	for _, b := range want {
		s := u.seat(b.Place)
		s.calls[call] = struct{}{}
		s.fill(now, b.Limit)
		s.tokens--
	}
	return Full{}, true
}

// Room says whether Take would give a new call that place.
func (u *Usage) Room(now time.Time, b Bound) (Full, bool) { return u.room(now, dialog.CallID{}, b) }

func (u *Usage) room(now time.Time, call dialog.CallID, b Bound) (Full, bool) {
	s := *u.seat(b.Place) // the bucket is only looked at
	if _, has := s.calls[call]; !has && b.Calls > 0 && len(s.calls) >= b.Calls {
		return Full{Bound: b, Why: SkipCalls}, false
	}
	if s.fill(now, b.Limit); b.CPS > 0 && s.tokens < 1 {
		wait := time.Duration((1 - s.tokens) / float64(b.CPS) * float64(time.Second))
		return Full{b, SkipCPS, max(wait, time.Millisecond)}, false
	}
	return Full{}, true
}

// Hold says which places a call takes up in fact, of those that it had and has: whatever
// the bounds, since it is there.
func (u *Usage) Hold(call dialog.CallID, had, has []Place) {
	for _, p := range has {
		u.seat(p).calls[call] = struct{}{}
	}
next:
	for _, p := range had {
		for _, q := range has {
			if p == q {
				continue next
			}
		}
		delete(u.seat(p).calls, call)
	}
}

// Used is how many calls take up a place.
func (u *Usage) Used(p Place) int {
	if s := u.seats[p]; s != nil {
		return len(s.calls)
	}
	return 0
}

// Taken are the places that some call takes up, in no order.
func (u *Usage) Taken() (list []Place) {
	for p, s := range u.seats {
		if len(s.calls) > 0 {
			list = append(list, p)
		}
	}
	return list
}

func (u *Usage) seat(p Place) *seat {
	s := u.seats[p]
	if s == nil {
		if u.seats == nil {
			u.seats = map[Place]*seat{}
		}
		s = &seat{calls: map[dialog.CallID]struct{}{}}
		u.seats[p] = s
	}
	return s
}

// fill fills the bucket up to now.
func (s *seat) fill(now time.Time, l Limit) {
	rate, most := float64(l.CPS), float64(l.Burst)
	if s.at.IsZero() {
		s.tokens, s.at = most, now
	}
	if d := now.Sub(s.at); d > 0 {
		s.tokens, s.at = s.tokens+d.Seconds()*rate, now
	}
	s.tokens = min(s.tokens, most) // also of a bound that has become less, or none
}
