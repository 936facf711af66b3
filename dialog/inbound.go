package dialog

import (
	"cmp"
	"strings"
	"time"
)

// Inbound begins the leg of a call that a trunk makes: the 100 goes out at once
// (RFC 3261 §8.2.6.1), the Setup says what is wanted. asked is what the trunk's profile
// makes of the INVITE, without what a leg knows by itself; nil: what the INVITE says.
func Inbound(id ID, now time.Time, trunk string, m *Message, from Path, p *Policy, asked *Setup) (*Leg, []Action) {
	l := &Leg{
		ID: id, Side: In, Policy: p, Path: from,
		CallID: strings.Clone(m.CallID), Tag: p.Seal.Tag(id),
		Self: untagged(strings.Clone(m.To)), Peer: untagged(strings.Clone(m.From)),
		Offer:    !m.Body.Empty(),
		Seq:      First,
		Interval: Interval{Wish: m.wish()},
		Reliable: Reliable{Peer: extentOf(m, "100rel")},
	}
	l.Marks.Began = now
	d := &Dialog{
		Tag: strings.Clone(m.FromTag), Peer: l.Peer, Target: m.target(),
		Routes: cloned(m.Routes), CSeq: m.CSeq, Update: m.allows("UPDATE"),
	}
	if d.Target == "" {
		d.Target = sipURI("", from.Remote.String(), from.Transport) // a peer of RFC 2543
	}
	l.Dialogs = []*Dialog{d}
	s := step{Leg: l, now: now}
	t := s.accept(m, from, inviteServer)
	t.Seq = First
	l.SessionID.Remote, _ = m.session()
	s.respond(t, 100, "", reply{Extra: timestamp(m)})
	s.Refresh = now.Add(provisionalEvery)
	hops := m.MaxForwards
	if hops < 0 {
		hops = 70 // absent: RFC 2543; the value of RFC 3261 §8.1.1.6
	} else {
		hops--
	}
	if asked == nil {
		asked = &Setup{Number: m.Dialled(), Domain: strings.Clone(m.URI.Host), Caller: m.Caller()}
	}
	setup := *asked
	setup.Call, setup.Trunk, setup.MaxForwards, setup.Body = id.Call, trunk, hops, m.Body
	setup.Reliable, setup.EarlyMedia = l.Reliable.Peer != lacks, p.earlyMedia(m)
	if own, ok := m.session(); ok {
		setup.Headers = append(setup.Headers, Header{sessionID, own.String()})
	}
	s.tell(setup)
	return l, s.out
}

// accept makes the transaction of a request that the peer has sent.
func (s *step) accept(m *Message, from Path, kind machine) *Tx {
	if len(s.Tx) >= maxTx {
		s.forget()
	}
	t := &Tx{
		machine: kind, state: trying, Method: m.Method, Branch: strings.Clone(m.Branch), CSeq: m.CSeq, Of: strings.Clone(m.FromTag),
		Vias: cloned(mirrored(m.Vias, from)), Path: responsePath(m, from),
	}
	if kind == inviteServer {
		t.state = proceeding
		t.Routes = cloned(m.Routes)
	}
	if from, to := s.named(t, m.ToTag != ""); from != m.From || to != m.To {
		t.From, t.To = strings.Clone(m.From), strings.Clone(m.To)
	}
	s.Tx = append(s.Tx, t)
	return t
}

// forget makes room: a peer that begins more transactions than a leg keeps has
// its oldest finished one forgotten.
func (s *step) forget() {
	for i, t := range s.Tx {
		if !t.ours() && t.machine != reliable && t.Seq != First && (t.state == completed || t.state == confirmed) {
			s.Tx = append(s.Tx[:i:i], s.Tx[i+1:]...)
			return
		}
	}
}

// received finds what a message belongs to: a transaction of ours by its branch
// and method (RFC 3261 §17.1.3), one of theirs by the same (§17.2.3), a dialog by
// its tags (§12.2.2). That it belongs to this leg, the address in it has said.
func (s *step) received(m *Message, from Path) {
	if m.Code != 0 {
		s.response(m)
		return
	}
	if m.Method == "ACK" {
		s.ack(m)
		return
	}
	for _, t := range s.Tx {
		if t.is(m) {
			t.Path = responsePath(m, from) // the same request may come by a new connection
			if !s.move(t, gotRequest, m) {
				s.drop(DropNoRow, m)
			}
			return
		}
	}
	switch {
	case m.Method == "CANCEL":
		s.cancelling(m, from)
	case m.ToTag == "" && s.invite() == nil:
		// By now nothing merges any more: it is a copy that the network kept, and
		// has had its final response (P1).
		s.drop(DropAbsorbed, m)
	case m.ToTag == "":
		// The same Call-ID, From-tag and CSeq by another way (RFC 3261 §8.2.2.2).
		s.refuse(m, from, 482, "")
	default:
		s.request(m, from)
	}
}

