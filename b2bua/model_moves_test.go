package b2bua

import (
	"fmt"
	"slices"

	"bulkhead/dialog"
)

// kind is what can happen to a call in the model.
type kind uint8

const (
	says    kind = iota // a peer says something
	fires               // one armed timer fires, whichever it is
	floods              // all armed timers fire at once: the node has slept
	fails               // a request could not be sent
	hangs               // an operator ends the call
	chooses             // somebody decides where the call may go
	dies                // somebody says that media has ended
	falls               // the node crashes and another takes over what was stored
	waits               // nothing but time
)

// move is one thing that happens.
type move struct {
	kind   kind
	leg    uint8
	tag    uint8           // of the carrier's dialog
	change bool            // a response to a re-INVITE or UPDATE of ours
	msg    *dialog.Message // says
	timer  timer           // fires
	tx     uint16          // fails
	judge  uint8           // of sayings
	bare   uint8           // of shortages
}

// String is the move in a trace.
func (m move) String() string {
	if m.bare > 0 {
		plain := m
		plain.bare = 0
		return plain.String() + ", " + shortages[m.bare].name
	}
	if m.judge > 0 {
		plain := m
		plain.judge = 0
		return fmt.Sprintf("%s, skipped: %q", plain, sayings[m.judge])
	}
	switch m.kind {
	case says:
		who := "trunk"
		if m.leg > 0 {
			who = fmt.Sprintf("carrier %d", m.leg)
		}
		what := m.msg.Method
		if m.msg.Code != 0 {
			what = fmt.Sprintf("%d to %s %d", m.msg.Code, m.msg.Method, m.msg.CSeq)
		} else if m.leg == 0 {
			what += " " + m.msg.Branch[7:]
		}
		return fmt.Sprintf("%s: %s tag %q", who, what, tags[m.tag])
	case fires:
		return fmt.Sprintf("leg %d: timer %s", m.timer.leg, m.timer.name)
	case floods:
		return "every timer at once"
	case fails:
		return fmt.Sprintf("leg %d: transaction %d not sent", m.leg, m.tx)
	case hangs:
		return "operator: hang up"
	case chooses:
		return [...]string{"decision: somewhere", "decision: nowhere"}[m.tag]
	case dies:
		return fmt.Sprintf("media: that of leg %d %s", m.leg, dying[m.tag])
	case falls:
		return "takeover"
	case waits:
		return "silence"
	}
	return "?"
}

// word is one response in a carrier's alphabet.
type word struct {
	code  int
	tag   uint8
	body  string // port of its description; empty: none
	rseq  string // a reliable provisional
	extra string // more header fields
}

// moves lists all that can happen in a state.
func (x *explorer) moves(n *node) (list []move) {
	list = x.trunkMoves(n, list)
	for i := range n.call.Out {
		list = x.carrierMoves(n, uint8(i+1), list)
	}
	armed := timers(n.call)
	for _, t := range armed {
		list = append(list, move{kind: fires, leg: t.leg, timer: t})
	}
	if len(armed) > 1 {
		list = append(list, move{kind: floods, leg: 0xff})
	}
	if x.fails {
		for i := 0; i <= len(n.call.Out); i++ {
			for _, t := range n.call.leg(uint8(i)).Tx {
				if k := byteAt(t, txMachine); k < 2 && byteAt(t, txState) < 3 { // ours, no final yet
					list = append(list, move{kind: fails, leg: uint8(i), tx: t.Seq})
				}
			}
		}
	}
	if x.falls && !n.fell && n.saved != nil {
		list = append(list, move{kind: falls, leg: 0xff})
	}
	if x.chooses { // also when it is too late, and again
		list = append(list, move{kind: chooses, leg: 0xff}, move{kind: chooses, leg: 0xff, tag: nowhere})
	}
	if x.hangs && !n.obs.Closed {
		list = append(list, move{kind: hangs, leg: 0xff})
	}
	if x.judged {
		for _, m := range list {
			for n := range sayings[1:] {
				m.judge = uint8(n + 1)
				list = append(list, m)
			}
		}
	}
	if x.dies {
		list = deaths(n.call, list)
	}
	if x.bare != nil {
		list = bareMoves(list, x.bare)
	}
	return list
}

