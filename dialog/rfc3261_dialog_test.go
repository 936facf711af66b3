package dialog_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/dialog"
)

func TestRFC3261_9_1_CancelHeld(t *testing.T) {
	r := udpOut(t)
	r.told(dialog.End{Cause: dialog.Cause{Why: dialog.Cancelled, Code: 487}}, "")
	r.waits(500*ms, "INVITE again") // it goes on: only an answer tells that there is something to cancel
	r.gets(r.response(r.sent[0], 100, "", ""), "CANCEL, (late_provisional)")
	cancel, invite := r.last(), r.read(r.sent[0])
	if cancel.Vias[0] != invite.Vias[0] || cancel.URI.String() != invite.URI.String() || cancel.From != invite.From || cancel.To != invite.To || cancel.CSeq != invite.CSeq {
		t.Errorf("the CANCEL is\n%s", r.find("CANCEL", 0).Data)
	}
	r.waits(time.Second, "CANCEL again")
	r.gets(r.response(r.sent[0], 180, "b", ""), "(late_provisional)") // one CANCEL is enough
	r.gets(r.response(r.find("CANCEL", 0), 200, "b", ""), "")
	r.gets(r.response(r.sent[0], 487, "b", ""), "ACK")
	if !r.leg.Over() || r.leg.Done() {
		t.Errorf("over %v, done %v", r.leg.Over(), r.leg.Done())
	}
}

func TestRFC3261_9_1_CancelHeldAndNeverSent(t *testing.T) {
	r := udpOut(t)
	r.told(dialog.End{Cause: dialog.Cause{Why: dialog.Cancelled, Code: 487}}, "")
	if got := r.idles(); strings.Contains(got, "CANCEL") || strings.Contains(got, "End") {
		t.Errorf("in silence: %s", got)
	}
}

func TestRFC3261_9_1_WaitAfterCancelIsBounded(t *testing.T) {
	r := udpOut(t)
	r.gets(r.response(r.sent[0], 180, "b", ""), "Progress 180")
	r.told(dialog.End{}, "CANCEL")
	r.gets(r.response(r.find("CANCEL", 0), 200, "b", ""), "")
	r.waits(5*time.Second, "") // Timer K of the CANCEL
	r.waits(32*time.Second, "")
	if !r.leg.Over() || r.leg.Done() {
		t.Errorf("over %v, done %v", r.leg.Over(), r.leg.Done())
	}
	r.gets(r.response(r.sent[0], 200, "b", offer), "ACK, BYE") // it is answered all the same
	if !r.leg.Marks.Late {
		t.Error("a late answer is not marked")
	}
}

func TestRFC3261_9_1_NoCancelAfterFinal(t *testing.T) {
	r := udpOut(t)
	r.gets(r.response(r.sent[0], 180, "b", ""), "Progress 180")
	r.gets(r.response(r.sent[0], 486, "b", ""), "ACK, End rejected 486")
	r.told(dialog.End{}, "")
	r = udpOut(t).up()
	r.told(dialog.End{}, "BYE")
}

func TestRFC3261_9_2(t *testing.T) {
	r := udpIn(t)
	r.gets(r.trunk("CANCEL", false, 1, "other", ""), "481 to CANCEL")
	r.gets(r.trunk("CANCEL", false, 1, "i", ""), "200 to CANCEL, 487 to INVITE, End cancelled 487")
	if got := r.read(r.find("CANCEL", 200)).ToTag; got != r.read(r.find("INVITE", 487)).ToTag {
		t.Errorf("the To-tags differ: %q", got)
	}
	r.gets(r.trunk("CANCEL", false, 1, "i", ""), "(absorbed), 200 to CANCEL again")
	r = udpIn(t).talks()
	r.gets(r.trunk("CANCEL", false, 1, "i", ""), "200 to CANCEL") // without effect
	if r.leg.State != dialog.Confirmed {
		t.Error("a late CANCEL has ended the call")
	}
}

