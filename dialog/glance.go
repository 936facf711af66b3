package dialog

import "encoding/binary"

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

// Setup goes past a setup, and says whose call it is and which number it dials.
func (g *Glance) Setup() (trunk, number []byte) {
	g.Bytes() // the call
	trunk, number = g.Bytes(), g.Bytes()
	for range 3 { // domain, display, user
		g.Bytes()
	}
	g.Uint() // Max-Forwards
	g.Bytes()
	g.Bytes() // the body
	for n := g.Uint(); n > 0 && len(g.rest) > 0; n-- {
		g.Bytes()
		g.Bytes()
	}
	return trunk, number
}

// Leg goes past a leg, and says which state it is in and whose target it is.
func (g *Glance) Leg() (state State, carrier []byte) {
	l := Glance{g.Bytes()}
	l.Bytes()
	l.Uint() // the name of the leg
	l.Uint() // the side
	return State(l.Int()), l.Bytes()
}
