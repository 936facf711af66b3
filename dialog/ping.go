package dialog

import "time"

// Outside is the leg number in the identifiers of requests that we make outside of any
// call.
const Outside = 0xfe

// Ping is an OPTIONS outside of any dialog (RFC 3261 §11), that asks a peer whether it
// is there: a leg that has this transaction and nothing else, and is leaving from the
// start. Like every leg it has its time given.
type Ping struct {
	leg  *Leg
	code int // final response; 0: none yet
}

// NewPing asks. Each ping has a name of its own; it waits for an answer so long, and not
// beyond Timer F.
func NewPing(id ID, now time.Time, to Target, p *Policy, wait time.Duration) (*Ping, []Action) {
	local := p.Local[to.Path.Transport]
	l := &Leg{
		ID: id, Side: Out, State: Leaving, Policy: p, Target: to, Path: to.Path,
		CallID: p.Seal.CallID(id), Tag: p.Seal.Tag(id), URI: sipURI("", to.Host, to.Path.Transport),
		Self: "<sip:" + local + ">",
	}
	s := step{Leg: l, now: now}
	t := s.begin("OPTIONS", client, to.Path)
	if end := now.Add(wait); end.Before(t.End) {
		t.End = end
	}
	b := make(text, 0, room)
	b = b.start("OPTIONS " + l.URI + " SIP/2.0")
	b = b.line("Via", s.via(to.Path.Transport, p.Seal.Branch(id, t.Seq)))
	b = b.line("Max-Forwards", "70")
	b = b.line("From", tagged(l.Self, l.Tag))
	b = b.line("To", "<"+l.URI+">")
	b = b.line("Call-ID", l.CallID)
	b = b.line("CSeq", cseq(t.CSeq, "OPTIONS"))
	b = b.line("Contact", s.contact(to.Path.Transport))
	b = b.line("Accept", Accepted)
	b = b.agent("User-Agent", p.Agent)
	t.Last = b.body(Body{})
	s.send(t, "OPTIONS", 0, t.Path, Path{}, t.Last, false)
	return &Ping{leg: l}, s.out
}

// Step is Leg.Step: of what comes for the ping, of its deadline, of what could not be
// sent.
func (g *Ping) Step(now time.Time, ev Event) []Action {
	if r, ok := ev.(Received); ok && g.code == 0 && r.Message.Code >= 200 && r.Message.Method == "OPTIONS" {
		g.code = r.Message.Code
	}
	return g.leg.Step(now, ev)
}

// Deadline is Leg.Deadline.
func (g *Ping) Deadline() time.Time { return g.leg.Deadline() }

// Over says that the ping has its answer, a final response, or will have none: 0.
func (g *Ping) Over() (code int, over bool) { return g.code, g.code != 0 || g.leg.Done() }
