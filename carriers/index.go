package carriers

import (
	"cmp"
	"math"
)

// index finds the first route that matches a call among thousands, without
// asking each. Routes are kept by what their pattern begins with, up to the
// first asterisk, and those with an asterisk elsewhere than at the end also by
// what it ends with: only the beginnings and the ends of the number dialled can
// hold the route, and a number has few. What remains is asked one by one, until
// a route that stands before it is known.
type index struct {
	beginnings map[string]*beginning
	longest    int // of the beginnings, in bytes
}

// beginning holds the routes whose patterns begin alike, by the trunk that they
// ask for; "" is for those that ask for none.
type beginning map[string]*entries

// entries are numbers of routes; none stands for no route.
type entries struct {
	exact   int                  // the first whose pattern is the beginning and nothing else
	prefix  int                  // the first whose pattern is the beginning and an asterisk
	general map[string][]general // the others by their end, after the last asterisk, in order
	longest int                  // of the ends, in bytes
}

type general struct {
	route   int
	pattern pattern
}

const none = math.MaxInt

func newIndex(routes []route) index {
	x := index{beginnings: map[string]*beginning{}}
	for i, r := range routes {
		x.add(i, r.match)
	}
	return x
}

func (x *index) add(i int, m MatchConfig) {
	p := newPattern(cmp.Or(m.Number, "*"))
	x.longest = max(x.longest, len(p[0]))
	b := x.beginnings[p[0]]
	if b == nil {
		b = &beginning{}
		x.beginnings[p[0]] = b
	}
	e := (*b)[m.Trunk]
	if e == nil {
		e = &entries{exact: none, prefix: none, general: map[string][]general{}}
		(*b)[m.Trunk] = e
	}
	switch end := p[len(p)-1]; {
	case p.literal():
		e.exact = min(e.exact, i)
	case p.prefix():
		e.prefix = min(e.prefix, i)
	default:
		e.longest = max(e.longest, len(end))
		e.general[end] = append(e.general[end], general{i, p})
	}
}

// first is the number of the first route that matches; none if there is none.
func (x *index) first(trunk, number string) int {
	best := none
	for n := range min(x.longest, len(number)) + 1 {
		b := x.beginnings[number[:n]]
		if b == nil {
			continue
		}
		best = (*b)[""].first(number, n, best)
		if trunk != "" {
			best = (*b)[trunk].first(number, n, best)
		}
	}
	return best
}

// first is the better of best and what matches here. The first n bytes of the
// number are the beginning.
func (e *entries) first(number string, n, best int) int {
	if e == nil {
		return best
	}
	if n == len(number) {
		best = min(best, e.exact)
	}
	best = min(best, e.prefix)
	if len(e.general) == 0 {
		return best
	}
	for end := range min(e.longest, len(number)) + 1 {
		for _, g := range e.general[number[len(number)-end:]] {
			if g.route >= best {
				break
			}
			if g.pattern.match(number) {
				best = g.route
				break
			}
		}
	}
	return best
}
