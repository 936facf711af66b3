//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestByeIntoTheGap kills the node when it has answered the caller, whose ACK and BYE then
// go to nobody. The node that takes over repeats the 200 to the INVITE, while the caller waits
// for one to its BYE: it acknowledges once more, and goes on asking to hang up. A caller
// that takes the one for the other leaves its call to the timers.
func TestByeIntoTheGap(t *testing.T) {
	t.Parallel()
	b := openPair(t, 117, nil, plan{timers: "{t1: 500ms, t2: 4s, t4: 5s}"}, "BULKHEAD_CRASH=out 200 INVITE 0:1")
	carrier := b.sippAt(tc1, "tc1", "uas.xml", []string{`<pause milliseconds="1000"/>`, `<pause milliseconds="50"/>`}, "-m", "1")
	carrier.until("tc1 to listen", 10*time.Second, func() bool { return carrier.bound("udp", b.at(tc1)) })
	call := b.sippAt(caller, "caller", "uac.xml", nil, b.at(coreSide), "-s", number, "-d", "200", "-m", "1")
	b.nodes[1].took()
	call.finish(patience)
	carrier.finish(patience)
	if n, m := call.failed(), carrier.failed(); n+m != 0 {
		t.Errorf("failed: %d calls of the caller, %d of the carrier", n, m)
	}
	b.node(t, "a")
	for _, r := range b.settled(b.nodes[1], 1) {
		if r.Result != "answered" || r.EndedBy != "trunk" {
			t.Errorf("the record says %s, %s, ended by %s: want answered, ended by the trunk", r.Result, r.Cause, r.EndedBy)
		}
	}
	if line := b.nodes[1].tail(1 << 20); !strings.Contains(line, `"ended_by":"trunk"`) {
		t.Errorf("the log of who took over has no call that the trunk ended")
	}
}
