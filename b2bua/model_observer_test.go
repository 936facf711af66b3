package b2bua

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bulkhead/dialog"
)

// observer checks the promises (design §1) by what goes in and out of a call
// alone. It is plain data, so that it can be copied, compared and hashed with
// the state that it belongs to.
type observer struct {
	Trunk  trunkSeen
	Out    [3]legSeen
	Writes uint8
	Silent [4]uint8 // audits in a row that had no answer, by leg
	Closed bool     // the trunk's CANCEL or BYE, or an operator's word, was accepted
	Winner uint8    // leg whose 2xx was passed to the trunk; 0: none
	Tag    uint8    // and the tag of its dialog
}

// trunkSeen is what was seen on the trunk's leg.
type trunkSeen struct {
	Final  uint32 // text of the final response to the INVITE
	Code   int
	Told   uint32 // text of some response with our To-tag
	Merged uint32 // text of the answer to a merged INVITE
	Bye    uint32 // text of our BYE
	Byed   bool   // the trunk's BYE came
	Acked  bool   // the ACK of a 2xx came
	Ends   uint8  // timers that ended a state of the INVITE's transaction, after the final
	Change changeSeen
	Info   uint32 // text of our last INFO
	Audit  uint32 // text of our last OPTIONS
	Origin originSeen

	Referrals referralsSeen

	Reliable uint32 // text of the last reliable provisional
	RSeq     uint32
	Pracked  bool // its PRACK has come

	described bool // it had a description
	agreed    bool // and a PRACK
	updated   bool // the session has been changed before the answer
}

// legSeen is what was seen on an outbound leg.
type legSeen struct {
	Invite, Cancel uint32
	Provisional    bool
	Final          int             // class of the first final response delivered: 0, 2, 3
	Lost           bool            // failed over, cancelled, refused or ended
	Ended          [len(tags)]bool // early dialogs, by 199
	Media          bool            // it has sent early media while it was alive
	Tag            uint8
	Gone           bool // the INVITE could not be sent or nothing is kept of it any more
	Ends           [maxInvites]uint8
	Refusals       [maxInvites][len(tags)]uint32 // texts of the ACKs of non-2xx finals
	Dialogs        [len(tags)]dialogSeen
	Change         changeSeen
	Info           uint32 // text of our last INFO
	Audit          uint32 // text of our last OPTIONS
	Origin         originSeen
	Referrals      referralsSeen

	Prack  uint32                // text of our last PRACK
	Pracks [len(tags)][10]uint32 // by tag and RSeq
	Heard  [len(tags)]uint32     // RSeq of the last reliable provisional that came in order

	Described [len(tags)]bool // an exchange is complete in the early dialog, by a PRACK of ours

	Last         uint8              // how many INVITEs there were
	Invites      [maxInvites]uint32 // texts of all of them
	CSeqs        [maxInvites]uint32
	Seqs         [maxInvites]uint16 // numbers of their transactions
	Nonce, Count uint32             // of the last credentials
}

// dialogSeen is a dialog that a 2xx of a carrier has made.
type dialogSeen struct {
	Answered, Byed bool               // 2xx delivered; their BYE delivered
	Ack, Bye       uint32             // texts
	Acks           [maxInvites]uint32 // texts of the ACKs, by the INVITE
}

// changeSeen is a change of the session by either side of a leg.
type changeSeen struct {
	Ours   uint32 // text of our last re-INVITE or UPDATE
	OurAck uint32
	Code   int    // of the final to theirs
	Final  uint32 // text of it
}

// originSeen is the o= line that a leg was shown.
type originSeen struct {
	ID, Version uint64
	Rest        uint64 // hash of all else
	Port        string // of the description
}

// seen is one step of the call: what it was given and what it did.
type seen struct {
	move          move
	now           time.Time
	before, after *Call
	sends         []dialog.Send
	texts         []*text
	records       []Record
	actions       []Action
	judge         *verdicts // nil: there is none
	ends          *ends     // nil: media is not anchored
}

