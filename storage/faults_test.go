package storage_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// traffic is calls that come, change and end, through a writer, and what must be
// stored of them.
type traffic struct {
	t      testing.TB
	w      *storage.Writer
	store  *storage.Redis
	mu     sync.Mutex
	live   map[string]storage.Item
	ended  map[string]bool
	most   atomic.Int64 // longest wait, ns
	unsaid atomic.Int64 // writes that were not stored in time
	lost   atomic.Int64
	next   int
	stop   chan struct{}
	group  sync.WaitGroup
	fenced atomic.Bool
}

// newTraffic makes a writer for an owned unit, and its calls.
func newTraffic(t testing.TB, store *storage.Redis, node string, wait time.Duration) *traffic {
	t.Helper()
	tr := &traffic{t: t, store: store, live: map[string]storage.Item{}, ended: map[string]bool{}}
	tr.w = storage.NewWriter(store, storage.WriterOptions{
		Node: node, Epoch: own(t, store, node), Wait: wait,
		Live: tr.each,
		Watch: storage.Watch{
			Lost:   func(int) { tr.lost.Add(1) },
			Fenced: func() { tr.fenced.Store(true) },
		},
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = tr.w.Close(ctx) // tests that care have looked
	})
	return tr
}

func (tr *traffic) each(f func(storage.Item)) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, it := range tr.live {
		f(it)
	}
}

// step does one thing of one call, and waits for it as a strand does.
func (tr *traffic) step(r *rand.Rand) {
	said := make(chan error, 1)
	done := func(err error) { said <- err }
	tr.mu.Lock()
	var it storage.Item
	for _, it = range tr.live {
		break // any
	}
	switch n := r.IntN(5); {
	case len(tr.live) < 50 || n == 0:
		tr.next++
		it = call(fmt.Sprint(tr.next), 1, 1000)
		tr.live[it.ID] = it
		tr.w.Put(it, done)
	case n < 4:
		it.Version++
		tr.live[it.ID] = it
		tr.w.Put(it, done)
	default:
		it.Version++
		delete(tr.live, it.ID)
		tr.ended[it.ID] = true
		it.Data = nil
		tr.w.End(it, []byte("detail of "+it.ID), done)
	}
	tr.mu.Unlock()
	start := time.Now()
	if err := <-said; err != nil { // in time, stored or not: that is what is under test
		tr.unsaid.Add(1)
	}
	for waited := time.Since(start).Nanoseconds(); ; {
		most := tr.most.Load()
		if waited <= most || tr.most.CompareAndSwap(most, waited) {
			return
		}
	}
}

// start lets calls go on until halt.
func (tr *traffic) start() {
	tr.stop = make(chan struct{})
	stop := tr.stop
	for i := range 8 {
		tr.group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
					tr.step(r)
				}
			}
		})
	}
}

func (tr *traffic) halt() {
	close(tr.stop)
	tr.group.Wait()
}

// some lets so many more calls begin.
func (tr *traffic) some(n int) {
	tr.t.Helper()
	tr.mu.Lock()
	until := tr.next + n
	tr.mu.Unlock()
	storagetest.Eventually(tr.t, "calls go on", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.next >= until
	})
}

// whole waits until the writer says that all is stored, and looks whether it is.
func (tr *traffic) whole() {
	tr.t.Helper()
	storagetest.Eventually(tr.t, "all is stored", func() bool { return tr.w.Unprotected() == 0 && !tr.w.Degraded() })
	tr.mu.Lock()
	defer tr.mu.Unlock()
	stored := scan(tr.t, tr.store)
	for id, it := range tr.live {
		if stored[id].Version != it.Version {
			tr.t.Errorf("call %s: version %d is stored, %d is the newest", id, stored[id].Version, it.Version)
		}
		delete(stored, id)
	}
	for id := range stored {
		tr.t.Errorf("call %s is stored and does not live (ended: %v)", id, tr.ended[id])
	}
	for _, id := range details(tr.t, tr.store) {
		if !tr.ended[id] {
			tr.t.Errorf("detail of call %s: once too often", id)
		}
		delete(tr.ended, id)
	}
	for id := range tr.ended {
		tr.t.Errorf("no detail of call %s", id)
	}
}

