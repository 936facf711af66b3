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
