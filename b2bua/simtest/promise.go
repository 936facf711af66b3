package simtest

import (
	"fmt"
	"strconv"
	"strings"
)

// Promises are what any peer may hold Bulkhead to, whatever the scenario: each
// fault is a sentence. It looks at nothing but what crossed the wire, the
// records and the counters of violations and panics.
func (s *Stage) Promises() []string {
	c := &court{stage: s, trunk: map[string]*inviting{}, out: map[string]*attempt{}, tags: map[string]string{}, origins: map[string]origin{}, given: map[string]*reliably{}, asked: map[string]string{}, bound: map[string]message{}}
	c.faults = append(c.faults, s.Net.faults...)
	for _, m := range s.Net.crossed {
		if m.lost && m.in || m.mark == "unknown_source" {
			continue
		}
		if m.in {
			c.received(m)
		} else {
			c.sent(m)
		}
	}
	c.close()
	return append(c.faults, s.left()...)
}

// court holds what the trunk and the carriers can see against the promises.
type court struct {
	stage    *Stage
	faults   []string
	trunk    map[string]*inviting // by Call-ID, CSeq and branch
	out      map[string]*attempt  // by Call-ID
	origins  map[string]origin    // by peer and Call-ID
	tags     map[string]string    // the trunk's, by Call-ID
	asked    map[string]string    // To-tag of what a peer has asked, by Call-ID, CSeq and branch
	closed   bool                 // the trunk's CANCEL or BYE has been accepted
	answered bool                 // the trunk's INVITE has been, so a CANCEL has no effect
	given    map[string]*reliably // by the trunk's Call-ID
	bound    map[string]message   // last REGISTER, by carrier
	calls    int                  // INVITEs outside a dialog that the trunk sent
}

// inviting is an INVITE of the trunk's.
type inviting struct {
	final string
	tag   string
}

// reliably is what a caller was given reliably (RFC 3262).
type reliably struct {
	last, acked int
	described   bool // the last one had a description
}

// attempt is a call of ours to a carrier.
type attempt struct {
	invite      message
	provisional bool
	final       bool
	cancelled   bool
	finals      map[string]int  // copies delivered, by CSeq and To
	reliable    map[string]bool // RSeq, CSeq, method and To of reliable provisionals delivered
	pracks      map[string]string
	acks        map[string]int
	answered    map[string]bool // To-tags of 2xx
	byes        map[string]string
	over        map[string]bool // dialogs in which a BYE went either way
	late        map[string]bool // by CSeq: no offer in the INVITE, so a 2xx waits for the trunk's ACK

	invites map[int]message // by CSeq: the newest is invite
	asked   bool            // the newest has been challenged
	nonces  map[string]bool // realms and nonces of challenges delivered
	counts  map[string]string

	accepted map[string]bool // 2xx delivered, as in finals
}

type origin struct{ session, version, rest string }

func (c *court) fault(m *crossing, format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf("%.3f %s: %s", m.at.Sub(c.stage.Net.begin).Seconds(), m.text.label(), fmt.Sprintf(format, args...)))
}

// key is a transaction of the trunk's.
func key(m message) string {
	return m.callID() + " " + fmt.Sprint(m.cseq()) + " " + m.branch()
}

func (c *court) received(m *crossing) {
	t := m.text
	if t.code() == 0 {
		c.asked[key(t)] = t.toTag()
	}
	if m.peer.Name == "trunk" {
		if r := c.given[t.callID()]; r != nil && t.method() == "PRACK" && t.code() == 0 {
			rseq, _, _ := strings.Cut(t.first("RAck"), " ")
			r.acked, _ = strconv.Atoi(rseq)
		}
		if t.code() == 0 && t.method() != "ACK" {
			k := key(t) + " " + t.method()
			if c.trunk[k] == nil {
				c.trunk[k] = &inviting{}
				if t.method() == "INVITE" && t.toTag() == "" {
					c.calls++
					c.tags[t.callID()] = t.fromTag()
				}
			}
		}
		return
	}
	a := c.out[t.callID()]
	if a == nil {
		return
	}
	a.challenged(t)
	switch {
	case t.code() == 0 && t.method() == "BYE":
		a.over[t.fromTag()] = true
	case t.method() != "INVITE" || t.code() == 0 || c.stranger(m, a):
	case t.code() < 200:
		a.provisional = true
		if n := t.first("RSeq"); n != "" {
			a.reliable[n+" "+t.first("CSeq")+" "+t.toTag()] = true
		}
	default:
		a.finals[tried(t)]++
		if t.code() < 300 {
			a.answered[t.toTag()], a.accepted[tried(t)] = true, true
		}
		if t.cseq() == a.invite.cseq() {
			a.final = true
		}
	}
}

