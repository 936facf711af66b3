package b2bua

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// What the observer knows of reliable provisionals (RFC 3262).

// number reads an RSeq, or the first word of a RAck; 0: there is none.
func number(text string) uint32 {
	first, _, _ := strings.Cut(text, " ")
	n, _ := strconv.ParseUint(first, 10, 32)
	return uint32(n)
}

// reliably holds what the trunk is given reliably to §3: one at a time, numbered
// without a gap, and no 2xx while a description waits for its PRACK.
func (tr *trunkSeen) reliably(t *text) string {
	n := number(t.msg.Value("RSeq"))
	switch {
	case tr.Reliable == t.id:
		return ""
	case t.msg.Code >= 200 && t.msg.Code < 300 && tr.Reliable != 0 && !tr.Pracked && tr.described:
		return "RFC 3262 §3: a 2xx before the PRACK of a description"
	case t.msg.Code >= 200 || n == 0:
		return ""
	case tr.Reliable != 0 && !tr.Pracked:
		return "RFC 3262 §3: a reliable provisional before the PRACK of the last"
	case tr.RSeq != 0 && n != tr.RSeq+1:
		return fmt.Sprintf("RFC 3262 §3: RSeq %d after %d", n, tr.RSeq)
	}
	tr.Reliable, tr.RSeq, tr.Pracked, tr.described = t.id, n, false, !t.msg.Body.Empty()
	return ""
}

// pracks holds a PRACK of ours to §4: of what has come, once, along the early dialog.
func (l *legSeen) pracks(s *seen, t *text) string {
	tag, n := slices.Index(tags[:], t.msg.ToTag), number(t.msg.Value("RAck"))
	if tag < 0 || n == 0 || n > l.Heard[tag] || int(n) >= len(l.Pracks[tag]) {
		return "RFC 3262 §4: a PRACK of nothing"
	}
	if last := l.Pracks[tag][n]; last != 0 && last != t.id {
		return "RFC 3262 §4: a second PRACK"
	}
	l.Pracks[tag][n], l.Prack = t.id, t.id
	l.Described[tag] = l.Described[tag] || l.described(s, tag, t)
	return along(t, contactOf(uint8(tag)), routesOf(uint8(tag)), false)
}

// acknowledgedEarly checks that what must have its PRACK now has it, and that a PRACK
// of nothing is refused.
func (o *observer) acknowledgedEarly(s *seen) string {
	m := s.move
	if m.kind != says {
		return ""
	}
	if m.leg == 0 {
		if m.msg.Branch != "z9hG4bKnothing" {
			return ""
		}
		for _, a := range s.sends {
			if a.Method == "PRACK" && a.Code/100 == 2 {
				return "RFC 3262 §3: a PRACK of nothing is accepted"
			}
		}
		return ""
	}
	l := &o.Out[m.leg-1]
	n := number(m.msg.Value("RSeq"))
	if n == 0 || n != l.Heard[m.tag] || !s.before.Out[m.leg-1].Offer || l.Pracks[m.tag][n] != 0 || l.Lost || l.Final != 0 {
		return ""
	}
	return "RFC 3262 §4: no PRACK"
}
