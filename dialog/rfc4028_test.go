package dialog_test

import (
	"strings"
	"testing"
	"time"

	"bulkhead/dialog"
)

// timed is a policy with a session timer.
func timed(expires, least time.Duration, them bool) *dialog.Policy {
	p := policy()
	p.SessionTimer = dialog.SessionTimer{Expires: expires, Min: least, Them: them}
	return p
}

// Table 2 of RFC 4028 §9: who refreshes, by what the caller can do and asks for, and by
// what the profile wants.
func TestRFC4028_9_Refresher(t *testing.T) {
	us, them := timed(30*time.Minute, 0, false), timed(30*time.Minute, 0, true)
	for _, c := range []struct {
		policy      *dialog.Policy
		asks, grant string
	}{
		{policy(), "", ""},
		{policy(), "Session-Expires: 600\n", "600;refresher=uas"},
		{policy(), "Supported: timer\nSession-Expires: 600\n", "600;refresher=uac"},
		{policy(), "k: timer\nx: 600;refresher=uas\n", "600;refresher=uas"},
		{policy(), "Supported: timer\nSession-Expires: 600;refresher=uac\n", "600;refresher=uac"},
		{us, "Supported: timer\nSession-Expires: 600\n", "600;refresher=uas"},
		{them, "Supported: timer\nSession-Expires: 600\n", "600;refresher=uac"},
		{us, "Supported: timer\nSession-Expires: 3600;refresher=uac\n", "1800;refresher=uac"},
		{us, "Supported: timer\nSession-Expires: 3600\nMin-SE: 2400\n", "2400;refresher=uas"},
		{us, "", "1800;refresher=uas"},
		{them, "Supported: timer\n", "1800;refresher=uac"},
		{them, "Session-Expires: nonsense\n", "1800;refresher=uas"},
		{policy(), "Session-Expires: 30\n", "90;refresher=uas"},
	} {
		r := inbound(t, c.policy, path("192.0.2.1:5060", dialog.UDP), trunkInvite+c.asks)
		r.told(dialog.Answer{Code: 200, Body: described}, "200 to INVITE")
		m := r.last()
		if got := m.Value("Session-Expires"); got != c.grant {
			t.Errorf("%q is granted %q, want %q", c.asks, got, c.grant)
		}
		if required := m.Value("Require") == "timer"; required != strings.HasSuffix(c.grant, "uac") {
			t.Errorf("%q: Require is %q", c.asks, m.Value("Require"))
		}
	}
}

// A carrier that says nothing of timers has none; half of the interval is a refresh,
// its end less a third or 32 s the end.
func TestRFC4028_7_2_WhatTheAnswerSays(t *testing.T) {
	for _, c := range []struct {
		says    string
		refresh time.Duration
	}{
		{"", 0}, {"Session-Expires: 90;refresher=uac", 45 * time.Second}, {"Session-Expires: 1800;refresher=uas", 1768 * time.Second},
		// Less than anybody may ask for is taken for the least (§5).
		{"Session-Expires: 1", 45 * time.Second}, {"Session-Expires: 1;refresher=uas", time.Minute}, {"Session-Expires: 0", 0},
	} {
		r := outbound(t, timed(30*time.Minute, 0, false), path("198.51.100.1:5060", dialog.UDP), offer)
		if got := r.last().Value("Session-Expires"); got != "1800;refresher=uac" {
			t.Errorf("the INVITE asks for %q", got)
		}
		r.gets(r.response(r.sent[0], 200, "b", offer, c.says), "ACK, Answer 200")
		d := dialog.Leg(*r.leg).Interval
		next := d.Refresh
		if next.IsZero() {
			next = d.Expires
		}
		if c.refresh == 0 != next.IsZero() || c.refresh != 0 && next.Sub(began) != c.refresh {
			t.Errorf("%q: the next timer is after %v", c.says, next.Sub(began))
		}
	}
}

