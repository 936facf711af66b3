package dialog

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Registration is a binding of ours with a carrier (RFC 3261 §10): as pure as a leg, whose
// transactions, timers and credentials it has. It wants to be there, and goes on trying
// until it is told to End.
//
// The Call-ID is the carrier's and the unit's for ever, and CSeq numbers are seconds, so a
// node that takes over goes on where the other one was without having heard of it: what it
// sends first refreshes the same binding (§10.2.4).
type Registration struct {
	leg      Leg
	wish     RegistrationWish
	gateway  int       // of the wish, that is asked
	until    time.Time // when the binding ends; zero: there is none
	next     time.Time // when to ask again; zero: an answer is awaited
	failures int       // in a row
	least    time.Duration
	routes   []string
	leaving  bool
	code     int
	why      string
}

// RegistrationWish is what is registered, and where.
type RegistrationWish struct {
	AOR      string // the address of record, a SIP URI
	Expires  time.Duration
	Gateways []Path // tried in this order, never empty
}

// Same says that two wishes are one.
func (w *RegistrationWish) Same(other *RegistrationWish) bool {
	return w.AOR == other.AOR && w.Expires == other.Expires && slices.Equal(w.Gateways, other.Gateways)
}

// Registering is the leg number of registrations in identifiers, where the call is what
// Seal.Call makes of the carrier's name.
const Registering = 0xfd

// How long to wait after a failure (RFC 5626 §4.5), and to ask the next gateway.
const (
	registerBase  = 30 * time.Second
	registerMost  = 30 * time.Minute
	registerOther = time.Second
)

// Bounds of what a registrar can make us keep.
const (
	maxServiceRoutes = 8
	maxServiceRoute  = 1024 // bytes of all
)

// secondsFrom is where CSeq numbers are counted from, which must stay below 2^31 (§8.1.1.5).
var secondsFrom = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

// NewRegistration begins at once, when it is told that it is Due.
func NewRegistration(call CallID, now time.Time, w RegistrationWish, p *Policy) *Registration {
	id := ID{Call: call, Leg: Registering}
	r := &Registration{wish: w, next: now}
	r.leg = Leg{
		ID: id, Side: Out, State: Confirmed, Policy: p,
		CallID: p.Seal.CallID(id), Tag: p.Seal.Tag(id), Self: "<" + w.AOR + ">", Peer: "<" + w.AOR + ">",
	}
	scheme, rest, _ := strings.Cut(w.AOR, ":")
	host, _, _ := strings.Cut(afterUser(rest), ";")
	r.leg.URI = scheme + ":" + host // the registrar's domain, without a user (§10.2)
	return r
}

// After takes on where another registration of the same carrier stood, which it replaces.
func (r *Registration) After(before *Registration) {
	r.leg.CSeq, r.leg.Seq = before.leg.CSeq, before.leg.Seq
	r.until, r.routes = before.until, before.routes
}

// Step takes Received, Due, Unsent or End, and gives back what is to be sent or counted.
func (r *Registration) Step(now time.Time, ev Event) []Action {
	s := step{Leg: &r.leg, now: now, registration: r}
	switch ev := ev.(type) {
	case Received:
		if ev.Message.Code != 0 {
			s.response(ev.Message)
		}
	case Unsent:
		s.unsent(ev)
	case Due:
		s.fire()
		if due(now, r.until) {
			r.until, r.routes = never, nil
		}
		if due(now, r.next) {
			s.register()
		}
	case End:
		s.unregister()
	case Setup, Progress, Answer, Confirm, Modify, Modified, Info, Informed, Refer, Notify, Alone:
		// of calls
	}
	r.leg.Tx = slices.DeleteFunc(r.leg.Tx, func(t *Tx) bool { return t.state == terminated })
	return s.out
}

// Deadline is when Step wants Due; the zero time: never.
func (r *Registration) Deadline() time.Time {
	d := earlier(r.next, r.until)
	for _, t := range r.leg.Tx {
		d = earlier(d, t.deadline())
	}
	return d
}

// Done says that it has ended, and the carrier knows or cannot be told.
func (r *Registration) Done() bool { return r.leaving && !r.asking() }

// Registered says until when there is a binding; zero: there is none.
func (r *Registration) Registered() time.Time { return r.until }

// Routes is the Service-Route of the binding (RFC 3608), as a Route header field has it.
func (r *Registration) Routes() string { return strings.Join(r.routes, ", ") }

// Failed is the last answer that was none to be content with, and when the next is asked
// for; zero code and empty why: the last one was.
func (r *Registration) Failed() (code int, why string, next time.Time) { return r.code, r.why, r.next }

func (r *Registration) asking() bool {
	return slices.ContainsFunc(r.leg.Tx, func(t *Tx) bool { return t.state < completed })
}

