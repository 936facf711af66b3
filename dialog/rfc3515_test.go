package dialog_test

import (
	"strings"
	"testing"
	"time"

	"bulkhead/dialog"
)

// referring is a policy that lets REFERs cross.
func referring() *dialog.Policy {
	p := policy()
	p.Transfers = dialog.RelayTransfers
	return p
}

// notify is a NOTIFY of the peer's on a REFER of an outbound leg's.
func (r *rig) notify(cseq int, branch, event, state, line string) *dialog.Message {
	m := r.request("NOTIFY", "b", cseq, branch, "", "Event: "+event, "Subscription-State: "+state)
	m.Body = dialog.Body{Type: "message/sipfrag;version=2.0", Data: []byte(line)}
	return m
}

// What a Refer-To may say, and what it is told as.
func TestRFC3515_2_4_2_References(t *testing.T) {
	for to, want := range map[string]string{
		"<sip:4930@203.0.113.7>":                                            "Refer  4930",
		"<sip:4930@203.0.113.7:5070;user=phone>":                            "Refer  4930",
		"sip:4930@203.0.113.7;user=phone":                                   "Refer  4930",
		`"Bob" <sip:bob@example.com>`:                                       "Refer sip:bob@example.com bob",
		"<sips:bob@example.com;method=invite>":                              "Refer sips:bob@example.com;method=invite bob",
		"<tel:+4930;phone-context=x>":                                       "Refer tel:+4930;phone-context=x +4930",
		"<sip:example.com>":                                                 "Refer sip:example.com ",
		"<sip:b@h?Replaces=1%3bTo-Tag%3d2%3bfrom-tag%3D3&require=replaces>": "603 to REFER",
		"<sip:4930@192.0.2.1:5070;transport=tcp>":                           "Refer  4930",
		"<sip:4930@[::ffff:c000:201]>":                                      "Refer  4930",
		"<sip:203.0.113.7>":                                                 "603 to REFER",
		"<mailto:bob@example.com>":                                          "603 to REFER",
		"<sip:b@h;method=SUBSCRIBE>":                                        "603 to REFER",
		"<sip:b@h?Call-ID=1>":                                               "603 to REFER",
		"<sip:b@h?body=1>":                                                  "603 to REFER",
		"<sip:b@h?Require=100rel>":                                          "603 to REFER",
		"<sip:b@h?Replaces=1%3Bto-tag=2%3Bfrom-tag=3&Replaces=1%3Bto-tag=2%3Bfrom-tag=3>": "603 to REFER",
		"<sip:b@h?Replaces=1%3Bto-tag%3D2>":                                               "400 to REFER",
		"<sip:b@h?Replaces=%3Bto-tag%3D2%3Bfrom-tag%3D3>":                                 "400 to REFER",
		"<sip:b@h?Replaces=1%0D%0Ato-tag%3D2%3Bto-tag%3D2%3Bfrom-tag%3D3>":                "400 to REFER",
		"<sip:b@h?Replaces=1%3>":                                                          "400 to REFER",
		"<sip:b@h?Replaces=1%3Zto>":                                                       "400 to REFER",
		"<sip:b@>":                                                                        "400 to REFER",
		"<>":                                                                              "400 to REFER",
		"<sip:b@h> , <sip:c@h>":                                                           "400 to REFER",
	} {
		r := inbound(t, referring(), path("192.0.2.1:5060", dialog.UDP), trunkInvite).talks()
		r.gets(r.trunk("REFER", true, 2, "r", "", "Refer-To: "+to), want)
		if t.Failed() {
			t.Fatal(to)
		}
	}
}