// check looks at a step, remembers what matters later, and names the first
// promise that is broken; empty: none is.
func (o *observer) check(x *texts, s *seen) string {
	if w := uint8(s.after.Winner + 1); w != o.Winner {
		if o.Winner, o.Tag = w, s.move.tag; o.Out[w-1].Final != 0 {
			o.Tag = o.Out[w-1].Tag // its answer has waited for the caller's
		}
	}
	lost := s.move.leg > 0 && s.move.leg <= uint8(len(s.before.Out)) && o.Out[s.move.leg-1].Lost
	aside := o.aside(s)
	o.note(s)
	for _, a := range s.actions {
		switch a := a.(type) {
		case Violation:
			return "watch " + a.Name
		case Write:
			s.records = append(s.records, a.Record)
		case Failover:
			o.Out[a.Attempt-1].Lost = true
		case Send:
			t := x.of(a.Data)
			if t.err != nil {
				return fmt.Sprintf("a message does not parse: %v", t.err)
			}
			s.sends, s.texts = append(s.sends, a.Send), append(s.texts, t)
		case Drop, Save, Skip, Untried:
		}
	}
	if v := o.forked(s); v != "" {
		return v
	}
	if v := o.heard(s); v != "" {
		return v
	}
	if v := o.redirected(s); v != "" {
		return v
	}
	for i := range s.sends {
		if v := o.sent(s, s.sends[i], s.texts[i]); v != "" {
			return v
		}
	}
	if v := o.mirrored(s); v != "" {
		return v
	}
	if v := o.owed(s); v != "" {
		return v
	}
	for _, method := range []string{"INFO", "REFER", "NOTIFY"} {
		if v := o.informed(s, method); v != "" {
			return v
		}
	}
	if v := o.referred(s); v != "" {
		return v
	}
	if v := o.moved(s); v != "" {
		return v
	}
	if v := o.acknowledgedEarly(s); v != "" {
		return v
	}
	if v := o.refreshed(s); v != "" {
		return v
	}
	if v := o.askedAgain(s); v != "" {
		return v
	}
	if v := o.early(s); v != "" {
		return v
	}
	if v := o.reasoned(s); v != "" {
		return v
	}
	if v := o.audited(s); v != "" {
		return v
	}
	if v := o.limited(s); v != "" {
		return v
	}
	if v := o.judged(s); v != "" {
		return v
	}
	if v := s.anchored(); v != "" {
		return v
	}
	if v := chosen(s); v != "" {
		return v
	}
	if v := o.met(s); v != "" {
		return v
	}
	if lost || aside || s.move.leg < 0xff && s.move.kind != hangs && s.before.leg(s.move.leg).State == dialog.Leaving {
		if v := o.contained(s); v != "" {
			return v
		}
	}
	for _, r := range s.records {
		if v := o.written(s, r); v != "" {
			return v
		}
	}
	for n := range s.after.Out {
		if o.Out[n].Final != 0 && s.after.Out[n].Patience != [3]time.Time{} {
			return "R4: patience is still armed after the final response"
		}
	}
	if !s.after.Done() && s.after.Deadline().IsZero() {
		return "P7: neither done nor a deadline"
	}
	if s.after.Done() && o.Writes != 1 {
		return fmt.Sprintf("P8: done with %d records", o.Writes)
	}
	if s.after.Done() && o.Trunk.Final == 0 {
		return "P1: done without a final response to the trunk"
	}
	return ""
}

// aside says that a message cannot mean anything to the call: another dialog
// than that of the answer, or a response to an INVITE that has its final.
func (o *observer) aside(s *seen) bool {
	m := s.move
	if m.kind != says || m.leg == 0 || m.change {
		return false
	}
	if m.msg.Method == "INVITE" && m.msg.Code != 0 && o.Out[m.leg-1].Final != 0 || o.Out[m.leg-1].outdated(m.msg) {
		return true
	}
	if m.leg == target(s.before) {
		return m.msg.Code == 0 && (o.Out[m.leg-1].Final != 2 || m.tag != o.Out[m.leg-1].Tag)
	}
	return o.Winner != 0 && (m.leg != o.Winner || m.tag != o.Tag && m.msg.Code == 0)
}

