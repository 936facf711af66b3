//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// carried are calls in which both sides speak, 50 packets a second each, through the relay.
type carried struct {
	*pair
	trunk, carrier *peer
	calls          []*anchoredCall
	phones         []*telephone
}

// manyCalls is how many a node has that is lost or left.
const manyCalls = 200

// carriedPorts has room for the calls of one side and those that rest.
const carriedPorts = "{relay: {ports: 31000-32999}}"

// withinFor is how long audio may be missed, beside what it takes to notice that the node has
// gone, before a call may be called dropped. 150 ms are wanted; what was seen is printed.
const withinFor = 2 * time.Second

// carry sets calls up, and returns when all telephones hear.
func (b *pair) carry(calls int) *carried {
	b.t.Helper()
	c := &carried{pair: b, trunk: b.peerAt(caller), carrier: b.peerAt(tc1)}
	for n := range calls {
		one := b.call(c.trunk, c.carrier, n)
		c.calls, c.phones = append(c.calls, one), append(c.phones, one.caller, one.carrier)
	}
	speak(b.t, c.phones)
	c.nodes[0].until("all to hear", patience, c.hear(25))
	return c
}

// hear says that every telephone has heard so many packets more than now.
func (c *carried) hear(more int) func() bool {
	least := make([]int, len(c.phones))
	count := func(x *telephone) int {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.heard
	}
	for i, x := range c.phones {
		least[i] = count(x) + more
	}
	return func() bool {
		for i, x := range c.phones {
			if count(x) < least[i] {
				return false
			}
		}
		return true
	}
}

// through has a node go, and waits until all hear by another one. noticed is the instant from which that one could
// have known. Nobody is asked anything, and audio is missed for no longer than withinFor after it.
func (c *carried) through(what string, next *member, do func(), noticed func() time.Time) {
	c.t.Helper()
	for _, x := range c.phones {
		x.counts()
	}
	taken := next.owned()
	began := time.Now()
	do()
	next.until("the unit to be taken", 10*time.Second, func() bool { return next.owned() > taken })
	next.until("all to hear again", patience, c.hear(25))
	knew := noticed()
	worst, half, late := time.Duration(0), time.Duration(0), time.Duration(0)
	var again []time.Duration // when a side heard again, from when it was noticed
	for _, x := range c.phones {
		_, gaps := x.counts()
		for _, g := range gaps {
			worst = max(worst, g.to.Sub(g.from))
			if g.from.Before(knew) && g.to.After(knew) { // later ones are of the machine
				again = append(again, g.to.Sub(knew))
			}
		}
	}
	slices.Sort(again)
	if n := len(again); n > 0 {
		half, late = again[n/2], again[n-1]
	}
	if late > withinFor {
		c.t.Errorf("%s: the last of %d calls was heard %v after it was noticed", what, len(c.calls), late)
	}
	ms := time.Millisecond
	c.t.Logf("%s, %d calls: nothing was heard for %v at most; noticed after %v, claimed %v later, calls and ports restored within %v of that; from when it was noticed half heard again after %v, the last after %v",
		what, len(c.calls), worst.Round(ms), knew.Sub(began).Round(ms), next.claimed().Sub(knew).Round(ms), next.taking().Round(ms),
		half.Round(ms), late.Round(ms))
	for _, p := range []*peer{c.trunk, c.carrier} {
		if m, ok := p.next(time.Now().Add(50 * ms)); ok {
			c.t.Errorf("%s: %s was asked: %s", what, p.addr, m.text)
		}
	}
}

// ended ends all calls by the trunk, and wants what was heard through the last node in their records.
func (c *carried) ended(runs *member) {
	c.t.Helper()
	for _, one := range c.calls {
		c.hangUp(c.trunk, c.carrier, one)
	}
	for _, r := range c.settled(runs, len(c.calls)) {
		if m := r.Attempts[0].Media; m == nil || m.Streams[0].Trunk.Packets < 25 || m.Streams[0].Carrier.Packets < 25 {
			c.t.Errorf("record: %+v", r)
			break
		}
	}
}

