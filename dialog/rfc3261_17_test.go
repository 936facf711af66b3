package dialog_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"bulkhead/dialog"
)

const ms = time.Millisecond

func TestRFC3261_17_1_1_2_TimerAB(t *testing.T) {
	r := udpOut(t)
	for _, at := range []time.Duration{500, 1500, 3500, 7500, 15500, 31500} {
		r.waits(at*ms, "INVITE again")
		if !bytes.Equal(r.sent[len(r.sent)-1].Data, r.sent[0].Data) {
			t.Error("a repeat has other bytes")
		}
	}
	r.waits(32*time.Second, "End no_response 408")
	if r.leg.Done() {
		t.Error("gone while a late answer may come")
	}
	r.gets(r.response(r.sent[0], 200, "b", offer), "ACK, BYE")
}

func TestRFC3261_17_1_1_2_TimerB_Reliable(t *testing.T) {
	r := outbound(t, policy(), path("198.51.100.1:5060", dialog.TCP), offer)
	r.waits(32*time.Second, "End no_response 408")
	r.waits(92*time.Second, "")
	if !r.leg.Done() {
		t.Error("not gone after the linger")
	}
}

func TestRFC3261_17_1_1_2_NoRepeatAfterProvisional(t *testing.T) {
	r := udpOut(t)
	r.gets(r.response(r.sent[0], 100, "", ""), "")
	r.waits(3*time.Minute, "End no_answer 480, CANCEL") // Timer C, not Timer B
}

func TestRFC3261_17_1_1_2_TimerD(t *testing.T) {
	r := udpOut(t)
	busy := r.response(r.sent[0], 486, "b", "")
	r.gets(busy, "ACK, End rejected 486")
	first := r.find("ACK", 0)
	r.now = began.Add(31 * time.Second)
	r.gets(busy, "(absorbed), ACK again")
	if !bytes.Equal(first.Data, r.find("ACK", 0).Data) {
		t.Error("another ACK than the first")
	}
	r.waits(32*time.Second, "") // Timer D: now it lingers
	r.gets(busy, "(absorbed), ACK again")
	r.waits(92*time.Second, "")
	if !r.leg.Done() {
		t.Error("not gone after the linger")
	}
	r.gets(busy, "(no_transaction)")
}

func TestRFC3261_17_1_1_2_TimerD_Reliable(t *testing.T) {
	r := outbound(t, policy(), path("198.51.100.1:5060", dialog.TCP), offer)
	r.gets(r.response(r.sent[0], 486, "b", ""), "ACK, End rejected 486")
	r.waits(0, "")
	r.gets(r.response(r.sent[0], 486, "b", ""), "(absorbed), ACK again")
	r.waits(time.Minute, "")
	if !r.leg.Done() {
		t.Error("not gone after the linger")
	}
}

// The ACK of a refusal has the INVITE's Request-URI, top Via, From, Call-ID and
// CSeq number, and the To of the response.
func TestRFC3261_17_1_1_3_ACK(t *testing.T) {
	r := udpOut(t)
	invite := r.last()
	r.gets(r.response(r.sent[0], 486, "b", ""), "ACK, End rejected 486")
	ack := r.last()
	if ack.URI.String() != invite.URI.String() || ack.Vias[0] != invite.Vias[0] || ack.From != invite.From ||
		ack.CallID != invite.CallID || ack.CSeq != invite.CSeq || ack.Method != "ACK" || ack.To != invite.To+";tag=b" {
		t.Errorf("the ACK is\n%s", r.sent[1].Data)
	}
	// A carrier that changes its To-tag gets each copy acknowledged.
	r.gets(r.response(r.sent[0], 486, "other", ""), "(absorbed), ACK again")
	if r.last().ToTag != "other" || r.last().Vias[0] != invite.Vias[0] {
		t.Errorf("the ACK is\n%s", r.find("ACK", 0).Data)
	}
	r.gets(r.response(r.sent[0], 486, "", ""), "(absorbed), ACK again")
	if r.last().To != invite.To {
		t.Errorf("the ACK is\n%s", r.find("ACK", 0).Data)
	}
}