// note takes in what was given to the call.
func (o *observer) note(s *seen) {
	m := s.move
	switch m.kind {
	case hangs:
		o.Closed = true
		return
	case fires, floods, waits:
		for _, t := range timers(s.before) {
			fired := m.kind == floods || m.kind == fires && t.leg == m.timer.leg && t.name == m.timer.name && t.tx == m.timer.tx
			n := 0
			if t.leg > 0 && t.leg < 0xff {
				n = slices.Index(o.Out[t.leg-1].Seqs[:o.Out[t.leg-1].Last], t.tx)
			}
			if !t.end || n < 0 || t.leg == 0 && t.tx != dialog.First || !strings.HasPrefix(t.name, "INVITE") {
				continue
			}
			if !fired && t.at(s.before).After(s.now) {
				continue
			}
			if t.leg == 0 {
				o.Trunk.Ends++
			} else {
				o.Out[t.leg-1].Ends[n]++
			}
		}
		return
	case fails:
		if m.leg > 0 && m.tx == o.Out[m.leg-1].Seqs[o.Out[m.leg-1].Last-1] && o.Out[m.leg-1].Final == 0 && !o.Out[m.leg-1].Provisional {
			o.Out[m.leg-1].Gone = true
		}
		return
	case chooses, dies:
		return
	case says, falls:
	}
	if m.kind == says && m.msg.Method == "REFER" && m.msg.Code == 0 && s.before.leg(m.leg).Referred.Ref == 0 && (s.after.leg(m.leg).Referred.Ref != 0 || accepts(s)) {
		o.referrals(m.leg).Asked = true
	}
	if m.leg == 0 {
		switch {
		case m.msg.Method == "BYE" && m.msg.Code == 0:
			o.Trunk.Byed = true
		case m.msg.Method == "PRACK" && m.msg.Branch != "z9hG4bKnothing":
			o.Trunk.Pracked = true
			o.Trunk.agreed = o.Trunk.agreed || o.Trunk.described
		case m.msg.Method == "ACK" && m.msg.CSeq == 1 && o.Trunk.Code/100 == 2 && m.msg.Branch == "z9hG4bKk":
			o.Trunk.Acked = true
		}
		return
	}
	l := &o.Out[m.leg-1]
	switch {
	case m.msg.Method == "BYE" && m.msg.Code == 0:
		if l.Dialogs[m.tag].Answered {
			l.Dialogs[m.tag].Byed = true
		}
	case m.msg.Method != "INVITE" || l.nth(m.msg) < 0 || m.msg.Code == 0 || m.change:
	case l.outdated(m.msg):
		l.Dialogs[m.tag].Answered = l.Dialogs[m.tag].Answered || m.msg.Code/100 == 2
	case m.msg.Code < 200:
		l.Provisional = true
		l.Media = l.Media || m.msg.Code >= 180 && !m.msg.Body.Empty() && s.before.leg(m.leg).State < dialog.Answered
		if n := number(m.msg.Value("RSeq")); n != 0 && (l.Heard[m.tag] == 0 || n == l.Heard[m.tag]+1) && s.before.leg(m.leg).State < dialog.Answered {
			l.Heard[m.tag] = n
		}
	case m.msg.Code < 300:
		l.Dialogs[m.tag].Answered = true
		if l.Final == 0 {
			l.Final, l.Tag = 2, m.tag
			l.Ends[l.Last-1] = max(l.Ends[l.Last-1], 1) // an answered INVITE has Timer M and no linger
		}
	case l.Final == 0:
		l.Final, l.Lost = 3, true
	}
}

// sent checks one message that the call sends.
func (o *observer) sent(s *seen, a dialog.Send, t *text) string {
	if a.Leg == 0 {
		return o.sentToTrunk(s, a, t)
	}
	if int(a.Leg) > len(o.Out) {
		return "a message on a leg that does not exist"
	}
	l := &o.Out[a.Leg-1]
	if v := l.Origin.check(t); v != "" {
		return v
	}
	if v := l.proven(a, t); v != "" {
		return v
	}
	if a.Code != 0 {
		l.Referrals.answered(a)
		return l.Change.answered(t)
	}
	switch a.Method {
	case "INVITE", "UPDATE":
		if t.msg.ToTag != "" {
			l.Change.Ours, l.Change.OurAck = t.id, 0
			return l.updates(s, a, t)
		}
		switch {
		case l.Invite == 0 && o.Closed:
			return "P5: an INVITE after the call was closed"
		case l.Invite == 0 && o.Trunk.Final != 0 && s.after.Moving.By == 0:
			return "P5: an INVITE after the trunk's final response"
		case l.Invite != 0 && l.Invite != t.id:
			return o.again(s, a, t)
		case l.Final != 0 && l.Invite != 0:
			return "an INVITE repeated after its final response"
		}
		if l.Invite == 0 {
			l.invited(a, t)
		}
		l.Invite = t.id
	case "INFO":
		l.Info = t.id
	case "REFER", "NOTIFY":
		return l.Referrals.sent(s, a, t)
	case "OPTIONS":
		l.Audit = t.id
	case "PRACK":
		return l.pracks(s, t)
	case "CANCEL":
		switch {
		case l.Final != 0 && l.Cancel == 0:
			return "P5: a CANCEL after the final response"
		case l.Final != 0:
			return "P5: a CANCEL repeated after the final response"
		case !l.Provisional:
			return "P5: a CANCEL before any provisional"
		case l.Cancel != 0 && l.Cancel != t.id:
			return "P5: two CANCELs on one leg"
		case t.msg.Branch != branchOf(s.after, a.Leg, l.Seqs[l.Last-1]) || t.msg.CSeq != l.CSeqs[l.Last-1]:
			return "RFC 3261 §9.1: a CANCEL of another INVITE than the last"
		}
		l.Cancel, l.Lost = t.id, true
	case "ACK":
		return o.sentACK(s, a, t, l)
	case "BYE":
		n := slices.Index(tags[:], t.msg.ToTag)
		if n < 0 || !l.Dialogs[n].Answered {
			return "a BYE in no dialog"
		}
		d := &l.Dialogs[n]
		if d.Bye != 0 && d.Bye != t.id {
			return "P4: a second BYE in one dialog"
		}
		if d.Bye == 0 && d.Byed {
			return "P4: a BYE after theirs"
		}
		if d.Ack == 0 {
			return "P4: a BYE before the ACK"
		}
		d.Bye = t.id
		return along(t, contactOf(uint8(n)), routesOf(uint8(n)), l.Change.Ours != 0)
	}
	return ""
}