// trunkMoves is all that the trunk can say.
func (x *explorer) trunkMoves(n *node, list []move) []move {
	say := func(m *dialog.Message) { list = append(list, move{leg: 0, msg: m}) }
	tr := &n.obs.Trunk
	for _, m := range x.trunk {
		say(m)
	}
	if tr.Merged != 0 {
		say(x.texts.get(tr.Merged).request("ACK", 0, 1, "m", ""))
	}
	if tr.Final != 0 {
		t := x.texts.get(tr.Final)
		if tr.Code >= 300 {
			say(t.request("ACK", 0, 1, "t", ""))
		} else {
			body := ""
			if !x.offer {
				body = "1001"
			}
			say(t.request("ACK", 0, 1, "k", body))
		}
	}
	if tr.Told != 0 && !x.terse {
		say(x.texts.get(tr.Told).request("BYE", 0, 9, "bye", ""))
	}
	if tr.Bye != 0 {
		say(x.texts.get(tr.Bye).reply(200, 0, ""))
	}
	if tr.Reliable != 0 {
		t, body := x.texts.get(tr.Reliable), ""
		if !x.offer && !t.msg.Body.Empty() {
			body = "1006"
		}
		rseq := fmt.Sprint(t.msg.Value("RSeq"))
		say(t.acknowledging("PRACK", 0, 2, "prack"+rseq, body, rseq+" 1 INVITE"))
		say(t.acknowledging("PRACK", 0, 2, "nothing", "", rseq+"7 1 INVITE"))
		if x.early && (x.offer || t.msg.Body.Empty()) {
			say(t.acknowledging("PRACK", 0, 2, "offer"+rseq, "1007", rseq+" 1 INVITE"))
		}
	}
	if x.infos && tr.Told != 0 {
		say(x.texts.get(tr.Told).request("INFO", 0, 6, "info", ""))
		say(x.texts.get(tr.Told).request("INFO", 0, 7, "more", ""))
	}
	list = x.infoMoves(list, 0, 0, tr.Info)
	if x.refers && tr.Told != 0 {
		list = x.referMoves(list, 0, 0, x.texts.get(tr.Told), &tr.Referrals)
	}
	list = x.auditMoves(list, 0, 0, tr.Audit)
	if x.changes && tr.Told != 0 {
		t := x.texts.get(tr.Told)
		say(t.request("INVITE", 0, 3, "re", "1003"))
		say(t.request("UPDATE", 0, 4, "up", "1004"))
		say(t.request("INVITE", 0, 5, "rf", ""))
		if tr.Change.Final != 0 {
			f := x.texts.get(tr.Change.Final)
			branch, body := f.msg.Branch[7:], ""
			if tr.Change.Code < 300 {
				branch = "k" + branch
				if f.msg.CSeq == 5 {
					body = "1005"
				}
			}
			say(f.request("ACK", 0, int(f.msg.CSeq), branch, body))
		}
	}
	if x.early && !x.changes && tr.Told != 0 {
		say(x.texts.get(tr.Told).request("UPDATE", 0, 4, "up", "1004"))
		say(x.texts.get(tr.Told).request("UPDATE", 0, 5, "again", "1005"))
	}
	if x.changes || x.timers || x.early || x.follows {
		list = x.changeMoves(list, 0, tr.Change)
	}
	if x.timers && tr.Told != 0 {
		say(x.texts.get(tr.Told).request("UPDATE", 0, 8, "refresh", ""))
	}
	return list
}