// register asks for the binding, or for it to end.
func (s *step) register() {
	r := s.registration
	r.next = never
	if r.asking() {
		return
	}
	expires := max(r.wish.Expires, r.least)
	if r.leaving {
		expires = 0
	}
	s.Path = r.wish.Gateways[r.gateway%len(r.wish.Gateways)]
	s.CSeq = max(s.CSeq, uint32(s.now.Sub(secondsFrom)/time.Second)&math.MaxInt32)
	t := s.begin("REGISTER", client, s.Path)
	b := make(text, 0, room)
	b = b.start("REGISTER " + s.URI + " SIP/2.0")
	b = b.line("Via", s.via(t.Path.Transport, s.Policy.Seal.Branch(s.ID, t.Seq)))
	b = b.line("Max-Forwards", "70")
	b = b.line("From", tagged(s.Self, s.Tag))
	b = b.line("To", s.Peer)
	b = b.line("Call-ID", s.CallID)
	b = b.line("CSeq", cseq(t.CSeq, "REGISTER")).authorized(s, "REGISTER", s.URI, t.Seq)
	b = b.line("Contact", "<"+s.binding()+">")
	b = b.line("Expires", inSeconds(expires))
	b = b.allow(s.Policy)
	b = b.agent("User-Agent", s.Policy.Agent)
	t.Last = b.body(Body{})
	s.send(t, "REGISTER", 0, t.Path, Path{}, t.Last, false)
}

// binding is the Contact that is registered: who the carrier calls, at our address.
func (s *step) binding() string {
	_, rest, _ := strings.Cut(s.registration.wish.AOR, ":")
	user, _, found := strings.Cut(rest, "@")
	if !found {
		user = ""
	}
	return sipURI(user, s.local(s.Path.Transport), s.Path.Transport)
}

// unregister ends the binding, if there may be one (§10.2.2).
func (s *step) unregister() {
	r := s.registration
	if r.leaving {
		return
	}
	r.leaving, r.next = true, never
	asked := r.asking()
	for _, t := range s.Tx {
		if t.state < completed {
			t.state = terminated // its answer would be of what is not wanted any more
		}
	}
	if asked || !r.until.IsZero() {
		s.Tx = slices.DeleteFunc(s.Tx, func(t *Tx) bool { return t.state == terminated })
		s.register()
	}
}

// registered takes the final response to a REGISTER; why says what of a challenge was not
// met.
func (s *step) registered(m *Message, why string) {
	r := s.registration
	least := delta(m.Value("Min-Expires"))
	switch {
	case r.leaving:
		r.until, r.routes = never, nil
	case m.Code == 423 && least > max(r.wish.Expires, r.least):
		r.least = least // §10.2.8
		s.register()
	case m.Code >= 300:
		s.unregistered(m.Code, why, time.Duration(m.RetryAfter)*time.Second)
	default:
		granted := s.bound(m)
		if granted <= 0 {
			s.unregistered(m.Code, "no binding in the answer", 0)
			return
		}
		r.failures, r.code, r.why = 0, 0, ""
		r.until = s.now.Add(granted)
		r.next = s.now.Add(granted/2 + granted*4/10*time.Duration(s.Policy.Seal.Draw(s.ID, s.Seq, 1000))/1000)
		r.routes = serviceRoutes(m)
	}
}

// bound is how long the binding holds: as its Contact says, else Expires, else as long
// as was asked for (§10.2.4).
func (s *step) bound(m *Message) time.Duration {
	r := s.registration
	for _, v := range m.Values("Contact") {
		if addressURI(v) != s.binding() {
			continue
		}
		if e, found := param(afterAddress(v), "expires"); found {
			return delta(e)
		}
	}
	if v := m.Value("Expires"); v != "" {
		return delta(v)
	}
	return max(r.wish.Expires, r.least)
}

// serviceRoutes reads Service-Route: loose routes, and not more of them than we keep.
func serviceRoutes(m *Message) (list []string) {
	size := 0
	for _, v := range m.Values("Service-Route") {
		uri := addressURI(v)
		_, loose := uriParam(uri, "lr")
		if size += len(uri); !loose || !plainURI(uri) || len(list) >= maxServiceRoutes || size > maxServiceRoute {
			return nil // half a route leads nowhere
		}
		list = append(list, "<"+strings.Clone(uri)+">")
	}
	return list
}

// unregistered is a failure: the next gateway is asked soon, and when all have been, after
// a time that grows (RFC 5626 §4.5). A binding that there is holds until its end.
func (s *step) unregistered(code int, why string, atLeast time.Duration) {
	r := s.registration
	r.code, r.why = code, why
	r.gateway++
	r.failures++
	wait := registerOther
	if rounds := r.failures / len(r.wish.Gateways); r.failures%len(r.wish.Gateways) == 0 {
		wait = registerMost
		if rounds < 7 {
			wait = min(registerBase<<(rounds-1), registerMost)
		}
		wait = wait/2 + wait/2*time.Duration(s.Policy.Seal.Draw(s.ID, s.Seq, 1000))/1000
	}
	if !r.leaving {
		r.next = s.now.Add(max(wait, min(atLeast, registerMost)))
	}
}