// sentToTrunk checks what the trunk gets to see.
func (o *observer) sentToTrunk(s *seen, a dialog.Send, t *text) string {
	tr := &o.Trunk
	if v := tr.Origin.check(t); v != "" {
		return v
	}
	tag := t.msg.ToTag
	switch {
	case a.Code == 0:
		tag = t.msg.FromTag
	case a.Code == 100:
		return ""
	case a.Code == 482:
		if t.msg.Branch == "z9hG4bKt" {
			return "P1: a copy of the INVITE refused as merged"
		}
		tr.Merged = t.id
		return ""
	}
	if tag != s.after.In.Tag {
		return "P6: another tag of ours"
	}
	if promised(a, t) {
		return "RFC 3262 §5: a 200 to a PRACK without the answer to its offer"
	}
	if tr.redescribes(a, t) {
		return "P6: what an UPDATE has changed is described as it was"
	}
	switch {
	case a.Code == 0 && a.Method == "BYE":
		switch {
		case tr.Bye != 0 && tr.Bye != t.id:
			return "P4: a second BYE to the trunk"
		case tr.Bye == 0 && tr.Byed:
			return "P4: a BYE after the trunk's"
		case tr.Code/100 != 2:
			return "P1: a BYE to a trunk that was not answered"
		case !tr.Acked && tr.Ends == 0:
			return "a BYE before the trunk's ACK (RFC 3261 §15)"
		}
		tr.Bye = t.id
		return along(t, contactOf(0), routesOf(0), false)
	case a.Code == 0 && a.Method == "INFO":
		tr.Info = t.id
	case a.Code == 0 && (a.Method == "REFER" || a.Method == "NOTIFY"):
		return tr.Referrals.sent(s, a, t)
	case a.Method == "REFER":
		tr.Referrals.answered(a)
	case a.Code == 0 && a.Method == "OPTIONS":
		tr.Audit = t.id
	case a.Code == 0:
		if v := tr.updates(s, a); v != "" {
			return v
		}
		tr.Change.Ours, tr.Change.OurAck = t.id, 0
		if a.Method == "ACK" {
			tr.Change.OurAck = t.id
		}
	case a.Method == "INVITE" && t.msg.CSeq == 1:
		tr.Told = t.id
		if v := tr.reliably(t); v != "" {
			return v
		}
		if a.Code < 200 {
			if tr.Final != 0 {
				return "P1: a provisional after the final response"
			}
			return ""
		}
		if tr.Final != 0 && tr.Final != t.id {
			return "P1: a second final response to the trunk"
		}
		if tr.Final == 0 && a.Code < 300 {
			if o.Closed {
				return "P2: an answer to a trunk that has gone"
			}
			if o.Winner == 0 || s.move.kind != says || s.move.msg.Code/100 != 2 && s.move.msg.Method != "PRACK" {
				return "P2: an answer out of nothing"
			}
		}
		tr.Final, tr.Code = t.id, a.Code
	case a.Code == 200 && (a.Method == "CANCEL" && tr.Code/100 != 2 || a.Method == "BYE"):
		o.Closed = true
	case a.Method == "INVITE" || a.Method == "UPDATE":
		return tr.Change.answered(t)
	}
	return ""
}

