package dialog

import "strings"

// Given is something that a Seal has given out for a leg, so that a replay without the key
// gives out the same. All of it but Draw has been on the wire.
type Given struct {
	Leg   uint8  `json:"leg"`
	Use   string `json:"use"` // tag, branch, call_id, number, draw, cnonce
	Seq   uint16 `json:"seq,omitempty"`
	Text  string `json:"text,omitempty"`
	Value uint64 `json:"value,omitempty"`
}

// uses are the names of the kinds of a sealed address.
var uses = map[Kind]string{KindTag: "tag", KindBranch: "branch", KindCallID: "call_id"}

// recalled is what a Seal looks up before it seals.
type recalled struct {
	call  CallID
	given map[Given]Given // by Leg, Use and Seq
	opens map[string]Address
}

// Given lists what was given out for a call: the identifiers that stand in what was said,
// and what its legs drew and numbered, as far as their transactions went.
func (s *Seal) Given(call CallID, legs int, said [][]byte) (list []Given) {
	known, last := map[Address]bool{}, map[uint8]uint16{}
	for leg := range legs { // where nothing can be sent nothing is said, and the record has them
		for _, kind := range [...]Kind{KindTag, KindCallID} {
			a := Address{ID: ID{call, uint8(leg)}, Kind: kind}
			known[a] = true
			list = append(list, Given{Leg: a.Leg, Use: uses[kind], Text: s.Seal(a)})
		}
	}
	for _, data := range said {
		for _, word := range strings.FieldsFunc(string(data), func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '2' && r <= '7') }) {
			a, ok := s.Open(word)
			if !ok || a.Call != call || uses[a.Kind] == "" || known[a] {
				continue
			}
			known[a] = true
			list = append(list, Given{Leg: a.Leg, Use: uses[a.Kind], Seq: a.Seq, Text: word})
			if a.Seq < afterwards {
				last[a.Leg] = max(last[a.Leg], a.Seq)
			}
		}
	}
	for leg := range legs {
		id := ID{call, uint8(leg)}
		list = append(list, Given{Leg: id.Leg, Use: "number", Value: s.Number(id)})
		for seq := range last[id.Leg] + 8 { // what came in has numbers too
			list = append(list, Given{Leg: id.Leg, Use: "draw", Seq: seq, Value: s.draw(id, seq)})
			if leg > 0 {
				list = append(list, Given{Leg: id.Leg, Use: "cnonce", Seq: seq, Text: s.Cnonce(id, seq)})
			}
		}
	}
	return list
}

// Recall is a Seal that gives out for one call what another one has, and beyond that what
// its own key says.
func (s *Seal) Recall(call CallID, list []Given) *Seal {
	r := &recalled{call: call, given: map[Given]Given{}, opens: map[string]Address{}}
	for _, g := range list {
		r.given[Given{Leg: g.Leg, Use: g.Use, Seq: g.Seq}] = g
		for kind, use := range uses {
			if use == g.Use {
				r.opens[g.Text] = Address{ID{call, g.Leg}, kind, g.Seq}
			}
		}
	}
	c := *s
	c.recalled = r
	return &c
}

// find is what was given out; false: nothing was, or nothing is recalled.
func (r *recalled) find(id ID, use string, seq uint16) (Given, bool) {
	if r == nil || id.Call != r.call {
		return Given{}, false
	}
	g, ok := r.given[Given{Leg: id.Leg, Use: use, Seq: seq}]
	return g, ok
}

// open is Seal.Open of what is recalled.
func (r *recalled) open(text string) (Address, bool) {
	if r == nil {
		return Address{}, false
	}
	a, ok := r.opens[strings.ToLower(text)]
	return a, ok
}
