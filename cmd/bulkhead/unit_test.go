package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// failing is a store that a test makes fail in one way.
type failing struct {
	*storage.Memory
	renew atomic.Pointer[error]
	write atomic.Pointer[error]
	scan  atomic.Int32 // so many times more
	scans atomic.Int32
	asked chan struct{}
}

func newFailing() *failing {
	return &failing{Memory: storage.NewMemory(time.Now), asked: make(chan struct{}, 1000)}
}

func (f *failing) Acquire(ctx context.Context, node string, ttl time.Duration) (uint64, error) {
	select {
	case f.asked <- struct{}{}:
	default:
	}
	return f.Memory.Acquire(ctx, node, ttl)
}

func (f *failing) Renew(ctx context.Context, epoch uint64, ttl time.Duration) error {
	if err := f.renew.Load(); err != nil {
		return *err
	}
	return f.Memory.Renew(ctx, epoch, ttl)
}

func (f *failing) Write(ctx context.Context, epoch uint64, b storage.Batch) error {
	if err := f.write.Load(); err != nil {
		return *err
	}
	return f.Memory.Write(ctx, epoch, b)
}

func (f *failing) Scan(ctx context.Context, each func(storage.Item) error) error {
	f.scans.Add(1)
	if f.scan.Add(-1) >= 0 {
		return errors.New("no answer")
	}
	return f.Memory.Scan(ctx, each)
}

// unitAt is a unit whose only socket is at an address.
func unitAt(t *testing.T, node string, at netip.AddrPort, store unitStore) *unit {
	t.Helper()
	config, _, err := parse("test.yaml", fmt.Appendf(nil, `
node: %s
realms: {core: {listen: ["udp://%s"]}}
state: {redis: {addresses: ["127.0.0.1:1"]}}
`, node, at), node)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "calls.jsonl")
	u := newUnit(config, [32]byte{}, zap.NewNop(), store, time.Second, t.Context())
	u.file = exported(t, file, "")
	return u
}

// runs lets a unit run until stop is called or the test ends.
func runs(t *testing.T, u *unit) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func somewhere(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.190.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// bound says that somebody serves at an address.
func bound(at netip.AddrPort) bool {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err == nil {
		c.Close()
	}
	return err != nil
}

// TestAUnitPassesOn: from who ends to who waits, and its sockets with it.
func TestAUnitPassesOn(t *testing.T) {
	store, at := newFailing(), somewhere(t)
	stop := runs(t, unitAt(t, "a", at, store))
	storagetest.Eventually(t, "a serves", func() bool { return bound(at) })
	runs(t, unitAt(t, "b", at, store))
	stop()
	storagetest.Eventually(t, "b serves", func() bool { return bound(at) })
	if _, err := store.Memory.Acquire(t.Context(), "c", time.Hour); !errors.Is(err, storage.ErrHeld) {
		t.Errorf("Acquire: %v", err)
	}
}

// TestAUnitThatCannotBindLetsGo, and serves once it can.
func TestAUnitThatCannotBindLetsGo(t *testing.T) {
	store, at := newFailing(), somewhere(t)
	other, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	runs(t, unitAt(t, "a", at, store))
	<-store.asked
	storagetest.Eventually(t, "another gets the lease", func() bool {
		epoch, err := store.Memory.Acquire(t.Context(), "b", time.Hour)
		return err == nil && store.Release(t.Context(), epoch, "", 0) == nil
	})
	other.Close()
	storagetest.Eventually(t, "a serves", func() bool {
		_, err := store.Memory.Acquire(t.Context(), "b", time.Millisecond)
		return errors.Is(err, storage.ErrHeld) && bound(at)
	})
}

// TestAFencedUnitLetsGo of its sockets, without being told but by its lease.
func TestAFencedUnitLetsGo(t *testing.T) {
	store, at := newFailing(), somewhere(t)
	runs(t, unitAt(t, "a", at, store))
	storagetest.Eventually(t, "a serves", func() bool { return bound(at) })
	epoch, err := store.Own(t.Context(), "b")
	if err != nil || store.Renew(t.Context(), epoch, time.Hour) != nil {
		t.Fatal(err)
	}
	storagetest.Eventually(t, "a has let go", func() bool { return !bound(at) })
}

// TestCallsGoOnWithoutTheStore: its silence takes nothing from the owner, and calls
// that could not be read at first are read when it answers.
func TestCallsGoOnWithoutTheStore(t *testing.T) {
	store, at := newFailing(), somewhere(t)
	store.scan.Store(3)
	runs(t, unitAt(t, "a", at, store))
	storagetest.Eventually(t, "the calls are read", func() bool { return store.scans.Load() == 4 })
	silence := errors.New("no answer")
	store.renew.Store(&silence)
	h := newHold(store, 1, func() {}, func() { t.Error("lost") })
	h.until.Store(-1)
	if !h.speaks() || h.late() {
		t.Error("nobody answers, so nobody else has the unit")
	}
	if !bound(at) {
		t.Error("a does not serve")
	}
}

// TestWhoStoodStillAsksFirst: before anything is said, and once.
func TestWhoStoodStillAsksFirst(t *testing.T) {
	store := newFailing()
	first, err := store.Own(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	h := newHold(store, first, func() {}, func() { lost++ })
	if !h.speaks() {
		t.Fatal("the owner does not speak")
	}
	if _, err := store.Own(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	h.until.Store(-1)
	for range 2 {
		if h.speaks() {
			t.Error("who was fenced speaks")
		}
	}
	if lost != 1 {
		t.Errorf("told %d times", lost)
	}
}

// TestALostLeaseIsTakenUpAgain: the store has forgotten everything.
func TestALostLeaseIsTakenUpAgain(t *testing.T) {
	store := newFailing()
	lost := storage.ErrLost
	store.renew.Store(&lost)
	told := 0
	h := newHold(store, 1, func() { told++ }, func() { t.Error("fenced") })
	h.until.Store(-1)
	if !h.speaks() || told != 1 {
		t.Errorf("told %d times", told)
	}
}

// TestAUnitWaitsForItsStore: Redis is not there when the node starts.
func TestAUnitWaitsForItsStore(t *testing.T) {
	server := storagetest.StartRedis(t)
	server.Kill()
	store, err := storage.NewRedis(storage.RedisOptions{Addresses: []string{server.Address}, Unit: "u"})
	if err != nil {
		t.Fatal(err)
	}
	at := somewhere(t)
	stop := runs(t, unitAt(t, "a", at, store))
	if bound(at) {
		t.Error("the unit serves without a lease")
	}
	server.Start()
	storagetest.Eventually(t, "a serves", func() bool { return bound(at) })
	server.Freeze()
	stop() // does not wait for the store for long
	server.Thaw()
}

// Two nodes of one name take the unit from each other, and say what is wrong.
func TestTwoNodesOfOneName(t *testing.T) {
	store := newFailing()
	lines, seen := observer.New(zap.ErrorLevel)
	u, _, _, _ := calling(t, "", store, time.Second)
	u.log = zap.New(lines)
	runs(t, u)
	storagetest.Eventually(t, "the first serves", func() bool { return store.scans.Load() == 1 })
	other, _, _, _ := calling(t, "", store, time.Second)
	runs(t, other)
	storagetest.Eventually(t, "the first says what is wrong", func() bool {
		for _, l := range seen.All() {
			if strings.Contains(l.Message, "under the name of this node") && l.ContextMap()["node"] == "a" {
				return true
			}
		}
		return false
	})
}
