package b2bua

import (
	"hash/fnv"

	"bulkhead/dialog"
)

// Watch stands between what the legs decide and what is done, and knows only
// the promises (design §1). It never has anything to say; where it has, the
// message or signal is held back and bulkhead_invariant_violations_total counts
// it under the name returned.
type Watch struct {
	final  uint64 // hash of the trunk's final response
	closed bool   // the trunk's CANCEL or BYE has been accepted
	over   [4]uint64
}

// Names of violations.
const (
	ViolationSecondFinal = "p1_second_final"
	ViolationLateSignal  = "p2_signal_after_end"
	ViolationLateInvite  = "p5_invite_after_cancel"
	ViolationNoDeadline  = "p7_no_deadline"
)

// send looks at a message before it goes.
func (w *Watch) send(s dialog.Send) string {
	switch {
	case s.Leg == 0 && s.Method == "INVITE" && s.Code >= 200 && s.Tx == dialog.First:
		h := fnv.New64a()
		h.Write(s.Data)
		switch sum := h.Sum64(); w.final {
		case 0:
			w.final = sum
		case sum:
		default:
			return ViolationSecondFinal
		}
	case s.Leg == 0 && s.Code == 200 && (s.Method == "CANCEL" && w.final == 0 || s.Method == "BYE"):
		w.closed = true
	case s.Leg > 0 && s.Method == "INVITE" && s.Code == 0 && !s.Repeat && w.closed:
		return ViolationLateInvite
	}
	return ""
}

// signal looks at a signal before control hears of it.
func (w *Watch) signal(from *dialog.Leg, sig dialog.Signal) string {
	if w.over[from.ID.Leg/64]&(1<<(from.ID.Leg%64)) != 0 {
		return ViolationLateSignal
	}
	if _, end := sig.(dialog.End); end {
		w.ended(from)
	}
	return ""
}

// ended notes that a leg has said its last, or has been told to end.
func (w *Watch) ended(l *dialog.Leg) { w.over[l.ID.Leg/64] |= 1 << (l.ID.Leg % 64) }
