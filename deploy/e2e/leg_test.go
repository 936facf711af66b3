//go:build e2e

package e2e

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A carrier answers while our CANCEL is on its way: it gets an ACK and one BYE,
// and the caller, who was told 487, hears nothing of it (R3).
func TestAnswerCrossesCancel(t *testing.T) {
	t.Parallel()
	b := open(t, 121, plan{})
	carrier := b.carrierAt(tc1, "uas_cross.xml", nil)
	call := b.callerTo(number, "uac_cancel.xml", nil)
	call.finish(patience)
	carrier.finish(patience)
	r := b.record()
	if r.Result != "cancelled" || r.Code != 487 || len(r.Attempts) != 1 || !r.Attempts[0].Late {
		t.Errorf("record: %+v", r)
	}
	if n := count(carrier.received(), "BYE "); n != 1 {
		t.Errorf("%d BYE, want 1: %q", n, carrier.received())
	}
}

// The same when the next carrier has been asked: the call is that one's.
func TestAnswerCrossesCancelAndTheNextCarrierAnswers(t *testing.T) {
	t.Parallel()
	b := open(t, 122, plan{tc1: "timers: {no_answer: 1s}"})
	first := b.carrierAt(tc1, "uas_cross.xml", nil)
	second := b.carrierAt(tc2, "uas.xml", nil)
	call := b.callerTo(number, "uac.xml", nil, "-d", "1000")
	call.finish(patience)
	second.finish(patience)
	first.finish(patience)
	r := hunted(t, b, second, 200)
	if !r.Attempts[0].Late || r.Attempts[1].Late {
		t.Errorf("attempts: %+v", r.Attempts)
	}
	if n := count(first.received(), "BYE "); n != 1 {
		t.Errorf("%d BYE to the late carrier, want 1: %q", n, first.received())
	}
}

// The caller never sends its ACK: the 200 is repeated as it was, then the call
// is ended on both sides (R8).
func TestCallerNeverAcks(t *testing.T) {
	t.Parallel()
	b := open(t, 123, plan{})
	carrier := b.carrierAt(tc1, "uas.xml", nil)
	a := b.peerAt(caller)
	to := netip.MustParseAddrPort(b.at(coreSide))
	a.send(to, a.request("INVITE", "sip:"+number+"@"+b.at(coreSide), "neveracks",
		"From: <sip:+41215550100@"+a.addr+">;tag=neveracks", "To: <sip:"+number+"@"+b.at(coreSide)+">",
		"Call-ID: neveracks", "CSeq: 1 INVITE", "Contact: <sip:trunk@"+a.addr+">"))

	var answers []string
	var bye message
	for deadline := time.Now().Add(30 * time.Second); bye.text == ""; {
		m, ok := a.next(deadline)
		switch {
		case !ok:
			t.Fatal("no BYE")
		case strings.HasPrefix(m.text, "SIP/2.0 200 "):
			answers = append(answers, m.text)
		case strings.HasPrefix(m.text, "BYE "):
			bye = m
		}
	}
	a.send(bye.from, bye.reply("200 OK", ""))
	if len(answers) < 3 {
		t.Errorf("%d copies of the 200", len(answers))
	}
	for _, again := range answers {
		if again != answers[0] {
			t.Errorf("the 200 was\n%s\nand then\n%s", answers[0], again)
		}
	}
	if reason := bye.header("Reason"); !strings.Contains(reason, "102") {
		t.Errorf("Reason of the BYE is %q, want cause 102", reason)
	}
	carrier.finish(patience)
	if r := b.record(); r.Result != "answered" || r.Cause != "no_ack" || r.EndedBy != "trunk" && r.EndedBy != "bulkhead" {
		t.Errorf("record: %+v", r)
	}
}

// The carrier never answers our BYE: it is repeated and given up, the caller's
// own BYE has its 200 at once.
func TestCarrierIsDeafToBye(t *testing.T) {
	t.Parallel()
	b := open(t, 124, plan{})
	carrier := b.carrierAt(tc1, "uas_deaf.xml", nil, "-d", "5000")
	call := b.callerTo(number, "uac.xml", nil, "-d", "200")
	call.finish(patience)
	carrier.finish(patience)
	answered(t, b, "trunk")
	var byes []string
	for _, m := range carrier.trace() {
		if m.received && strings.HasPrefix(m.text, "BYE ") {
			byes = append(byes, m.text)
		}
	}
	if len(byes) < 3 {
		t.Errorf("%d copies of the BYE", len(byes))
	}
	for _, again := range byes {
		if again != byes[0] {
			t.Errorf("the BYE was\n%s\nand then\n%s", byes[0], again)
		}
	}
}

// count is how many lines begin so.
func count(lines []string, begin string) int {
	n := 0
	for _, line := range lines {
		if strings.HasPrefix(line, begin) {
			n++
		}
	}
	return n
}