// carrierMoves is all that a carrier can say.
func (x *explorer) carrierMoves(n *node, leg uint8, list []move) []move {
	l := &n.obs.Out[leg-1]
	invite := x.texts.get(l.Invite)
	for _, w := range x.carrier {
		list = append(list, move{leg: leg, tag: w.tag, msg: invite.replyWith(w.code, w.tag, w.body, rseq(w.rseq)+w.extra)})
	}
	list = x.askedMoves(list, leg, l)
	if l.Prack != 0 {
		t := x.texts.get(l.Prack)
		tag := uint8(slices.Index(tags[:], t.msg.ToTag))
		list = append(list, move{leg: leg, tag: tag, change: true, msg: t.reply(200, tag, "")})
	}
	if l.Cancel != 0 {
		list = append(list, move{leg: leg, msg: x.texts.get(l.Cancel).reply(200, 1, "")})
		if !x.terse {
			list = append(list, move{leg: leg, msg: x.texts.get(l.Cancel).reply(481, 0, "")})
		}
	}
	for tag := range l.Dialogs {
		d := &l.Dialogs[tag]
		if d.Bye != 0 {
			list = append(list, move{leg: leg, tag: uint8(tag), msg: x.texts.get(d.Bye).reply(200, uint8(tag), "")})
		}
		if d.Answered {
			list = append(list, move{leg: leg, tag: uint8(tag), msg: invite.request("BYE", uint8(tag), 9, "bye"+tags[tag], "")})
		}
		if x.early && l.Heard[tag] != 0 {
			list = append(list, move{leg: leg, tag: uint8(tag), msg: invite.request("UPDATE", uint8(tag), 2, "early"+tags[tag], "2005")})
		}
		if d.Answered && x.infos {
			list = append(list, move{leg: leg, tag: uint8(tag), msg: invite.request("INFO", uint8(tag), 6, "info"+tags[tag], "")})
		}
		if d.Answered && x.changes {
			list = append(list, move{leg: leg, tag: uint8(tag), msg: invite.request("INVITE", uint8(tag), 3, "re"+tags[tag], "2003")})
			list = append(list, move{leg: leg, tag: uint8(tag), msg: invite.request("UPDATE", uint8(tag), 4, "up"+tags[tag], "2004")})
		}
	}
	list = x.infoMoves(list, leg, 1, l.Info)
	list = x.auditMoves(list, leg, 1, l.Audit)
	if (x.refers || x.follows) && l.Dialogs[1].Answered {
		list = x.referMoves(list, leg, 1, invite, &l.Referrals)
	}
	if (x.changes || x.timers) && l.Change.Final != 0 {
		f := x.texts.get(l.Change.Final)
		branch := f.msg.Branch[7:]
		if l.Change.Code < 300 {
			branch = "k" + branch
		}
		list = append(list, move{leg: leg, tag: 1, msg: f.request("ACK", 1, int(f.msg.CSeq), branch, "")})
	}
	if x.changes || x.timers || x.early {
		list = x.changeMoves(list, leg, l.Change)
	}
	return list
}

// infoMoves is all that a peer can say to an INFO of ours.
func (x *explorer) infoMoves(list []move, leg, tag uint8, info uint32) []move {
	if info == 0 {
		return list
	}
	t := x.texts.get(info)
	for _, code := range []int{100, 200, 415, 481} {
		list = append(list, move{leg: leg, tag: tag, change: true, msg: t.reply(code, tag, "")})
	}
	return list
}

// changeMoves is all that a peer can say to a re-INVITE or UPDATE of ours.
func (x *explorer) changeMoves(list []move, leg uint8, c changeSeen) []move {
	if c.Ours == 0 {
		return list
	}
	t := x.texts.get(c.Ours)
	tag := uint8(max(0, slices.Index(tags[:], t.msg.ToTag)))
	codes := []int{100, 200, 491, 481}
	if x.follows {
		codes = append(codes, 488)
	}
	for _, code := range codes {
		body := ""
		extra := ""
		if code == 200 {
			if body = "3000"; t.msg.Method == "UPDATE" && t.msg.Body.Empty() {
				body = ""
			}
			if x.timers {
				extra = timing
			}
		}
		list = append(list, move{leg: leg, tag: tag, change: true, msg: t.replyWith(code, tag, body, extra)})
	}
	if x.timers {
		list = append(list, move{leg: leg, tag: tag, change: true, msg: t.reply(501, tag, "")})
		list = append(list, move{leg: leg, tag: tag, change: true, msg: t.replyWith(422, tag, "", "Min-SE: 3600\r\n")})
	}
	return list
}
