//go:build e2e

package e2e

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestCountsOutliveTheirNode: what a call's media has come to is in its record, whichever nodes have carried it. One that hands
// over stores what it has counted; of one that is killed there is what it has stored last, here with a refresh.
func TestCountsOutliveTheirNode(t *testing.T) {
	t.Parallel()
	b := openPair(t, 285, nil, plan{build: "plain", media: "{relay: {ports: 31000-31199}}", timers: patient})
	x, y := b.parties(b.peerAt(caller), b.peerAt(tc1), 1)
	joined(x, y, x.pcma(), y.pcma())
	const long, short = 75, 20
	both(x, y, long)
	taken := b.nodes[1].owned()
	if text, err := b.tool("handover", filepath.Join(b.nodes[0].dir, "bulkhead.yaml")); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	b.nodes[1].until("the unit to be taken", patience, func() bool { return b.nodes[1].owned() > taken })
	both(x, y, long)
	changes(x, y, x.pcma(), y.pcma())
	taken = b.nodes[0].owned()
	b.nodes[1].signal(syscall.SIGKILL)
	b.nodes[0].until("the unit to be taken", patience, func() bool { return b.nodes[0].owned() > taken })
	both(x, y, short)
	parts(x, y)
	m := b.settled(b.nodes[0], 1)[0].Attempts[0].Media
	if m == nil {
		t.Fatal("the record has no media")
	}
	for side, f := range map[string]flow{"trunk": m.Streams[0].Trunk, "carrier": m.Streams[0].Carrier} {
		if f.Packets < 2*long+short {
			t.Errorf("%s: %d packets, and it has sent %d at least", side, f.Packets, 2*long+short)
		}
	}
}
