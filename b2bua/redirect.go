package b2bua

import (
	"slices"

	"bulkhead/dialog"
)

// Redirects says what may become of a carrier's redirection (RFC 3261 §8.1.3.4).
type Redirects interface {
	// Contacts is how many contacts a call tries in all when this carrier redirects;
	// zero: its redirections are failures.
	Contacts(carrier string) int

	// Redirect is the target that a contact names, a gateway of some carrier of ours;
	// the number is dialled where the contact has none. False: it is nobody's.
	Redirect(carrier, contact, number string) (Target, bool)
}

// Skip is a contact of a redirection that is not tried.
type Skip struct {
	Attempt int // that was redirected, from 1
	Contact string
	Why     string // no_gateway, repeated, beyond_limit
}

// Why a contact is not tried.
const (
	SkipNoGateway = "no_gateway"   // no carrier of ours has it
	SkipRepeated  = "repeated"     // the call has tried it, or is going to
	SkipBeyond    = "beyond_limit" // the call has tried as many as it may
)

// Bounds of what is kept of what a carrier wrote.
const (
	maxSkips   = 16
	maxSkipped = 128 // bytes of a contact
)

// redirect puts the contacts of a redirection before the targets that are left, in
// their order; false: there is none that can be tried, and it is a failure like others.
func (c *Call) redirect(last dialog.Cause, contacts []string) bool {
	attempt := len(c.Out)
	if attempt == 0 || len(contacts) == 0 || c.redirects == nil {
		return false
	}
	from := c.Out[attempt-1].Target
	most := c.redirects.Contacts(from.Carrier)
	if most == 0 {
		return false
	}
	used := 0
	for _, by := range c.By {
		if by != 0 {
			used++
		}
	}
	var found []Target
	for _, contact := range contacts {
		t, ok := c.redirects.Redirect(from.Carrier, contact, from.Number)
		if last.Code == 305 {
			t.Number = from.Number // the proxy is another, the callee is not (§21.3.4)
		}
		same := func(other Target) bool { return other.Target == t.Target }
		switch {
		case !ok:
			c.skip(attempt, contact, SkipNoGateway)
		case slices.ContainsFunc(found, same) || slices.ContainsFunc(c.Targets, same) || c.tried(t.Target):
			c.skip(attempt, contact, SkipRepeated)
		case used+len(found) >= most:
			c.skip(attempt, contact, SkipBeyond)
		default:
			found = append(found, t)
		}
	}
	c.next(uint8(attempt), found...)
	return len(found) > 0
}

// tried says that an attempt was made at a target.
func (c *Call) tried(t dialog.Target) bool {
	return slices.ContainsFunc(c.Out, func(leg *dialog.Leg) bool { return leg.Target == t })
}

// next puts targets before those that are left, and notes which attempt has led to
// them.
func (c *Call) next(by uint8, targets ...Target) {
	c.Targets = slices.Insert(c.Targets, 0, targets...)
	for len(c.By) < len(c.Out) {
		c.By = append(c.By, 0) // an older version has not written it
	}
	c.By = slices.Insert(c.By, len(c.Out), slices.Repeat([]uint8{by}, len(targets))...)
}

// by is the attempt whose redirection has led to an attempt, made or to be made; 0:
// the route has.
func (c *Call) by(attempt int) uint8 {
	if attempt > len(c.By) {
		return 0
	}
	return c.By[attempt-1]
}

// alternative says that a contact has failed and the next one of the same redirection
// is there to be tried: of those every failure leads on (§8.1.3.4), but for one that
// speaks for the callee wherever it is (§21.6).
func (c *Call) alternative(last dialog.Cause) bool {
	attempt := len(c.Out)
	by := c.by(attempt)
	return by != 0 && len(c.Targets) > 0 && c.by(attempt+1) == by &&
		(last.Why == dialog.Rejected || last.Why == dialog.Unauthorized) && last.Code < 600
}

// skip notes a contact that is not tried.
func (c *Call) skip(attempt int, contact, why string) {
	s := Skip{Attempt: attempt, Contact: contact[:min(len(contact), maxSkipped)], Why: why}
	c.out = append(c.out, s)
	if len(c.Skips) < maxSkips {
		c.Skips = append(c.Skips, s)
	}
}

// fields lists what a record says of a contact.
func (s *Skip) fields(r *dialog.Coder) {
	dialog.Int(r, &s.Attempt)
	r.String(&s.Contact)
	r.String(&s.Why)
}