func TestRFC3261_17_1_2(t *testing.T) {
	r := udpOut(t).up()
	r.told(dialog.End{}, "BYE")
	for _, at := range []time.Duration{500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500} {
		r.waits(at*ms, "BYE again")
	}
	if r.leg.Over() {
		t.Error("over before Timer F")
	}
	r.now = began.Add(32 * time.Second)
	r.does(r.leg.Step(r.now, dialog.Due{}), "") // Timer F
	if !r.leg.Over() {
		t.Error("not over after Timer F")
	}
}

func TestRFC3261_17_1_2_ProvisionalSlowsDown(t *testing.T) {
	r := udpOut(t).up()
	r.told(dialog.End{}, "BYE")
	r.waits(500*ms, "BYE again")
	bye := r.find("BYE", 0)
	r.gets(r.response(bye, 100, "b", ""), "")
	r.waits(4500*ms, "BYE again") // T2 from the provisional on
	r.waits(8500*ms, "BYE again")
	r.gets(r.response(bye, 200, "b", ""), "")
	if !r.leg.Over() {
		t.Error("not over")
	}
	r.gets(r.response(bye, 200, "b", ""), "(absorbed)") // Timer K
	r.waits(13500*ms, "")
	r.gets(r.response(bye, 200, "b", ""), "(no_transaction)")
}

func TestRFC3261_17_1_2_Reliable(t *testing.T) {
	r := outbound(t, policy(), path("198.51.100.1:5060", dialog.TCP), offer).up()
	r.told(dialog.End{}, "BYE")
	r.gets(r.response(r.find("BYE", 0), 200, "b", ""), "")
	r.waits(0, "") // Timer K is zero
	r.waits(32*time.Second, "")
	if !r.leg.Done() {
		t.Error("not gone after Timer M")
	}
}

func TestRFC3261_17_2_1(t *testing.T) {
	r := udpIn(t)
	r.gets(r.invite(), "(absorbed), 100 to INVITE again")
	r.told(dialog.Progress{Code: 180}, "180 to INVITE")
	r.gets(r.invite(), "(absorbed), 180 to INVITE again")
	r.told(dialog.End{Cause: dialog.Cause{Code: 486}}, "486 to INVITE")
	final := r.find("INVITE", 486)
	for _, at := range []time.Duration{500, 1500, 3500, 7500, 11500} { // Timer G
		r.waits(at*ms, "486 to INVITE again")
	}
	r.gets(r.invite(), "(absorbed), 486 to INVITE again")
	if !bytes.Equal(final.Data, r.find("INVITE", 486).Data) {
		t.Error("a repeat has other bytes")
	}
	r.gets(r.trunk("ACK", true, 1, "i", ""), "")
	r.gets(r.trunk("ACK", true, 1, "i", ""), "(absorbed)")
	r.gets(r.invite(), "(absorbed)")
	r.waits(16500*ms, "") // Timer I
	if !r.leg.Done() {
		t.Error("not gone after Timer I")
	}
}

func TestRFC3261_17_2_1_TimerH(t *testing.T) {
	r := udpIn(t)
	r.told(dialog.End{Cause: dialog.Cause{Code: 486}}, "486 to INVITE")
	r.idles()
	if r.now.Sub(began) != 32*time.Second {
		t.Errorf("gone after %v", r.now.Sub(began))
	}
}

func TestRFC3261_17_2_1_Reliable(t *testing.T) {
	r := inbound(t, policy(), path("192.0.2.1:5060", dialog.TCP), trunkInvite)
	r.told(dialog.End{Cause: dialog.Cause{Code: 486}}, "486 to INVITE")
	r.gets(r.trunk("ACK", true, 1, "i", ""), "")
	r.waits(0, "") // Timer I is zero, and there was no Timer G
	if !r.leg.Done() {
		t.Error("not gone")
	}
}

func TestRFC3261_17_2_2_TimerJ(t *testing.T) {
	r := udpIn(t).talks()
	bye := r.trunk("BYE", true, 2, "b", "")
	r.gets(bye, "200 to BYE, End hung_up 480")
	r.now = began.Add(31 * time.Second)
	r.gets(bye, "(absorbed), 200 to BYE again")
	r.idles()
	if r.now.Sub(began) != 32*time.Second {
		t.Errorf("gone after %v", r.now.Sub(began))
	}
}

