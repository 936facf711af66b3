//go:build e2e

package e2e

import (
	"testing"
)

// A digit in an INFO reaches the carrier, and its 200 the caller (RFC 6086).
func TestInfoPasses(t *testing.T) {
	t.Parallel()
	b := open(t, 240, plan{})
	played(t, b, "uac_info.xml", "uas_info.xml")
}

// Both sides do 100rel: each has its own PRACK (RFC 3262).
func TestReliableProvisionals(t *testing.T) {
	t.Parallel()
	b := open(t, 241, plan{})
	played(t, b, "uac_prack.xml", "uas_prack.xml")
}

// Each leg has a session timer of its own: the caller refreshes its own by UPDATE, and
// the carrier hears nothing of that (RFC 4028).
func TestSessionTimers(t *testing.T) {
	t.Parallel()
	b := open(t, 242, plan{tc1: "session_timer: {expires: 15m}"})
	played(t, b, "uac_timer.xml", "uas_timer.xml")
}

// played makes one call by scenarios of its own, which the caller ends.
func played(t *testing.T, b *border, caller, carrier string) {
	t.Helper()
	callee := b.carrierAt(tc1, carrier, nil)
	call := b.callerTo(number, caller, nil, "-d", "200")
	call.finish(patience)
	callee.finish(patience)
	answered(t, b, "trunk")
}
