//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bulkhead/storage/storagetest"
)

// carrierThat is a carrier's script: it rings, may answer, may hang up.
func carrierThat(answers, hangsUp bool) func(*agent, message) {
	return func(a *agent, m message) {
		switch what := m.method(); {
		case m.code() == 200 && what == "BYE":
			a.state = "ended"
		case m.code() != 0:
			a.wrong = append(a.wrong, m.text)
		case what == "INVITE" && a.state == "idle":
			a.state, a.invite = "ringing", m
			a.answer(m, "100 Trying")
			a.answer(m, "180 Ringing")
			if answers {
				a.then(func() {
					if a.state == "ringing" {
						a.state = "answered"
						a.answer(m, "200 OK")
					}
				})
			}
		case what == "INVITE", what == "INFO":
			a.answer(m, "200 OK")
		case what == "CANCEL":
			a.answer(m, "200 OK")
			if a.state == "ringing" {
				a.state = "ended"
				a.answer(a.invite, "487 Request Terminated")
			}
		case what == "ACK" && a.state == "answered":
			a.state = "up"
			if hangsUp {
				a.then(func() { a.ask(a.invite, "BYE", 77) })
			}
		case what == "BYE":
			a.answer(m, "200 OK")
			a.state = "ended"
		}
	}
}

// callerThat is a caller's script, from the INVITE that it has sent; asks is a method
// that it uses when the call is up.
func callerThat(hangsUp, cancels bool, asks string) func(*agent, message) {
	pracked := false
	return func(a *agent, m message) {
		switch what, code := m.method(), m.code(); {
		case code == 180 && m.header("RSeq") != "":
			if !pracked {
				pracked = true
				a.ask(m, "PRACK", 2, "RAck: "+m.header("RSeq")+" 1 INVITE")
			}
		case what == "PRACK" && code != 200:
			a.wrong = append(a.wrong, m.text)
		case code == 180 && cancels && a.state == "invited":
			a.state = "cancelling"
			a.until("1 CANCEL", a.inviting("CANCEL", "User-Agent: e2e"))
		case code > 200 && what == "INVITE":
			if !cancels || code != 487 {
				a.wrong = append(a.wrong, m.text)
			}
			a.state = "ended"
		case code == 200 && what == "INVITE" && a.state != "up":
			a.state, a.invite = "up", m
			switch {
			case asks != "":
				a.then(func() { a.ask(m, asks, 3) })
			case hangsUp, cancels: // who has cancelled in vain, too
				a.then(func() { a.ask(m, "BYE", 3) })
			}
		case code == 200 && what != "BYE" && what == asks:
			a.then(func() { a.ask(a.invite, "BYE", 4) })
		case what == "BYE":
			if code == 0 {
				a.answer(m, "200 OK")
			} else if code != 200 {
				a.wrong = append(a.wrong, m.text)
			}
			a.state = "ended"
		}
	}
}

// inviting is the INVITE of the call, or its CANCEL.
func (a *agent) inviting(method, more string) string {
	return a.request(method, "sip:"+number+"@"+a.border.String(), "invite", "From: <sip:+41215550100@"+a.addr+">;tag=caller",
		"To: <sip:"+number+"@"+a.border.String()+">", "Call-ID: crash@"+a.addr, "CSeq: 1 "+method, "Contact: <sip:"+a.addr+">", more)
}

// life is what the peers want to do, and where in it the node dies.
type life struct {
	name                string
	tc1Answers, tc1Ends bool
	callerEnds, cancels bool
	asks                string // of the caller, when the call is up
	more                string // a header field of its INVITE
	result              string
	points              []string
}