// last is the last time that the node says it has taken the unit: when all calls were there, and how long that took.
func (m *member) last() (at time.Time, took time.Duration) {
	m.t.Helper()
	for line := range strings.Lines(m.tail(1 << 20)) {
		var said struct {
			Msg  string
			Time time.Time
			Took float64 // seconds
		}
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "unit taken" {
			at, took = said.Time, time.Duration(said.Took*float64(time.Second))
		}
	}
	if at.IsZero() {
		m.t.Fatalf("%s does not say that it has taken the unit", m.name)
	}
	return at, took
}

// taking is how long the takeover took, from the claim.
func (m *member) taking() time.Duration {
	_, took := m.last()
	return took
}

// claimed is when the unit became the node's.
func (m *member) claimed() time.Time {
	at, took := m.last()
	return at.Add(-took)
}

// TestMediaOutlivesItsNode hands 200 calls over as an operator does, and then kills the node that has them: the other one
// goes on with them, at the same ports, and nobody is asked anything (R11).
func TestMediaOutlivesItsNode(t *testing.T) {
	quiet(t)
	t.Parallel()
	b := openPair(t, 234, nil, plan{build: "plain", media: carriedPorts, timers: "{t1: 500ms, t2: 4s, t4: 5s}"})
	c := b.carry(manyCalls)
	c.through("handed over", b.nodes[1], func() {
		if text, err := b.tool("handover", filepath.Join(b.nodes[0].dir, "bulkhead.yaml")); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}, b.nodes[1].claimed)
	c.through("killed", b.nodes[0], func() { b.nodes[1].signal(syscall.SIGKILL) }, b.nodes[0].claimed)
	c.ended(b.nodes[0])
}

// The same where the unit follows an address, which keepalived moves between two machines.
func TestAddressWithMedia(t *testing.T) {
	c := openCluster(t, 186, plan{media: carriedPorts})
	calls := c.carry(manyCalls)
	moved := c.watch(1)
	calls.through("handed over", c.nodes[1], func() {
		tool := c.machines[1].run(nil, c.dir, "handover", built("plain"), "handover", filepath.Join(c.nodes[1].dir, "bulkhead.yaml"))
		tool.finish(10 * time.Second)
		c.nodes[0].finish(10 * time.Second)
	}, moved)
	c.start(0)
	moved = c.watch(0)
	calls.through("killed", c.nodes[0], func() { c.nodes[1].signal(syscall.SIGKILL) }, moved)
	calls.ended(c.nodes[0])
}

// watch says when a node was last given the address of the core: the kernel's word, which is all that a node hears.
func (c *cluster) watch(i int) (came func() time.Time) {
	m := c.machines[i]
	news := m.run(nil, c.dir, "addresses-"+m.name, "ip", "-tshort", "-oneline", "monitor", "address")
	news.until("it to listen", 10*time.Second, func() bool { // a route socket of its own, in groups
		list, err := os.ReadFile(filepath.Join("/proc", m.pid(), "net", "netlink"))
		return err == nil && regexp.MustCompile(fmt.Sprintf(`(?m)^\S+ +0 +%d +0*[1-9a-f]`, news.cmd.Process.Pid)).Match(list)
	})
	return func() (at time.Time) {
		c.t.Helper()
		for line := range strings.Lines(news.tail(1 << 20)) {
			stamp, rest, ok := strings.Cut(strings.TrimPrefix(line, "["), "]")
			when, err := time.ParseInLocation("2006-01-02T15:04:05.000000", stamp, time.Local)
			if ok && err == nil && !strings.Contains(rest, "Deleted") && strings.Contains(rest, c.ip(coreSide)+"/32") {
				at = when
			}
		}
		if at.IsZero() {
			c.t.Fatalf("%s was not given the address:\n%s", m.name, news.tail(4000))
		}
		return at
	}
}
