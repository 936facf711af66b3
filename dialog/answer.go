package dialog

import (
	"slices"
	"strings"
	"time"
)

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
