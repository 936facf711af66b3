package b2bua

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/dialog"
)

// What the model knows of transfers (RFC 3515): one REFER and another of each peer's, and
// NOTIFYs that say that it goes on and that it is over.

// referralsSeen is what was seen of REFERs on one leg.
type referralsSeen struct {
	Refer  uint32 // text of our last REFER
	Notify uint32 // and of our last NOTIFY
	Asked  bool   // the peer has sent one that waits for its answer
	Told   bool   // that answer was a 2xx, and no NOTIFY has said that it is over
}

// referMoves is all that a peer can say of transfers. The request that says text is of the
// dialog that they are in.
func (x *explorer) referMoves(list []move, leg, tag uint8, dialogue *text, r *referralsSeen) []move {
	say := func(m *dialog.Message) { list = append(list, move{leg: leg, tag: tag, msg: m}) }
	to := "Refer-To: <sip:x@example.com>\r\nContent-Length: 0\r\n\r\n"
	if x.follows {
		to = "Refer-To: <sip:4931@203.0.113.1>\r\nContent-Length: 0\r\n\r\n"
	}
	say(dialogue.asks("REFER", tag, 2, "refer"+tags[tag], to))
	say(dialogue.asks("REFER", tag, 3, "again"+tags[tag], to))
	if r.Refer != 0 {
		t := x.texts.get(r.Refer)
		for _, code := range []int{100, 202, 481, 603} {
			list = append(list, move{leg: leg, tag: tag, change: true, msg: t.reply(code, tag, "")})
		}
		say(dialogue.asks("NOTIFY", tag, 4, "goes"+tags[tag], fragment("active;expires=60", "SIP/2.0 180 Ringing")))
		say(dialogue.asks("NOTIFY", tag, 5, "over"+tags[tag], fragment("terminated;reason=noresource", "SIP/2.0 200 OK")))
	}
	if r.Notify != 0 {
		t := x.texts.get(r.Notify)
		for _, code := range []int{200, 481} {
			list = append(list, move{leg: leg, tag: tag, change: true, msg: t.reply(code, tag, "")})
		}
	}
	return list
}

// fragment ends a NOTIFY.
func fragment(state, line string) string {
	return fmt.Sprintf("Event: refer\r\nSubscription-State: %s\r\nContent-Type: message/sipfrag;version=2.0\r\nContent-Length: %d\r\n\r\n%s\r\n", state, len(line)+2, line)
}

// sent holds a REFER or NOTIFY of ours to RFC 3515 §2.4: one comes of the other side's,
// the other of a subscription that is not over.
func (r *referralsSeen) sent(s *seen, a dialog.Send, t *text) string {
	if a.Method == "REFER" {
		if !a.Repeat && (s.move.kind != says || s.move.msg.Method != "REFER" || s.move.leg == a.Leg) {
			return "RFC 3515: a REFER out of nothing"
		}
		r.Refer = t.id
		return ""
	}
	if !a.Repeat && !r.Asked && !r.Told {
		return "RFC 3515 §2.4.4: a NOTIFY without a subscription"
	}
	r.Notify = t.id
	if !a.Repeat && strings.HasPrefix(t.msg.Value("Subscription-State"), "terminated") {
		r.Asked, r.Told = false, false
	}
	return ""
}

// accepts says that a step answers a REFER with 202: the subscription may be over when it
// ends, where nobody can be tried.
func accepts(s *seen) bool {
	return slices.ContainsFunc(s.actions, func(a Action) bool {
		send, ok := a.(Send)
		return ok && send.Leg == s.move.leg && send.Method == "REFER" && send.Code == 202
	})
}

// answered takes the final response to a REFER of the peer's.
func (r *referralsSeen) answered(a dialog.Send) {
	if a.Method == "REFER" && !a.Repeat && a.Code >= 200 && (a.Code < 300 || r.Asked && a.Code != 491 && a.Code != 500) {
		r.Told, r.Asked = r.Asked && a.Code < 300, false
	}
}

// referrals is what was seen of them on a leg.
func (o *observer) referrals(leg uint8) *referralsSeen {
	if leg == 0 {
		return &o.Trunk.Referrals
	}
	return &o.Out[leg-1].Referrals
}

// referred checks that what is said of a transfer crosses, and that a subscription has an
// end: on both sides, and its own.
func (o *observer) referred(s *seen) string {
	m := s.move
	for n := 0; n <= len(s.after.Out); n++ {
		leg := s.after.leg(uint8(n))
		for _, r := range [...]*dialog.Referral{&leg.Referred, &leg.Refers} {
			if r.Ref != 0 && r.Until.IsZero() && !unanswered(leg, r) {
				return "P7: a subscription without an end"
			}
		}
	}
	if m.leg == 0xff || int(m.leg) > len(s.before.Out) {
		return ""
	}
	before, after := s.before.leg(m.leg), s.after.leg(m.leg)
	other := s.before.other(before)
	switch {
	case before.State != dialog.Confirmed:
	case m.kind == fires && m.timer.name == "referred":
		if !sends(s, m.leg, "NOTIFY") || after.Referred.Ref != 0 {
			return "RFC 3515 §2.4.4: a subscription that ends in silence"
		}
	case m.kind != says:
	case m.msg.Method == "NOTIFY" && m.msg.Code == 0 && before.Refers.Ref != 0 && fresh(before, m.msg) && other != nil && other.State == dialog.Confirmed:
		if other.Referred.Ref == before.Refers.Ref && !sends(s, other.ID.Leg, "NOTIFY") {
			return "RFC 3515 §2.4.4: a NOTIFY that is not passed on"
		}
	case m.msg.Method == "REFER" && m.msg.Code == 0 && before.Referred.Ref == 0 && before.Policy.Transfers == dialog.RelayTransfers && fresh(before, m.msg):
		if other != nil && other.State == dialog.Confirmed && other.Refers.Ref == 0 && !sends(s, other.ID.Leg, "REFER") {
			return "RFC 3515 §2.4.2: a REFER that is not passed on"
		}
	}
	return ""
}

