package dialog_test

import (
	"strings"
	"testing"
	"time"

	"bulkhead/dialog"
)

// registrar is a registration with a carrier and a clock that are moved by hand.
type registrar struct {
	*rig
	is *dialog.Registration
}

func registering(t *testing.T, p *dialog.Policy, now time.Time, gateways ...string) *registrar {
	w := dialog.RegistrationWish{AOR: "sip:us@tc1.example", Expires: 10 * time.Minute}
	for _, g := range gateways {
		w.Gateways = append(w.Gateways, path(g, dialog.UDP))
	}
	return &registrar{&rig{T: t, now: now}, dialog.NewRegistration(dialog.CallID{9}, now, w, p)}
}

func (r *registrar) steps(ev dialog.Event, want string) {
	r.Helper()
	r.does(r.is.Step(r.now, ev), want)
}

func (r *registrar) answered(code int, want string, extra ...string) {
	r.Helper()
	r.steps(dialog.Received{Message: r.response(r.find("REGISTER", 0), code, "r", "", extra...)}, want)
}

// passes goes on to the next deadline, which must be within these bounds from now.
func (r *registrar) passes(least, most time.Duration, want string) {
	r.Helper()
	d := r.is.Deadline()
	if wait := d.Sub(r.now); wait < least || wait > most {
		r.Errorf("next deadline in %v, want %v to %v", wait, least, most)
	}
	r.now = d
	r.steps(dialog.Due{}, want)
}

// quietly lets the transactions of what has been answered end.
func (r *registrar) quietly() { r.passes(0, 5*time.Second, "") }

// TestRFC3261_10_2_4_Refresh: the binding holds as long as its Contact says, whatever the
// others do, and is refreshed between the half and nine tenths of that, with one Call-ID and
// rising numbers.
func TestRFC3261_10_2_4_Refresh(t *testing.T) {
	r := registering(t, knowing(policy()), began, "198.51.100.1:5060")
	r.steps(dialog.Due{}, "REGISTER")
	first := r.last()
	if uri := first.URI.String(); uri != "sip:tc1.example" || first.To != "<sip:us@tc1.example>" || first.Contact != "sip:us@203.0.113.7:5060" {
		t.Errorf("REGISTER %s of %s to %s", uri, first.To, first.Contact)
	}
	r.answered(200, "", "Contact: <sip:other@192.0.2.9>;expires=9, <sip:us@203.0.113.7:5060>;expires=300", "Expires: 77")
	if d := r.is.Registered().Sub(r.now); d != 300*time.Second {
		t.Errorf("registered for %v", d)
	}
	r.quietly()
	r.passes(145*time.Second, 270*time.Second, "REGISTER")
	if m := r.last(); m.CallID != first.CallID || m.CSeq <= first.CSeq || m.FromTag != first.FromTag {
		t.Errorf("%s %d after %s %d", m.CallID, m.CSeq, first.CallID, first.CSeq)
	}
}

// TestRFC3261_10_2_8_IntervalTooBrief: 423 is met once for each longer interval.
func TestRFC3261_10_2_8_IntervalTooBrief(t *testing.T) {
	r := registering(t, knowing(policy()), began, "198.51.100.1:5060")
	r.steps(dialog.Due{}, "REGISTER")
	r.answered(423, "REGISTER", "Min-Expires: 3600")
	if v := r.last().Value("Expires"); v != "3600" {
		t.Errorf("Expires %s", v)
	}
	r.answered(423, "", "Min-Expires: 3600")
	if code, _, _ := r.is.Failed(); code != 423 {
		t.Errorf("failed with %d", code)
	}
}

// TestRFC5626_4_5_Backoff: each gateway in its turn, and then a time that grows to half an
// hour; a binding holds until its end whatever happens meanwhile.
func TestRFC5626_4_5_Backoff(t *testing.T) {
	r := registering(t, knowing(policy()), began, "198.51.100.1:5060", "198.51.100.2:5060")
	r.steps(dialog.Due{}, "REGISTER")
	for round := range 10 {
		r.answered(503, "")
		_, _, next := r.is.Failed()
		if d := next.Sub(r.now); d != time.Second {
			t.Fatalf("the next gateway after %v", d)
		}
		r.now = next
		r.steps(dialog.Due{}, "REGISTER")
		r.answered(403, "")
		_, _, next = r.is.Failed()
		most := min(30*time.Second<<round, 30*time.Minute)
		if d := next.Sub(r.now); d < most/2 || d > most {
			t.Errorf("round %d: again after %v, at most %v", round, d, most)
		}
		r.now = next
		r.steps(dialog.Due{}, "REGISTER")
	}
	if to := r.sent[len(r.sent)-1].Path.Remote.String(); to != "198.51.100.1:5060" {
		t.Errorf("the first gateway's turn, asked is %s", to)
	}
}

