package carriers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Hours is a part of a day on the clock of the wall, written "08:00-18:00": from its
// first minute to the one before its last, in minutes from midnight. One that ends
// before it begins, "22:00-06:00", goes on into the next day.
type Hours struct{ From, To uint16 }

// midnight is the end of a day; only an end can be there.
const midnight = 24 * 60

// UnmarshalText reads a part of a day.
func (h *Hours) UnmarshalText(text []byte) error {
	first, last, ok := strings.Cut(string(text), "-")
	from, okFrom := clock(first)
	to, okTo := clock(last)
	if !ok || !okFrom || !okTo || from == midnight || from == to {
		return fmt.Errorf("%q is not a part of a day, such as 08:00-18:00 or 22:00-06:00", text)
	}
	*h = Hours{from, to}
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (h Hours) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%02d:%02d-%02d:%02d", h.From/60, h.From%60, h.To/60, h.To%60), nil
}

// clock reads "08:00", in minutes from midnight.
func clock(s string) (uint16, bool) {
	hour, minute, ok := strings.Cut(s, ":")
	h, errH := strconv.ParseUint(hour, 10, 8)
	m, errM := strconv.ParseUint(minute, 10, 8)
	at := h*60 + m
	return uint16(at), ok && len(hour) == 2 && len(minute) == 2 && errH == nil && errM == nil && m < 60 && at <= midnight
}

// dayNames are the days as a configuration writes them, by time.Weekday.
var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// schedule says when a route is there. It goes by the clock of the wall in its zone:
// an hour that a change of that clock leaves out is not there, one that comes twice is
// there twice.
type schedule struct {
	zone  *time.Location
	days  [7]bool // by time.Weekday
	hours []Hours // empty: the whole day
}

// newSchedule is nil where a route is there at all times.
func newSchedule(m MatchConfig, zones map[string]*time.Location) *schedule {
	if len(m.Days) == 0 && len(m.Hours) == 0 {
		return nil
	}
	s := &schedule{zone: zones[m.Zone], hours: m.Hours}
	for day, name := range dayNames {
		s.days[day] = len(m.Days) == 0 || slices.Contains(m.Days, name)
	}
	return s
}

// open says that a time is in the schedule. What goes on after midnight belongs to
// the day on which it began.
func (s *schedule) open(now time.Time) bool {
	local := now.In(s.zone)
	today, minute := local.Weekday(), uint16(local.Hour()*60+local.Minute())
	yesterday := (today + 6) % 7
	if len(s.hours) == 0 {
		return s.days[today]
	}
	for _, h := range s.hours {
		switch {
		case h.From < h.To:
			if s.days[today] && h.From <= minute && minute < h.To {
				return true
			}
		case s.days[today] && minute >= h.From, s.days[yesterday] && minute < h.To:
			return true
		}
	}
	return false
}

// zonesOf reads the zones that routes name, each once; those that there are.
func zonesOf(routes []RouteConfig) map[string]*time.Location {
	zones := map[string]*time.Location{"": time.UTC}
	for _, r := range routes {
		if name := r.Match.Zone; name != "Local" && zones[name] == nil {
			if zone, err := time.LoadLocation(name); err == nil {
				zones[name] = zone
			}
		}
	}
	return zones
}
