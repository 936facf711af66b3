package dialog

import (
	"cmp"
	"hash/fnv"
	"strconv"
	"strings"
)

// Reliability of provisional responses (RFC 3262). Each leg does it by itself: what
// a carrier says reliably gets its PRACK from us, whether or not the trunk knows of
// such things, and the trunk gets as reliable what it requires to be.

// extent is how far a caller goes along with 100rel.
type extent uint8

const (
	lacks extent = iota
	supports
	requires
	extents
)

// Reliable is what an inbound leg knows of its reliable provisionals.
type Reliable struct {
	Peer  extent // what the INVITE says of 100rel
	RSeq  uint32 // of the last one; 0: none has been sent
	Given uint64 // hash of the description that was given reliably: from then on it holds; 0: none was

	// What is to be said when the PRACK has come; Code 0: nothing.
	Progress Progress
	Answer   Answer
	Owed     Body  // a description that the caller has yet to be shown: another one holds
	Changed  bool  // by UPDATE or PRACK: what was given, responses to the INVITE do not say again
	Said     Body  // what the caller describes since then
	Unasked  uint8 // of Owed: see Modify
}

// extentOf reads Require and Supported of an INVITE.
func extentOf(m *Message, option string) extent {
	switch {
	case m.requires(option):
		return requires
	case m.supports(option):
		return supports
	}
	return lacks
}

// requires says that a message's Require lists an option tag.
func (m *Message) requires(option string) bool { return listed(m.Values("Require"), option) }

// supports says that a message's Supported, or its compact form, lists an option tag.
func (m *Message) supports(option string) bool {
	return listed(m.Values("Supported"), option) || listed(m.Values("k"), option)
}

func listed(values []string, option string) bool {
	for _, v := range values {
		if strings.EqualFold(v, option) {
			return true
		}
	}
	return false
}

