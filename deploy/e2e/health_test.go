//go:build e2e

package e2e

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// TestR29_AGatewayThatIsDown: tc1 answers nothing, and is known to be down by OPTIONS before
// anybody calls. The calls go to tc2 at once, none of them tries tc1 first, until tc1 answers
// OPTIONS again.
func TestR29_AGatewayThatIsDown(t *testing.T) {
	t.Parallel()
	const calls = 10
	b := open(t, 212, plan{tc1: "health: {options: 1s, down_after: 2, up_after: 1}, timers: {no_response: 2s}"})
	first := b.peerAt(tc1)
	var mu sync.Mutex
	alive, invited := false, 0
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			m, ok := first.next(time.Now().Add(patience))
			if !ok {
				return // the socket is closed
			}
			mu.Lock()
			switch {
			case strings.HasPrefix(m.text, "INVITE "):
				invited++
				if alive {
					_, _ = first.conn.WriteToUDPAddrPort([]byte(m.reply("503 Service Unavailable", "first")), m.from)
				}
			case strings.HasPrefix(m.text, "OPTIONS ") && alive:
				_, _ = first.conn.WriteToUDPAddrPort([]byte(m.reply("200 OK", "first")), m.from)
			}
			mu.Unlock()
		}
	}()
	t.Cleanup(func() { first.conn.Close(); <-ended })
	b.until("tc1 to be down", patience, func() bool {
		return strings.Contains(b.tail(1<<20), `"state":"down","was":"unknown"`)
	})

	second := b.carrierAt(tc2, "uas.xml", nil, "-m", "11")
	call := b.callerTo(number, "uac.xml", nil, "-m", "10", "-r", "10", "-d", "100")
	call.finish(patience)
	for _, r := range b.records(calls) {
		if r.Result != "answered" || len(r.Attempts) != 1 || r.Attempts[0].Carrier != "tc2" {
			t.Errorf("record: %+v", r)
		}
	}
	mu.Lock()
	if invited > 0 {
		t.Errorf("tc1 was called %d times", invited)
	}
	alive = true
	mu.Unlock()
	b.until("tc1 to be up", patience, func() bool { return strings.Contains(b.tail(1<<20), `"state":"up","was":"down"`) })
	b.callerTo(number, "uac.xml", nil, "-d", "100").finish(patience)
	second.finish(patience)
	if r := b.records(calls + 1)[calls]; len(r.Attempts) != 2 || r.Attempts[0].Carrier != "tc1" || r.Attempts[0].Code != 503 {
		t.Errorf("record: %+v", r)
	}
}
