//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The case that Bulkhead was built for (R1): tc1 rings, is cancelled for not
// answering, ignores every ACK and repeats its 487 for 90 s beyond Timer D, while
// the call is up at tc2. Each copy has its ACK on its own leg, with the bytes of
// the first; the caller and tc2 see nothing of it.
func TestCarrierRepeatsIts487For90SecondsPastTimerD(t *testing.T) {
	t.Parallel()
	const (
		t1, t2 = 500 * time.Millisecond, 4 * time.Second
		timerD = 64 * t1
		deaf   = timerD + 90*time.Second
		long   = deaf + patience
	)
	b := open(t, 131, plan{tc1: "timers: {no_answer: 1s}, linger: 3m", timers: "{t1: 500ms, t2: 4s, t4: 5s}"})
	first := b.peerAt(tc1)
	second := b.carrierAt(tc2, "uas.xml", nil, "-timeout", seconds(long))
	call := b.callerTo(number, "uac.xml", nil, "-d", "127000", "-timeout", seconds(long))

	invite := first.find("INVITE ", 10*time.Second)
	first.send(invite.from, invite.reply("100 Trying", ""))
	first.send(invite.from, invite.reply("180 Ringing", "deaf", "Contact: <sip:deaf@"+first.addr+">"))
	cancel := first.find("CANCEL ", 10*time.Second)
	first.send(cancel.from, cancel.reply("200 OK", "deaf"))

	final := invite.reply("487 Request Terminated", "deaf")
	var copies int
	var acks []string
	var waits []time.Duration
	pause := t1
	for end := time.Now().Add(deaf); time.Now().Before(end); pause = min(2*pause, t2) {
		sent := time.Now()
		first.send(invite.from, final)
		copies++
		for answered := false; ; answered = true {
			m, ok := first.next(sent.Add(pause))
			if !ok {
				break
			}
			if !strings.HasPrefix(m.text, "ACK ") {
				t.Errorf("tc1 was sent\n%s", m.text)
				continue
			}
			acks = append(acks, m.text)
			if !answered {
				waits = append(waits, m.at.Sub(sent))
			}
		}
	}
	call.finish(60 * time.Second)
	second.finish(60 * time.Second)

	if len(acks) != copies {
		t.Errorf("%d copies of the 487 had %d ACKs", copies, len(acks))
	}
	for _, again := range acks {
		if again != acks[0] {
			t.Errorf("the ACK was\n%s\nand then\n%s", acks[0], again)
			break
		}
	}
	if len(waits) > 0 {
		t.Logf("%d copies over %v, slowest ACK after %v", copies, deaf, slices.Max(waits))
	}

	// From its ACK on, the caller hears one thing: the 200 to its own BYE.
	trace := call.trace()
	up := slices.IndexFunc(trace, func(m seen) bool { return !m.received && strings.HasPrefix(m.text, "ACK ") })
	var after []string
	for _, m := range trace[max(up, 0):] {
		if m.received {
			after = append(after, m.line())
		}
	}
	if up < 0 || len(after) != 1 || !strings.HasPrefix(after[0], "SIP/2.0 200 ") {
		t.Errorf("after its ACK the caller was sent %q", after)
	}
	if n := count(call.received(), "SIP/2.0 487"); n != 0 {
		t.Errorf("the caller was sent %d 487s", n)
	}
	if got := second.received(); len(got) != 3 || count(got, "INVITE ") != 1 || count(got, "ACK ") != 1 || count(got, "BYE ") != 1 {
		t.Errorf("tc2 was sent %q", got)
	}
	// The first 487 ends the attempt; each further copy is absorbed.
	r := hunted(t, b, second, 487)
	if len(r.Attempts) > 0 && r.Attempts[0].Absorbed != copies-1 {
		t.Errorf("%d absorbed, want %d", r.Attempts[0].Absorbed, copies-1)
	}
}
