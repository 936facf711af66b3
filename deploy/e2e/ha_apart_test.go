//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/storage/storagetest"
)

// redisHost is where the Redis of a pair is whose nodes are apart.
const redisHost = 99

// frozenFor is how long a process stands still: five of its leases.
const frozenFor = 5 * time.Second

// apart is a pair of which each node has a machine of its own, as far as the network
// goes: a namespace. Both have the unit's addresses all the time, and the test moves
// the way to them.
func apart(t *testing.T, network int) *pair {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: network namespaces")
	}
	b := &pair{border: &border{dir: t.TempDir(), net: network, plan: plan{prefix: "10.66"}}, spaces: map[string]string{}}
	b.border.process = &process{t: t}
	here := func(host int) string { return b.ip(host) + "/32" }
	for _, host := range []int{caller, tc1, tc2, redisHost} {
		ip(t, "address", "add", here(host), "dev", "lo")
		t.Cleanup(func() { ip(t, "address", "del", here(host), "dev", "lo") })
	}
	for i, name := range []string{"a", "b"} {
		space, link, own := fmt.Sprintf("bh%d%s", network, name), b.link(name), here(100+i)
		_ = exec.Command("ip", "link", "del", link).Run() // both of a run that was killed
		_ = exec.Command("ip", "netns", "del", space).Run()
		ip(t, "netns", "add", space)
		t.Cleanup(func() { ip(t, "netns", "del", space) })
		ip(t, "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
		t.Cleanup(func() { ip(t, "link", "del", link) }) // at once: with its namespace it goes later
		ip(t, "link", "set", link, "up")
		ip(t, "route", "add", own, "dev", link)
		for _, device := range []string{"lo", "eth0"} {
			ip(t, "-n", space, "link", "set", device, "up")
		}
		for _, host := range []int{coreSide, peeringSide} {
			ip(t, "-n", space, "address", "add", here(host), "dev", "lo")
		}
		ip(t, "-n", space, "address", "add", own, "dev", "eth0")
		ip(t, "-n", space, "route", "add", b.ip(0)+"/24", "dev", "eth0", "src", b.ip(100+i))
		b.spaces[name] = space
	}
	b.leadTo("a")
	b.redis = storagetest.StartRedis(t, "--bind", "127.0.0.1", b.ip(redisHost), "--protected-mode", "no")
	b.servers = []*storagetest.Server{b.redis}
	return b
}

// link is the near end of the wire to a node.
func (b *pair) link(name string) string { return fmt.Sprintf("bh%d%s", b.net, name) }

// leadTo moves the way to the unit's addresses to a node.
func (b *pair) leadTo(name string) {
	b.t.Helper()
	for _, host := range []int{coreSide, peeringSide} {
		ip(b.t, "route", "replace", b.ip(host)+"/32", "dev", b.link(name))
	}
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// sent is how many UDP datagrams have left the network of a node.
func (m *member) sent() int {
	m.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/snmp", m.cmd.Process.Pid))
	if err != nil {
		m.t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Udp:" {
			continue
		}
		for i, name := range names {
			if name == "OutDatagrams" {
				return int(number64(fields[i]))
			}
		}
		names = fields
	}
	m.t.Fatalf("no OutDatagrams in %s", text)
	return 0
}

// stopped says that every thread has heard of the stop: on a busy machine the first to
// be told may have to wait for a processor, and the others go on meanwhile.
func (m *member) stopped() bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", m.cmd.Process.Pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, name := range threads {
		text, err := os.ReadFile(name)
		_, state, _ := strings.Cut(string(text), ") ")
		if err == nil && !strings.HasPrefix(state, "T") { // without a text the thread has ended
			return false
		}
	}
	return true
}

// TestLoadThroughAFreeze stops the process that serves as it is, for five seconds. When it
// wakes another has its unit: it writes nothing and sends nothing.
func TestLoadThroughAFreeze(t *testing.T) {
	quiet(t)
	t.Parallel()
	l := loadedOn(t, apart(t, 200), loadRate, loadCalls)
	frozen, next := l.nodes[0], l.nodes[1]
	if n := next.sent(); n != 0 { // R12: it has nothing to say for calls that it does not own
		t.Errorf("the standby sent %d datagrams", n)
	}
	frozen.signal(syscall.SIGSTOP)
	frozen.until("every thread to stand still", 10*time.Second, frozen.stopped)
	before := frozen.sent()
	next.took()
	l.leadTo("b")
	after(frozenFor)
	frozen.signal(syscall.SIGCONT)
	frozen.until("the woken node to give the unit up", patience/4, func() bool {
		return strings.Contains(frozen.tail(1<<20), "unit given up")
	})
	l.all(next)
	// The one that the stop caught between asking whether it may and the system
	// call is out of reach of a lease: one a thread at most.
	threads := 2 * runtime.NumCPU()
	if n := frozen.sent() - before; n > threads {
		t.Errorf("the woken node sent %d datagrams", n)
	} else {
		t.Logf("the woken node sent %d datagrams", n)
	}
}
