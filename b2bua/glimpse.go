package b2bua

import (
	"strings"
	"time"

	"bulkhead/dialog"
)

// glimpse is the overview of a call out of its record, without making the call: a list of
// fifty thousand has not the time for that. False: the record has something in it that only
// Decode goes past.
func glimpse(record []byte) (o Overview, ok bool) {
	_, fields, ok := head(record)
	if !ok {
		return o, false
	}
	all := dialog.NewGlance(fields)
	g := dialog.NewGlance(all.Bytes())
	base := time.Unix(0, g.Int())
	id, trunk, number, caller := g.Whole()
	in := g.Sighted(base)
	count := g.Uint()
	if count > mostGlimpsed {
		return o, false
	}
	var few [mostGlimpsed]dialog.Sighted
	out := few[:count]
	o.Strays = in.Absorbed
	for i := range out {
		out[i] = g.Sighted(base)
		o.Strays += out[i].Absorbed
	}
	for n := g.Uint(); n > 0 && !g.Over(); n-- {
		g.Target()
	}
	winner := g.Int()
	g.Int()      // the limit
	g.Time(base) // when it expires
	g.Cause()
	g.Bytes() // who ended it
	o.Ended = g.Time(base)
	written := g.Uint() == 1
	for range 3 + len(Watch{}.over) { // version, and what has been watched
		g.Uint()
	}
	g.Uint() // reliable provisionals
	g.Int()  // the least interval
	g.Bytes()
	if g.Over() || g.Uint() > 0 { // contacts that were skipped
		return o, false
	}
	g.Bytes()         // early media
	if g.Uint() > 0 { // transfers
		return o, false
	}
	o.Answered = g.Time(base)
	if winner < -1 || winner >= int64(count) || copy(o.ID[:], id) != len(o.ID) {
		return o, false
	}
	o.Began, o.Attempts = in.Began, int(count)
	n := int(count) - 1
	if winner >= 0 {
		n = int(winner)
		if o.Answered.IsZero() {
			o.Answered = out[n].Final
		}
	}
	var last dialog.Sighted
	if n >= 0 {
		last = out[n]
	}
	wording(&o, trunk, caller, number, last)
	o.State = callState(written, !o.Ended.IsZero(), winner >= 0, in.State)
	return o, true
}

// mostGlimpsed is how many attempts a call has that is seen at a glance.
const mostGlimpsed = 8

// wording sets the texts of an overview, which share one piece of memory.
func wording(o *Overview, trunk, from, to []byte, last dialog.Sighted) {
	var b strings.Builder
	parts := [...][]byte{trunk, from, to, last.Carrier, last.Gateway, last.Number}
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	b.Grow(size)
	for _, p := range parts {
		b.Write(p)
	}
	text := b.String()
	for i, field := range [...]*string{&o.Trunk, &o.From, &o.To, &o.Carrier, &o.Gateway, &o.Number} {
		*field, text = text[:len(parts[i])], text[len(parts[i]):]
	}
}
