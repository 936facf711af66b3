package dialog

import (
	"encoding/binary"
	"time"
)

// Glance reads single fields of a record and goes past the others, without a copy of
// anything: of a hundred thousand calls that are taken over, whom each is with. Beyond
// the end of what there is, everything is zero.
type Glance struct{ rest []byte }

// NewGlance looks at a record.
func NewGlance(b []byte) Glance { return Glance{b} }

// Uint is an unsigned integer.
func (g *Glance) Uint() uint64 {
	n, size := binary.Uvarint(g.rest)
	if size <= 0 {
		g.rest = nil
		return 0
	}
	g.rest = g.rest[size:]
	return n
}

// Int is a signed integer.
func (g *Glance) Int() int64 {
	u := g.Uint()
	return int64(u>>1) ^ -int64(u&1)
}

// Bytes is a text, bytes, or a block; they stay the record's.
func (g *Glance) Bytes() []byte {
	n := g.Uint()
	if n > uint64(len(g.rest)) {
		g.rest = nil
		return nil
	}
	b := g.rest[:n]
	g.rest = g.rest[n:]
	return b
}

// Over says that nothing is left, or that it was cut short.
func (g *Glance) Over() bool { return len(g.rest) == 0 }

// Time is an instant, counted from the record's base; zero: none.
func (g *Glance) Time(base time.Time) time.Time {
	u := g.Uint()
	if u == 0 {
		return time.Time{}
	}
	u--
	return base.Add(time.Duration(int64(u>>1) ^ -int64(u&1)))
}

// Setup goes past a setup, and says whose call it is and which number it dials.
func (g *Glance) Setup() (trunk, number []byte) {
	_, trunk, number, _ = g.Whole()
	return trunk, number
}

// Whole goes past a setup, and says which call it is, whose, which number it dials and who
// calls.
func (g *Glance) Whole() (call, trunk, number, caller []byte) {
	call, trunk, number = g.Bytes(), g.Bytes(), g.Bytes()
	g.Bytes() // domain
	g.Bytes() // display
	caller = g.Bytes()
	g.Uint() // Max-Forwards
	g.Bytes()
	g.Bytes() // the body
	for n := g.Uint(); n > 0 && len(g.rest) > 0; n-- {
		g.Bytes()
		g.Bytes()
	}
	return call, trunk, number, caller
}

// Target goes past a target, and says whose it is, where it is and what it is asked for.
func (g *Glance) Target() (carrier, gateway, number []byte) {
	carrier, gateway, number = g.Bytes(), g.Bytes(), g.Bytes()
	g.Bytes() // host
	g.Bytes() // realm
	g.Uint()  // transport
	g.Bytes() // local
	g.Bytes() // remote
	g.Uint()  // connection
	return carrier, gateway, number
}

// Cause goes past a cause.
func (g *Glance) Cause() {
	g.Uint() // why
	g.Uint() // code
	g.Bytes()
	g.Bytes()
	g.Uint() // Q.850
	for n := g.Uint(); n > 0 && !g.Over(); n-- {
		g.Bytes()
	}
	g.Uint() // Retry-After
}

// Sighted is what is seen of a leg at a glance.
type Sighted struct {
	State                    State
	Carrier, Gateway, Number []byte
	Began, Final             time.Time
	Absorbed                 int
}

// Sighted goes past a leg, and says how it stands.
func (g *Glance) Sighted(base time.Time) (s Sighted) {
	l := Glance{g.Bytes()}
	l.Bytes()
	l.Uint() // the name of the leg
	l.Uint() // the side
	s.State = State(l.Int())
	s.Carrier, s.Gateway, s.Number = l.Target()
	l.Cause()
	s.Began = l.Time(base)
	l.Uint() // when it was trying
	l.Uint() // and ringing
	s.Final = l.Time(base)
	l.Uint() // when it ended
	l.Uint() // the code
	l.Bytes()
	l.Uint() // Q.850
	s.Absorbed = int(l.Int())
	return s
}

// Leg goes past a leg, and says which state it is in and whose target it is.
func (g *Glance) Leg() (state State, carrier []byte) {
	l := Glance{g.Bytes()}
	l.Bytes()
	l.Uint() // the name of the leg
	l.Uint() // the side
	return State(l.Int()), l.Bytes()
}