// sentACK checks an ACK to a carrier: it is to what has just come, or to the
// 2xx whose answer the trunk has now given.
func (o *observer) sentACK(s *seen, a dialog.Send, t *text, l *legSeen) string {
	n := slices.Index(tags[:], t.msg.ToTag)
	if n < 0 {
		return "an ACK with a tag that nobody gave"
	}
	which := l.nth(t.msg)
	if which < 0 {
		if s.move.kind == says && s.move.msg.Code >= 300 {
			return "" // of its refusal
		}
		if l.Change.OurAck != 0 && l.Change.OurAck != t.id && t.msg.Body.Empty() {
			return "P4: another ACK of a re-INVITE"
		}
		l.Change.OurAck = t.id
		return ""
	}
	if t.msg.Branch == branchOf(s.after, a.Leg, l.Seqs[which]) {
		if s.move.leg != a.Leg || s.move.kind != says || s.move.msg.Code < 300 {
			return "P3: an ACK of a refusal that did not come"
		}
		kept := &l.Refusals[which][n]
		if *kept != 0 && *kept != t.id {
			return "P3: another ACK than the first"
		}
		*kept = t.id
		return ""
	}
	d := &l.Dialogs[n]
	if !d.Answered {
		return "P4: an ACK of a 2xx that did not come"
	}
	if kept := d.Acks[which]; kept != 0 && kept != t.id {
		return "P4: another ACK than the first"
	}
	d.Ack, d.Acks[which] = t.id, t.id
	return along(t, contactOf(uint8(n)), routesOf(uint8(n)), l.Change.Ours != 0)
}

// branchOf is the branch of an INVITE of an attempt, by its number.
func branchOf(c *Call, leg uint8, n uint16) string {
	return c.Out[leg-1].Policy.Seal.Branch(c.Out[leg-1].ID, n)
}

// along says whether a request follows its dialog's route set (RFC 3261
// §12.2.1.1); the remote target may have been changed by a target refresh.
func along(t *text, target string, routes []string, refreshed bool) string {
	if uri := t.msg.URI.String(); uri != target && !refreshed {
		return "P4: " + t.msg.Method + " to " + uri + " instead of " + target
	}
	if got := t.msg.Values("Route"); !slices.Equal(got, routes) {
		return fmt.Sprintf("P4: %s along %q instead of %q", t.msg.Method, got, routes)
	}
	return ""
}

// sends says whether a step sends a message of that method on that leg.
func sends(s *seen, leg uint8, method string) bool {
	return slices.ContainsFunc(s.actions, func(a Action) bool {
		send, ok := a.(Send)
		return ok && send.Leg == leg && send.Method == method
	})
}

// answered remembers the final response to a change of theirs.
func (c *changeSeen) answered(t *text) string {
	if t.msg.Method != "INVITE" || t.msg.Code < 200 {
		return ""
	}
	c.Code, c.Final = t.msg.Code, t.id
	return ""
}

// check holds the o= lines that a leg is shown to one identity, whose version
// rises exactly when the description changes (RFC 3264 §8, P6).
func (o *originSeen) check(t *text) string {
	if t.msg.Body.Type != "application/sdp" {
		return ""
	}
	var now originSeen
	var name, rest string
	body := string(t.msg.Body.Data)
	i := strings.Index(body, "o=")
	if _, err := fmt.Sscanf(body[i:], "o=%s %d %d", &name, &now.ID, &now.Version); err != nil {
		return "P6: an o= line that cannot be read: " + err.Error()
	}
	line, after, _ := strings.Cut(body[i:], "\r\n")
	if !strings.HasSuffix(line, "IN IP4 203.0.113.1") {
		return "P6: the address of another in " + line
	}
	rest = body[:i] + after
	h := hashing{}
	h.text(rest)
	now.Rest = h.h
	now.Port = portOf(t.msg.Body.Data)
	switch {
	case o.Version == 0 || now == *o:
	case now.ID != o.ID:
		return "P6: another o= identity"
	case now.Rest == o.Rest || now.Version != o.Version+1:
		if now.Version < o.Version {
			return "" // an old response repeated
		}
		return "P6: an o= version that does not follow the description"
	}
	*o = now
	return ""
}
