package b2bua

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/dialog"
)

// What the observer knows of changes before the answer (RFC 3311).

// described says that a PRACK of ours completes an exchange: it answers an offer, or
// acknowledges the answer to that of our INVITE.
func (l *legSeen) described(s *seen, tag int, t *text) bool {
	m := s.move
	return !t.msg.Body.Empty() || m.kind == says && m.leg > 0 && int(m.tag) == tag && m.msg.Code/100 == 1 && !m.msg.Body.Empty()
}

// updates holds an UPDATE of ours to a carrier that has not answered to §5.1, and to the
// route set of its early dialog.
func (l *legSeen) updates(s *seen, a dialog.Send, t *text) string {
	if a.Repeat || l.Final != 0 {
		return ""
	}
	tag := slices.Index(tags[:], t.msg.ToTag)
	switch {
	case a.Method != "UPDATE" || t.msg.Body.Empty():
		return "RFC 3311 §5.1: " + a.Method + " before the answer"
	case tag < 0 || !l.Described[tag]:
		return "RFC 3311 §5.1: an UPDATE where no exchange is complete"
	}
	for _, t := range s.before.leg(a.Leg).Tx {
		if t.Method == "PRACK" && t.Of == tags[tag] && byteAt(t, txState) < 3 && s.move.msg != nil && s.move.msg.CSeq != t.CSeq {
			return "RFC 6337 §4.3: an UPDATE before the PRACK is answered"
		}
	}
	for other := range l.Described {
		if other != tag && l.Described[other] && s.before.leg(a.Leg).Offer {
			return "RFC 3311 §5.1: an UPDATE to one of several forks"
		}
	}
	return along(t, contactOf(uint8(tag)), routesOf(uint8(tag)), false)
}

// updates does so to a trunk that has no answer yet.
func (tr *trunkSeen) updates(s *seen, a dialog.Send) string {
	if a.Repeat || a.Method == "ACK" || tr.Final != 0 {
		return ""
	}
	tr.updated = true
	switch {
	case a.Method != "UPDATE":
		return "RFC 3311 §5.1: " + a.Method + " to the trunk before the answer"
	case !tr.agreed || tr.described && !tr.Pracked:
		return "RFC 3311 §5.1: an UPDATE to the trunk where no exchange is complete"
	}
	return ""
}

// redescribes says that a response to the INVITE describes the session once more, after
// it has been changed: who reads it goes back to what was before.
func (tr *trunkSeen) redescribes(a dialog.Send, t *text) bool {
	if (a.Method == "UPDATE" || a.Method == "PRACK") && a.Code == 200 && !t.msg.Body.Empty() && tr.Final == 0 {
		tr.updated = true
	}
	return tr.updated && !a.Repeat && a.Code != 0 && a.Method == "INVITE" && t.msg.CSeq == 1 && !t.msg.Body.Empty()
}

// early holds UPDATEs before the answer to §5.2 and to the bulkhead: what comes while
// another one waits is refused by its code, whatever waits is known to the other side,
// and the answer is told to who has asked.
func (o *observer) early(s *seen) string {
	in := s.after.In
	if c := in.Change; c.Early && !c.Ours && !asks(s.after.facing(in)) {
		return "RFC 3311: an UPDATE of the trunk's waits for nobody"
	}
	for _, leg := range s.after.Out {
		if c := leg.Change; c.Early && !c.Ours && !asks(in) {
			return "RFC 3311: an UPDATE of a carrier's waits for nobody"
		}
	}
	m := s.move
	if m.kind != says || m.msg.Method != "UPDATE" {
		return ""
	}
	before, after := s.before.leg(m.leg), s.after.leg(m.leg)
	if m.msg.Code == 0 {
		return o.overlapping(s, before, after)
	}
	c := before.Change
	if m.msg.Code < 200 || !c.Early || !c.Ours || before.State == dialog.Leaving {
		return ""
	}
	for _, t := range before.Tx {
		if t.Seq == c.Seq && t.CSeq != m.msg.CSeq {
			return "" // to an older one
		}
	}
	if after.Change.Ours && after.Change.Seq == c.Seq {
		return "RFC 3311 §5.3: an answer to an UPDATE changes nothing"
	}
	other := s.before.facing(before)
	if other == nil || other.Change.Seq == 0 || other.Change.Ours {
		return ""
	}
	for i, a := range s.sends {
		if a.Leg != other.ID.Leg || a.Code == 0 || a.Repeat || a.Method != "UPDATE" && a.Method != "PRACK" {
			continue
		}
		want := crossing(m.msg)
		if a.Method == "PRACK" && want != 200 {
			want = 488
		}
		if want != a.Code {
			return fmt.Sprintf("RFC 3311 §5.3: a %d to an UPDATE is told as %d", m.msg.Code, a.Code)
		}
		if a.Code == 200 && s.texts[i].msg.Body.Empty() {
			return "RFC 3311 §5.2: a 200 without the answer"
		}
		return ""
	}
	return "RFC 3311 §5.3: the answer to an UPDATE is not told"
}

// asks says that a leg waits for its peer's answer to a change.
func asks(l *dialog.Leg) bool {
	return l != nil && l.Change.Ours && slices.ContainsFunc(l.Tx, func(t *dialog.Tx) bool {
		return t.Seq == l.Change.Seq && (byteAt(t, txMachine) < 2) && byteAt(t, txState) < 3
	})
}

// promised says that a PRACK has its 2xx and its offer no answer (RFC 3262 §5).
func promised(a dialog.Send, t *text) bool {
	return a.Method == "PRACK" && a.Code == 200 && t.msg.Body.Empty() && strings.HasPrefix(t.msg.Branch, "z9hG4bKoffer")
}

// crossing is the code of an answer to an UPDATE as the other side is to see it.
func crossing(m *dialog.Message) int {
	switch m.Code {
	case 200:
		if m.Body.Empty() {
			return 488
		}
	case 408, 481:
		return 504
	}
	return m.Code
}

// overlapping checks the answer to an UPDATE that comes while another one waits.
func (o *observer) overlapping(s *seen, before, after *dialog.Leg) string {
	m, c := s.move, before.Change
	if before.State >= dialog.Answered || c.Seq == 0 {
		return ""
	}
	for i, a := range s.sends {
		t := s.texts[i]
		if a.Leg != m.leg || a.Method != "UPDATE" || a.Code == 0 || a.Repeat || t.msg.Branch != m.msg.Branch {
			continue
		}
		switch {
		case t.msg.Phrase == "CSeq Out of Order":
		case c.Ours && a.Code != 491 && a.Code != 481:
			return fmt.Sprintf("RFC 3311 §5.2: a %d to an UPDATE that crosses ours", a.Code)
		case !c.Ours && a.Code != 481 && (a.Code != 500 || t.msg.Value("Retry-After") == "" && t.msg.ToTag == ""):
			return fmt.Sprintf("RFC 3311 §5.2: a %d to an UPDATE before the last is answered", a.Code)
		}
	}
	if after.Change.Seq != 0 && after.Change.Seq != c.Seq {
		return "RFC 3311 §5.2: two UPDATEs under way"
	}
	return ""
}
