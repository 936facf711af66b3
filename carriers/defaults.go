package carriers

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"bulkhead/dialog"
)

// What holds where the configuration says nothing.
const (
	// DefaultNoResponse covers four sendings of an INVITE over UDP, at 0, 0.5,
	// 1.5 and 3.5 s (RFC 3261 §17.1.1.2), and half a second for the answer to
	// the last: a carrier that is alive has said 100 long before, also with
	// three datagrams lost, and the caller has not yet hung up when the next
	// carrier is tried.
	DefaultNoResponse = 4 * time.Second

	// DefaultNoAnswer is Timer C (RFC 3261 §16.6 step 11).
	DefaultNoAnswer = 3 * time.Minute

	// DefaultMaxSetup leaves a carrier its whole Timer C, which a proxy may not set
	// to 3 minutes or less (RFC 3261 §16.6 step 11), and others time to be tried
	// before or after it. No caller listens to a ring for longer.
	DefaultMaxSetup = 5 * time.Minute

	// DefaultLinger outlasts the carriers known to repeat a 487 for a minute.
	DefaultLinger = 3 * time.Minute

	// DefaultMaxDuration is far above what people talk, far below what an
	// unnoticed dead call may cost.
	DefaultMaxDuration = 12 * time.Hour

	// DefaultContacts is how many contacts of redirections one call tries.
	DefaultContacts = 3

	// MaxContacts leaves room for them among the legs of a call.
	MaxContacts = 20

	// DefaultAskTimeout is what a caller does not notice.
	DefaultAskTimeout = 500 * time.Millisecond

	// MostAskTimeout leaves a call time to be set up by whoever is named.
	MostAskTimeout = 10 * time.Second

	// DefaultConcurrent is how many questions one decider is asked at once.
	DefaultConcurrent = 64

	// DefaultAnswers is how many answers are kept.
	DefaultAnswers = 10_000

	// DefaultWeight is the share of a gateway or carrier that names none.
	DefaultWeight = 1
)

// DefaultMethods lists the methods that pass within a dialog: INFO carries digits
// (RFC 6086). What else there is changes state at the other side that no call needs.
func DefaultMethods() []string { return []string{"INFO"} }

// transfers is what the core makes of a word; what Validate refuses is refused.
func transfers(word string) dialog.Transfers {
	for _, t := range [...]dialog.Transfers{dialog.RelayTransfers, dialog.FollowTransfers} {
		if word == t.String() {
			return t
		}
	}
	return dialog.NoTransfers
}

// login is what the core makes of a section; nil: there is none.
func (a *AuthConfig) login() *dialog.Login {
	if a == nil {
		return nil
	}
	return &dialog.Login{Username: a.Username, Password: a.Password}
}

// wish is what the core makes of a section; nil: there is none. Gateways are asked in the
// order of their priorities, as configured among those of one.
func (r *RegisterConfig) wish(gateways []Gateway) *dialog.RegistrationWish {
	if r == nil {
		return nil
	}
	order := slices.Clone(gateways)
	slices.SortStableFunc(order, func(a, b Gateway) int { return cmp.Compare(a.Priority, b.Priority) })
	w := &dialog.RegistrationWish{AOR: r.AOR, Expires: r.Expires}
	for _, g := range order {
		w.Gateways = append(w.Gateways, g.Path)
	}
	return w
}

// timer is what the core makes of a section; nil: a timer where the caller asks for one.
func (s *SessionTimerConfig) timer() dialog.SessionTimer {
	if s == nil {
		return dialog.SessionTimer{}
	}
	return dialog.SessionTimer{Expires: s.Expires, Min: s.Min, Them: s.Refresher == "them"}
}

// The Default methods fill in what a file starts from. There is no default for
// NoRinging: how long a carrier takes to ring differs too much between
// countries and mobile networks.

// Default sets what holds where the trunk's section says nothing.
func (t *TrunkConfig) Default() {
	t.MaxDuration = DefaultMaxDuration
	t.MaxSetup = DefaultMaxSetup
	t.Methods = DefaultMethods()
	t.Refer = "refuse"
}

// Default sets what holds where the carrier's section says nothing.
func (c *CarrierConfig) Default() {
	c.Timers = Timers{NoResponse: DefaultNoResponse, NoAnswer: DefaultNoAnswer}
	c.Linger = DefaultLinger
	c.Methods = DefaultMethods()
	c.Refer = "refuse"
}

// Default sets what holds where the gateway says nothing.
func (g *GatewayConfig) Default() {
	g.Priority, g.Weight = 1, DefaultWeight
}

// Complete fills in what follows from other keys: a gateway's transport is the DNS'
// to say where its address is a name alone.
func (c *Config) Complete() {
	for _, k := range c.Carriers {
		for i := range k.Gateways {
			if g := &k.Gateways[i]; g.Transport == "" && strings.Contains(g.Address, ":") {
				g.Transport = "udp"
			}
		}
	}
}

// Default sets what holds where the section says nothing.
func (r *RedirectConfig) Default() { r.Contacts = DefaultContacts }

// Default sets what holds where the section says nothing.
func (a *AskConfig) Default() { a.Timeout, a.Concurrent = DefaultAskTimeout, DefaultConcurrent }

// Default sets what holds where the section says nothing.
func (c *CacheConfig) Default() { c.Most = DefaultAnswers }

// Default sets what holds where the share says nothing.
func (s *ShareConfig) Default() { s.Weight = DefaultWeight }

// Default sets what holds where the section says nothing.
func (r *RegisterConfig) Default() { r.Expires = 10 * time.Minute }

// Default sets what holds where the section says nothing.
func (h *HealthConfig) Default() {
	h.Options, h.DownAfter, h.UpAfter = 10*time.Second, 3, 2
}

// Default sets what holds where the section says nothing.
func (q *QualityConfig) Default() {
	q.Window, q.Calls, q.Probe = 5*time.Minute, 50, 0.05
}

// Default sets what holds where the section says nothing.
func (s *ScorecardConfig) Default() {
	s.Window, s.Attempts, s.Then, s.Well, s.Floor = 15*time.Minute, 50, thenDeprioritise, 0.5, 0.05
}

// What becomes of a carrier whose scorecard is beyond a threshold.
const (
	thenDeprioritise = "deprioritise"
	thenQuarantine   = "quarantine"
)

// rules is what is made of a section; nil: nothing is looked at.
func (s *ScorecardConfig) rules() ConductRules {
	if s == nil {
		return ConductRules{}
	}
	r := ConductRules{
		Window: s.Window, Attempts: s.Attempts, Delay: s.Delay, Then: Deprioritised, Well: float64(s.Well), Floor: float64(s.Floor),
		Most: [misdeeds]float64{LateAnswer: float64(s.Late), ACKIgnored: float64(s.Ignored), NoFinal: float64(s.NoFinal), No100: float64(s.No100)},
	}
	if s.Then == thenQuarantine {
		r.Then = Quarantined
	}
	return r
}

// Default sets what holds where the section says nothing: RFC 4028 §4 advises
// 30 minutes and sets the least at 90 seconds.
func (s *SessionTimerConfig) Default() {
	s.Expires, s.Min, s.Refresher = 30*time.Minute, 90*time.Second, "us"
}
