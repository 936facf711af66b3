package b2bua

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/dialog"
)

// owed checks that what had to be sent now was sent.
func (o *observer) owed(s *seen) string {
	m := s.move
	if m.kind != says || m.leg == 0 || m.msg.Method != "INVITE" || m.msg.Code < 200 || m.change {
		return ""
	}
	l := &o.Out[m.leg-1]
	acks := 0
	for i, a := range s.sends {
		if a.Leg == m.leg && a.Method == "ACK" && s.texts[i].msg.ToTag == tags[m.tag] {
			acks++
		}
	}
	if m.msg.Code >= 300 {
		// Two timers end what is kept for refusals: D, M or B, and the linger.
		if acks != 1 && l.Ends[l.nth(m.msg)] < 2 && !(l.Gone && !l.outdated(m.msg)) {
			return fmt.Sprintf("P3: %d ACKs for a copy of a refusal", acks)
		}
		return ""
	}
	d := &l.Dialogs[m.tag]
	won := o.Winner == m.leg && o.Tag == m.tag || target(s.before) == m.leg && l.Final == 2 && l.Tag == m.tag
	if acks != 1 && !(won && d.Acks[l.nth(m.msg)] == 0 && !s.before.Out[m.leg-1].Offer) {
		return fmt.Sprintf("P4: %d ACKs for a copy of a 2xx", acks)
	}
	if !won && d.Bye == 0 && !d.Byed {
		return "P4: no BYE in a dialog that is not the call"
	}
	return ""
}

// contained checks that a leg that is lost keeps to itself (P2).
func (o *observer) contained(s *seen) string {
	for _, a := range s.sends {
		if a.Leg != s.move.leg {
			return fmt.Sprintf("P2: leg %d is lost and makes leg %d send %s %d", s.move.leg, a.Leg, a.Method, a.Code)
		}
	}
	for n := 0; n <= len(s.after.Out); n++ {
		if n == int(s.move.leg) {
			continue
		}
		if n > len(s.before.Out) || hashLeg(s.before.leg(uint8(n))) != hashLeg(s.after.leg(uint8(n))) {
			return fmt.Sprintf("P2: leg %d is lost and changes leg %d", s.move.leg, n)
		}
	}
	return ""
}

// mirrored checks that a response to what has just come mirrors it (RFC 3261
// §8.2.6.2), and that no request is left without one.
func (o *observer) mirrored(s *seen) string {
	m := s.move
	if m.kind != says || m.msg.Code != 0 || m.msg.Method == "ACK" {
		return ""
	}
	answered := false
	for i, a := range s.sends {
		t := s.texts[i]
		if a.Leg != m.leg || a.Code == 0 || a.Method != m.msg.Method || t.msg.CSeq != m.msg.CSeq || t.msg.Branch != m.msg.Branch {
			continue
		}
		answered = true
		if t.msg.From != m.msg.From {
			return fmt.Sprintf("a %d to %s has From %q for %q (RFC 3261 §8.2.6.2)", a.Code, a.Method, t.msg.From, m.msg.From)
		}
		if to, _, _ := strings.Cut(m.msg.To, ";tag="); !strings.HasPrefix(t.msg.To, to) {
			return fmt.Sprintf("a %d to %s has To %q for %q (RFC 3261 §8.2.6.2)", a.Code, a.Method, t.msg.To, m.msg.To)
		}
	}
	waits := m.msg.Method == "PRACK" && s.after.In.Change.Early && !s.after.In.Change.Ours // for the answer to its offer
	if !answered && !waits && (m.msg.Method == "BYE" || m.msg.Method == "CANCEL" || m.msg.Method == "PRACK") {
		return "no answer to " + m.msg.Method
	}
	return ""
}

// informed checks that the answer to an INFO of ours is told at once to who has
// asked, as it is, and to nobody else; and that nobody is told what nobody has said.
// So it is with a REFER and a NOTIFY that cross.
func (o *observer) informed(s *seen, method string) string {
	m, told, code := s.move, 0, 0
	var answer *text
	var to uint8
	for i, a := range s.sends {
		if a.Method == method && a.Code != 0 && !a.Repeat && (m.kind != says || m.leg != a.Leg || m.msg.Method != method || m.msg.Code != 0 || m.msg.CSeq != s.texts[i].msg.CSeq) {
			told, code, answer, to = told+1, a.Code, s.texts[i], a.Leg
		}
	}
	if m.kind != says || m.msg.Method != method || m.msg.Code < 200 {
		if told > 0 && code/100 == 2 {
			return "RFC 6086: an answer to an " + method + " out of nothing"
		}
		return ""
	}
	var ours *dialog.Tx
	for _, t := range s.before.leg(m.leg).Tx {
		if byteAt(t, txMachine) == 1 && byteAt(t, txState) < 3 && t.Method == method && t.CSeq == m.msg.CSeq && t.For != 0 {
			ours = t
		}
	}
	asked := ours != nil
	if asked && told == 1 && !slices.ContainsFunc(s.before.leg(to).Tx, func(t *dialog.Tx) bool {
		return byteAt(t, txMachine) == 3 && t.Seq == ours.For && t.CSeq == answer.msg.CSeq
	}) {
		return "RFC 6086: an " + method + " is answered for another"
	}
	alive := s.before.leg(m.leg).State != dialog.Leaving
	if other := s.before.other(s.before.leg(m.leg)); other != nil && other.State == dialog.Leaving {
		alive = false // who has asked is gone
	}
	switch {
	case asked && alive && (m.msg.Code != 481 || method == "NOTIFY") && (told != 1 || code != m.msg.Code):
		return fmt.Sprintf("RFC 6086: a %d to an %s makes %d answers, of %d", m.msg.Code, method, told, code)
	case (!asked || !alive) && told > 0:
		return "RFC 6086: a repeated answer to an " + method + " is told"
	}
	return ""
}

// written checks the record (P8).
func (o *observer) written(s *seen, r Record) string {
	o.Writes++
	switch {
	case o.Writes > 1:
		return "P8: a second record"
	case o.Trunk.Final == 0 && !sends(s, 0, "INVITE"):
		return "P8: a record before the trunk has its final response"
	case len(r.Attempts) != len(s.after.Out):
		return "P8: a record that does not list every attempt"
	case r.EndedBy == "" || r.Ended.IsZero():
		return "P8: a record of a call that has not ended"
	}
	if o.Trunk.Code/100 == 2 && o.Trunk.Bye == 0 && !o.Trunk.Byed && !sends(s, 0, "BYE") {
		return "P8: a record while the trunk's dialog is up"
	}
	for n := range s.after.Out {
		for _, d := range o.Out[n].Dialogs {
			if d.Answered && d.Bye == 0 && !d.Byed && !sends(s, uint8(n+1), "BYE") {
				return "P8: a record while a dialog is up"
			}
		}
	}
	return ""
}
