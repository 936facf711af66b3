package b2bua

import "bulkhead/dialog"

// limited holds a call to its longest setup and duration (P7): it always has one of
// them, the second from the answer on, and none of its legs outlives it.
func (o *observer) limited(s *seen) string {
	c := s.after
	switch {
	case c.EndedAt.IsZero() && c.Expires.IsZero():
		return "P7: a call without a limit"
	case c.EndedAt.IsZero() && c.Winner >= 0 && s.before.Winner < 0 && !c.Expires.Equal(s.now.Add(c.Limit)):
		return "P7: the longest duration is not counted from the answer"
	case s.move.kind != fires || s.move.timer.name != "expires":
		return ""
	}
	for n := 0; n <= len(c.Out); n++ {
		if c.leg(uint8(n)).State != dialog.Leaving {
			return "P7: a call goes on beyond its limit"
		}
	}
	return ""
}