func TestRFC3261_8_2_2_2_Merged(t *testing.T) {
	r := udpIn(t)
	merged := read(t, strings.Replace(trunkInvite, "z9hG4bKi", "z9hG4bKm", 1), offer)
	r.gets(merged, "482 to INVITE")
	tag := r.last().ToTag
	if tag == r.leg.Tag {
		t.Error("the 482 has the tag of the dialog")
	}
	r.told(dialog.Answer{Code: 200}, "200 to INVITE")
	r.gets(read(t, strings.Replace(strings.Replace(strings.Replace(trunkInvite, "z9hG4bKi", "z9hG4bKm", 1), "203.0.113.7>\nCall", "203.0.113.7>;tag="+tag+"\nCall", 1), "INVITE", "ACK", 2), ""), "(stray_ack)")
	if r.leg.State != dialog.Answered {
		t.Error("the ACK of the 482 has passed for the ACK of the answer")
	}
}

func TestRFC3261_8_2_6_2_MirrorsTheRequest(t *testing.T) {
	r := udpIn(t)
	r.told(dialog.Progress{Code: 180}, "180 to INVITE")
	for _, s := range r.sent {
		m := r.read(s)
		if m.From != `"A" <sip:a@192.0.2.1>;tag=ta` || m.CallID != "c1" || m.CSeq != 1 {
			t.Errorf("mirrors not:\n%s", s.Data)
		}
		if want := "<sip:4930@203.0.113.7>;tag=" + r.leg.Tag; s.Code > 100 && m.To != want {
			t.Errorf("To is %q", m.To)
		}
	}
	o := udpOut(t).up()
	bye := o.request("BYE", "b", 1, "x", "")
	o.gets(bye, "200 to BYE, End hung_up 480")
	if m := o.last(); m.From != bye.From || m.To != bye.To {
		t.Errorf("the answer to a carrier's BYE is\n%s", o.find("BYE", 200).Data)
	}
}

// ways of a route set: what the peer's Record-Route says, and what a request
// within the dialog is to carry (RFC 3261 §12.2.1.1).
var ways = []struct {
	name, record string
	uri          string
	routes       []string
	remote       string
}{
	{"none", "", "sip:b@198.51.100.9", nil, "198.51.100.9:5060"},
	{"loose", "Record-Route: <sip:198.51.100.4;lr>, <sip:198.51.100.3:5070;lr>\n", "sip:b@198.51.100.9", []string{"<sip:198.51.100.3:5070;lr>", "<sip:198.51.100.4;lr>"}, "198.51.100.3:5070"},
	{"strict", "Record-Route: <sip:198.51.100.4;lr>, <sip:198.51.100.3>\n", "sip:198.51.100.3", []string{"<sip:198.51.100.4;lr>", "<sip:b@198.51.100.9>"}, "198.51.100.3:5060"},
	{"strict with headers", "Record-Route: <sip:x@198.51.100.3;a=1?h=2>\n", "sip:x@198.51.100.3;a=1", []string{"<sip:b@198.51.100.9>"}, "198.51.100.3:5060"},
	{"by name: through the peer", "Record-Route: <sip:edge.example.com;lr>\n", "sip:b@198.51.100.9", []string{"<sip:edge.example.com;lr>"}, "198.51.100.1:5060"},
}

func TestRFC3261_12_2_1_1_StrictRouting(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			r := udpOut(t)
			r.gets(r.response(r.sent[0], 200, "b", offer, w.record+"Allow: UPDATE\n"), "ACK, Answer 200")
			r.told(dialog.Modify{Method: "UPDATE", Body: dialog.Body{Type: "application/sdp", Data: []byte(offer)}}, "UPDATE")
			r.gets(r.response(r.find("UPDATE", 0), 488, "b", ""), "Modified 488")
			r.told(dialog.Modify{Method: "INVITE", Body: dialog.Body{Type: "application/sdp", Data: []byte(offer)}}, "INVITE")
			r.gets(r.response(r.find("INVITE", 0), 488, "b", ""), "ACK, Modified 488")
			r.told(dialog.End{}, "BYE")
			for _, s := range r.sent[1:] {
				m := r.read(s)
				if m.URI.String() != w.uri || !slices.Equal(m.Values("Route"), w.routes) || s.Path.Remote.String() != w.remote {
					t.Errorf("to %v:\n%s", s.Path.Remote, s.Data)
				}
			}
		})
	}
}

