package b2bua

import "bulkhead/dialog"

// refreshed holds session timers to RFC 4028 §10 and to the bulkhead: a session that
// expires is ended on both sides, one that is to be refreshed is, and what comes of it
// is not told to the other side.
func (o *observer) refreshed(s *seen) string {
	m := s.move
	if m.leg == 0xff {
		return ""
	}
	before, after := s.before.leg(m.leg), s.after.leg(m.leg)
	if before.State != dialog.Confirmed {
		return ""
	}
	switch {
	case m.kind == fires && m.timer.name == "session expires":
		if after.State != dialog.Leaving || !sends(s, m.leg, "BYE") {
			return "RFC 4028 §10: a session that has expired goes on"
		}
		for n := 0; n <= len(s.after.Out); n++ {
			if s.after.leg(uint8(n)).State == dialog.Confirmed {
				return "RFC 4028 §10: the session has expired on one side only"
			}
		}
	case m.kind == fires && m.timer.name == "session refresh":
		if before.Change.Seq == 0 && !sends(s, m.leg, "UPDATE") && !sends(s, m.leg, "INVITE") {
			return "RFC 4028 §7.4: no refresh"
		}
	case m.kind == says && m.change && m.msg.Code >= 200 && after.State == dialog.Confirmed:
		for _, t := range before.Tx {
			if t.Own && t.CSeq == m.msg.CSeq && t.Method == m.msg.Method {
				if m.msg.Code == 491 && byteAt(t, txState) < 3 && after.Again.IsZero() {
					return "RFC 3261 §14.1: nothing follows a 491"
				}
				if t.Seq == before.Join.Seq {
					continue // what comes of that is somebody's news
				}
				return o.contained(s)
			}
		}
	}
	return ""
}
