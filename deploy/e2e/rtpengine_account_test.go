//go:build e2e

package e2e

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/media"
	"bulkhead/b2bua/simtest"
)

var engineCalls = flag.Int("engine.calls", 1000, "how many calls TestRTPEngineIsGivenBack makes")

// TestRTPEngineIsGivenBack: whatever becomes of calls, by an engine of ours in a simulated network, Debian's rtpengine has none
// of them when they are over: not in its own list, and no socket of one.
func TestRTPEngineIsGivenBack(t *testing.T) {
	e := startEngine(t, networkOne)
	c := asking(t, nil, e)
	outside := simtest.NewOutside()
	defer outside.Close()
	descriptors := func() int {
		t.Helper()
		all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", e.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	before := descriptors()
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Carry = func(m *b2bua.Media) { m.Engine = media.NewEngined(outside.Engines(c), nil, 0) }
		s.Do("media rtpengine")
		s.End(*engineCalls, simtest.Endings, func() {
			outside.Do(func() {
				if calls, now := e.calls(), descriptors(); len(calls) != 1 || now < before+4 {
					t.Errorf("while a call talks rtpengine has %v, and %d descriptors after %d", calls, now, before)
				}
			})
		})
	})
	e.none()
	e.until("its sockets to be closed", 10*time.Second, func() bool { return descriptors() == before })
	n := c.Nodes()[0].Counts
	t.Logf("%d calls, %d descriptors of rtpengine's before and after: %+v", *engineCalls, before, n)
	if n.Answered < uint64(*engineCalls) { // one that was given up, where the machine stood still, is no fault here
		t.Errorf("%+v", n)
	}
}