// A Redis that stands still for 3 s, under load: nobody waits longer than the budget,
// nothing is lost, and soon after all is as it was.
func TestFrozenRedis(t *testing.T) {
	t.Parallel()
	server := storagetest.StartRedis(t)
	o := at(server)
	o.Timeout = 300 * time.Millisecond
	tr := newTraffic(t, connect(t, o), "a", 50*time.Millisecond)
	tr.start()
	tr.some(200)
	server.Freeze()
	thaw := time.After(3 * time.Second)
	most := 0
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for frozen := true; frozen; {
		select {
		case <-tick.C:
			most = max(most, tr.w.Unprotected())
		case <-thaw:
			frozen = false
		}
	}
	server.Thaw()
	start := time.Now()
	storagetest.Eventually(t, "whole again", func() bool { return !tr.w.Degraded() })
	t.Logf("whole again after %v; at most %d calls were unprotected; the longest wait was %v",
		time.Since(start).Round(time.Millisecond), most, time.Duration(tr.most.Load()).Round(time.Millisecond))
	tr.some(200)
	tr.halt()
	tr.whole()
}

// A Redis that dies and comes back with nothing gets all live calls again.
func TestRestartedRedis(t *testing.T) {
	t.Parallel()
	server := storagetest.StartRedis(t)
	tr := newTraffic(t, connect(t, at(server)), "a", 50*time.Millisecond)
	tr.start()
	tr.some(200)
	tr.halt()
	tr.whole()
	tr.start()
	server.Kill()
	tr.some(200)
	server.Start()
	storagetest.Eventually(t, "seeded again", func() bool { return tr.lost.Load() == 1 })
	tr.some(200)
	tr.halt()
	tr.whole()
}

// FLUSHALL by somebody's hand, under load. Details that were not exported yet are there
// if the calls ended lately.
func TestEmptiedRedisIsSeededAgain(t *testing.T) {
	t.Parallel()
	server := storagetest.StartRedis(t)
	tr := newTraffic(t, connect(t, at(server)), "a", time.Second)
	for round := int64(1); round <= 3; round++ {
		tr.start()
		tr.some(100)
		server.Do("FLUSHALL")
		storagetest.Eventually(t, "seeded again", func() bool { return tr.lost.Load() == round })
		tr.some(100)
		tr.halt()
		tr.whole()
	}
}

// cutter passes bytes to a server and cuts connections in the midst of answers.
type cutter struct {
	l    net.Listener
	to   string
	cuts atomic.Int64
	on   atomic.Bool
}

func newCutter(t *testing.T, to string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{l: l, to: to}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			go c.pass(conn)
		}
	}()
	return c
}

func (c *cutter) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer server.Close()
		c.copy(server, client, 40) // requests lost in part: nothing is executed
	}()
	c.copy(client, server, 20) // answers lost: it was executed
}

func (c *cutter) copy(to, from net.Conn, every int) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if c.on.Load() && rand.IntN(every) == 0 {
			c.cuts.Add(1)
			n = rand.IntN(n + 1)
			err = net.ErrClosed
		}
		if _, werr := to.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}

// Answers that are lost: what was written is written again, and each call ends once.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	server := storagetest.StartRedis(t)
	c := newCutter(t, server.Address)
	tr := newTraffic(t, connect(t, storage.RedisOptions{Addresses: []string{c.l.Addr().String()}, Unit: "u"}), "a", 20*time.Millisecond)
	c.on.Store(true)
	tr.start()
	storagetest.Eventually(t, "100 cuts", func() bool { return c.cuts.Load() >= 100 })
	tr.halt()
	c.on.Store(false)
	tr.whole()
	t.Logf("%d cuts, %d calls", c.cuts.Load(), tr.next)
}

// Two nodes that both believe to own the unit: the later one does.
func TestTwoOwners(t *testing.T) {
	server := storagetest.StartRedis(t)
	o := at(server)
	o.Unit = "u"
	a := newTraffic(t, connect(t, o), "a", time.Second)
	a.start()
	a.some(50)
	b := newTraffic(t, connect(t, o), "b", time.Second)
	storagetest.Eventually(t, "a is fenced", a.fenced.Load)
	a.halt()
	// What a had stored is b's now; of what it could not store b knows nothing.
	b.live, b.next = scan(t, b.store), a.next
	details(t, b.store)
	for id := range b.live {
		b.w.Restored(id)
	}
	b.start()
	b.some(50)
	b.halt()
	b.whole()
}
