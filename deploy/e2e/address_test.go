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
}

// More of who lives at which host.
const (
	nodeA = 3
	nodeB = 4
	store = 5
)

func openCluster(t *testing.T, network int) *cluster {
	t.Helper()
	dir := t.TempDir()
	b := &border{dir: dir, net: network, plan: plan{build: "plain", prefix: "10.89", timers: "{t1: 500ms, t2: 4s, t4: 5s}"}}
	c := &cluster{pair: &pair{border: b, redis: &storagetest.Server{Address: b.ip(store) + ":6379"}}}
	lan := newSwitch(t, dir)
	peers := lan.plug("peers", b.ip(caller), b.ip(tc1), b.ip(tc2))
	b.around, b.process = peers.inside(), peers.process
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
		fmt.Sprintf("state: {redis: {addresses: [%q]}}", c.redis.Address),
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
		"NODES=" + c.ip(nodeA) + " " + c.ip(nodeB), "CORE=" + c.ip(coreSide), "PEERING=" + c.ip(peeringSide), "RUN=" + dir,
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

// all is load's, and says how long nobody answered the probe.
func (c *cluster) all(l *load, runs *member) {
	c.t.Helper()
	l.all(runs)
	c.t.Logf("silences of the address: %q", c.silences()[1:])
}

// The process dies: keepalived hears of it from the kernel and gives the addresses
// up with a word.
func TestAddressThroughAKill(t *testing.T) {
	c := openCluster(t, 181)
	l := c.load(loadRate, loadCalls)
	c.nodes[0].signal(syscall.SIGKILL)
	c.nodes[1].took()
	<-c.nodes[0].exited
	c.start(0)
	c.all(l, c.nodes[1])
	if c.machines[0].has(c.ip(coreSide)) {
		t.Error("who came back took the address back")
	}
}

// The node is gone from the network: nothing is said, the other hears no adverts.
func TestAddressThroughADeadNode(t *testing.T) {
	c := openCluster(t, 182)
	l := c.load(loadRate, loadCalls)
	c.machines[0].cable("down")
	c.nodes[1].took()
	c.machines[0].cable("up")
	c.all(l, c.nodes[1])
	if n := c.nodes[0].owned() + c.nodes[1].owned(); n != 2 {
		t.Errorf("the unit was taken %d times, want 2", n)
	}
}

func TestAddressThroughAHandover(t *testing.T) {
	c := openCluster(t, 183)
	l := c.load(loadRate, loadCalls)
	c.nodes[0].terminate(10 * time.Second)
	c.nodes[1].took()
	c.all(l, c.nodes[1])
}
