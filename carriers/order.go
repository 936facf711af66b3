package carriers

import (
	"fmt"
	"strings"
	"time"
)

// Standing is whether calls go to a carrier, whatever its gateways are like.
type Standing uint8

// The standings. Each keeps back more than the one before.
const (
	InService     Standing = iota
	Deprioritised          // it is tried after all others
	Quarantined            // it is tried where a call would have nobody else
	Drained                // nothing new goes there; the calls that it has go on
)

// Standings are the words for them.
var Standings = [...]string{"in_service", SkipDeprioritised, SkipQuarantined, SkipDrained}

// String is the word.
func (s Standing) String() string { return Standings[s] }

// MarshalText writes the word.
func (s Standing) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads it.
func (s *Standing) UnmarshalText(text []byte) error {
	for i, word := range Standings {
		if word == string(text) {
			*s = Standing(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not one of: %s", text, strings.Join(Standings[:], ", "))
}

// MaxOrderText bounds who has given an order, and why, in bytes each.
const MaxOrderText = 200

// Order is what an operator has said of a carrier. Of two, the later one holds, on
// whichever node it was given.
type Order struct {
	Carrier  string    `json:"carrier"`
	Standing Standing  `json:"standing"` // never Deprioritised
	By       string    `json:"by"`
	Reason   string    `json:"reason,omitempty"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until,omitzero"` // zero: until another order
}

// At is what the order comes to at an instant.
func (o Order) At(now time.Time) Standing {
	if !o.Until.IsZero() && !o.Until.After(now) {
		return InService
	}
	return o.Standing
}

// Besides is by whom and why: by operator alice: new trunk.
func (o Order) Besides() string {
	text := "by operator " + o.By
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	return text
}

// Before says that the other order takes the place of this one. Of two of the same
// instant, all nodes take the same.
func (o Order) Before(other Order) bool {
	if !o.Since.Equal(other.Since) {
		return o.Since.Before(other.Since)
	}
	return o.Standing < other.Standing
}