// A change that crosses is a refresh, too: it asks for what has been agreed, and a
// change under way puts a refresh of ours off.
func TestRFC4028_7_4_AChangeRefreshes(t *testing.T) {
	r := outbound(t, timed(30*time.Minute, 0, false), path("198.51.100.1:5060", dialog.UDP), offer)
	r.gets(r.response(r.sent[0], 200, "b", offer, "Session-Expires: 1000;refresher=uac"), "ACK, Answer 200")
	r.now = began.Add(499 * time.Second)
	r.does(r.leg.Step(r.now, dialog.Due{}), "")
	r.told(dialog.Modify{Method: "INVITE", Body: described}, "INVITE")
	if got := r.last().Value("Session-Expires"); got != "1000;refresher=uac" {
		t.Errorf("the re-INVITE asks for %q", got)
	}
	re := r.find("INVITE", 0)
	r.gets(r.response(re, 100, "", ""), "")
	r.waits(500*time.Second, "")
	r.gets(r.response(re, 200, "b", offer, "Session-Expires: 1000;refresher=uac"), "ACK, Modified 200")
	if got := r.leg.Interval.Refresh.Sub(began); got != 1000*time.Second {
		t.Errorf("the next refresh is after %v", got)
	}
}

// 491 to a refresh of ours: the band of the owner of the Call-ID, and of the other.
func TestRFC3261_14_1_Bands(t *testing.T) {
	seen := map[time.Duration]bool{}
	for n := range 200 {
		r := &rig{T: t, now: began, path: path("198.51.100.1:5060", dialog.UDP)}
		id := dialog.ID{Call: dialog.CallID{byte(n), 1}, Leg: 1}
		body := dialog.Body{Type: "application/sdp", Data: []byte(offer)}
		leg, actions := dialog.Outbound(id, r.now, dialog.Setup{Body: body}, dialog.Target{Host: "198.51.100.1", Path: r.path}, timed(30*time.Minute, 0, false))
		r.leg = leg
		r.does(actions, "INVITE")
		r.gets(r.response(r.sent[0], 200, "b", offer, "Session-Expires: 1800;refresher=uac"), "ACK, Answer 200")
		r.now = began.Add(900 * time.Second)
		r.does(r.leg.Step(r.now, dialog.Due{}), "INVITE")
		r.gets(r.response(r.find("INVITE", 0), 491, "b", ""), "ACK")
		wait := r.leg.Again.Sub(r.now)
		if wait < 2100*time.Millisecond || wait > 4*time.Second || wait%(10*time.Millisecond) != 0 {
			t.Fatalf("after a 491 it waits %v", wait)
		}
		seen[wait] = true
		r.now = r.leg.Again
		r.does(r.leg.Step(r.now, dialog.Due{}), "INVITE")
	}
	if len(seen) < 100 {
		t.Errorf("only %d different waits", len(seen))
	}
	seen = map[time.Duration]bool{}
	for n := range 200 {
		r := &rig{T: t, now: began, path: path("192.0.2.1:5060", dialog.UDP)}
		leg, actions := dialog.Inbound(dialog.ID{Call: dialog.CallID{byte(n), 2}}, r.now, "acme", read(t, trunkInvite+"Session-Expires: 1800\nAllow: UPDATE\n", offer), r.path, policy(), nil)
		r.leg = leg
		r.does(actions, "100 to INVITE, Setup")
		r.talks()
		r.now = began.Add(900 * time.Second)
		r.does(r.leg.Step(r.now, dialog.Due{}), "UPDATE")
		r.gets(r.response(r.find("UPDATE", 0), 491, "ta", ""), "")
		wait := r.leg.Again.Sub(r.now)
		if wait < 0 || wait > 2*time.Second || wait%(10*time.Millisecond) != 0 {
			t.Fatalf("after a 491 it waits %v", wait)
		}
		seen[wait] = true
	}
	if len(seen) < 100 {
		t.Errorf("only %d different waits", len(seen))
	}
}

// The answer that an ACK has brought is what a refresh says again (RFC 4028 §7.4).
func TestRFC4028_7_4_RefreshAfterALateOffer(t *testing.T) {
	p := policy()
	p.SessionTimer = dialog.SessionTimer{Expires: 30 * time.Minute, Min: 90 * time.Second}
	r := outbound(t, p, path("198.51.100.1:5060", dialog.UDP), "")
	r.gets(r.response(r.sent[0], 200, "b", offer, "Supported: timer", "Session-Expires: 1800;refresher=uac"), "Answer 200")
	r.told(dialog.Confirm{Body: joining.Body}, "ACK")
	r.now = r.now.Add(15 * time.Minute)
	r.does(r.leg.Step(r.now, dialog.Due{}), "INVITE")
	if r.last().Body.Empty() {
		t.Error("the refresh describes nothing")
	}
}
