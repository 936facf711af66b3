//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// hunted checks a call that tc2 answered after tc1 had failed, and that tc2 was
// asked for its own number.
func hunted(t *testing.T, b *border, second *sipp, firstCode int) record {
	t.Helper()
	r := b.record()
	if r.Result != "answered" || len(r.Attempts) != 2 || r.tried()["tc1"] != firstCode || r.tried()["tc2"] != 200 {
		t.Errorf("record: %+v", r)
	}
	if got := second.received(); len(got) == 0 || !strings.HasPrefix(got[0], "INVITE sip:"+secondNumber+"@") {
		t.Errorf("tc2 was sent %q", got)
	}
	return r
}

// secondAnswers makes a call whose first carrier is given; the second answers.
func secondAnswers(t *testing.T, network int, p plan, scenario string, swap []string, firstCode int, args ...string) {
	t.Helper()
	b := open(t, network, p)
	first := b.carrierAt(tc1, scenario, swap, args...)
	second := b.carrierAt(tc2, "uas.xml", nil)
	call := b.callerTo(number, "uac.xml", nil, "-d", "200")
	call.finish(patience)
	second.finish(patience)
	first.finish(patience)
	hunted(t, b, second, firstCode)
}

func TestNoAnswerHuntsOn(t *testing.T) {
	t.Parallel()
	secondAnswers(t, 111, plan{tc1: "timers: {no_answer: 1s}"}, "uas_ring.xml", nil, 487)
}

func TestUnavailableHuntsOn(t *testing.T) {
	t.Parallel()
	secondAnswers(t, 112, plan{}, "uas_refuse.xml", nil, 503)
}

// A carrier that says nothing at all: no CANCEL may be sent (RFC 3261 §9.1), and
// the next target is not delayed by that.
func TestSilenceHuntsOn(t *testing.T) {
	t.Parallel()
	b := open(t, 113, plan{tc1: "timers: {no_response: 500ms}"})
	first := b.carrierAt(tc1, "uas_silent.xml", nil, "-d", "4000")
	second := b.carrierAt(tc2, "uas.xml", nil)
	call := b.callerTo(number, "uac.xml", nil, "-d", "200")
	call.finish(patience)
	second.finish(patience)
	first.finish(patience)
	hunted(t, b, second, 0)
	for _, line := range first.received() {
		if !strings.HasPrefix(line, "INVITE ") {
			t.Errorf("tc1, which had said nothing, was sent %q", line)
		}
	}
}

// Nobody listens at tc1: the kernel says so at once.
func TestUnreachableHuntsOn(t *testing.T) {
	t.Parallel()
	b := open(t, 114, plan{})
	second := b.carrierAt(tc2, "uas.xml", nil)
	call := b.callerTo(number, "uac.xml", nil, "-d", "200")
	call.finish(patience)
	second.finish(patience)
	hunted(t, b, second, 0)
}

func TestBusyStopsTheHunt(t *testing.T) {
	t.Parallel()
	b := open(t, 115, plan{})
	first := b.carrierAt(tc1, "uas_refuse.xml", []string{"503 Service Unavailable", "486 Busy Here"})
	call := b.callerTo(number, "uac_refused.xml", nil)
	call.finish(patience)
	first.finish(patience)
	if r := b.record(); r.Result != "failed" || r.Code != 486 || len(r.Attempts) != 1 {
		t.Errorf("record: %+v", r)
	}
}

// 503 of the last carrier is not 503 of ours (RFC 3261 §16.7 item 6).
func TestAllCarriersFail(t *testing.T) {
	t.Parallel()
	b := open(t, 116, plan{})
	first := b.carrierAt(tc1, "uas_refuse.xml", []string{"503 Service Unavailable", "500 Server Internal Error"})
	second := b.carrierAt(tc2, "uas_refuse.xml", nil)
	call := b.callerTo(number, "uac_refused.xml", []string{`response="486"`, `response="500"`})
	call.finish(patience)
	first.finish(patience)
	second.finish(patience)
	r := b.record()
	if r.Result != "failed" || r.Code != 500 || r.tried()["tc1"] != 500 || r.tried()["tc2"] != 503 {
		t.Errorf("record: %+v", r)
	}
}