func TestRFC3261_12_1_1_RouteSetOfACaller(t *testing.T) {
	r := inbound(t, policy(), path("192.0.2.1:5060", dialog.UDP), trunkInvite+"Record-Route: <sip:192.0.2.8;lr>\nRecord-Route: <sip:192.0.2.9;lr>\n").talks()
	if got := r.read(r.find("INVITE", 200)).Routes; !slices.Equal(got, []string{"<sip:192.0.2.8;lr>", "<sip:192.0.2.9;lr>"}) {
		t.Errorf("the 200 has Record-Route %q", got)
	}
	r.told(dialog.End{}, "BYE")
	if m := r.last(); !slices.Equal(m.Values("Route"), []string{"<sip:192.0.2.8;lr>", "<sip:192.0.2.9;lr>"}) || m.URI.String() != "sip:a@192.0.2.1" || r.find("BYE", 0).Path.Remote.String() != "192.0.2.8:5060" {
		t.Errorf("the BYE is\n%s", r.find("BYE", 0).Data)
	}
}

func TestRFC3261_12_2_2_CSeqOrder(t *testing.T) {
	r := udpIn(t).talks()
	r.gets(r.trunk("OPTIONS", true, 7, "o1", ""), "200 to OPTIONS")
	r.gets(r.trunk("OPTIONS", true, 6, "o2", ""), "500 to OPTIONS")
	r.gets(r.trunk("OPTIONS", true, 7, "o1", ""), "(absorbed), 200 to OPTIONS again")
	r.gets(r.trunk("BYE", true, 100, "b", ""), "200 to BYE, End hung_up 480") // gaps are no fault
}

func TestRFC3261_12_2_2_OutsideTheDialog(t *testing.T) {
	r := udpOut(t)
	r.gets(r.request("BYE", "b", 1, "x", ""), "481 to BYE") // no dialog yet
	r.gets(r.response(r.sent[0], 180, "b", ""), "Progress 180")
	r.gets(r.request("BYE", "b", 1, "x", ""), "481 to BYE") // a callee cannot hang up early (§15)
	r.up()
	r.gets(r.request("BYE", "stranger", 1, "x", ""), "481 to BYE")
	r.gets(r.request("INFO", "b", 2, "y", ""), "405 to INFO")
	r.gets(r.request("NOSUCH", "b", 3, "z", ""), "501 to NOSUCH")
}

func TestRFC3261_13_3_1_1_ProvisionalEveryMinute(t *testing.T) {
	r := udpIn(t)
	r.told(dialog.Progress{Code: 180}, "180 to INVITE")
	r.waits(time.Minute, "180 to INVITE again")
	r.waits(2*time.Minute, "180 to INVITE again")
	r.told(dialog.Answer{Code: 200}, "200 to INVITE")
	if got := r.idles(); strings.Contains(got, "180") {
		t.Errorf("after the answer: %s", got)
	}
}

func TestRFC3261_13_3_1_4_NoACK(t *testing.T) {
	r := udpIn(t)
	r.told(dialog.Answer{Code: 200}, "200 to INVITE")
	for _, at := range []time.Duration{500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500} {
		r.waits(at*ms, "200 to INVITE again")
	}
	r.waits(32*time.Second, "End no_ack 408, BYE")
	if v := r.last().Reasons; !slices.Equal(v, []string{"Q.850;cause=102"}) {
		t.Errorf("Reason is %q", v)
	}
}

