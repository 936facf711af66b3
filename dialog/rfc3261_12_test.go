package dialog_test

import (
	"strings"
	"testing"

	"bulkhead/dialog"
)

// unfit are values of Contact that may not stand in a Request-URI (RFC 3261
// §19.1.1 table 1).
var unfit = []string{
	"*", "tel:+33", "nonsense", "sip:", "sip:a@h:", "sip:a@h:99999", "sip:c@198.51.100.9?Subject=x",
	"sip:a b@h", "sip:a@h;x y", "sip:a<b@h", "sip:a@h\x01", "sip:a@h>", `sip:"a@h`,
}

func TestRFC3261_12_1_2_ContactThatIsNoTarget(t *testing.T) {
	for _, contact := range unfit {
		r := udpOut(t)
		m := r.response(r.sent[0], 200, "b", offer)
		m.Contact = contact
		r.gets(m, "ACK, Answer 200")
		if got := r.last().URI.String(); got != "sip:4930@198.51.100.1" {
			t.Errorf("Contact %q: ACK to %s", contact, got)
		}
		r.told(dialog.Modify{Method: "INVITE", Body: described}, "INVITE")
		m = r.response(r.find("INVITE", 0), 200, "b", offer)
		m.Contact = contact
		r.gets(m, "ACK, Modified 200")
		if got := r.last().URI.String(); got != "sip:4930@198.51.100.1" {
			t.Errorf("Contact %q in a target refresh: ACK to %s", contact, got)
		}
	}
}

func TestRFC3261_12_1_1_ContactThatIsNoTarget(t *testing.T) {
	for _, contact := range unfit {
		m := read(t, trunkInvite, offer)
		m.Contact = contact
		r := &rig{T: t, now: began, path: path("192.0.2.1:5060", dialog.UDP)}
		leg, actions := dialog.Inbound(dialog.ID{Call: dialog.CallID{9}}, r.now, "acme", m, r.path, policy(), nil)
		r.leg = leg
		r.does(actions, "100 to INVITE, Setup")
		r.talks()
		refresh := r.trunk("UPDATE", true, 2, "u", "")
		refresh.Contact = contact
		r.gets(refresh, "200 to UPDATE")
		r.told(dialog.End{}, "BYE")
		if got := r.last().URI.String(); got != "sip:192.0.2.1:5060" {
			t.Errorf("Contact %q: BYE to %s", contact, got)
		}
	}
}

// A node that takes over repeats no answer that a BYE has made moot.
func TestRFC3261_15_1_2_ResumeAfterBYE(t *testing.T) {
	r := udpIn(t)
	r.told(dialog.Answer{Code: 200, Body: described}, "200 to INVITE")
	r.gets(r.trunk("BYE", true, 2, "b", ""), "200 to BYE, End hung_up 480")
	r.leg.Resume(r.now)
	if got := r.idles(); got != "" {
		t.Errorf("after the BYE: %s", got)
	}
}

// Late is what was answered after it had been given up, not another fork of what
// was answered in time.
func TestRFC3261_13_2_2_4_ForkAfterTheEnd(t *testing.T) {
	r := udpOut(t).up()
	r.told(dialog.End{}, "BYE")
	r.gets(r.response(r.sent[0], 200, "c", offer), "ACK, BYE")
	if r.leg.Marks.Late {
		t.Error("an answered leg is marked as answered late")
	}
}

// where is the way that a BYE takes to a carrier's target.
func where(t *testing.T, p *dialog.Policy, to dialog.Path, target string) dialog.Path {
	t.Helper()
	r := outbound(t, p, to, offer)
	m := r.response(r.sent[0], 200, "b", offer)
	m.Contact = target
	r.gets(m, "ACK, Answer 200")
	r.told(dialog.End{}, "BYE")
	return r.find("BYE", 0).Path
}

func TestRFC3261_12_2_1_1_NextHop(t *testing.T) {
	udp := path("198.51.100.1:5060", dialog.UDP)
	for _, c := range []struct {
		target, remote string
		transport      dialog.Transport
	}{
		{"sip:b@198.51.100.9", "198.51.100.9:5060", dialog.UDP},
		{"sip:b@198.51.100.9:5070", "198.51.100.9:5070", dialog.UDP},
		{"sip:b@[2001:db8::9]", "[2001:db8::9]:5060", dialog.UDP},
		{"sip:b@198.51.100.9;Transport=tcp", "198.51.100.9:5060", dialog.TCP},
		{"sip:b@198.51.100.9;x=1;TRANSPORT=TCP;lr", "198.51.100.9:5060", dialog.TCP},
		{"sip:b;transport=tcp@198.51.100.9", "198.51.100.9:5060", dialog.UDP}, // of the user part
		{"sip:b@198.51.100.9;transport=tls", "198.51.100.9:5061", dialog.TLS},
		{"sip:b@198.51.100.9;transport=sctp", "198.51.100.9:5060", dialog.UDP},
		{"sip:b@pbx.example.org:5070", "198.51.100.1:5060", dialog.UDP},
		{"sip:b@127.0.0.1", "198.51.100.1:5060", dialog.UDP},
		{"sip:b@[::1]", "198.51.100.1:5060", dialog.UDP},
		{"sip:b@[::ffff:127.0.0.1]:22", "198.51.100.1:5060", dialog.UDP},
		{"sip:b@169.254.169.254:80", "198.51.100.1:5060", dialog.UDP},
		{"sip:b@[fe80::1]", "198.51.100.1:5060", dialog.UDP},
		{"sip:b@0.0.0.0", "198.51.100.1:5060", dialog.UDP},
		{"sip:b@224.0.1.75", "198.51.100.1:5060", dialog.UDP},
		{"sip:b@255.255.255.255", "198.51.100.1:5060", dialog.UDP},
	} {
		if p := where(t, policy(), udp, c.target); p.Remote.String() != c.remote || p.Transport != c.transport {
			t.Errorf("%s: %v over %v, want %s over %v", c.target, p.Remote, p.Transport, c.remote, c.transport)
		}
	}
}

func TestRFC3261_12_2_1_1_NextHopFitsTheSockets(t *testing.T) {
	udp := path("198.51.100.1:5060", dialog.UDP)
	if p := where(t, policy(), udp, "sip:b@[2001:db8::9]"); p.Local.IsValid() {
		t.Errorf("to an address of IPv6 from %v", p.Local)
	}
	bare := policy()
	bare.Local = dialog.Local{"203.0.113.7:5060"}
	if p := where(t, bare, udp, "sip:b@198.51.100.9;transport=tcp"); p.Transport != dialog.UDP {
		t.Errorf("over %v, which the realm does not have", p.Transport)
	}
	near := path("127.0.0.1:5060", dialog.UDP)
	if p := where(t, policy(), near, "sip:b@127.0.0.2:5080"); p.Remote.String() != "127.0.0.2:5080" {
		t.Errorf("a peer on this machine is gone to at %v", p.Remote)
	}
}

// The same in a response without a call: whoever sends it must not choose whom we
// send to.
func TestRFC3261_13_2_2_4_AfterwardsGoesBack(t *testing.T) {
	r := udpOut(t)
	late := r.response(r.sent[0], 200, "b", offer)
	for _, s := range dialog.Afterwards(late, r.path, dialog.Address{ID: r.leg.ID, Seq: dialog.First}, seal(), "203.0.113.7:5060") {
		if s.Path != r.path || !strings.Contains(string(s.Data), " sip:b@198.51.100.9 ") {
			t.Errorf("to %v:\n%s", s.Path.Remote, s.Data)
		}
	}
}
