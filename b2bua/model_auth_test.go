package b2bua

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/dialog"
)

// Challenges of carriers in the model: a 401 that wants credentials, one that says that its
// nonce has gone stale, and everything that an INVITE can get that has been sent before.

const (
	wanted = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\"\r\n"
	stale  = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", qop=\"auth\", stale=true\r\n"
)

// asking is what a carrier says that challenges.
var asking = []word{
	{code: 100}, {code: 180, tag: 1}, {code: 200, tag: 1, body: "2001"}, {code: 487, tag: 1},
	{code: 401, tag: 1, extra: wanted}, {code: 401, tag: 1, extra: stale},
}

// outdated is what it may say to an INVITE that it has challenged.
var outdated = []word{{code: 180, tag: 1}, {code: 401, tag: 1, extra: wanted}, {code: 200, tag: 2, body: "2002"}}

// maxInvites is how many INVITEs one leg can send in its life.
const maxInvites = 4

// askedMoves is all that a carrier can say to the INVITEs before the last.
func (x *explorer) askedMoves(list []move, leg uint8, l *legSeen) []move {
	for n := range l.Last - min(l.Last, 1) {
		invite := x.texts.get(l.Invites[n])
		for _, w := range outdated {
			list = append(list, move{leg: leg, tag: w.tag, msg: invite.replyWith(w.code, w.tag, w.body, w.extra)})
		}
	}
	return list
}

// outdated says that a response is to an INVITE which has been sent again since.
func (l *legSeen) outdated(m *dialog.Message) bool {
	n := l.nth(m)
	return m.Method == "INVITE" && m.Code != 0 && n >= 0 && n < int(l.Last)-1
}

// nth is the INVITE whose CSeq number a message has; -1: it is none of those that make the
// leg.
func (l *legSeen) nth(m *dialog.Message) int { return slices.Index(l.CSeqs[:l.Last], m.CSeq) }

// invited notes an INVITE.
func (l *legSeen) invited(a dialog.Send, t *text) {
	l.Invite = t.id
	l.Invites[l.Last], l.CSeqs[l.Last], l.Seqs[l.Last] = t.id, t.msg.CSeq, a.Tx
	l.Last++
}

// again checks an INVITE that is sent once more.
func (o *observer) again(s *seen, a dialog.Send, t *text) string {
	leg := a.Leg
	l := &o.Out[leg-1]
	m := s.move.msg
	switch {
	case o.Closed:
		return "P5: an INVITE after the call was closed"
	case s.move.kind != says || s.move.leg != leg || m.Code != 401 || l.nth(m) != int(l.Last)-1:
		return "two INVITEs on one leg"
	case l.Last >= maxInvites:
		return "a carrier is asked without end"
	case l.Last > 1 && !strings.Contains(m.Value("WWW-Authenticate"), "stale"):
		return "RFC 3261 §22: credentials that were refused are shown again"
	case t.msg.CSeq <= m.CSeq, t.msg.Branch == m.Branch, t.msg.FromTag != s.after.leg(leg).Tag, t.msg.CallID != m.CallID:
		return "RFC 3261 §8.1.3.5: not the INVITE that was challenged"
	case t.msg.Value("Authorization") == "":
		return "RFC 3261 §22: the INVITE again without credentials"
	}
	l.invited(a, t)
	l.Final, l.Lost, l.Provisional = 0, false, false
	return ""
}

// met checks that a challenge is met where it can be.
func (o *observer) met(s *seen) string {
	m := s.move
	if m.kind != says || m.leg == 0 || m.msg.Code != 401 || m.msg.Method != "INVITE" || m.change {
		return ""
	}
	l := &o.Out[m.leg-1]
	if s.before.leg(m.leg).State < dialog.Answered && l.Last == 1 && l.nth(m.msg) == 0 && l.Final != 0 && s.after.leg(m.leg).Policy.Login != nil {
		return "RFC 3261 §22: a challenge that is not met"
	}
	return ""
}

// proven checks the credentials of a request: there are some once they were asked for, and
// their count rises.
func (l *legSeen) proven(a dialog.Send, t *text) string {
	v := t.msg.Value("Authorization")
	if a.Method == "CANCEL" || a.Method == "ACK" || a.Code != 0 {
		return ""
	}
	if v == "" {
		if l.Last > 1 && t.msg.CSeq > l.CSeqs[l.Last-1] {
			return "RFC 3261 §22: a request without the credentials that were asked for"
		}
		return ""
	}
	var nonce, count uint32
	_, after, _ := strings.Cut(v, `nonce="n`)
	_, _ = fmt.Sscanf(after, "%d", &nonce)
	_, after, _ = strings.Cut(v, "nc=")
	_, _ = fmt.Sscanf(after, "%x", &count)
	if a.Repeat {
		return ""
	}
	if l.Nonce == nonce && count <= l.Count {
		return "RFC 7616 §3.4: the count of a nonce does not rise"
	}
	l.Nonce, l.Count = nonce, count
	return ""
}