// A REFER that crosses is of our own making, and its NOTIFYs are told by their status
// line; what is of another event, or of another REFER, is not.
func TestRFC3515_2_4_4_NotificationsOfOurREFER(t *testing.T) {
	r := outbound(t, referring(), path("198.51.100.1:5060", dialog.UDP), offer).up()
	r.gets(r.notify(1, "n1", "refer", "active", "SIP/2.0 100 Trying\r\n"), "481 to NOTIFY")
	r.told(dialog.Refer{Ref: 5, User: "4931", Replaces: dialog.Replaces{CallID: "a b@c", ToTag: "1", FromTag: "2"}, By: "x", Silent: true}, "REFER")
	m := r.last()
	for name, want := range map[string]string{
		"Refer-To":    "<sip:4931@198.51.100.1?Replaces=a%20b%40c%3Bto-tag%3D1%3Bfrom-tag%3D2>",
		"Referred-By": "<sip:x@203.0.113.7:5060>", "Refer-Sub": "false", "Supported": "norefersub", "Contact": "<sip:203.0.113.7:5060>",
	} {
		if got := m.Value(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	r.told(dialog.Refer{Ref: 6, User: "4932"}, "Informed 491")
	r.gets(r.notify(2, "n2", "Refer", "active;expires=9", "SIP/2.0 100 Trying\r\nVia: x\r\n"), "Notify 100") // before the 202
	r.gets(r.response(r.find("REFER", 0), 202, "b", ""), "Informed 202")
	r.gets(r.notify(3, "n3", "refer;id=9", "active", "SIP/2.0 100 Trying\r\n"), "481 to NOTIFY")
	r.gets(r.notify(4, "n4", "dialog", "active", "SIP/2.0 100 Trying\r\n"), "405 to NOTIFY")
	r.gets(r.notify(5, "n5", "refer;id=2", "active", "HTTP/1.1 200 OK\r\n"), "400 to NOTIFY")
	r.gets(r.notify(6, "n6", "refer;id=2", "TERMINATED;reason=x", "SIP/2.0 486 Busy Here"), "Notify 486 over")
	r.gets(r.notify(7, "n7", "refer", "active", "SIP/2.0 200 OK"), "481 to NOTIFY")
	r.told(dialog.Informed{Ref: 5, Code: 200}, "200 to NOTIFY")
}

// The peer's subscription lives as long as a call may take to be answered, and 64·T1.
func TestRFC3515_2_4_4_LifeOfASubscription(t *testing.T) {
	r := inbound(t, referring(), path("192.0.2.1:5060", dialog.UDP), trunkInvite).talks()
	r.gets(r.trunk("REFER", true, 2, "r", "", "Refer-To: <sip:b@example.com>"), "Refer sip:b@example.com b")
	r.told(dialog.Notify{Ref: 8, Of: 1, Code: 100}, "Informed 481") // of no REFER of this peer's
	r.told(dialog.Informed{Ref: 2, Code: 202}, "202 to REFER")
	r.told(dialog.Notify{Ref: 9, Of: 2, Code: 180, Phrase: "Ringing"}, "NOTIFY")
	m := r.last()
	if m.Value("Event") != "refer" || m.Value("Subscription-State") != "active;expires=212" || string(m.Body.Data) != "SIP/2.0 180 Ringing\r\n" || m.Contact == "" {
		t.Errorf("the NOTIFY is\n%s", r.find("NOTIFY", 0).Data)
	}
	r.gets(r.response(r.find("NOTIFY", 0), 200, "", ""), "Informed 200")
	began := r.now
	for r.leg.Deadline().Sub(began) < 212*time.Second {
		r.now = r.leg.Deadline()
		r.does(r.leg.Step(r.now, dialog.Due{}), "")
	}
	r.now = r.leg.Deadline()
	r.does(r.leg.Step(r.now, dialog.Due{}), "NOTIFY")
	if m := r.last(); m.Value("Subscription-State") != "terminated;reason=timeout" || !strings.HasPrefix(string(m.Body.Data), "SIP/2.0 408 ") {
		t.Errorf("the last NOTIFY is\n%s", r.find("NOTIFY", 0).Data)
	}
	r.gets(r.response(r.find("NOTIFY", 0), 481, "", ""), "") // it was our own word, and the call goes on
	r.told(dialog.Notify{Ref: 9, Of: 2, Code: 200}, "Informed 481")
	if r.leg.State != dialog.Confirmed {
		t.Error("the call has ended")
	}
}

// No answer to a REFER is 504 and no end, one that could not be sent 503; in neither case is
// there a subscription.
func TestRFC3515_2_4_2_UnansweredREFER(t *testing.T) {
	r := outbound(t, referring(), path("198.51.100.1:5060", dialog.UDP), offer).up()
	r.told(dialog.Refer{Ref: 5, URI: "sip:b@example.com"}, "REFER")
	r.does(r.leg.Step(r.now, dialog.Unsent{Tx: r.find("REFER", 0).Tx, Why: "refused"}), "Informed 503")
	r.told(dialog.Refer{Ref: 6, URI: "sip:b@example.com"}, "REFER")
	end := r.now.Add(32 * time.Second)
	for r.leg.Deadline().Before(end) {
		r.now = r.leg.Deadline()
		if got := describe(r.leg.Step(r.now, dialog.Due{})); got != "REFER again" && got != "" {
			t.Errorf("at %v: %s", r.now, got)
		}
	}
	r.now = end
	r.does(r.leg.Step(r.now, dialog.Due{}), "Informed 504")
	r.gets(r.notify(1, "n1", "refer", "active", "SIP/2.0 100 Trying\r\n"), "481 to NOTIFY")
	r.told(dialog.Refer{Ref: 7, URI: "sip:b@example.com"}, "REFER")
	r.gets(r.response(r.find("REFER", 0), 481, "b", ""), "End peer_lost 481, BYE")
}

// A dialog of another call of ours is told by the name that the shell has found for it, and
// otherwise not at all (RFC 3891 §6.1).
func TestRFC3891_6_1_ReplacesOfOurs(t *testing.T) {
	ours := seal().Tag(dialog.ID{Call: dialog.CallID{4}, Leg: 2})
	refer := "Refer-To: <sip:b@203.0.113.7?Replaces=1%3bTo-Tag%3d" + ours + "%3bfrom-tag%3D3&require=replaces>"
	r := inbound(t, referring(), path("192.0.2.1:5060", dialog.UDP), trunkInvite).talks()
	r.gets(r.trunk("REFER", true, 2, "r", "", refer), "603 to REFER")
	named := &dialog.Replaced{Call: dialog.CallID{4}, Replaces: dialog.Replaces{CallID: "x", ToTag: "y", FromTag: "z"}, Target: "sip:c@198.51.100.9"}
	actions := r.leg.Step(r.now, dialog.Received{Message: r.trunk("REFER", true, 3, "s", "", refer), Path: r.path, Replaced: named})
	if ev, ok := actions[0].(dialog.Refer); !ok || ev.URI != named.Target || ev.Replaces != named.Replaces || ev.Call != named.Call {
		t.Errorf("it is told as %+v", actions)
	}
}

// Named and Naming are two sides of a call.
func TestRFC3891_3_NamesOfADialog(t *testing.T) {
	r := inbound(t, referring(), path("192.0.2.1:5060", dialog.UDP), trunkInvite)
	named := dialog.Replaces{CallID: "c1", ToTag: r.leg.Tag, FromTag: "ta"}
	if _, ok := r.leg.Naming(); ok || r.leg.Named(named) {
		t.Error("a call that nobody has answered has a name")
	}
	r.talks()
	if d, ok := r.leg.Naming(); !ok || d.Replaces != (dialog.Replaces{CallID: "c1", ToTag: "ta", FromTag: r.leg.Tag}) || d.Target != "sip:a@192.0.2.1" {
		t.Errorf("its name is %+v", d)
	}
	for i, n := range []dialog.Replaces{named, {"c2", r.leg.Tag, "ta"}, {"c1", "ta", r.leg.Tag}, {"c1", r.leg.Tag, "tb"}} {
		if r.leg.Named(n) != (i == 0) {
			t.Errorf("%+v names it: %v", n, i != 0)
		}
	}
}