var lives = []life{
	{name: "hunt, caller hangs up", callerEnds: true, result: "answered", points: []string{
		"in INVITE 0:1", "stored:1", "out 100 INVITE 0:1", "out INVITE 1:1", "in 180 INVITE 1:1", "out 180 INVITE 0:1",
		"stored:2", "out CANCEL 1:1", "in 487 INVITE 1:1", "out ACK 1:1", "out INVITE 2:1", "in 200 INVITE 2:1", "stored:3",
		"out ACK 2:1", "out 200 INVITE 0:1", "in ACK 0:1", "in BYE 0:1", "stored:4", "out BYE 2:1", "out 200 BYE 0:1",
		"in 200 BYE 2:1", "ended:1",
	}},
	{name: "carrier hangs up", tc1Answers: true, tc1Ends: true, result: "answered", points: []string{
		"in BYE 1:1", "stored:3", "out 200 BYE 1:1", "out BYE 0:1", "in 200 BYE 0:1", "ended:1",
	}},
	{name: "caller cancels", cancels: true, result: "cancelled", points: []string{
		"in CANCEL 0:1", "stored:2", "out 200 CANCEL 0:1", "out 487 INVITE 0:1", "out CANCEL 1:1", "in 487 INVITE 1:1",
		"in ACK 0:1", "ended:1",
	}},
	{name: "caller re-INVITEs", tc1Answers: true, callerEnds: true, asks: "INVITE", result: "answered", points: []string{
		"in INVITE 0:2", "stored:3", "out INVITE 1:2", "in 200 INVITE 1:2", "out 200 INVITE 0:2", "in ACK 0:2", "out ACK 1:2",
	}},
	{name: "caller requires 100rel", tc1Answers: true, callerEnds: true, more: "Require: 100rel", result: "answered", points: []string{
		"stored:2", "out 180 INVITE 0:1", "in PRACK 0:1", "out 200 PRACK 0:1",
	}},
	{name: "caller sends INFO", tc1Answers: true, callerEnds: true, asks: "INFO", result: "answered", points: []string{
		"in INFO 0:1", "stored:3", "out INFO 1:1", "in 200 INFO 1:1", "out 200 INFO 0:1",
	}},
}

// TestCrashMatrix kills the node that serves at each point of a call's life, from
// inside, with another standing by: the call goes on or ends as its peers want it, no
// leg is left over, and there is one record of it.
func TestCrashMatrix(t *testing.T) {
	redis := storagetest.StartRedis(t)
	network := 170
	t.Run("", func(t *testing.T) {
		for _, l := range lives {
			for _, point := range l.points {
				network++
				n := network
				t.Run(l.name+"/"+point, func(t *testing.T) {
					t.Parallel()
					crashAt(t, redis, n, l, point)
				})
			}
		}
	})
}

func crashAt(t *testing.T, redis *storagetest.Server, network int, l life, point string) {
	no := ""
	if !l.tc1Answers && !l.cancels {
		no = "timers: {no_answer: 600ms}"
	}
	b := openPair(t, network, redis, plan{tc1: no, timers: "{t1: 50ms, t2: 400ms, t4: 500ms}"}, "BULKHEAD_CRASH="+point)
	agents := []*agent{
		b.agent(tc1, carrierThat(l.tc1Answers, l.tc1Ends)),
		b.agent(tc2, carrierThat(true, false)),
		b.agent(caller, callerThat(l.callerEnds, l.cancels, l.asks)),
	}
	a := agents[2]
	a.mu.Lock()
	a.state = "invited"
	more := l.more
	if more == "" {
		more = "User-Agent: e2e"
	}
	a.until("1 INVITE", a.inviting("INVITE", more))
	a.mu.Unlock()

	select {
	case <-b.nodes[0].exited:
	case <-time.After(patience / 4):
		t.Fatalf("the node lives: the point was not reached\n%s", b.nodes[0].tail(2000))
	}
	b.nodes[1].took()
	b.nodes[1].until("all legs to end", agentLife+patience/4, func() bool {
		for _, a := range agents {
			state, quiet, wrong := a.at()
			if !quiet && len(wrong) == 0 || state != "ended" && state != "idle" && len(wrong) == 0 {
				return false
			}
		}
		return true
	})
	b.node(t, "a") // what the dead node had in hand, it writes when it is back
	rs := b.settled(b.nodes[1], 1)
	var states []string
	for _, a := range agents {
		state, _, wrong := a.at()
		if len(wrong) > 0 {
			t.Errorf("%s: %q", a.addr, wrong)
		}
		states = append(states, state)
	}
	if len(rs) > 0 && rs[0].Result != l.result {
		t.Errorf("record: %+v", rs[0])
	}
	t.Log(strings.Join([]string{l.name, point, fmt.Sprintf("tc1 %s, tc2 %s, caller %s", states[0], states[1], states[2]), fmt.Sprint(len(rs), " record: ", l.result)}, " | "))
}
