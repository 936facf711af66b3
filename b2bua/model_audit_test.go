package b2bua

import (
	"slices"
	"time"

	"bulkhead/dialog"
)

// audited holds a leg to its audits: one is due while no session timer runs, 481 and two
// silences end the call on both sides, and nothing else is any news to the other side.
func (o *observer) audited(s *seen) string {
	m := s.move
	for n := 0; n <= len(s.after.Out); n++ {
		l := s.after.leg(uint8(n))
		asks := slices.ContainsFunc(l.Tx, func(t *dialog.Tx) bool {
			return byteAt(t, txMachine) == 1 && t.Method == "OPTIONS" && byteAt(t, txState) < 3
		})
		audits := l.Policy.Audit != 0 && l.State == dialog.Confirmed && l.Interval.Length == 0
		if audits != (!l.Audit.Next.IsZero() || asks && l.State == dialog.Confirmed && l.Interval.Length == 0) {
			return "a leg is not audited, or one that has a session timer is"
		}
	}
	if m.leg == 0xff || s.before.leg(m.leg).State != dialog.Confirmed {
		return ""
	}
	if m.kind == fails && alive(s.before.leg(m.leg), m.tx) && slices.ContainsFunc(s.before.leg(m.leg).Tx, func(t *dialog.Tx) bool { return t.Seq == m.tx && t.Method == "OPTIONS" && byteAt(t, txState) == 1 }) {
		o.Silent[m.leg]++
		return ""
	}
	before, after := s.before.leg(m.leg), s.after.leg(m.leg)
	lost := false
	switch {
	case m.kind == fires && m.timer.name == "audit":
		if !sends(s, m.leg, "OPTIONS") {
			return "RFC 3261 §11: no audit"
		}
		return o.contained(s)
	case m.kind == fires && m.timer.name == "OPTIONS end" && alive(before, m.timer.tx):
		o.Silent[m.leg]++
		lost = o.Silent[m.leg] > 1
	case m.kind == says && m.change && m.msg.Method == "OPTIONS" && m.msg.Code >= 200:
		if !alive(before, seqOf(before, m.msg.CSeq)) {
			return ""
		}
		if m.msg.Code == 408 {
			o.Silent[m.leg]++
		} else {
			o.Silent[m.leg] = 0
		}
		lost = m.msg.Code == 481 || o.Silent[m.leg] > 1
	default:
		return ""
	}
	if lost != (after.State == dialog.Leaving) {
		return "RFC 5057 §5.1: an audit ends a call that is there, or none that is not"
	}
	if !lost {
		return o.contained(s)
	}
	for n := 0; n <= len(s.after.Out); n++ {
		if s.after.leg(uint8(n)).State == dialog.Confirmed {
			return "an audit has ended one side only"
		}
	}
	return ""
}

// alive says that a transaction of ours waits for its final response.
func alive(l *dialog.Leg, seq uint16) bool {
	return slices.ContainsFunc(l.Tx, func(t *dialog.Tx) bool {
		return byteAt(t, txMachine) == 1 && t.Seq == seq && byteAt(t, txState) < 3
	})
}

// seqOf is the number of our OPTIONS with that CSeq; 0: there is none.
func seqOf(l *dialog.Leg, cseq uint32) uint16 {
	for _, t := range l.Tx {
		if byteAt(t, txMachine) == 1 && t.Method == "OPTIONS" && t.CSeq == cseq {
			return t.Seq
		}
	}
	return 0
}

// auditMoves is all that a peer can say to an audit.
func (x *explorer) auditMoves(list []move, leg, tag uint8, options uint32) []move {
	if options == 0 {
		return list
	}
	t := x.texts.get(options)
	for _, code := range []int{100, 200, 408, 481} {
		list = append(list, move{leg: leg, tag: tag, change: true, msg: t.reply(code, tag, "")})
	}
	return list
}

// auditEvery is how often the model audits.
const auditEvery = 5 * time.Minute