// TestRFC3261_10_2_ATakeoverGoesOn: a node that knows nothing of the other's registration
// refreshes it, since nothing of it was drawn.
func TestRFC3261_10_2_ATakeoverGoesOn(t *testing.T) {
	one := registering(t, knowing(policy()), began, "198.51.100.1:5060")
	one.steps(dialog.Due{}, "REGISTER")
	one.answered(401, "REGISTER", asksFor)
	other := registering(t, knowing(policy()), began.Add(3*time.Second), "198.51.100.1:5060")
	other.steps(dialog.Due{}, "REGISTER")
	a, b := one.last(), other.last()
	if a.CallID != b.CallID || a.FromTag != b.FromTag || a.Contact != b.Contact || b.CSeq <= a.CSeq {
		t.Errorf("%s %d, then %s %d", a.CallID, a.CSeq, b.CallID, b.CSeq)
	}
}

// TestRFC3261_10_2_2_End: a binding is ended once, with credentials, and nothing follows.
func TestRFC3261_10_2_2_End(t *testing.T) {
	r := registering(t, knowing(policy()), began, "198.51.100.1:5060")
	r.steps(dialog.Due{}, "REGISTER")
	r.answered(401, "REGISTER", asksFor)
	r.answered(200, "")
	r.steps(dialog.End{}, "REGISTER")
	if m := r.last(); m.Value("Expires") != "0" || !strings.Contains(m.Value("Authorization"), "nc=00000002") {
		t.Errorf("Expires %s, %s", m.Value("Expires"), m.Value("Authorization"))
	}
	if r.is.Done() {
		t.Error("done before the answer")
	}
	r.answered(200, "")
	if !r.is.Done() || !r.is.Registered().IsZero() {
		t.Error("not done")
	}
	r.steps(dialog.End{}, "")
}

// TestRFC3608_ServiceRoute: only a route that can be followed is, and it goes with the
// binding.
func TestRFC3608_ServiceRoute(t *testing.T) {
	for _, c := range []struct{ header, want string }{
		{"Service-Route: <sip:a.example;lr>, <sip:b.example:5070;lr>;x=y", "<sip:a.example;lr>, <sip:b.example:5070;lr>"},
		{"Service-Route: <sip:strict.example>", ""},
		{"Service-Route: <sip:a.example;lr>, <sip:strict.example>", ""},
		{"Service-Route: " + strings.Repeat("<sip:a.example;lr>, ", 9) + "<sip:a.example;lr>", ""},
		{"Server: none", ""},
	} {
		r := registering(t, knowing(policy()), began, "198.51.100.1:5060")
		r.steps(dialog.Due{}, "REGISTER")
		r.answered(200, "", c.header)
		if got := r.is.Routes(); got != c.want {
			t.Errorf("%s: %q", c.header, got)
		}
	}
}

// TestRFC3261_10_NobodyAnswers: what is repeated ends after 64·T1, and a binding that there
// was ends in its time.
func TestRFC3261_10_NobodyAnswers(t *testing.T) {
	r := registering(t, knowing(policy()), began, "198.51.100.1:5060")
	r.steps(dialog.Due{}, "REGISTER")
	r.answered(200, "", "Expires: 60")
	until, sent := r.is.Registered(), 0
	for r.now.Before(until) {
		r.now = r.is.Deadline()
		sent += len(r.is.Step(r.now, dialog.Due{}))
	}
	if !r.is.Registered().IsZero() || sent < 3 {
		t.Errorf("registered until %v, %d sent", r.is.Registered(), sent)
	}
	for range 40 {
		r.now = r.is.Deadline()
		r.is.Step(r.now, dialog.Due{})
		if code, _, _ := r.is.Failed(); code == 408 {
			return
		}
	}
	t.Error("no end to it")
}