// rseq is the number of a reliable provisional; 0: it is none.
func (m *Message) rseq() uint32 {
	if !m.requires("100rel") {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(m.Value("RSeq")), 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// DropGap is a reliable provisional that follows one which has not come, or whose
// PRACK waits for the caller's, or too many whose PRACKs have no answer: it will be repeated
// (RFC 3262 §4).
const DropGap = "rseq_gap"

// maxPRACKs is how many PRACKs of ours may have no answer in one early dialog.
const maxPRACKs = 4

// heardReliably acknowledges a reliable provisional (RFC 3262 §4) and says what of its
// body the caller is to be shown. False: it is a repeat, or came out of order, and
// nobody is to hear of it.
func (s *step) heardReliably(t *Tx, m *Message, n uint32) (shown Body, ok bool) {
	d := s.dialog(m.ToTag)
	if d == nil {
		if !s.room() {
			s.drop(DropFull, m)
			return Body{}, false
		}
		d = &Dialog{Tag: strings.Clone(m.ToTag), Early: true}
		s.Dialogs = append(s.Dialogs, d)
	}
	switch {
	case d.RSeq != 0 && n <= d.RSeq:
		s.drop(DropAbsorbed, m)
		return Body{}, false
	case d.RSeq != 0 && n != d.RSeq+1, d.Unacked != 0, s.pracks(d) >= maxPRACKs:
		s.drop(DropGap, m)
		return Body{}, false
	}
	if d.Peer == "" {
		s.fill(d, m)
	}
	d.allowed(m)
	d.RSeq, shown = n, m.Body
	switch {
	case m.Body.Empty():
		s.prack(d, t.CSeq, Body{})
	case s.Offer:
		if d.Answer.Empty() {
			d.Answer = m.Body
		}
		s.prack(d, t.CSeq, Body{})
	case s.proposed():
		// The caller has one session and has been shown its offer.
		s.prack(d, t.CSeq, decline(m.Body))
		shown = Body{}
	default:
		d.Offer, d.Unacked = m.Body, n // the caller's PRACK has the answer
	}
	return shown, true
}

// pracks is how many PRACKs of ours in an early dialog have no final response yet.
func (l *Leg) pracks(d *Dialog) (n int) {
	for _, t := range l.Tx {
		if t.Method == "PRACK" && t.ours() && t.Of == d.Tag && t.state < completed {
			n++
		}
	}
	return n
}

// proposed says that a reliable provisional has brought an offer before.
func (l *Leg) proposed() bool {
	for _, d := range l.Dialogs {
		if d.Unacked != 0 || !d.Answer.Empty() {
			return true
		}
	}
	return false
}

// prack sends the PRACK of the last reliable provisional of an early dialog.
func (s *step) prack(d *Dialog, invite uint32, body Body) {
	t := s.begin("PRACK", client, Path{})
	t.Of = d.Tag
	rack := []Header{{"RAck", itoa(int(d.RSeq)) + " " + cseq(invite, "INVITE")}}
	t.Last, t.Path = s.within(d, "PRACK", t.CSeq, t.Seq, rack, body)
	t.Every, t.Repeat = 0, never
	s.start(t)
	s.send(t, "PRACK", 0, t.Path, s.fallback(t.Path), t.Last, false)
	s.promise()
}

// confirmEarly brings the caller's PRACK to the carrier whose offer it answers.
func (s *step) confirmEarly(answer Body) {
	for _, d := range s.Dialogs {
		if d.Unacked == 0 {
			continue
		}
		if answer.Empty() {
			answer = decline(d.Offer)
		}
		d.Answer, d.Offer, d.Unacked = d.Offer, Body{}, 0
		s.prack(d, s.inviteSeq(), answer)
		return
	}
}

// inviteSeq is the CSeq number of the INVITE that made an outbound leg: our first
// request.
func (l *Leg) inviteSeq() uint32 {
	if t := l.invite(); t != nil {
		return t.CSeq
	}
	return 1
}

// promise says of the last message that it rests on state which is to be safe before
// it goes out (W2).
func (s *step) promise() {
	last := len(s.out) - 1
	if a, ok := s.out[last].(Send); ok {
		a.Promise = true
		s.out[last] = a
	}
}

// unacked is the reliable provisional that waits for its PRACK; nil: none does.
func (l *Leg) unacked() *Tx {
	for _, t := range l.Tx {
		if t.machine == reliable && t.state == proceeding {
			return t
		}
	}
	return nil
}

// provision sends a provisional to the caller, reliably where that is required, and
// where the carrier's was and the caller can take it so. Before its PRACK no other
// goes out (RFC 3262 §3).
func (s *step) provision(invite *Tx, p Progress) {
	if s.unacked() != nil {
		if p.Body.Empty() {
			held := &s.Reliable.Progress
			p.Body, p.Reliable, p.EarlyMedia = held.Body, p.Reliable || held.Reliable, cmp.Or(p.EarlyMedia, held.EarlyMedia)
		}
		s.Reliable.Progress = p
		return
	}
	surely := s.Reliable.Peer == requires || s.Reliable.Peer == supports && p.Reliable
	body := s.allowed(p.Body)
	if !s.Offer && surely && !p.Reliable {
		body = Body{} // what the carrier may still change is no offer
	}
	r := reply{Contact: true, Body: body, Extra: append(s.Policy.ofEarlyMedia(p.EarlyMedia), s.show(p.Headers, true)...)}
	if !surely {
		s.respond(invite, p.Code, p.Phrase, r)
		return
	}
	if s.Reliable.RSeq == 0 {
		s.Reliable.RSeq = uint32(s.Policy.Seal.Number(s.ID) % (1 << 30))
	}
	s.Reliable.RSeq++
	if !body.Empty() {
		s.Reliable.Given = sum(body)
	}
	r.Extra = append(r.Extra, Header{"Require", "100rel"}, Header{"RSeq", itoa(int(s.Reliable.RSeq))})
	s.respond(invite, p.Code, p.Phrase, r)
	s.promise()
	s.number()
	s.Tx = append(s.Tx, &Tx{
		machine: reliable, state: proceeding, Method: "INVITE", Seq: s.Seq, CSeq: invite.CSeq, RSeq: s.Reliable.RSeq,
		Offer: !body.Empty(), Path: invite.Path, Last: invite.Last, Code: p.Code,
		Every: s.t1(), Repeat: s.now.Add(s.t1()), End: s.now.Add(s.lifetime()),
	})
}

// allowed is what a response to the INVITE may still describe: once a description
// has been given reliably it holds, and another one waits for an offer of our own
// (RFC 3261 §13.2.1).
func (s *step) allowed(b Body) Body {
	switch {
	case b.Empty() || s.Reliable.Given == 0:
		return b
	case sum(b) != s.Reliable.Given:
		owed, ok := s.Policy.Codecs.offer(b)
		if !ok {
			s.drop(DropCodec, nil)
			owed = Body{}
		}
		s.Reliable.Owed, s.Reliable.Unasked = owed, 0
		return Body{}
	}
	s.Reliable.Owed = Body{}
	if !s.Offer || s.Reliable.Changed {
		return Body{} // it would be another offer
	}
	return b
}

// sum tells one description from another.
func sum(b Body) uint64 {
	h := fnv.New64a()
	h.Write(b.Data)
	return h.Sum64() | 1
}

// pracked takes a PRACK (RFC 3262 §3): 481 where it acknowledges nothing.
func (s *step) pracked(m *Message, from Path) {
	var acknowledged *Tx
	for _, t := range s.Tx {
		if t.machine == reliable && t.acknowledgedBy(m.Value("RAck")) {
			acknowledged = t
		}
	}
	t := s.accept(m, from, server)
	refusal, refused := inspect(m)
	switch {
	case acknowledged == nil:
		s.respond(t, 481, "", reply{})
		return
	case refused:
		s.respond(t, refusal.Code, "", reply{Extra: refusal.Extra})
		return
	}
	waited := acknowledged.state == proceeding
	s.move(acknowledged, gotPRACK, m)
	if answers := !s.Offer && acknowledged.Offer; m.Body.Empty() || answers {
		s.answers(m)
		s.respond(t, 200, "", reply{})
	} else {
		s.offeredInPRACK(t, m)
	}
	if waited {
		s.arrived(acknowledged, m)
	}
}

// offeredInPRACK is an offer beside the acknowledgement (RFC 3262 §5): our own PRACK has
// gone to the carrier by then, so it crosses as one in an UPDATE, and the 200 waits for the
// answer. Where it cannot cross it is refused by a 488, which leaves the session as it is:
// a 200 would have to bring an answer, and only the carrier has one.
func (s *step) offeredInPRACK(t *Tx, m *Message) {
	if s.State >= Answered || s.Change.Seq != 0 || !s.exchanged(s.Dialogs[0]) {
		s.respond(t, 488, "", reply{})
		return
	}
	s.number()
	t.Seq, t.Offer = s.Seq, true
	s.Change = Change{Seq: t.Seq, Early: true, Offer: m.Body}
	s.Reliable.Changed = true
	s.tell(Modify{Method: "UPDATE", Body: m.Body})
}

// acknowledgedBy says that a RAck names this provisional (RFC 3262 §7.2).
func (t *Tx) acknowledgedBy(rack string) bool {
	f := strings.Fields(rack)
	return len(f) == 3 && f[0] == itoa(int(t.RSeq)) && f[1] == strconv.FormatUint(uint64(t.CSeq), 10) && f[2] == "INVITE"
}

// arrived is the PRACK of a reliable provisional: what has waited for it is said.
func (s *step) arrived(t *Tx, m *Message) {
	if t.Offer && !s.Offer && s.State != Leaving {
		s.tell(Confirm{Early: true, Body: m.Body})
	}
	held := s.Reliable
	s.Reliable.Progress, s.Reliable.Answer = Progress{}, Answer{}
	switch {
	case held.Answer.Code != 0:
		s.answer(held.Answer)
	case held.Progress.Code != 0:
		s.progress(held.Progress)
	}
}

// settled is the final response to the INVITE: the reliable provisional is not
// repeated, its PRACK is still answered (RFC 3262 §3).
func (s *step) settled(t *Tx, _ *Message) { t.End = s.now.Add(s.lifetime()) }

// settleProvisionals tells the reliable provisionals that the INVITE has its final
// response.
func (s *step) settleProvisionals() {
	for _, t := range s.Tx {
		if t.machine == reliable {
			s.move(t, tellFinal, nil)
		}
	}
}

// unpracked is a reliable provisional that has not been acknowledged in 64·T1: the
// INVITE is rejected (RFC 3262 §3), when the timers of this step have all fired.
func (s *step) unpracked(*Tx, *Message) { s.deaf = true }

// rejectUnpracked ends the leg of a caller that does not hear.
func (s *step) rejectUnpracked() {
	invite := s.invite()
	if !s.deaf || s.State == Leaving || invite == nil || invite.state != proceeding {
		return
	}
	c := Cause{Why: NoACK, Code: 504, Text: "no PRACK", Q850: 102}
	s.conclude(invite, c)
	s.finish(c, true)
}
