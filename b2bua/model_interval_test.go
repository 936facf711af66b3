package b2bua

import (
	"strings"
	"time"

	"bulkhead/dialog"
)

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
				last := before.Join.Seq == t.Seq && before.Join.Offer.Empty() // a caller that is asked to join no more
				if m.msg.Code == 491 && byteAt(t, txState) < 3 && after.Again.IsZero() && !last {
					return "RFC 3261 §14.1: nothing follows a 491"
				}
				if t.Offer && byteAt(t, txState) < 3 && m.msg.Code == 200 && !m.msg.Body.Empty() {
					return o.described(s)
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

// described checks that what a peer describes in answer to a change of our own is shown to
// the other side, now or when nothing else is under way there, unless it was before.
func (o *observer) described(s *seen) string {
	other := s.after.facing(s.after.leg(s.move.leg))
	shown := o.Trunk.Origin
	if other.ID.Leg > 0 {
		shown = o.Out[other.ID.Leg-1].Origin
	}
	told := !other.Reliable.Owed.Empty() || other.Change.Ours
	ours := s.before.leg(s.move.leg).Reliable.Unasked < 2
	if other.State != dialog.Leaving && !told && ours && shown.Port != portOf(s.move.msg.Body.Data) {
		return "RFC 3264 §8: a new description in the answer to a refresh is told nobody"
	}
	return ""
}

// portOf tells one description of the model's from another.
func portOf(body []byte) string {
	_, after, _ := strings.Cut(string(body), "m=audio ")
	port, _, _ := strings.Cut(after, " ")
	return port
}

// askedAgain checks that a change which asks for too short an interval is asked once more
// before anybody hears of it (RFC 4028 §7.3).
func (o *observer) askedAgain(s *seen) string {
	m := s.move
	if m.kind != says || !m.change || m.msg.Code != 422 {
		return ""
	}
	before, after := s.before.leg(m.leg), s.after.leg(m.leg)
	if before.State != dialog.Confirmed || before.Change.Again || before.Interval.Min >= time.Hour || before.Interval.Length >= time.Hour {
		return ""
	}
	for _, t := range before.Tx {
		if before.Change.Ours && !before.Change.Early && t.Seq == before.Change.Seq && t.CSeq == m.msg.CSeq && t.Method == m.msg.Method && byteAt(t, txState) < 3 &&
			(!after.Change.Ours || after.Change.Seq == before.Change.Seq) {
			return "RFC 4028 §7.3: a change is not asked again after a 422"
		}
	}
	return ""
}
