package carriers

import (
	"math"
	"time"

	"bulkhead/dialog"
)

// index finds the first route that matches a call among thousands, without
// asking each. Routes are kept by what the pattern of their number, or of their
// caller if that begins with more, begins with, up to the first asterisk, and those
// with an asterisk elsewhere than at the end also by what it ends with: only the
// beginnings and the ends of the number dialled can hold the route, and a number has
// few. What remains is asked one by one, until a route that stands before it is known.
type index struct {
	numbers, callers keys
}

// keys are the routes that are kept by one of the two.
type keys struct {
	beginnings map[string]*beginning
	longest    int // of the beginnings, in bytes
}

// beginning holds the routes whose patterns begin alike, by the trunk that they
// ask for; "" is for those that ask for none.
type beginning map[string]*entries

// entries are numbers of routes, in order. In the first two nothing stands behind a
// route that takes every call.
type entries struct {
	exact   []int                // whose pattern is the beginning and nothing else
	prefix  []int                // whose pattern is the beginning and an asterisk
	general map[string][]general // the others by their end, after the last asterisk
	longest int                  // of the ends, in bytes
}

type general struct {
	route   int
	pattern pattern
}

// none is the number of no route.
const none = math.MaxInt

func newIndex(routes []route) index {
	x := index{keys{beginnings: map[string]*beginning{}}, keys{beginnings: map[string]*beginning{}}}
	for i := range routes {
		m := &routes[i].match
		if m.byCaller() {
			x.callers.add(i, routes, m.caller)
		} else {
			x.numbers.add(i, routes, m.number)
		}
	}
	return x
}

func (x *keys) add(i int, routes []route, p pattern) {
	x.longest = max(x.longest, len(p[0]))
	b := x.beginnings[p[0]]
	if b == nil {
		b = &beginning{}
		x.beginnings[p[0]] = b
	}
	e := (*b)[routes[i].match.trunk]
	if e == nil {
		e = &entries{general: map[string][]general{}}
		(*b)[routes[i].match.trunk] = e
	}
	behind := func(list []int) []int {
		if n := len(list); n > 0 && routes[list[n-1]].match.plain {
			return list
		}
		return append(list, i)
	}
	switch end := p[len(p)-1]; {
	case p.literal():
		e.exact = behind(e.exact)
	case p.prefix():
		e.prefix = behind(e.prefix)
	default:
		e.longest = max(e.longest, len(end))
		e.general[end] = append(e.general[end], general{i, p})
	}
}

// query is one search.
type query struct {
	routes []route
	now    time.Time
	setup  *dialog.Setup
	text   string // number or caller
	best   int    // the first route known to match; none if there is none yet
}

// first is the number of the first route that matches; none if there is none.
func (x *index) first(routes []route, now time.Time, s *dialog.Setup) int {
	q := query{routes: routes, now: now, setup: s, text: s.Number, best: none}
	q.in(&x.numbers)
	q.text = s.Caller.User
	q.in(&x.callers)
	return q.best
}

func (q *query) in(x *keys) {
	if len(x.beginnings) == 0 {
		return
	}
	for n := range min(x.longest, len(q.text)) + 1 {
		b := x.beginnings[q.text[:n]]
		if b == nil {
			continue
		}
		q.among((*b)[""], n)
		if q.setup.Trunk != "" {
			q.among((*b)[q.setup.Trunk], n)
		}
	}
}

// among looks for a better route here. The first n bytes of the text are the beginning.
func (q *query) among(e *entries, n int) {
	if e == nil {
		return
	}
	if n == len(q.text) {
		q.of(e.exact)
	}
	q.of(e.prefix)
	if len(e.general) == 0 {
		return
	}
	for end := range min(e.longest, len(q.text)) + 1 {
		for _, g := range e.general[q.text[len(q.text)-end:]] {
			if g.route >= q.best {
				break
			}
			if g.pattern.match(q.text) && q.fits(g.route) {
				q.best = g.route
				break
			}
		}
	}
}

func (q *query) of(list []int) {
	for _, i := range list {
		if i >= q.best {
			return
		}
		if q.fits(i) {
			q.best = i
			return
		}
	}
}

// fits says that a route takes the call, whose trunk and key it asks for.
func (q *query) fits(i int) bool {
	m := &q.routes[i].match
	return m.plain || m.fits(q.now, q.setup)
}