// response gives a response to the transaction that it answers.
func (s *step) response(m *Message) {
	a, _ := s.Policy.Seal.OpenBranch(m.Branch)
	for _, t := range s.Tx {
		if t.ours() && t.Seq == a.Seq && t.Method == m.Method {
			if m.Code < 300 && (t.Offer || t.Seq == First && t.Method == "INVITE" && s.Offer) {
				s.answers(m)
			}
			if !s.move(t, arrival(m, t), m) {
				name := DropNoRow
				if m.Code < 200 {
					name = DropLate
				}
				s.drop(name, m)
			}
			return
		}
	}
	if m.Method == "INVITE" && m.Code/100 == 2 && s.Side == Out && a.Seq >= First && a.Seq <= s.first() {
		// The transaction is gone, the leg is not: a 2xx still wants its ACK (P4).
		s.answered(&Tx{Seq: a.Seq, CSeq: m.CSeq}, m)
		return
	}
	s.drop(DropNoTx, m)
}

// arrival is the input that a response is to a client transaction.
func arrival(m *Message, t *Tx) input {
	switch {
	case m.Code < 200:
		return got1xx
	case t.machine == client:
		return gotFinal
	case m.Code < 300:
		return got2xx
	}
	return got3to6
}

// ack gives an ACK to the INVITE transaction that it ends. The ACK of a refusal
// carries the INVITE's branch, the ACK of a 2xx one of its own; both carry its
// CSeq number (RFC 3261 §17.1.1.3, §13.2.2.4).
func (s *step) ack(m *Message) {
	if !strings.EqualFold(m.ToTag, s.Tag) {
		s.drop(DropACK, m) // of a refusal that nothing is kept of: 482, 481, 500
		return
	}
	s.answers(m)
	for _, t := range s.Tx {
		if t.machine == inviteServer && t.CSeq == m.CSeq {
			if t.state == completed && t.Branch != m.Branch {
				continue // the ACK of the 482 to a merged request
			}
			if !s.move(t, gotACK, m) {
				s.drop(DropNoRow, m)
			}
			return
		}
	}
	s.drop(DropACK, m)
}

// cancelling answers a CANCEL (RFC 3261 §9.2): the INVITE that it names is over
// with 487, unless it has its final response already.
func (s *step) cancelling(m *Message, from Path) {
	var invite *Tx
	for _, t := range s.Tx {
		if t.machine == inviteServer && t.Branch == m.Branch && t.CSeq == m.CSeq {
			invite = t
		}
	}
	if invite == nil {
		s.refuse(m, from, 481, "")
		return
	}
	s.respond(s.accept(m, from, server), 200, "", reply{})
	if invite.state != proceeding {
		return
	}
	if invite.Seq != First {
		return // a re-INVITE takes its course (RFC 3261 §9.2 leaves it to us)
	}
	c := Cause{Why: Cancelled, Code: 487, Q850: m.Q850(), Reasons: s.given(m)}
	s.conclude(invite, Cause{Code: 487}) // its own Reason is no news to the caller
	s.finish(c, true)
}

// conclude sends the final response of a failed INVITE.
func (s *step) conclude(t *Tx, c Cause) {
	r := reply{Extra: append(reasons(c), s.show(s.with, t.Seq == First)...)}
	if c.RetryAfter > 0 {
		r.Extra = append(r.Extra, Header{"Retry-After", itoa(c.RetryAfter)})
	}
	s.Marks.Final, s.Marks.Code, s.Marks.Phrase, s.Marks.Q850 = s.now, c.Code, c.Phrase, c.Q850
	s.respond(t, c.Code, c.Phrase, r)
	s.settleProvisionals()
}

// progress sends a provisional to the trunk.
func (s *step) progress(p Progress) {
	t := s.invite()
	if t == nil || s.State > Early {
		return
	}
	if body, ok := s.late(p.Body); !ok && p.Reliable {
		s.withoutCodec(t)
		return
	} else if p.Body = body; !ok {
		p.Body = Body{} // what the carrier has yet to offer
	}
	s.State = Early
	s.rings(p.Code)
	s.provision(t, p)
	s.Refresh = s.now.Add(provisionalEvery)
}

// repeatProvisional keeps the proxies before us waiting.
func (s *step) repeatProvisional() {
	s.Refresh = never
	if t := s.invite(); t != nil && t.state == proceeding {
		s.again(t)
		s.Refresh = s.now.Add(provisionalEvery)
	}
}

// answer sends the 2xx to the trunk, and repeats it until the ACK comes.
func (s *step) answer(a Answer) {
	t := s.invite()
	if t == nil || s.State > Early {
		return
	}
	body, ok := s.late(a.Body)
	if !ok {
		s.withoutCodec(t)
		return
	}
	a.Body = body
	if u := s.unacked(); u != nil && u.Offer {
		s.Reliable.Progress, s.Reliable.Answer = Progress{}, a // not before its PRACK (RFC 3262 §3)
		return
	}
	s.State, s.Refresh = Answered, never
	s.Marks.Final, s.Marks.Code, s.Marks.Phrase = s.now, a.Code, a.Phrase
	s.SessionID.Local = UUID{} // of a carrier that was tried before
	r := reply{Contact: true, Body: s.allowed(a.Body), Extra: append(s.grant(s.Interval.Wish), s.show(a.Headers, true)...)}
	s.said(a.Body)
	s.respond(t, a.Code, a.Phrase, r)
	s.settleProvisionals()
}