func TestRFC3261_13_3_1_4_RepeatsOverReliableTransport(t *testing.T) {
	r := inbound(t, policy(), path("192.0.2.1:5060", dialog.TCP), trunkInvite)
	r.told(dialog.Answer{Code: 200}, "200 to INVITE")
	r.waits(500*ms, "200 to INVITE again")
}

func TestRFC3261_15_ByeWaitsForTheACK(t *testing.T) {
	r := udpIn(t)
	r.told(dialog.Answer{Code: 200}, "200 to INVITE")
	r.told(dialog.End{Cause: dialog.Cause{Why: dialog.HungUp, Q850: 16}}, "")
	if r.leg.Over() {
		t.Error("over while a BYE is held")
	}
	r.waits(500*ms, "200 to INVITE again")
	r.gets(r.trunk("ACK", true, 1, "k", ""), "BYE")
	r.gets(r.trunk("ACK", true, 1, "k", ""), "(absorbed)")
}

func TestRFC3261_15_ByeAtLastWithoutACK(t *testing.T) {
	r := udpIn(t)
	r.told(dialog.Answer{Code: 200}, "200 to INVITE")
	r.told(dialog.End{Cause: dialog.Cause{Why: dialog.HungUp}}, "")
	if got := r.idles(); strings.Count(got, "BYE") != 11 || strings.Contains(got, "End") { // one, and ten repeats
		t.Errorf("in silence: %s", got)
	}
}

func TestRFC3261_15_1_2_ByeInTheEarlyDialog(t *testing.T) {
	r := udpIn(t)
	r.told(dialog.Progress{Code: 180}, "180 to INVITE")
	r.gets(r.trunk("BYE", true, 2, "b", ""), "200 to BYE, 487 to INVITE, End hung_up 480")
}

func TestRFC3261_15_1_2_ByeBeforeTheACK(t *testing.T) {
	r := udpIn(t)
	r.told(dialog.Answer{Code: 200}, "200 to INVITE")
	r.gets(r.trunk("BYE", true, 2, "b", ""), "200 to BYE, End hung_up 480")
	if got := r.idles(); got != "" {
		t.Errorf("in silence: %s", got)
	}
}

func TestRFC3261_15_ByeCrossesBye(t *testing.T) {
	r := udpOut(t).up()
	r.told(dialog.End{}, "BYE")
	r.gets(r.request("BYE", "b", 1, "x", ""), "200 to BYE")
	r.gets(r.response(r.find("BYE", 0), 481, "b", ""), "")
	if !r.leg.Over() {
		t.Error("not over")
	}
}

func TestUnsent(t *testing.T) {
	r := udpOut(t)
	fail := func(want string) { r.Helper(); r.does(r.leg.Step(r.now, dialog.Unsent{Tx: 1, Why: "refused"}), want) }
	fail("End not_sent 503")
	if !r.leg.Done() || r.leg.Cause.Text != "refused" {
		t.Errorf("done %v, %q", r.leg.Done(), r.leg.Cause.Text)
	}
	fail("")
	r.gets(r.response(r.sent[0], 200, "b", offer), "ACK, BYE") // it was sent all the same

	r = udpOut(t) // after a provisional the INVITE has arrived
	r.gets(r.response(r.sent[0], 180, "b", ""), "Progress 180")
	fail("")
	r.told(dialog.End{}, "CANCEL")
	fail("") // the CANCEL: its own timers end it
	r.gets(r.response(r.sent[0], 487, "b", ""), "ACK")
	fail("") // the ACK: the refusal comes again

	r = udpOut(t).up()
	r.told(dialog.End{}, "BYE")
	r.does(r.leg.Step(r.now, dialog.Unsent{Tx: r.find("BYE", 0).Tx}), "")
	if !r.leg.Over() {
		t.Error("not over")
	}
}
