//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/storage/storagetest"
)

// cluster is a pair whose unit follows virtual addresses that keepalived moves
// between two machines, as deploy/keepalived has it. Redis and the peers are on
// machines of their own.
type cluster struct {
	*pair
	machines []*machine // in the order of the nodes
	movers   []*process // their keepalived
	probe    *process   // deploy/compose/probe: how long nobody answered
	rings    *sipp      // tc1, where calls hunt
}

// leavesTC1 has calls soon leave tc1 for tc2.
var leavesTC1 = plan{tc1: "timers: {no_answer: 1s}"}

// More of who lives at which host.
const (
	nodeA = 3
	nodeB = 4
	store = 5
)

// openCluster wants of the plan what a test says beside its addresses, build and timers.
func openCluster(t *testing.T, network int, p plan) *cluster {
	t.Helper()
	quiet(t)
	t.Parallel() // for the most part it waits for 64·T1
	dir := t.TempDir()
	p.build, p.prefix, p.timers = "plain", "10.89", "{t1: 500ms, t2: 4s, t4: 5s}"
	b := &border{dir: dir, net: network, plan: p}
	c := &cluster{pair: &pair{border: b, redis: &storagetest.Server{Address: b.ip(store) + ":6379"}}}
	lan := newSwitch(t, dir)
	peers := lan.plug("peers", b.ip(caller), b.ip(tc1), b.ip(tc2))
	b.peers, b.process = peers, peers.process
	redis := lan.plug("store", b.ip(store)).run(nil, dir, "redis", "redis-server",
		"--bind", b.ip(store), "--protected-mode", "no", "--save", "", "--dir", dir)
	redis.until("Redis to listen", 10*time.Second, func() bool { return redis.bound("tcp", c.redis.Address) })
	for i, name := range []string{"a", "b"} {
		c.machines = append(c.machines, lan.plug("node"+name, b.ip(nodeA+i)))
		c.nodes = append(c.nodes, nil)
		c.movers = append(c.movers, nil)
		c.start(i)
		c.move(i)
		if i == 0 {
			c.nodes[0].took()
		}
	}
	c.probe = peers.run(nil, dir, "probe", here(t, "../compose/probe"), b.ip(coreSide), "5060")
	c.probe.until("the probe to be answered", 10*time.Second, func() bool { return c.silences() != nil })
	return c
}