// stranger says that a response comes from somebody who was not asked, or
// answers nothing that was.
func (c *court) stranger(m *crossing, a *attempt) bool {
	return m.mark == "no_transaction" || c.stage.Net.at(m.peer.realm, m.to.Addr()) != m.peer || !ourBranch(m.text.branch())
}

func ourBranch(b string) bool { return len(b) == 35 && opaque.MatchString(b[7:]) }

// tried is what an ACK and the response that it is for share.
func tried(m message) string { return fmt.Sprint(m.cseq()) + " " + m.first("To") }

func (c *court) sent(m *crossing) {
	c.origin(m)
	if m.peer == nil {
		return
	}
	c.complete(m)
	if tag := c.asked[key(m.text)]; m.text.code() != 0 && tag != "" && m.text.toTag() != tag {
		c.fault(m, "RFC 3261 §8.2.6.2: To is not that of the request")
	}
	if m.peer.Name == "trunk" {
		c.toTrunk(m)
	} else {
		c.toCarrier(m)
	}
}

// toTrunk: P1, P2, P6.
func (c *court) toTrunk(m *crossing) {
	t := m.text
	c.leak(m, "198.51.100.")
	if t.code() == 0 {
		switch t.method() {
		case "BYE", "INVITE", "UPDATE", "ACK", "INFO", "MESSAGE", "REFER", "NOTIFY", "OPTIONS":
			if tag, called := c.tags[t.callID()]; !called || t.toTag() != tag {
				c.fault(m, "a request to the trunk outside a dialog")
			}
		default:
			c.fault(m, "no such request may reach the trunk")
		}
		return
	}
	i := c.trunk[key(t)+" "+t.method()]
	if i == nil {
		c.fault(m, "P2: a response to nothing that the trunk sent")
		return
	}
	c.reliable(m)
	if t.code() >= 200 {
		if i.final != "" && i.final != string(m.data) {
			c.fault(m, "P1: a second final response, or another copy of the first")
		}
		i.final = string(m.data)
	} else if i.final != "" {
		c.fault(m, "P1: a provisional after the final response")
	}
	if t.code() > 100 {
		if tag := t.toTag(); i.tag != "" && tag != i.tag {
			c.fault(m, "P6: another To-tag: %s", tag)
		} else if tag == "" {
			c.fault(m, "no To-tag")
		}
		i.tag = t.toTag()
	}
	c.answered = c.answered || t.code()/100 == 2 && t.method() == "INVITE"
	if t.code() == 200 && (t.method() == "CANCEL" && !c.answered || t.method() == "BYE") {
		c.closed = true
	}
}

// reliable: RFC 3262 §3, one provisional after the other.
func (c *court) reliable(m *crossing) {
	t := m.text
	if t.method() != "INVITE" {
		return
	}
	r := c.given[t.callID()]
	if t.code()/100 == 2 && r != nil && r.described && r.acked != r.last {
		c.fault(m, "RFC 3262: a 2xx before the PRACK of the description")
	}
	if t.first("RSeq") == "" {
		return
	}
	n, _ := strconv.Atoi(t.first("RSeq"))
	switch {
	case r == nil:
		r = &reliably{}
		c.given[t.callID()] = r
	case n == r.last:
		return
	case n != r.last+1:
		c.fault(m, "RFC 3262: RSeq %d after %d", n, r.last)
	case r.acked != r.last:
		c.fault(m, "RFC 3262: RSeq %d before the PRACK of %d", n, r.last)
	}
	r.last, r.described = n, t.body != ""
}

// toCarrier: P3, P4, P5.
func (c *court) toCarrier(m *crossing) {
	t := m.text
	c.leak(m, "192.0.2.", "trunk")
	a := c.out[t.callID()]
	if a != nil && t.code() == 0 {
		defer c.proven(m, a)
	}
	switch {
	case t.code() != 0:
		return
	case t.method() == "INVITE" && t.toTag() == "":
		if a != nil {
			if string(a.invite.bytes()) != string(m.data) {
				c.again(m, a)
			}
			return
		}
		if c.closed && c.calls == 1 {
			c.fault(m, "P5: an INVITE after the trunk's CANCEL or BYE")
		}
		c.out[t.callID()] = &attempt{
			invites: map[int]message{t.cseq(): t}, nonces: map[string]bool{}, counts: map[string]string{}, accepted: map[string]bool{},
			invite: t, finals: map[string]int{}, reliable: map[string]bool{}, pracks: map[string]string{}, acks: map[string]int{}, answered: map[string]bool{},
			byes: map[string]string{}, over: map[string]bool{}, late: map[string]bool{fmt.Sprint(t.cseq()): t.body == ""},
		}
		return
	case t.method() == "REGISTER":
		c.registers(m)
		return
	case a == nil:
		c.fault(m, "in a call that we did not make")
		return
	}
	switch t.method() {
	case "INVITE":
		a.late[fmt.Sprint(t.cseq())] = t.body == ""
	case "CANCEL":
		c.cancel(m, a)
	case "ACK":
		c.ack(m, a)
	case "PRACK":
		k := t.first("RAck") + " " + t.toTag()
		if !a.reliable[k] {
			c.fault(m, "RFC 3262: a PRACK of nothing: %s", k)
		}
		if last := a.pracks[k]; last != "" && last != string(m.data) {
			c.fault(m, "RFC 3262: a second PRACK of %s", k)
		}
		a.pracks[k] = string(m.data)
	case "BYE":
		if last := a.byes[t.toTag()]; last != "" && last != string(m.data) {
			c.fault(m, "P4: a second BYE to %s", t.toTag())
		}
		a.byes[t.toTag()], a.over[t.toTag()] = string(m.data), true
		if !a.answered[t.toTag()] {
			c.fault(m, "a BYE in a dialog that was never answered")
		}
	}
}

