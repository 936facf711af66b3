package carriers

import "time"

// HealthRules are how a carrier's gateways are watched.
type HealthRules struct {
	Options   time.Duration // between two OPTIONS; never zero
	DownAfter int           // failures in a row
	UpAfter   int           // answers in a row
}

// GatewayState is how a gateway is, as far as anybody knows.
type GatewayState uint8

// The states of a gateway. Calls go to one that is unknown or up.
const (
	Unknown GatewayState = iota // nothing has been heard of it yet
	Up
	Down    // it does not answer OPTIONS
	Resting // calls there failed in a row, or it has asked for rest: none go there
	Probing // its rest is over: one call at a time finds out
)

// GatewayStates are the words for them.
var GatewayStates = [...]string{"unknown", "up", "down", "resting", "probing"}

// String is the word.
func (s GatewayState) String() string { return GatewayStates[s] }

// Sign is what has been seen of a gateway.
type Sign uint8

// The signs. An OPTIONS is answered by any final response but 408, which somebody on the
// way may have said for a gateway that is silent, and 503.
const (
	OptionsAnswered   Sign = iota
	OptionsUnanswered      // nothing came, 408, 503, or it could not be sent
	CallAnswered           // some response to an INVITE, but 503
	CallFailed             // none in time, 503, or it could not be sent
	CallLeft               // the caller has left before anything was heard
)

// Bounds of a gateway's rest.
const (
	leastRest = time.Second
	mostRest  = 5 * time.Minute // also where its Retry-After says more
)

// Health is what is known of one gateway: of OPTIONS with hysteresis, and a circuit that
// calls close and open. They are two things: who answers OPTIONS may lose INVITEs.
// A new one is made with its rules and nothing else.
type Health struct {
	Rules HealthRules

	reach GatewayState // Unknown, Up, Down
	row   int          // OPTIONS in a row that speak against it
	fails int          // calls in a row that failed
	wins  int          // probes in a row that did not
	until time.Time    // of the rest; zero: the circuit is closed
	last  time.Duration
	probe time.Time // a call that probes has begun; zero: none is under way
}

// State is how the gateway is.
func (h *Health) State(now time.Time) GatewayState {
	switch {
	case h.reach == Down:
		return Down
	case h.until.After(now):
		return Resting
	case !h.until.IsZero():
		return Probing
	}
	return h.reach
}

// Skip says why a call is not to go there; empty: it may. Asking changes nothing.
func (h *Health) Skip(now time.Time) string {
	switch h.State(now) {
	case Down:
		return SkipDown
	case Resting:
		return SkipResting
	case Probing:
		if !h.probe.IsZero() && now.Sub(h.probe) < mostRest {
			return SkipProbing
		}
	case Unknown, Up:
	}
	return ""
}

// Begin notes that a call goes there.
func (h *Health) Begin(now time.Time) {
	if h.State(now) == Probing {
		h.probe = now
	}
}

// Step takes a sign; retryAfter is what came with a 503, zero if nothing did.
func (h *Health) Step(now time.Time, s Sign, retryAfter time.Duration) {
	switch s {
	case OptionsAnswered:
		h.pinged(h.reach == Down, h.Rules.UpAfter, Up)
	case OptionsUnanswered:
		h.pinged(h.reach != Down, h.Rules.DownAfter, Down)
	case CallAnswered:
		if h.reach != Down { // of Down, OPTIONS is the judge
			h.reach, h.row = Up, 0
		}
		h.fails = 0
		if h.State(now) != Probing {
			return
		}
		h.probe = time.Time{}
		if h.wins++; h.wins >= h.Rules.UpAfter {
			h.wins, h.until, h.last = 0, time.Time{}, 0
		}
	case CallFailed:
		h.failed(now, retryAfter)
	case CallLeft:
		h.probe = time.Time{}
	}
}

// pinged counts OPTIONS that speak against what is known of the gateway.
func (h *Health) pinged(against bool, enough int, state GatewayState) {
	if !against {
		h.row = 0
		if h.reach == Unknown {
			h.reach = state
		}
		return
	}
	if h.row++; h.row >= enough {
		h.row, h.reach = 0, state
	}
}

func (h *Health) failed(now time.Time, retryAfter time.Duration) {
	h.fails++
	switch {
	case retryAfter > 0: // RFC 3261 §21.5.4, within reason
		h.rest(now, min(max(retryAfter, leastRest), mostRest))
	case h.until.IsZero() && h.fails < h.Rules.DownAfter, h.until.After(now):
		// Not enough of them; or begun before its rest, or as the last resort.
	default:
		h.last = min(max(2*h.last, h.Rules.Options), mostRest)
		h.rest(now, h.last)
	}
}

func (h *Health) rest(now time.Time, d time.Duration) {
	if until := now.Add(d); until.After(h.until) {
		h.until = until
	}
	h.fails, h.wins, h.probe = 0, 0, time.Time{}
}
