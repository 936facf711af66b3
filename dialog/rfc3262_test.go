package dialog_test

import (
	"strings"
	"testing"
	"time"

	"bulkhead/dialog"
)

// requiring is a leg whose caller requires 100rel.
func requiring(t *testing.T) *rig {
	t.Helper()
	return inbound(t, policy(), path("192.0.2.1:5060", dialog.UDP), trunkInvite+"Require: 100rel\n")
}

func (r *rig) prack(cseq int, branch string) *dialog.Message {
	r.Helper()
	for i := len(r.sent) - 1; i >= 0; i-- {
		if v := r.read(r.sent[i]).Value("RSeq"); v != "" {
			return r.trunk("PRACK", true, cseq, branch, "", "RAck: "+v+" 1 INVITE")
		}
	}
	r.Fatal("nothing reliable was sent")
	return nil
}

// T1, doubling without a cap, for 64·T1.
func TestRFC3262_3_Repeats(t *testing.T) {
	r := requiring(t)
	r.told(dialog.Progress{Code: 180}, "180 to INVITE")
	at := time.Duration(0)
	for wait := 500 * time.Millisecond; at+wait < 32*time.Second; wait *= 2 {
		at += wait
		r.waits(at, "180 to INVITE again")
	}
	r.waits(32*time.Second, "504 to INVITE, End no_ack 504")
}

// One at a time: what comes meanwhile waits, of several the last, with the
// description that one of them had.
func TestRFC3262_3_OneAtATime(t *testing.T) {
	r := requiring(t)
	r.told(dialog.Progress{Code: 180}, "180 to INVITE")
	r.told(dialog.Progress{Code: 183, Body: described}, "")
	r.told(dialog.Progress{Code: 182}, "")
	r.gets(r.prack(2, "p1"), "200 to PRACK, 182 to INVITE")
	if m := r.last(); m.Body.Empty() || m.Value("Require") != "100rel" {
		t.Errorf("the 182 is\n%s", r.sent[len(r.sent)-1].Data)
	}
	r.gets(r.prack(2, "p1"), "(absorbed), 200 to PRACK again") // whatever its RAck says now
}

// A 2xx does not wait for what describes nothing, and the PRACK that comes after it
// is still answered.
func TestRFC3262_3_AnswerBeforeThePRACK(t *testing.T) {
	r := requiring(t)
	r.told(dialog.Progress{Code: 180}, "180 to INVITE")
	r.told(dialog.Answer{Code: 200, Body: described}, "200 to INVITE")
	r.gets(r.prack(2, "p1"), "200 to PRACK")
	r.gets(r.prack(3, "p2"), "481 to PRACK")
}

// Nor does a refusal wait for anything.
func TestRFC3262_3_RefusalBeforeThePRACK(t *testing.T) {
	r := requiring(t)
	r.told(dialog.Progress{Code: 183, Body: described}, "183 to INVITE")
	r.told(dialog.End{Cause: dialog.Cause{Code: 486}}, "486 to INVITE")
	r.gets(r.prack(2, "p1"), "200 to PRACK")
	if got := r.idles(); strings.Contains(got, "183") {
		t.Errorf("after the refusal: %s", got)
	}
}

// The PRACK goes to the target and along the routes of the early dialog, and each
// fork is numbered by itself.
func TestRFC3262_4_EarlyDialogs(t *testing.T) {
	r := udpOut(t)
	if r.last().Value("Supported") != "100rel, 199" {
		t.Error("the INVITE does not support 100rel")
	}
	early := func(tag, rseq string) *dialog.Message {
		return r.response(r.sent[0], 183, tag, offer, "Require: 100rel", "RSeq: "+rseq, "Record-Route: <sip:192.0.2.9;lr>, <sip:192.0.2.8;lr>")
	}
	r.gets(early("a", "7"), "PRACK, Progress 183")
	if m := r.last(); m.Value("RAck") != "7 1 INVITE" || m.CSeq != 2 || m.ToTag != "a" || strings.Join(m.Values("Route"), " ") != "<sip:192.0.2.8;lr> <sip:192.0.2.9;lr>" {
		t.Errorf("the PRACK is\n%s", r.sent[len(r.sent)-1].Data)
	}
	r.gets(early("a", "7"), "(absorbed)")
	r.gets(early("b", "1"), "PRACK, Progress 183")
	r.gets(early("a", "9"), "(rseq_gap)")
	r.gets(early("a", "8"), "PRACK, (absorbed)")
	r.gets(r.response(r.find("PRACK", 0), 481, "a", ""), "")
	r.gets(r.response(r.sent[0], 200, "a", ""), "ACK, Answer 200")
	r.told(dialog.End{}, "BYE")
	r.gets(early("a", "9"), "(late_provisional)")
}

// A node that takes over repeats what may have been lost with the other one.
func TestRFC3262_Resume(t *testing.T) {
	r := requiring(t)
	r.told(dialog.Progress{Code: 183, Body: described}, "183 to INVITE")
	r.leg.Resume(r.now)
	r.waits(0, "183 to INVITE again")
	r.waits(200*time.Millisecond, "183 to INVITE again")
}