// cancel: P5, and RFC 3261 §9.1.
func (c *court) cancel(m *crossing, a *attempt) {
	t := m.text
	if !a.cancelled {
		a.cancelled = true
		if !a.provisional {
			c.fault(m, "P5: a CANCEL before a provisional")
		}
	}
	if a.final {
		c.fault(m, "P5: a CANCEL after the final response")
	}
	for _, same := range [][2]string{
		{t.uri(), a.invite.uri()}, {t.first("Via"), a.invite.first("Via")}, {t.first("From"), a.invite.first("From")},
		{t.first("To"), a.invite.first("To")}, {fmt.Sprint(t.cseq()), fmt.Sprint(a.invite.cseq())},
	} {
		if same[0] != same[1] {
			c.fault(m, "a CANCEL must have the INVITE's %q, not %q", same[1], same[0])
		}
	}
	if len(t.all("Via")) != 1 || t.body != "" {
		c.fault(m, "a CANCEL has one Via and no body")
	}
}

// ack: R2, and RFC 3261 §17.1.1.3 and §13.2.2.4.
func (c *court) ack(m *crossing, a *attempt) {
	t := m.text
	a.acks[tried(t)]++
	if a.finals[tried(t)] == 0 {
		c.fault(m, "an ACK of nothing: %s", tried(t))
	}
	invite, ok := a.invites[t.cseq()]
	if !ok {
		return
	}
	if !a.accepted[tried(t)] {
		if t.branch() != invite.branch() || t.uri() != invite.uri() {
			c.fault(m, "the ACK of a refusal has the INVITE's branch and Request-URI")
		}
	} else if t.branch() == invite.branch() {
		c.fault(m, "the ACK of a 2xx has a branch of its own")
	}
}

// complete: what every message of ours must have.
func (c *court) complete(m *crossing) {
	t := m.text
	need := []string{"Via", "From", "To", "Call-ID", "CSeq", "Content-Length"}
	if t.code() == 0 {
		need = append(need, "Max-Forwards")
	}
	switch t.method() {
	case "INVITE", "UPDATE", "REFER":
		if t.code() == 0 || t.code()/100 == 2 {
			need = append(need, "Contact")
		}
	}
	for _, name := range need {
		if len(t.all(name)) == 0 {
			c.fault(m, "without %s", name)
		}
	}
	if t.code() == 0 && !strings.HasPrefix(t.branch(), "z9hG4bK") {
		c.fault(m, "the branch %q is not of RFC 3261", t.branch())
	}
}

// leak: nothing that belongs to one side stands in a header of the other.
func (c *court) leak(m *crossing, words ...string) {
	head, _, _ := strings.Cut(string(m.data), "\r\n\r\n")
	for _, w := range words {
		if strings.Contains(head, w) {
			c.fault(m, "%q of the other side shows in\n%s", w, head)
		}
	}
}

// origin: P6, one o= line with a version that rises when the rest changes.
func (c *court) origin(m *crossing) {
	if m.peer == nil || m.text.first("Content-Type") != "application/sdp" {
		return
	}
	var line string
	var rest []string
	for _, l := range strings.Split(m.text.body, "\r\n") {
		if strings.HasPrefix(l, "o=") {
			line = l
		} else {
			rest = append(rest, l)
		}
	}
	f := strings.Fields(line)
	if len(f) != 6 {
		c.fault(m, "P6: o= is %q", line)
		return
	}
	k := m.peer.Name + " " + m.text.callID()
	now := origin{f[0] + f[1], f[2], strings.Join(rest, "\n")}
	last, seen := c.origins[k]
	c.origins[k] = now
	switch {
	case !seen:
	case last.session != now.session:
		c.fault(m, "P6: another o= line: %s", line)
	case (last.rest == now.rest) != (last.version == now.version):
		c.fault(m, "P6: the o= version went from %s to %s", last.version, now.version)
	}
}
