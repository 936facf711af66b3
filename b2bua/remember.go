package b2bua

import (
	"strings"
	"time"

	"bulkhead/dialog"
)

// remember keeps what the log shows where a defect shows.
func (s *strand) remember(now time.Time, it *item) {
	ev := event{at: now, leg: it.leg}
	switch c := it.command.(type) {
	case Due:
		ev.what = "due"
	case Unsent:
		ev.what, ev.leg = "unsent", c.Leg
	case Hangup:
		ev.what = c.Cause.Why.String()
	case Chosen:
		ev.what = "chosen"
	case Silence:
		ev.what = "silence"
	case Heard:
		ev.what = "heard"
	case Arrived, nil:
		if it.message == nil {
			ev.what = "state"
			break
		}
		ev.what, ev.code = method(it.message.Method), uint16(it.message.Code)
	}
	if s.last == nil {
		s.last, s.count = new([8]event), 0
	}
	s.last[s.count%len(s.last)] = ev
	s.count++
}

// method is a method's name without the memory of the message that it stood in.
func method(name string) string {
	if dialog.Defined(name) {
		return strings.Clone(name)
	}
	return "unknown method"
}