// start starts the node's process, or starts it again, and waits until it is ready
// for the addresses.
func (c *cluster) start(i int) {
	c.t.Helper()
	name := string(rune('a' + i))
	dir := filepath.Join(c.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	text := strings.NewReplacer("node: e2e\n", strings.Join([]string{
		"node: " + name,
		fmt.Sprintf("state: {redis: {addresses: [%q]}, wait: 1s}", c.redis.Address),
		fmt.Sprintf("unit: {name: u%d, mode: address, address: [%q, %q]}", c.net, c.ip(coreSide), c.ip(peeringSide)),
		"key_file: ../key", "",
	}, "\n")).Replace(c.config())
	file := filepath.Join(dir, "bulkhead.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	p := c.machines[i].run(nil, dir, "env", "flock", "--no-fork", "process", built(c.plan.build), "serve", "--track", "track", file)
	c.nodes[i] = &member{p, dir}
	p.until("node "+name+" to be bound", 10*time.Second, func() bool { return p.bound("udp", c.at(peeringSide)) })
}

// move starts the node's keepalived as the containers do.
func (c *cluster) move(i int) {
	c.t.Helper()
	dir := filepath.Join(c.dir, string(rune('a'+i)))
	c.movers[i] = c.machines[i].run([]string{
		"NODES=" + c.ip(nodeA) + " " + c.ip(nodeB), "CORE=" + c.ip(coreSide), "PEERING=" + c.ip(peeringSide), "RUN=" + dir, "TMPDIR=" + dir,
	}, dir, "keepalived", here(c.t, "../keepalived/run"))
	c.movers[i].until("the track file", 10*time.Second, func() bool {
		track, err := os.ReadFile(filepath.Join(dir, "track"))
		return err == nil && bytes.Equal(track, []byte("0\n"))
	})
}

// here is a file of deploy, wherever a process may run.
func here(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// silences are what the probe has printed: its first answer, then for how long
// nobody answered it.
func (c *cluster) silences() []string {
	text, err := os.ReadFile(c.probe.output)
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// gap is the longest time for which nobody answered the probe in the two seconds
// after something was done.
func (c *cluster) gap(done time.Time) time.Duration {
	longest := time.Duration(0)
	for _, line := range c.silences()[1:] {
		var at string
		var ms int
		if _, err := fmt.Sscanf(line, "%s %d ms", &at, &ms); err != nil {
			c.t.Fatalf("the probe printed %q: %v", line, err)
		}
		end, err := time.Parse("15:04:05.000", at)
		if err != nil {
			c.t.Fatalf("the probe printed %q: %v", line, err)
		}
		year, month, day := done.UTC().Date()
		after := end.AddDate(year, int(month)-1, day-1).Sub(done)
		if after > 0 && after < 2*time.Second {
			longest = max(longest, time.Duration(ms)*time.Millisecond)
		}
	}
	return longest
}

// hunting starts calls that ring at tc1 for a while and are answered by tc2: so
// INVITE, CANCEL and 487 are on their way all the time.
func (c *cluster) hunting() *load {
	c.t.Helper()
	ring := c.sippAt(tc1, "tc1", "uas_ring.xml", nil, "-m", fmt.Sprint(loadCalls), "-timeout", seconds(2*patience))
	ring.until("tc1 to listen", 10*time.Second, func() bool { return ring.bound("udp", c.at(tc1)) })
	l := &load{pair: c.pair, rate: loadRate, calls: loadCalls}
	l.carrier = c.sippAt(tc2, "tc2", "uas.xml", nil, "-m", fmt.Sprint(loadCalls), "-timeout", seconds(2*patience))
	l.carrier.until("tc2 to listen", 10*time.Second, func() bool { return l.carrier.bound("udp", c.at(tc2)) })
	l.call = c.sippAt(caller, "caller", "uac.xml", nil, c.at(coreSide), "-s", number, "-d", "1000",
		"-r", fmt.Sprint(loadRate), "-m", fmt.Sprint(loadCalls), "-timeout", seconds(2*patience))
	c.rings = ring
	l.nodes[0].until("calls in every phase", patience, func() bool { return len(c.cdrs()) >= loadRate })
	return l
}

// all is load's, of all parties.
func (c *cluster) all(l *load, runs *member, done time.Time) {
	c.t.Helper()
	l.call.finish(2 * patience)
	// A carrier that has answered BYE and does not answer its repeat, as SIPp's, has
	// its call ended by the clock, after 64·T1.
	runs.until("the call records", patience, func() bool { return len(c.cdrs()) >= loadCalls })
	l.all(runs)
	if c.rings != nil {
		c.rings.finish(2 * patience)
		if n := c.rings.failed(); n != 0 {
			c.t.Errorf("failed: %d calls of tc1", n)
		}
	}
	c.t.Logf("nobody answered for %v (0: less than 20 ms)", c.gap(done))
}

// The process dies: keepalived hears of it from the kernel and gives the addresses
// up with a word.
func TestAddressThroughAKill(t *testing.T) {
	c := openCluster(t, 181, leavesTC1)
	l := c.hunting()
	done := time.Now()
	c.nodes[0].signal(syscall.SIGKILL)
	c.nodes[1].took()
	<-c.nodes[0].exited
	c.start(0)
	c.all(l, c.nodes[1], done)
	if c.machines[0].has(c.ip(coreSide)) {
		t.Error("who came back took the address back")
	}
}

// The node is gone from the network: nothing is said, the other hears no adverts.
func TestAddressThroughADeadNode(t *testing.T) {
	c := openCluster(t, 182, leavesTC1)
	l := c.hunting()
	done := time.Now()
	c.machines[0].cable("down")
	c.nodes[1].took()
	c.machines[0].cable("up")
	c.all(l, c.nodes[1], done)
	if n := c.nodes[0].owned() + c.nodes[1].owned(); n != 2 {
		t.Errorf("the unit was taken %d times, want 2", n)
	}
}

func TestAddressThroughAHandover(t *testing.T) {
	c := openCluster(t, 183, leavesTC1)
	l := c.hunting()
	done := time.Now()
	c.nodes[0].terminate(10 * time.Second)
	c.nodes[1].took()
	c.all(l, c.nodes[1], done)
}

// The addresses are on both nodes: keepalived of the first is dead and has left them
// behind. The fence holds: one node serves, the other neither speaks nor fights, and
// has the addresses taken from it when keepalived is back.
func TestAddressLeftBehind(t *testing.T) {
	c := openCluster(t, 184, leavesTC1)
	l := c.hunting()
	done := time.Now()
	if err := syscall.Kill(-c.movers[0].cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.nodes[1].took()
	for i, m := range c.machines {
		if !m.has(c.ip(coreSide)) || !m.has(c.ip(peeringSide)) {
			t.Errorf("node %d has not the addresses", i)
		}
	}
	c.nodes[0].until("the first to find out", 10*time.Second, func() bool {
		return strings.Contains(c.nodes[0].tail(1<<20), "they are on two nodes")
	})
	c.all(l, c.nodes[1], done)
	if a, b := c.nodes[0].owned(), c.nodes[1].owned(); a != 1 || b != 1 {
		t.Errorf("the unit was taken %d and %d times: they fight", a, b)
	}
	c.move(0)
	c.nodes[1].until("one node to have the addresses", 10*time.Second, func() bool {
		return !c.machines[0].has(c.ip(coreSide)) && c.machines[1].has(c.ip(coreSide))
	})
	c.nodes[1].signal(syscall.SIGKILL)
	c.nodes[0].until("the first to take it again", 10*time.Second, func() bool { return c.nodes[0].owned() == 2 })
}

// Somebody adds the addresses to the standby by hand, and nobody on the network is
// told: what the peers send goes to the first, which must not answer any more. It
// gives its addresses up, so keepalived tells the peers of the other.
func TestAddressAddedByHand(t *testing.T) {
	c := openCluster(t, 185, leavesTC1)
	l := c.hunting()
	done := time.Now()
	c.machines[1].ip("address", "add", c.ip(coreSide)+"/32", "dev", "eth0")
	c.machines[1].ip("address", "add", c.ip(peeringSide)+"/32", "dev", "eth0")
	c.nodes[1].took()
	c.nodes[0].until("the first to have given the addresses up", 10*time.Second, func() bool {
		return !c.machines[0].has(c.ip(coreSide)) && !c.machines[0].has(c.ip(peeringSide))
	})
	c.all(l, c.nodes[1], done)
	if a, b := c.nodes[0].owned(), c.nodes[1].owned(); a != 1 || b != 1 {
		t.Errorf("the unit was taken %d and %d times: they fight", a, b)
	}
}
