package dialog_test

import (
	"testing"
	"time"

	"bulkhead/dialog"
)

// joining is somebody else's offer.
var joining = dialog.Modify{Method: "INVITE", Join: true, Body: dialog.Body{Type: "application/sdp", Data: []byte(offer)}}

// The caller is asked for somebody else by a re-INVITE, and what it says is told once.
func TestRFC3725_4_1_Join(t *testing.T) {
	for code, want := range map[int]string{200: "ACK, Modified 200", 488: "ACK, Modified 488", 503: "ACK, Modified 503", 481: "ACK, End peer_lost 481, BYE"} {
		r := udpIn(t).talks()
		r.told(joining, "INVITE")
		r.gets(r.trunk("INVITE", true, 2, "re", offer), "491 to INVITE")
		r.gets(r.trunk("ACK", true, 2, "re", ""), "")
		r.gets(r.response(r.find("INVITE", 0), code, "", offer), want)
		r.gets(r.response(r.find("INVITE", 0), code, "", offer), "(absorbed), ACK again")
	}
}

// It waits for another change to end, and for its ACK; after a 491 for as long as RFC 3261
// §14.1 says; and after a 422 it asks for the interval that is wanted (RFC 4028 §7.3).
func TestRFC3261_14_1_JoinWaits(t *testing.T) {
	p := policy()
	p.SessionTimer = dialog.SessionTimer{Expires: 30 * time.Minute, Min: 90 * time.Second}
	r := inbound(t, p, path("192.0.2.1:5060", dialog.UDP), trunkInvite).talks()
	r.gets(r.trunk("INVITE", true, 2, "re", offer), "100 to INVITE, Modify INVITE")
	r.told(joining, "")
	r.told(dialog.Modified{Code: 200, Body: joining.Body}, "200 to INVITE")
	r.gets(r.trunk("ACK", true, 2, "k2", ""), "Confirm, INVITE")
	r.gets(r.response(r.find("INVITE", 0), 491, "", ""), "ACK")
	wait := r.leg.Deadline().Sub(r.now)
	if wait > 2*time.Second {
		t.Errorf("the next attempt comes after %v", wait)
	}
	r.now = r.now.Add(wait)
	r.does(r.leg.Step(r.now, dialog.Due{}), "INVITE")
	r.gets(r.response(r.find("INVITE", 0), 422, "", "", "Min-SE: 2400"), "ACK, INVITE")
	if v := r.last().Value("Min-SE"); v != "2400" {
		t.Errorf("Min-SE: %s", v)
	}
	r.gets(r.response(r.find("INVITE", 0), 200, "", offer), "ACK, Modified 200")
}

// With nobody on the other side, what the peer has asked is answered, what it offers is
// declined, and what it still says is told to nobody.
func TestRFC5589_6_1_Alone(t *testing.T) {
	r := inbound(t, relaying(), path("192.0.2.1:5060", dialog.UDP), trunkInvite).talks()
	r.told(dialog.Info{Ref: 7, Method: "INFO"}, "INFO")
	info := r.find("INFO", 0)
	r.told(dialog.Modify{Method: "INVITE"}, "INVITE")
	r.gets(r.response(r.find("INVITE", 0), 200, "", offer), "Modified 200")
	r.gets(r.trunk("INFO", true, 2, "i", ""), "Info INFO")
	r.gets(r.trunk("UPDATE", true, 3, "u", offer), "Modify UPDATE")
	r.told(dialog.Alone{}, "491 to UPDATE, ACK, 500 to INFO")
	r.gets(r.response(info, 200, "", ""), "")
	if r.leg.State != dialog.Confirmed {
		t.Error("the call has ended")
	}
}

// Nor is it asked before the ACK of what the other side was offered last.
func TestRFC3261_14_1_JoinWaitsForAnACK(t *testing.T) {
	r := udpIn(t).talks()
	r.told(dialog.Modify{Method: "INVITE"}, "INVITE")
	r.gets(r.response(r.find("INVITE", 0), 200, "", offer), "Modified 200")
	r.told(joining, "")
	r.told(dialog.Confirm{Body: joining.Body}, "ACK, INVITE")
}