// unanswered says that the REFER of a referral has no answer yet.
func unanswered(l *dialog.Leg, r *dialog.Referral) bool {
	for _, t := range l.Tx {
		k, state := byteAt(t, txMachine), byteAt(t, txState)
		if t.Method == "REFER" && state < 3 && (k == 3 && t.Seq == r.Ref && r == &l.Referred || k == 1 && t.For == r.Ref && r == &l.Refers) {
			return true
		}
	}
	return false
}

// fresh says that a request is new to the leg and in order.
func fresh(l *dialog.Leg, m *dialog.Message) bool {
	for _, t := range l.Tx {
		if byteAt(t, txMachine) == 3 && t.Branch == m.Branch && t.CSeq == m.CSeq && t.Method == m.Method {
			return false
		}
	}
	for _, d := range l.Dialogs {
		if d.Tag == m.FromTag && (d.Left || d.Early || d.CSeq > m.CSeq) {
			return false
		}
	}
	return true
}

// target is the leg that a transfer has tried last; 0: none is carried out.
func target(c *Call) uint8 {
	if c.Moving.By == 0 || len(c.Out) == c.Begun {
		return 0
	}
	return uint8(len(c.Out))
}

// moved holds a transfer that we carry out to RFC 5589 §6: whoever answers is joined to the
// caller and takes the place of who has asked; otherwise the call is as it was; and who has
// asked hears of it.
func (o *observer) moved(s *seen) string {
	m, before, after := s.move, s.before, s.after
	if after.Moving.By != 0 && after.Moving.Until.IsZero() && after.In.Join.Seq == 0 {
		return "P7: a transfer without an end"
	}
	if before.Moving.By == 0 {
		return ""
	}
	if after.In.State == dialog.Confirmed && after.leg(before.Moving.By).State == dialog.Leaving && unheard(after.In) {
		return "RFC 5589 §6.1: what the caller has asked will have no answer"
	}
	by, to := before.leg(before.Moving.By), target(before)
	stayed := after.leg(by.ID.Leg).State == dialog.Confirmed
	if after.Moving.By == 0 && stayed && by.Referred.Ref != 0 && o.referrals(by.ID.Leg).Told {
		return "RFC 3515 §2.4.4: a transfer that ends without a word"
	}
	switch {
	case m.kind == says && m.leg == by.ID.Leg && m.msg.Method == "BYE" && by.State == dialog.Confirmed:
		if before.In.State == dialog.Confirmed && after.In.State != dialog.Confirmed {
			return "RFC 5589 §6.1: the caller does not wait for the target"
		}
	case joins(before, m) && m.msg.Code/100 == 2 && m.bare > 0 && !after.EndedAt.IsZero():
		if !sends(s, to, "ACK") || after.In.State != dialog.Leaving || stayed {
			return "RFC 5589 §6.3: a caller whose answer cannot be carried has a session with nobody"
		}
	case joins(before, m) && m.msg.Code/100 == 2:
		if !sends(s, to, "ACK") || after.Winner != int(to)-1 || stayed || by.State == dialog.Confirmed && !sends(s, by.ID.Leg, "BYE") {
			return "RFC 5589 §6.1: the target does not take the place of who has asked"
		}
	case joins(before, m) && m.msg.Code == 488:
		if !sends(s, to, "ACK") || !sends(s, to, "BYE") {
			return "RFC 5589 §6.3: a target that the caller does not want stays"
		}
		return unmoved(before, after)
	case m.leg == to && before.leg(to).State < dialog.Answered && after.Moving.By == 0:
		return unmoved(before, after)
	}
	return ""
}

// joins says that a move is the first final response to what asks the caller.
func joins(c *Call, m move) bool {
	if m.kind != says || m.leg != 0 || !m.change || m.msg.Code < 200 || m.msg.Method != "INVITE" {
		return false
	}
	for _, t := range c.In.Tx {
		if t.Own && t.Seq == c.In.Join.Seq && t.CSeq == m.msg.CSeq && byteAt(t, txState) < 3 {
			return true
		}
	}
	return false
}

// unheard says that a leg's peer waits for an answer of the other side's.
func unheard(l *dialog.Leg) bool {
	for _, t := range l.Tx {
		if k, state := byteAt(t, txMachine), byteAt(t, txState); t.Seq != dialog.First && (k == 2 && state == 2 || k == 3 && state == 1) {
			return true
		}
	}
	return false
}

// unmoved says what is not as it was before a transfer that has come to nothing.
func unmoved(before, after *Call) string {
	by := before.Moving.By
	switch {
	case before.leg(by).State == dialog.Confirmed && (after.In.State != before.In.State || after.leg(by).State != dialog.Confirmed):
		return "RFC 5589 §6.3: the call is not as it was"
	case before.leg(by).State == dialog.Leaving && after.In.State != dialog.Leaving:
		return "RFC 5589 §6.3: a caller for whom nobody is left"
	}
	return ""
}
