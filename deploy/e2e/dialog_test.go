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

// The session is changed twice before the answer: an offer in the caller's PRACK
// reaches the carrier in an UPDATE, and the carrier's own UPDATE the caller (RFC 3262 §5,
// RFC 3311). What the answer holds has been said by then.
func TestEarlyChanges(t *testing.T) {
	t.Parallel()
	b := open(t, 249, plan{})
	played(t, b, "uac_early.xml", "uas_early.xml")
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

// The caller refers the carrier to another number; the REFER crosses, and what the
// carrier says of it comes back (RFC 3515).
func TestReferCrosses(t *testing.T) {
	t.Parallel()
	b := open(t, 246, plan{trunk: "refer: relay", tc1: "refer: relay"})
	played(t, b, "uac_refer.xml", "uas_refer.xml")
}

// A carrier refers the caller to another number: we call it at another carrier, join the
// two, and end the leg of who has asked (RFC 5589 §6.1).
func TestReferIsFollowed(t *testing.T) {
	t.Parallel()
	b := open(t, 245, plan{tc1: "refer: follow"})
	transferor := b.carrierAt(tc1, "uas_transfer.xml", nil)
	target := b.carrierAt(tc2, "uas_bye.xml", nil, "-d", "200")
	call := b.callerTo(number, "uac_changed.xml", nil)
	transferor.finish(patience)
	target.finish(patience)
	call.finish(patience)
	r := b.record()
	if r.Result != "answered" || r.EndedBy != "carrier" || r.Cause != "hung_up" || len(r.Attempts) != 2 || r.Attempts[0].Cause != "transferred" || r.Attempts[1].Number != "+33987654321" {
		t.Errorf("record: %+v", r)
	}
	if len(r.Transfers) != 1 || r.Transfers[0].By != "carrier" || r.Transfers[0].Name != "tc1" || r.Transfers[0].How != "follow" || r.Transfers[0].Status != 200 {
		t.Errorf("transfers: %+v", r.Transfers)
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
