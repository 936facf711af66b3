//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// load is 1,000 calls at 100 a second, each of which rings and talks for a second.
type load struct {
	*pair
	call, carrier *sipp
}

const (
	loadRate  = 100
	loadCalls = 1000
)

// loaded starts a pair and the calls, and returns when some have ended: from then
// on there are calls in every phase.
func loaded(t *testing.T, network int) *load {
	t.Helper()
	return openPair(t, network, nil, plan{build: "plain", timers: "{t1: 500ms, t2: 4s, t4: 5s}"}).load()
}

func (b *pair) load() *load {
	b.t.Helper()
	l := &load{pair: b}
	ring := []string{`<pause milliseconds="50"/>`, `<pause milliseconds="1000"/>`}
	l.carrier = b.sippAt(tc1, "tc1", "uas.xml", ring, "-m", fmt.Sprint(loadCalls), "-timeout", seconds(2*patience))
	l.carrier.until("tc1 to listen", 10*time.Second, func() bool { return l.carrier.bound("udp", b.at(tc1)) })
	l.call = b.sippAt(caller, "caller", "uac.xml", nil, b.at(coreSide), "-s", number, "-d", "1000",
		"-r", fmt.Sprint(loadRate), "-m", fmt.Sprint(loadCalls), "-timeout", seconds(2*patience))
	l.nodes[0].until("the first calls", patience, func() bool { return len(b.cdrs()) >= loadRate })
	return l
}

// all wants every call to have gone through at both ends, and one record of each
// from the nodes together, of which one runs still.
func (l *load) all(runs *member) {
	l.t.Helper()
	l.call.finish(2 * patience)
	l.carrier.finish(2 * patience)
	if n, m := l.call.failed(), l.carrier.failed(); n+m != 0 {
		l.t.Errorf("failed: %d calls of the caller, %d of the carrier", n, m)
	}
	wrong := map[string]int{}
	for _, r := range l.settled(runs, loadCalls) {
		if r.Result != "answered" || r.EndedBy != "trunk" {
			wrong[r.Result+", "+r.Cause+", ended by "+r.EndedBy]++
		}
	}
	for what, n := range wrong {
		l.t.Errorf("%d records: %s", n, what)
	}
	l.t.Logf("%d calls, %d failed at the caller, %d at the carrier, %d records",
		loadCalls, l.call.failed(), l.carrier.failed(), len(l.cdrs()))
}

// took waits until a node has taken the unit.
func (m *member) took() {
	m.t.Helper()
	m.until("the unit to be taken", 10*time.Second, func() bool { return m.owned() > 0 })
}

func (m *member) owned() int {
	text, err := os.ReadFile(filepath.Join(m.dir, "env.log"))
	if err != nil {
		return 0
	}
	return strings.Count(string(text), "unit taken")
}

func TestLoadThroughAKill(t *testing.T) {
	t.Parallel()
	l := loaded(t, 161)
	l.nodes[0].signal(syscall.SIGKILL)
	l.nodes[1].took()
	<-l.nodes[0].exited
	l.node(t, "a") // what the dead node had in hand, it writes when it is back
	l.all(l.nodes[1])
}

func TestLoadThroughAHandover(t *testing.T) {
	t.Parallel()
	l := loaded(t, 162)
	l.nodes[0].terminate(10 * time.Second)
	l.nodes[1].took()
	l.all(l.nodes[1])
}

func TestLoadThroughAFrozenRedis(t *testing.T) {
	t.Parallel()
	l := loaded(t, 164)
	l.redis.Freeze()
	thaw := time.NewTimer(3 * time.Second)
	<-thaw.C
	l.redis.Thaw()
	l.all(l.nodes[0])
	if n := l.nodes[1].owned(); n != 0 {
		t.Errorf("the standby took the unit %d times", n)
	}
}

func TestLoadThroughAnEmptiedRedis(t *testing.T) {
	t.Parallel()
	l := loaded(t, 165)
	l.redis.Kill()
	l.redis.Start()
	l.all(l.nodes[0])
	if n := l.nodes[1].owned(); n != 0 {
		t.Errorf("the standby took the unit %d times", n)
	}
}