// RFC 6026 §7.1: the server transaction stays Accepted for Timer L, absorbs the
// INVITE and takes every ACK.
func TestRFC6026_7_1_Accepted(t *testing.T) {
	r := udpIn(t).talks()
	r.gets(r.invite(), "(absorbed)")
	r.gets(r.trunk("ACK", true, 1, "k2", ""), "(absorbed)")
	r.waits(32*time.Second, "") // Timer L
	r.gets(r.trunk("ACK", true, 1, "k3", ""), "(stray_ack)")
	r.gets(r.invite(), "(absorbed)") // never a second final response (P1)
}

func TestRFC6026_7_2_Repeated2xx(t *testing.T) {
	r := udpOut(t).up()
	ack := r.find("ACK", 0)
	again := r.response(r.sent[0], 200, "b", offer)
	r.gets(again, "(absorbed), ACK again")
	if !bytes.Equal(ack.Data, r.find("ACK", 0).Data) {
		t.Error("another ACK than the first")
	}
	r.waits(32*time.Second, "") // Timer M
	r.gets(again, "(absorbed), ACK again")
	r.now = began.Add(time.Hour)
	r.gets(again, "(absorbed), ACK again")
}

func TestRFC6026_7_2_RefusalAfter2xx(t *testing.T) {
	r := udpOut(t).up()
	r.gets(r.response(r.sent[0], 487, "b", ""), "(absorbed), ACK")
	first := r.find("ACK", 0)
	r.gets(r.response(r.sent[0], 487, "b", ""), "(absorbed), ACK again")
	if !bytes.Equal(first.Data, r.find("ACK", 0).Data) {
		t.Error("another ACK than the first")
	}
}

// RFC 6026 §8.4, RFC 3261 §13.2.2.4: a 2xx in every state makes a dialog that is
// ended, each by itself.
func TestRFC3261_13_2_2_4_EveryDialogIsEnded(t *testing.T) {
	r := udpOut(t).up()
	other := r.response(r.sent[0], 200, "c", offer)
	r.gets(other, "ACK, BYE")
	r.gets(other, "(absorbed), ACK again")
	if r.leg.State != dialog.Confirmed {
		t.Error("another fork has ended the call")
	}
	r.gets(r.request("BYE", "c", 1, "x", ""), "200 to BYE") // it crosses ours
	if r.leg.State != dialog.Confirmed {
		t.Error("the BYE of another fork has ended the call")
	}
}

// A carrier can make more dialogs than are kept: each is still acknowledged and
// ended, with the same bytes for every copy, and nothing grows.
func TestRFC3261_13_2_2_4_MoreForksThanAreKept(t *testing.T) {
	r := udpOut(t).up()
	for i := range 63 {
		r.gets(r.response(r.sent[0], 200, fmt.Sprint("f", i), offer), "ACK, BYE")
	}
	kept := map[string]bool{}
	for _, s := range r.sent {
		kept[r.read(s).Branch] = true
	}
	dialogs, transactions := len(r.leg.Dialogs), len(r.leg.Tx)
	for i := range 100 {
		more := r.response(r.sent[0], 200, fmt.Sprint("more", i), offer)
		r.gets(more, "(too_many_dialogs), ACK, BYE")
		ack, bye := r.find("ACK", 0), r.find("BYE", 0)
		if kept[r.read(ack).Branch] || kept[r.read(bye).Branch] {
			t.Error("a branch is used twice")
		}
		r.gets(more, "(too_many_dialogs), ACK, BYE")
		if !bytes.Equal(ack.Data, r.find("ACK", 0).Data) || !bytes.Equal(bye.Data, r.find("BYE", 0).Data) {
			t.Error("a copy is answered with other bytes")
		}
		if bye.Leg != 1 || r.read(bye).ToTag != fmt.Sprint("more", i) || r.read(bye).CSeq != 2 {
			t.Errorf("the BYE is\n%s", bye.Data)
		}
	}
	if len(r.leg.Dialogs) != dialogs || len(r.leg.Tx) != transactions {
		t.Errorf("from %d dialogs and %d transactions to %d and %d", dialogs, transactions, len(r.leg.Dialogs), len(r.leg.Tx))
	}
}

// Early dialogs never stand in the way of the answer.
func TestRFC3261_13_2_2_4_AnswerAfterManyEarlyDialogs(t *testing.T) {
	r := udpOut(t)
	for i := range 100 {
		m := r.response(r.sent[0], 180, "e"+string(rune('a'+i%26))+string(rune('a'+i/26)), "")
		r.leg.Step(r.now, dialog.Received{Message: m, Path: r.path})
	}
	r.up()
}
