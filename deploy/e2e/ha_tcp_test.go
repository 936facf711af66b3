//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"

	"bulkhead/storage/storagetest"
)

// TestTCPLegsOutliveTheirNode kills the node that serves calls over TCP (R9, R11). All of
// its connections are gone with it: what the survivor answers goes to the address that
// the Via says, what it asks goes to the remote target, by connections of its own.
func TestTCPLegsOutliveTheirNode(t *testing.T) {
	t.Parallel()
	b := &pair{border: &border{dir: t.TempDir(), net: 208}, redis: storagetest.StartRedis(t)}
	b.plan = plan{build: "plain", caller: "tcp", carrier: "tcp", timers: "{t1: 200ms, t2: 1s, t4: 1s}"}
	b.open(t)
	const calls = 60
	rings := func(i int) bool { return i%3 == 0 } // when the node dies; the others are answered
	var mu sync.Mutex
	ringing := map[string]message{} // at the carrier, by the number of the caller
	carriers := map[string]message{}
	carrier := b.streamer(tc1, func(s *streamer, m message) string {
		if m.method() != "INVITE" {
			return "200 OK"
		}
		user := userOf(m.header("From"))
		mu.Lock()
		defer mu.Unlock()
		if _, again := carriers[user]; again {
			return "200 OK"
		}
		carriers[user] = m
		if i := int(number64(user)); rings(i) {
			ringing[user] = m
			return "180 Ringing"
		}
		return "200 OK"
	})
	a := b.streamer(caller, func(*streamer, message) string { return "200 OK" })
	id := func(i int) string { return fmt.Sprintf("%08d-tcp", i) }
	from := func(i int) string { return fmt.Sprintf("<sip:%d@%s>;tag=caller%d", i, a.addr, i) }
	to := "<sip:" + number + "@" + a.border + ">"
	waits := make([]chan message, calls)
	answers := make([]message, calls)
	for i := range calls {
		waits[i] = a.begin("INVITE", "sip:"+number+"@"+a.border, id(i), from(i), to, 1)
	}
	answered := func(i int) {
		m, ok := a.await(waits[i], id(i), "INVITE")
		if ok {
			answers[i] = m
			a.out(a.request("ACK", target(m), id(i), from(i), m.header("To"), 1))
		}
	}
	for i := range calls {
		if !rings(i) {
			answered(i)
		}
	}
	b.nodes[0].until("the others to ring", patience, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(ringing) == calls/3
	})
	// What was not waited for is stored when the store has taken something later.
	b.nodes[0].until("all calls to be stored", patience, func() bool {
		return b.redis.Do("ZCARD", fmt.Sprintf("bulkhead:{u%d}:live", b.net)) == fmt.Sprint(calls)
	})
	b.nodes[0].signal(syscall.SIGKILL)
	b.nodes[1].took()
	<-b.nodes[0].exited
	for i := range calls {
		if rings(i) {
			carrier.out(carrier.reply(ringing[fmt.Sprint(i)], "200 OK"))
			answered(i)
		}
		if answers[i].text == "" {
			continue // said already
		}
		invite := carriers[fmt.Sprint(i)]
		b.nodes[1].until("the carrier to be acknowledged", patience/4, func() bool {
			return carrier.acknowledged(invite.header("Call-ID"))
		})
		switch i % 4 {
		case 0:
			a.within(answers[i], "BYE", 2)
		case 1:
			carrier.within(invite, "BYE", 1)
		case 2:
			a.within(answers[i], "INVITE", 2)
			carrier.within(invite, "BYE", 1)
		case 3:
			carrier.within(invite, "INVITE", 1)
			a.within(answers[i], "BYE", 2)
		}
	}
	b.node(t, "a")
	by := map[string]int{}
	for _, r := range b.settled(b.nodes[1], calls) {
		by[r.Result+" by "+r.EndedBy]++
	}
	if by["answered by trunk"] != calls/2 || by["answered by carrier"] != calls/2 {
		t.Errorf("records: %v", by)
	}
	t.Logf("%d calls, of which %d were ringing when the node died: %v", calls, calls/3, by)
}

// userOf is the user part of a From.
func userOf(header string) string {
	_, rest, _ := strings.Cut(header, "sip:")
	user, _, _ := strings.Cut(rest, "@")
	return user
}
