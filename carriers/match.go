package carriers

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"bulkhead/dialog"
)

// match is what a call must be like to take a route.
type match struct {
	trunk    string
	number   pattern
	caller   pattern // nil: whoever calls
	domain   pattern // nil: wherever to; in small letters
	schedule *schedule
	percent  int    // 0: all
	route    string // whose calls are drawn
	plain    bool   // nothing is asked but the trunk and what the index goes by
}

func newMatch(route int, c MatchConfig, zones map[string]*time.Location) match {
	m := match{
		trunk: c.Trunk, number: newPattern(cmp.Or(c.Number, "*")),
		schedule: newSchedule(c, zones), percent: c.Percent, route: "route " + strconv.Itoa(route),
	}
	if c.Caller != "" {
		m.caller = newPattern(c.Caller)
	}
	if c.Domain != "" {
		m.domain = newPattern(strings.ToLower(c.Domain))
	}
	m.plain = m.domain == nil && m.schedule == nil && m.percent == 0 &&
		(m.caller == nil || m.byCaller() && len(m.number) == 2 && m.number[0]+m.number[1] == "")
	return m
}

// byCaller says that routes are to be looked for by this one's caller: there are fewer
// that begin so.
func (m *match) byCaller() bool { return m.caller != nil && len(m.caller[0]) > len(m.number[0]) }

// fits says that a call of the trunk is what is asked for. The calls of a percentage are drawn of those that come to the route, by the
// call's own id and for each route anew.
func (m *match) fits(now time.Time, s *dialog.Setup) bool {
	return m.number.match(s.Number) &&
		(m.caller == nil || m.caller.match(s.Caller.User)) &&
		(m.domain == nil || m.domain.match(strings.ToLower(s.Domain))) &&
		(m.schedule == nil || m.schedule.open(now)) &&
		(m.percent == 0 || Uniform(s.Call, m.route) < float64(m.percent)/100)
}
