//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/storage/storagetest"
)

// key is one key of Redis.
type key struct {
	name  string // behind the unit's tag
	state string // of a call: L live, E ended
	left  time.Duration
}

// keys are all that Redis has.
func (b *pair) keys() (all []key) {
	b.t.Helper()
	said := b.redis.Do("EVAL", `
		local list = {}
		for _, key in ipairs(redis.call('KEYS', '*')) do
			local state = string.find(key, ':call:', 1, true) and redis.call('GETRANGE', key, 0, 0) or '-'
			table.insert(list, key .. ' ' .. state .. ' ' .. redis.call('PTTL', key))
		end
		return list`, "0")
	for line := range strings.Lines(said) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue // there are none
		}
		_, name, ofUnit := strings.Cut(f[0], "}:")
		if !ofUnit && strings.HasPrefix(f[0], "bulkhead:peers:") {
			name = "peers" // of the cluster
		}
		ms, err := strconv.Atoi(f[len(f)-1])
		if err != nil || len(f) != 3 {
			b.t.Fatalf("keys: %q", line)
		}
		all = append(all, key{name, f[1], time.Duration(ms) * time.Millisecond})
	}
	return all
}

// TestRedisIsLeftAsItWas makes 5,000 calls that hunt on and are answered, are cancelled, or
// refused (R15). While a call lives its
// record stays for an hour beyond its last deadline; a tombstone for as long as its peers
// may repeat themselves. When all are over, Redis has the keys of an idle unit: its
// fence, which never expires, who is there, and an empty stream of details.
func TestRedisIsLeftAsItWas(t *testing.T) {
	quiet(t)
	t.Parallel()
	b := &pair{border: &border{dir: t.TempDir(), net: 207}, redis: storagetest.StartRedis(t)}
	b.plan = plan{build: "plain", timers: "{t1: 200ms, t2: 400ms, t4: 500ms}", tc1: "linger: 1s", tc2: "linger: 1s"}
	b.open(t)
	const rate = 250
	var dialled *sipp
	run := func(n int, scenario string, carriers map[int][]string) (finish func()) {
		t.Helper()
		var all []*sipp
		common := []string{"-m", fmt.Sprint(n), "-timeout", seconds(2 * patience)}
		for host, c := range carriers {
			s := b.sippAt(host, fmt.Sprint("carrier", host), c[0], c[1:], common...)
			s.until("a carrier to listen", 10*time.Second, func() bool { return bound("udp", b.at(host)) })
			all = append(all, s)
		}
		dialled = b.sippAt(caller, "caller", scenario, nil, append(common, b.at(coreSide), "-s", number, "-r", fmt.Sprint(rate), "-d", "1000")...)
		return func() {
			t.Helper()
			dialled.finish(2 * patience)
			if f := dialled.failed(); f != 0 {
				t.Errorf("%s: %d calls failed", scenario, f)
			}
			for _, s := range all { // SIPp takes an INVITE that is repeated after its final answer for a fault
				_ = syscall.Kill(s.cmd.Process.Pid, syscall.SIGTERM) // ended already: it has had all its calls
				<-s.exited
			}
		}
	}
	finish := run(2000, "uac.xml", map[int][]string{tc1: {"uas_refuse.xml"}, tc2: {"uas.xml"}})
	b.nodes[0].until("calls of all kinds", patience, func() bool { return len(b.cdrs()) > 200 })
	live, ended := 0, 0
	for _, k := range b.keys() {
		switch k.state {
		case "L":
			live++
			if k.left < 59*time.Minute {
				t.Errorf("the record of a call that lives stays for %v", k.left)
			}
		case "E":
			ended++
			if k.left <= 0 || k.left > 40*time.Second {
				t.Errorf("a tombstone stays for %v", k.left)
			}
		}
	}
	finish()
	run(1500, "uac_cancel.xml", map[int][]string{tc1: {"uas_ring.xml"}})()
	run(1500, "uac_refused.xml", map[int][]string{tc1: {"uas_refuse.xml", "503 Service Unavailable", "486 Busy Here"}})()
	results := map[string]int{}
	for _, r := range b.settled(b.nodes[0], 5000) {
		results[r.Result]++
	}
	var left []string
	b.nodes[0].until("the last tombstone to expire", 4*patience, func() bool {
		left = nil
		for _, k := range b.keys() {
			left = append(left, k.name)
		}
		return len(left) <= 6
	})
	slices.Sort(left)
	if want := []string{"cdr", "epoch", "nodes", "owner", "peers", "seq"}; !slices.Equal(left, want) {
		t.Errorf("left are %q, want %q", left, want)
	}
	if n := b.redis.Do("XLEN", fmt.Sprintf("bulkhead:{u%d}:cdr", b.net)); n != "0" {
		t.Errorf("%s details are left", n)
	}
	t.Logf("%v; at one moment %d calls lived and %d were tombstones", results, live, ended)
}
