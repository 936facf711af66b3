package b2bua

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/dialog"
)

// Capture is one call, taken down whole.
type Capture struct {
	of *Captures
	meant
	profiles *profiles

	// Guarded by the lock of Captures.
	over  bool
	gone  time.Time
	named []string // carriers of the filters that want it kept; empty ones: of any

	left atomic.Bool // nobody wants it any more

	mu     sync.Mutex
	record []byte // of a call that was up when its capture began; nil: it begins with the INVITE
	steps  []taken
	frames []Frame
	legs   []string // the carriers tried, in their order
	size   int
	lost   int  // steps and messages beyond the bounds
	broken bool // a defect has shown: what came after it cannot be replayed
	live   []listening

	// Touched by the call's strand alone, while it steps.
	judged     []string
	redirected []redirected
	anchored   []CaptureMedia
}

// taken is a step of a call and what it came to.
type taken struct {
	at         time.Time
	event      any // Event, or the Admission that it begins with
	raw        []byte
	seen       time.Time
	path       dialog.Path
	judged     []string
	redirected []redirected
	anchored   []CaptureMedia
	actions    []Action
}

// redirected is what became of a contact of a redirection.
type redirected struct {
	target dialog.Target
	ok     bool
}

// Frame is a message of a capture.
type Frame struct {
	Sight
}

// captureAsked is the version of the filters that a strand has been held against.
type captureAsked uint64

// admitted sees to it that a call that somebody wants whole is captured from its INVITE on.
func (s *strand) admitted(a Admission) Admission {
	c := s.engine.config.Captures
	if c == nil || c.version.Load() == 0 {
		return a
	}
	s.asked = captureAsked(c.version.Load())
	m := meant{id: s.id, trunk: a.Trunk, to: a.Asked.Number, from: a.Asked.Caller.User}
	for _, t := range a.Targets {
		m.carriers = append(m.carriers, t.Carrier)
	}
	if s.capture = c.want(m, s.profiles, time.Now()); s.capture != nil {
		a.Judge, a.Redirects, a.Anchors = witness{s}, witness{s}, s.witnessed(a.Anchors)
	}
	return a
}

// capturing sees to it that a call which is there already is captured, if somebody has begun to
// want it whole.
func (s *strand) capturing() {
	c := s.engine.config.Captures
	if c == nil {
		return
	}
	if s.capture != nil && s.capture.left.Load() {
		s.capture = nil
	}
	if v := captureAsked(c.version.Load()); s.asked != v && s.capture == nil {
		s.asked = v
		m := meant{id: s.id, trunk: s.call.Setup.Trunk, to: s.call.Setup.Number, from: s.call.Setup.Caller.User}
		for _, leg := range s.call.Out {
			m.carriers = append(m.carriers, leg.Target.Carrier)
		}
		for _, t := range s.call.Targets {
			m.carriers = append(m.carriers, t.Carrier)
		}
		if s.capture = c.want(m, s.profiles, time.Now()); s.capture != nil {
			s.capture.begin(s.call)
		}
	}
	if s.capture != nil {
		s.call.judge, s.call.redirects, s.call.anchors = witness{s}, witness{s}, s.witnessed(s.call.anchors)
	}
}

// captured takes a step down.
func (s *strand) captured(now time.Time, event any, it *item, actions []Action) {
	one := s.capture
	if one == nil {
		return
	}
	t := taken{at: now, event: event, judged: one.judged, redirected: one.redirected, anchored: one.anchored, actions: actions}
	one.judged, one.redirected, one.anchored = nil, nil, nil
	if it.message != nil {
		t.raw, t.seen, t.path = it.raw, it.at, it.path
	}
	one.take(t, s.call, s.panics > 0)
	if t.raw == nil {
		return
	}
	f := Frame{it.sight(s)}
	f.Data = masked(f.Data)
	for _, a := range actions {
		if d, ok := a.(Drop); ok && d.Leg == it.leg {
			f.Note = d.Name
		}
	}
	one.frame(f)
}

// begin takes down a call that is up.
func (c *Capture) begin(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record = call.Encode(nil)
	c.grows(len(c.record))
	for _, leg := range call.Out {
		c.legs = append(c.legs, leg.Target.Carrier)
	}
}

// grows says whether there is room for so many bytes. The lock is held.
func (c *Capture) grows(n int) bool {
	if c.lost > 0 || c.size+n > c.of.perCall() || c.of.bytes.Load()+int64(n) > int64(c.of.inAll()) {
		c.lost++
		return false
	}
	c.size += n
	c.of.bytes.Add(int64(n))
	return true
}

// stepSize is about what a step takes besides the bytes of its messages.
const stepSize = 400

// take keeps a step.
func (c *Capture) take(t taken, call *Call, broken bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, leg := range call.Out[min(len(c.legs), len(call.Out)):] {
		c.legs = append(c.legs, leg.Target.Carrier)
	}
	c.broken = c.broken || broken
	n := stepSize + len(t.raw)
	for _, a := range t.actions {
		if s, ok := a.(Send); ok {
			n += len(s.Data)
		}
	}
	for _, m := range t.anchored {
		n += len(m.SDP) + len(m.Anchor)
	}
	if !c.broken && c.grows(n) {
		c.steps = append(c.steps, t)
	}
}

// frameSize is about what a message takes besides its bytes, which the steps have.
const frameSize = 250

// frame keeps a message, and shows it to who listens.
func (c *Capture) frame(f Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grows(frameSize) {
		c.frames = append(c.frames, f)
	}
	for i := range c.live {
		c.live[i].show(c, f)
	}
}

// kept says that the capture is kept once the call has gone: somebody has asked for more
// than to look at it while it happened, and a carrier that was named has been tried.
func (c *Capture) kept() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.named, func(name string) bool { return name == "" || slices.Contains(c.legs, name) })
}

// Frames are the messages, in their order; lost is how many more there were.
func (c *Capture) Frames() (list []Frame, lost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.frames), c.lost
}

// witness asks for a call that is captured, and takes down what it is told.
type witness struct{ s *strand }

// Begin is Judge.
func (w witness) Begin(now time.Time, t dialog.Target, anyway bool) string {
	why := w.s.Begin(now, t, anyway)
	w.s.capture.judged = append(w.s.capture.judged, why)
	return why
}

// Contacts is Redirects.
func (w witness) Contacts(carrier string) int { return w.s.profiles.Contacts(carrier) }

// Redirect is Redirects.
func (w witness) Redirect(carrier, contact, number string) (Target, bool) {
	t, ok := w.s.profiles.Redirect(carrier, contact, number)
	w.s.capture.redirected = append(w.s.capture.redirected, redirected{t.Target, ok})
	return t, ok
}