// acknowledged is the ACK of a 2xx of ours: the repeats stop, and a BYE that
// waited for it goes out (RFC 3261 §15).
func (s *step) acknowledged(t *Tx, m *Message) {
	if t.Every == 0 {
		s.drop(DropAbsorbed, m)
		return
	}
	t.Every, t.Repeat = 0, never
	t.Last, t.Vias, t.Routes = nil, nil, nil
	if t.Seq != First {
		if s.State != Leaving { // with nothing in it, too: the other side waits to send its ACK
			s.tell(Confirm{Body: m.Body})
		}
		return
	}
	if s.ByeHeld {
		s.ByeHeld = false
		s.bye(s.Dialogs[0], s.Cause)
		return
	}
	if s.State == Answered {
		s.State = Confirmed
	}
	if s.State == Confirmed {
		s.tell(Confirm{Body: m.Body})
	}
}

// unacknowledged is Timer L: if the ACK has not come in 64·T1, the dialog is
// ended by BYE (RFC 3261 §13.3.1.4).
func (s *step) unacknowledged(t *Tx, _ *Message) {
	if t.Every == 0 {
		return
	}
	c := Cause{Why: NoACK, Code: 408, Q850: 102}
	if s.ByeHeld {
		s.ByeHeld, c = false, s.Cause
	}
	d := s.current()
	s.finish(c, true)
	if d != nil {
		s.bye(d, c)
	}
}

// endInbound ends the trunk's leg: a final response where it waits for one, else
// BYE, which waits for the ACK (RFC 3261 §15.1.1).
func (s *step) endInbound(c Cause) {
	was := s.State
	s.finish(c, false)
	switch was {
	case Trying, Early:
		if t := s.invite(); t != nil {
			s.conclude(t, c)
		}
	case Answered:
		s.ByeHeld = true
	case Confirmed:
		if d := s.current(); d != nil {
			s.bye(d, c)
		}
	case Leaving:
	}
}

// concludeRequests answers what the peer has asked of the other side, which will
// have no answer now.
func (s *step) concludeRequests() {
	for _, t := range s.Tx {
		if !t.ours() && t.Seq != First && (t.state == proceeding || t.state == trying) {
			s.respond(t, 487, "", reply{})
		}
	}
}

// request takes a request within a dialog (RFC 3261 §12.2.2).
func (s *step) request(m *Message, from Path) {
	d := s.dialog(m.FromTag)
	if d == nil || d.Early && !s.early(m) || m.CallID != s.CallID || m.ToTag == "" {
		s.refuse(m, from, 481, "")
		return
	}
	if d.CSeq != 0 && m.CSeq < d.CSeq {
		s.refuse(m, from, 500, "CSeq Out of Order") // §12.2.2
		return
	}
	d.CSeq = m.CSeq
	switch m.Method {
	case "BYE":
		s.hungUp(d, m, from)
	case "INVITE", "UPDATE":
		s.change(d, m, from)
	case "PRACK":
		s.pracked(m, from)
	case "OPTIONS":
		t := s.accept(m, from, server)
		if s.State == Leaving || d.Left {
			s.respond(t, 481, "", reply{}) // who audits its calls by OPTIONS is to hear that this one is over
			return
		}
		if r, ok := inspect(m); ok {
			s.respond(t, r.Code, "", reply{Extra: r.Extra})
			return
		}
		s.respond(t, 200, "", reply{Extra: s.Policy.Capabilities()})
	case "REFER":
		s.refer(d, m, from)
	case "NOTIFY":
		if !s.notified(d, m, from) {
			s.inform(d, m, from)
		}
	default:
		s.inform(d, m, from)
	}
}

// hungUp is the peer's BYE (RFC 3261 §15.1.2).
func (s *step) hungUp(d *Dialog, m *Message, from Path) {
	s.respond(s.accept(m, from, server), 200, "", reply{})
	if d.Left {
		return // it crossed our BYE: a dialog that is not the call
	}
	d.Left = true
	c := Cause{Why: HungUp, Code: cmp.Or(StatusOf(m.Q850()), 480), Q850: m.Q850(), Reasons: s.given(m)}
	if t := s.invite(); t != nil && s.Side == In && t.state == proceeding {
		s.conclude(t, Cause{Code: 487}) // a BYE within the early dialog: §15.1.2
	}
	s.tells = s.heardOf(m)
	s.finish(c, true)
	s.stopWaiting()
}

// stopWaiting ends what waits for an ACK that will not come after a BYE.
func (s *step) stopWaiting() {
	s.ByeHeld = false
	for _, t := range s.Tx {
		if t.machine == inviteServer && t.state == accepted {
			t.Every, t.Repeat = 0, never
			t.Last, t.Vias, t.Routes = nil, nil, nil // nor does a node that takes over repeat it
		}
	}
}
