// Package dialog is one leg of a call, and nothing else: a value that takes
// events and returns what is to be done.
//
//	leg, actions := dialog.Inbound(id, now, trunk, invite, path, policy, pass)
//	actions = leg.Step(now, event)
//
// The contract. A Leg has no socket, clock, goroutine, log or random number in
// it: time is the argument now, identifiers are sealed addresses (see Seal),
// and what a leg wants done comes back as a list of Actions in the order in
// which they are to be done. Step may be called with any event at any time; an
// event that the leg's tables have no row for changes nothing and comes back as
// a Drop with a name. Step never fails and never blocks. The caller calls Step
// with Due when Deadline has passed, and lets go of the leg when it is Done.
//
// What can leave a leg toward the other legs of its call is one of the Signals
// of signal.go; a retransmission, a late answer or a stray is not one of them,
// so it cannot be relayed (promise P2).
//
// The transactions of RFC 3261 §17 and RFC 6026 live inside the leg, in
// tables.go, one row an arrow of the RFC's figures.
package dialog
