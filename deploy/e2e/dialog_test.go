//go:build e2e

package e2e

import (
	"strings"
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

// A carrier that has lost the call answers the audit with 481: both sides get their BYE.
func TestAuditEndsALostCall(t *testing.T) {
	t.Parallel()
	b := open(t, 244, plan{tc1: "audit: 5s"})
	callee := b.carrierAt(tc1, "uas_audit.xml", nil)
	call := b.callerTo(number, "uac_hungup.xml", nil)
	call.finish(patience)
	callee.finish(patience)
	answered(t, b, "bulkhead")
	if r := b.record(); r.Cause != "peer_lost" || r.Q850 != 102 || r.Duration < 5 {
		t.Errorf("record: %+v", r)
	}
}

// A carrier redirects to a gateway of another one, and to nobody's: the first is called,
// with the number of the contact (RFC 3261 §8.1.3.4).
func TestRedirectionIsFollowed(t *testing.T) {
	t.Parallel()
	b := open(t, 243, plan{tc1: "redirect: {contacts: 2}"})
	first := b.carrierAt(tc1, "uas_redirect.xml", []string{"CONTACT", b.at(tc2)})
	second := b.carrierAt(tc2, "uas.xml", nil)
	call := b.callerTo(number, "uac.xml", nil, "-d", "200")
	call.finish(patience)
	second.finish(patience)
	first.finish(patience)
	r := b.record()
	if r.Result != "answered" || len(r.Attempts) != 2 || r.tried()["tc1"] != 302 || r.tried()["tc2"] != 200 ||
		r.Attempts[1].RedirectedBy != 1 || len(r.Attempts[0].Skipped) != 1 {
		t.Errorf("record: %+v", r)
	}
	if got := second.received(); len(got) == 0 || !strings.HasPrefix(got[0], "INVITE sip:+33700@") {
		t.Errorf("tc2 was sent %q", got)
	}
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
