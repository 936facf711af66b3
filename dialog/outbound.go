package dialog

import (
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// Outbound begins an attempt: the INVITE of our own making (RFC 3261 §8.1.1), of a setup as
// the carrier is to see it. One to where nothing can be sent ends at once.
func Outbound(id ID, now time.Time, setup Setup, to Target, p *Policy) (*Leg, []Action) {
	setup.Body, _ = p.Codecs.offer(setup.Body)
	l := &Leg{
		ID: id, Side: Out, Policy: p, Target: to, Path: to.Path,
		CallID: p.Seal.CallID(id), Tag: p.Seal.Tag(id),
		URI:      p.Form.uri(setup.Number, setup.Params, to.Host, to.Path.Transport),
		MaxFwd:   setup.MaxForwards,
		Offer:    !setup.Body.Empty(),
		Interval: Interval{Min: setup.MinSE},
	}
	l.Marks.Began = now
	l.Self = nameAddr(setup.Caller, p.Local[to.Path.Transport])
	l.Peer = "<" + l.URI + ">"
	setup.Headers = l.identified(setup.Headers)
	s := step{Leg: l, now: now}
	if to.Dead != "" {
		s.finish(Cause{Why: NotSent, Code: 503, Text: to.Dead, Q850: 38}, true)
		return l, s.out
	}
	t := s.begin("INVITE", inviteClient, to.Path)
	t.Last = s.inviteRequest(t, setup)
	s.byTCP(t)
	s.said(setup.Body)
	s.send(t, "INVITE", 0, t.Path, Path{}, t.Last, false)
	for i, wait := range [...]time.Duration{p.NoResponse, p.NoRinging, p.NoAnswer} {
		if wait > 0 {
			l.Patience[i] = now.Add(wait)
		}
	}
	return l, s.out
}

// anew is where the numbers of a leg's transactions begin once more: above those of every
// INVITE that makes a leg, and of what may come between them.
const anew = 1 << 10

// number goes on to the next transaction number of the leg. After very many they
// begin anew: what had the number then has long ended.
func (s *step) number() {
	if s.Seq++; s.Seq >= afterwards {
		s.Seq = anew
	}
}

// begin makes a client transaction of ours and arms its timers.
func (s *step) begin(method string, m machine, to Path) *Tx {
	s.number()
	s.CSeq++
	t := &Tx{machine: m, Method: method, Seq: s.Seq, CSeq: s.CSeq, Path: to, state: trying}
	if m == inviteClient {
		t.state = calling
	}
	s.start(t)
	s.Tx = append(s.Tx, t)
	return t
}

// provisional takes a 1xx to an INVITE.
func (s *step) provisional(t *Tx, m *Message) {
	if !s.Cancelled || !s.makes(t) {
		t.End = never // Timer B is for the time before; Timer C is Patience
	}
	if !s.makes(t) {
		t.End = s.now.Add(s.Policy.NoAnswer) // a re-INVITE has no Patience
		return
	}
	s.Patience[0] = never
	tells := m.Code >= 180 && m.Code != 199 // 199 ends one early dialog of several; the caller has but one (RFC 6228)
	if !tells && s.Marks.Trying.IsZero() {
		s.Marks.Trying = s.now
	}
	if s.State == Leaving {
		if !s.Cancelled {
			s.cancel(t) // held until now (RFC 3261 §9.1)
		}
		s.drop(DropLate, m)
		return
	}
	if d := s.dialog(m.ToTag); d != nil && d.Left {
		s.drop(DropLate, m) // it has ended by 199 (RFC 6228 §5)
		return
	}
	body, n := m.Body, m.rseq()
	surely := n != 0 && m.ToTag != "" && m.Code > 100
	if surely {
		var ok bool
		if body, ok = s.heardReliably(t, m, n); !ok {
			return
		}
	}
	if d := s.dialog(m.ToTag); d != nil && !d.Answer.Empty() && !body.Empty() {
		body = d.Answer // what comes after the answer is none (RFC 3261 §13.2.1)
	}
	if d := s.dialog(m.ToTag); d != nil && m.Code == 199 {
		d.Left = true // its carrier has one dialog less; the caller has but one with us
		s.heard++
	}
	if !tells {
		return
	}
	s.rings(m.Code)
	if m.ToTag != "" {
		s.State = Early
	}
	if s.news(m, body) {
		if s.Marks.Media.IsZero() && !body.Empty() {
			s.Marks.Media = s.now
		}
		s.tell(Progress{Code: m.Code, Phrase: m.Phrase, Body: body, Reliable: surely, EarlyMedia: s.Policy.earlyMedia(m), Headers: s.heardOf(m)})
	} else {
		s.drop(DropAbsorbed, m)
	}
}

// rings notes an 18x; another provisional is no sign of ringing.
func (s *step) rings(code int) {
	if code >= 190 {
		return
	}
	s.Patience[1] = never
	if s.Marks.Ringing.IsZero() {
		s.Marks.Ringing = s.now
	}
}

// news says whether a provisional tells more than the last one of its early
// dialog did, and remembers it.
func (s *step) news(m *Message, body Body) bool {
	h := fnv.New64a()
	h.Write([]byte{byte(m.Code)})
	h.Write(body.Data)
	h.Write([]byte(s.Policy.earlyMedia(m)))
	shown := h.Sum64()
	d := s.dialog(m.ToTag)
	if d == nil {
		if !s.room() {
			return false
		}
		d = &Dialog{Tag: strings.Clone(m.ToTag), Early: true}
		s.Dialogs = append(s.Dialogs, d)
	}
	if d.Shown == shown {
		return false
	}
	d.Shown = shown
	return true
}

// room says that the leg can keep one more early dialog; those that have ended make it.
func (s *step) room() bool {
	if len(s.Dialogs) >= maxDialogs {
		s.Dialogs = slices.DeleteFunc(s.Dialogs, func(d *Dialog) bool { return d.Early && d.Left })
	}
	return len(s.Dialogs) < maxDialogs
}

// firstAnswer is the 2xx that makes the transaction Accepted: Timer M.
func (s *step) firstAnswer(t *Tx, m *Message) {
	t.End = s.now.Add(s.lifetime())
	if !s.makes(t) {
		s.changed(t, m)
		return
	}
	t.Last = nil // the INVITE is not sent again; each dialog keeps its own ACK
	s.final(m)
	s.answered(t, m)
}

// final notes the first final response to the INVITE.
func (s *step) final(m *Message) {
	s.Marks.Final, s.Marks.Code, s.Marks.Phrase, s.Marks.Q850 = s.now, m.Code, strings.Clone(m.Phrase), m.Q850()
}

// answered takes any 2xx to the INVITE: the first, a copy of it, another fork,
// one that crossed our CANCEL, one after a failure (RFC 3261 §13.2.2.4). Each
// To-tag is a dialog, each copy gets the ACK of its dialog, and each dialog that
// is not the call gets one BYE.
func (s *step) answered(t *Tx, m *Message) {
	if !s.makes(t) {
		s.answeredAgain(t, m)
		return
	}
	d := s.dialog(m.ToTag)
	if d != nil && !d.Early && d.InvSeq != t.CSeq {
		s.answeredTwice(d, t, m)
		return
	}
	if d != nil && !d.Early {
		s.drop(DropAbsorbed, m)
		if d.Ack != nil {
			s.send(nil, "ACK", 0, d.AckTo, s.fallback(d.AckTo), d.Ack, true)
		}
		return
	}
	if d == nil {
		if len(s.Dialogs) >= maxDialogs {
			s.settle() // an early dialog never stands in the way of an answer
		}
		if len(s.Dialogs) >= maxDialogs {
			s.outgrown(m)
			return
		}
		d = &Dialog{Tag: strings.Clone(m.ToTag), Early: true}
		s.Dialogs = append(s.Dialogs, d)
	}
	up := s.State < Answered && t.Seq == s.first() // one that has been sent again is not what is asked
	// Given up without an answer; another fork of what was answered is not late.
	s.Marks.Late = s.Marks.Late || s.State == Leaving && !slices.ContainsFunc(s.Dialogs, func(d *Dialog) bool { return !d.Early })
	s.establish(d, m)
	d.InvSeq = t.CSeq
	if up && s.Offer && m.Body.Empty() && d.Answer.Empty() && s.Marks.Media.IsZero() {
		// The caller is owed an answer to its offer (RFC 3261 §13.2.1), and this carrier has none.
		c := Cause{Why: Rejected, Code: 502, Text: "no answer to the offer", Q850: 127}
		s.finish(c, true)
		s.bye(d, c)
		return
	}
	if up {
		s.Patience = [3]time.Time{}
		s.State = Answered
		s.leaveForks(d)
		s.granted(m)
		if d.Answer.Empty() {
			d.Offer = m.Body
		}
		if s.Offer {
			s.State = Confirmed
			s.acknowledge(d, Body{})
		}
		body := m.Body
		if !d.Answer.Empty() {
			body = d.Answer // what holds since a reliable provisional (RFC 3261 §13.2.1)
		}
		s.tell(Answer{Code: m.Code, Phrase: m.Phrase, Body: body, Headers: s.heardOf(m)})
		return
	}
	ack := Body{}
	if !s.Offer {
		ack = decline(m.Body)
	}
	s.acknowledge(d, ack)
	s.bye(d, Cause{Why: Elsewhere, Q850: 26, Reasons: []string{`SIP;cause=200;text="Call completed elsewhere"`}})
}

// outgrown ends a fork beyond what a leg keeps: as one of a call that is gone.
func (s *step) outgrown(m *Message) {
	s.drop(DropFull, m)
	for _, a := range Afterwards(m, s.Path, Address{ID: s.ID, Seq: First}, s.Policy.Seal, s.local(s.Path.Transport)) {
		a.Leg = s.ID.Leg
		s.out = append(s.out, a)
	}
}

// establish fills a dialog from the message that confirms it (RFC 3261 §12.1.2).
func (s *step) establish(d *Dialog, m *Message) {
	d.Early, d.Left = false, false // a 2xx counts also after a 199
	s.fill(d, m)
}

// fill takes remote target and route set of a dialog, early or confirmed.
func (s *step) fill(d *Dialog, m *Message) {
	d.Peer = untagged(strings.Clone(m.To))
	d.Target = m.target()
	d.allowed(m)
	if d.Target == "" {
		d.Target = s.URI // a peer without a Contact that serves: where the INVITE went
	}
	d.Routes = make([]string, 0, len(m.Routes))
	for i := len(m.Routes) - 1; i >= 0; i-- {
		d.Routes = append(d.Routes, strings.Clone(m.Routes[i]))
	}
}

// acknowledge makes the ACK of a 2xx, which every copy of it gets (P4).
func (s *step) acknowledge(d *Dialog, body Body) {
	s.number()
	d.Ack, d.AckTo = s.within(d, "ACK", d.InvSeq, s.Seq, nil, body)
	d.Offer = Body{}
	s.send(nil, "ACK", 0, d.AckTo, s.fallback(d.AckTo), d.Ack, false)
}

// acknowledgeAll sends the ACKs that wait for the other side's, which will not come
// now: however the leg ends, its peer has answered (P4), and before any BYE.
func (s *step) acknowledgeAll() {
	for _, d := range s.Dialogs {
		if s.Side == Out && !d.Early && d.Ack == nil {
			s.acknowledge(d, decline(d.Offer))
		}
	}
	for _, t := range s.Tx {
		if d := s.dialogOf(t); d != nil && s.waitsForACK(t) {
			s.acknowledgeChange(d, t, decline(d.Offer))
		}
	}
}

// refused takes the first final response of 300 or above: its ACK goes out, and
// the leg is over.
func (s *step) refused(t *Tx, m *Message) {
	t.Code = m.Code
	request := t.Last
	t.Last = s.ackRefusal(t, m)
	t.End = s.timerD(t)
	s.send(t, "ACK", 0, t.Path, Path{}, t.Last, false)
	met, unmet := s.challenged(t, m, request)
	switch {
	case met:
		return
	case !s.makes(t):
		s.changeRefused(t, m)
		return
	}
	s.final(m)
	if m.Code == 422 {
		s.MinSE = delta(m.minSE)
	}
	c := Cause{
		Why: Rejected, Code: m.Code, Phrase: s.Marks.Phrase, Q850: m.Q850(),
		Reasons: s.given(m), RetryAfter: m.RetryAfter,
	}
	if unmet != "" {
		c.Why, c.Text = Unauthorized, unmet
	}
	if up := s.State != Leaving; m.redirects() && up {
		s.finish(c, false)
		s.tell(End{Cause: c, Contacts: m.contacts(), Headers: s.heardOf(m)})
		return
	}
	s.tells = s.heardOf(m)
	s.finish(c, true)
}

// ackAgain answers a repeat of a refusal with the bytes of the first ACK (P3);
// under another To-tag, the same ACK with that To.
func (s *step) ackAgain(t *Tx, m *Message) {
	if t.Code < 300 {
		s.ackAnew(t, m)
		return
	}
	s.drop(DropAbsorbed, m)
	s.send(t, "ACK", 0, t.Path, Path{}, withTo(t.Last, m.To), true)
}

// ackAnew acknowledges a refusal of which no ACK is kept: it follows a 2xx, or
// came when the wait for it was over.
func (s *step) ackAnew(t *Tx, m *Message) {
	s.drop(DropAbsorbed, m)
	ack, first := s.ackRefusal(t, m), s.makes(t)
	if first { // of a re-INVITE the ACK of its 2xx is kept
		t.Code, t.Last = m.Code, ack
	}
	s.send(t, "ACK", 0, t.Path, Path{}, ack, !first)
}

// finished takes the final response to a request other than INVITE: Timer K.
func (s *step) finished(t *Tx, m *Message) {
	t.Code = m.Code
	request := t.Last
	s.quiet(t, m)
	met, unmet := s.challenged(t, m, request)
	switch {
	case met:
	case s.registration != nil:
		s.registered(m, unmet)
	case t.Method == "UPDATE":
		s.changed(t, m)
	case t.Method == "PRACK":
		s.prackAnswered(t, m)
	case t.Sub:
		s.notifyAnswered(t, m.Code, m.Phrase)
	case t.Method == "OPTIONS":
		s.audited(m)
	case t.For != 0:
		s.informedBy(t, m)
	}
}

// quiet arms Timer K: the request is not sent again, its answers are absorbed.
func (s *step) quiet(t *Tx, _ *Message) {
	t.Last, t.End = nil, s.now
	if !t.Path.Transport.Reliable() {
		t.End = s.now.Add(s.Policy.Timers.T4)
	}
}

// timedOut is a client transaction without an answer (RFC 3261 §17.1).
func (s *step) timedOut(t *Tx, m *Message) {
	if t.machine == inviteClient {
		t.Last = nil
		s.linger(t, m)
	}
	switch {
	case s.registration != nil:
		s.unregistered(408, "", 0)
	case s.makes(t):
		s.finish(Cause{Why: NoResponse, Code: 408, Q850: 18}, true)
	case t.Method == "INVITE" || t.Method == "UPDATE":
		s.changeUnanswered(t, Cause{Why: PeerLost, Code: 408, Q850: 102})
	case t.Method == "PRACK":
		s.prackAnswered(t, nil)
	case t.Sub:
		s.notifyAnswered(t, 408, "")
	case t.Method == "OPTIONS":
		s.unaudited()
	case t.For != 0:
		s.uninformed(t, 504)
	}
}

// notSent is a client transaction whose request could not be sent.
func (s *step) notSent(t *Tx, _ *Message) {
	switch {
	case s.registration != nil:
		s.unregistered(0, s.why, 0)
	case s.makes(t):
		s.finish(Cause{Why: NotSent, Code: 503, Text: s.why, Q850: 38}, true)
	case t.Method == "INVITE" || t.Method == "UPDATE":
		s.changeUnanswered(t, Cause{Why: PeerLost, Code: 503, Q850: 38})
	case t.Method == "PRACK":
		s.prackAnswered(t, nil)
	case t.Sub:
		s.notifyAnswered(t, 503, "")
	case t.Method == "OPTIONS":
		s.unaudited()
	case t.For != 0:
		s.uninformed(t, 503)
	}
}

// loosePatience gives the attempt up when one of the carrier's three timers has
// passed, and leaves at once: what the carrier still says is its own affair.
func (s *step) loosePatience() {
	for i, c := range [...]Cause{
		{Why: NoResponse, Code: 408, Q850: 18},
		{Why: NoRinging, Code: 408, Q850: 18},
		{Why: NoAnswer, Code: 480, Q850: 19},
	} {
		if due(s.now, s.Patience[i]) {
			s.finish(c, true)
			s.abandon(c)
			return
		}
	}
}

// end is the controller's word that the leg is to end.
func (s *step) end(c Cause) {
	if s.State == Leaving {
		return
	}
	if s.Side == In {
		s.endInbound(c)
		return
	}
	s.finish(c, false)
	s.abandon(c)
}

// abandon ends what the peer holds: an INVITE without an answer by CANCEL, each
// dialog by BYE (RFC 3261 §9.1, §15).
func (s *step) abandon(c Cause) {
	if t := s.invite(); t != nil && t.state == proceeding && !s.Cancelled {
		s.cancel(t)
	} // while calling, the CANCEL is held until a provisional comes (§9.1)
	for _, d := range s.Dialogs {
		if !d.Early {
			s.bye(d, c)
		}
	}
}

// cancel sends the CANCEL (RFC 3261 §9.1) and bounds the wait for the final
// response by 64·T1.
func (s *step) cancel(invite *Tx) {
	t := &Tx{machine: client, Method: "CANCEL", state: trying, Seq: invite.Seq, CSeq: invite.CSeq, Path: invite.Path}
	s.Cancelled = true
	s.start(t)
	t.Last = s.cancelRequest(t)
	s.Tx = append(s.Tx, t)
	invite.End = s.now.Add(s.lifetime())
	invite.Last = nil
	s.send(t, "CANCEL", 0, t.Path, Path{}, t.Last, false)
}

// stopMoot ends the repeats of a CANCEL that has nothing left to cancel, and of the
// PRACKs and UPDATEs within early dialogs that have gone with a refusal.
func (s *step) stopMoot(invite *Tx) {
	refused := invite.state != accepted && invite.state != terminated
	for _, t := range s.Tx {
		if t.machine == client && (t.Method == "CANCEL" || (t.Method == "PRACK" || t.Method == "UPDATE") && refused) {
			s.move(t, moot, nil)
		}
	}
}

// bye ends a dialog, once.
func (s *step) bye(d *Dialog, c Cause) {
	if d.Left {
		return
	}
	d.Left = true
	t := s.begin("BYE", client, Path{})
	t.Last, t.Path = s.within(d, "BYE", t.CSeq, t.Seq, append(reasons(c), s.show(s.with, false)...), Body{})
	t.Every, t.Repeat = 0, never
	s.start(t)
	s.send(t, "BYE", 0, t.Path, s.fallback(t.Path), t.Last, false)
}
