//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/storage/storagetest"
)

// load is some calls at a rate, each of which rings and talks for a second.
type load struct {
	*pair
	rate, calls   int
	call, carrier *sipp
}

// longest is how long a SIPp may run.
func (l *load) longest() time.Duration {
	return 2*patience + time.Duration(l.calls/l.rate)*time.Second
}

// 1,000 calls at 100 a second are what a load is where a test says nothing else.
const (
	loadRate  = 100
	loadCalls = 1000
)

// loaded starts a pair and the calls, and returns when some have ended: from then
// on there are calls in every phase.
func loaded(t *testing.T, network int) *load {
	t.Helper()
	quiet(t)
	redis := storagetest.StartRedis(t)
	return loadedOn(t, &pair{border: &border{dir: t.TempDir(), net: network}, redis: redis, servers: []*storagetest.Server{redis}}, loadRate, loadCalls)
}

// loadedOn is loaded with a pair that is not open yet. All that its Redis servers do is
// listened to, where it names them. The instant at which it returns is drawn by the seed: within the six
// seconds after the first hundred calls.
func loadedOn(t *testing.T, b *pair, rate, calls int) *load {
	t.Helper()
	quiet(t)
	b.plan.build, b.plan.timers = "plain", "{t1: 500ms, t2: 4s, t4: 5s}"
	if len(b.servers) > 0 {
		b.history = newHistory()
	}
	for i, s := range b.servers {
		b.history.watch(fmt.Sprint("redis ", i), s)
	}
	b.open(t)
	l := b.load(rate, calls)
	instant := time.Duration(seeded(t).Int64N(int64(6 * time.Second)))
	t.Logf("the fault comes after another %v", instant)
	after(instant)
	return l
}

// load starts the calls of a pair that is open, and returns when some have ended.
func (b *pair) load(rate, calls int) *load {
	b.t.Helper()
	l := &load{pair: b, rate: rate, calls: calls}
	ring := []string{`<pause milliseconds="50"/>`, `<pause milliseconds="1000"/>`}
	l.carrier = b.sippAt(tc1, "tc1", "uas.xml", ring, "-m", fmt.Sprint(calls), "-timeout", seconds(l.longest()))
	l.carrier.until("tc1 to listen", 10*time.Second, func() bool { return l.carrier.bound("udp", b.at(tc1)) })
	l.call = b.sippAt(caller, "caller", "uac.xml", nil, b.at(coreSide), "-s", number, "-d", "1000",
		"-r", fmt.Sprint(rate), "-m", fmt.Sprint(calls), "-timeout", seconds(l.longest()), "-trace_rtt", "-rtt_freq", "1")
	l.nodes[0].until("the first calls", patience, func() bool { return len(b.cdrs()) >= 100 })
	return l
}

// after waits for a time that is part of what is tested.
func after(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

// all is ended by the caller.
func (l *load) all(runs *member) {
	l.t.Helper()
	l.ended(runs, "trunk")
}

// ended wants every call to have gone through at both ends, and one record of each
// from the nodes together, of which one runs still.
func (l *load) ended(runs *member, by string) {
	l.t.Helper()
	l.call.finish(l.longest())
	l.carrier.finish(l.longest())
	if n, m := l.call.failed(), l.carrier.failed(); n+m != 0 {
		l.t.Errorf("failed: %d calls of the caller, %d of the carrier", n, m)
	}
	wrong := map[string]int{}
	for _, r := range l.settled(runs, l.calls) {
		if r.Result != "answered" || r.EndedBy != by {
			wrong[r.Result+", "+r.Cause+", ended by "+r.EndedBy]++
		}
	}
	for what, n := range wrong {
		l.t.Errorf("%d records: %s", n, what)
	}
	if l.history != nil {
		var logs [][]byte
		for _, m := range l.nodes {
			text, err := os.ReadFile(m.output)
			if err != nil {
				l.t.Fatal(err)
			}
			logs = append(logs, text)
		}
		l.history.verify(l.t, l.calls, l.servers, logs...)
	}
	l.t.Logf("%d calls, %d failed at the caller, %d at the carrier, %d records",
		l.calls, l.call.failed(), l.carrier.failed(), len(l.cdrs()))
}

// took waits until a node has taken the unit.
func (m *member) took() {
	m.t.Helper()
	m.until("the unit to be taken", 10*time.Second, func() bool { return m.owned() > 0 })
}

func (m *member) owned() int {
	text, err := os.ReadFile(m.output)
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
	after(3 * time.Second)
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
