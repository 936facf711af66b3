package storage_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// wall is the real clock.
type wall struct{}

func (wall) Now() time.Time        { return time.Now() }
func (wall) Advance(time.Duration) {}

// connect makes a store in a Redis, with what is not said taken from a test's needs.
func connect(t testing.TB, o storage.RedisOptions) *storage.Redis {
	t.Helper()
	if o.Unit == "" {
		o.Unit = rand.Text()
	}
	r, err := storage.NewRedis(o)
	if err != nil {
		t.Fatalf("NewRedis: %v", err)
	}
	t.Cleanup(func() { _ = r.Close() }) // the suite has closed it already
	return r
}

func at(s *storagetest.Server) storage.RedisOptions {
	return storage.RedisOptions{Addresses: []string{s.Address}, Timeout: 2 * time.Second}
}

func TestMain(m *testing.M) {
	storage.LogRedis(nil)
	m.Run()
}

func TestRedis(t *testing.T) {
	server := storagetest.StartRedis(t)
	storagetest.Suite(t, func(t *testing.T) (storage.Store, storagetest.Clock) {
		return connect(t, at(server)), wall{}
	})
	// R15: what lives without end is what the unit itself needs.
	for key := range strings.FieldsSeq(server.Do("KEYS", "*")) {
		of := key[strings.LastIndex(key, "}:")+2:]
		switch of, _, _ = strings.Cut(of, ":"); of {
		case "epoch", "owner", "seq", "live", "cdr", "orders":
		default:
			if ttl := server.Do("PTTL", key); ttl == "-1" {
				t.Errorf("%s lives for ever", key)
			}
		}
	}
}

// What miniredis cannot: it is never full, it has no INFO, ACL or replica, and its TTLs
// move by hand. All scripts and the stream are the same.
func TestMiniredis(t *testing.T) {
	storagetest.Suite(t, func(t *testing.T) (storage.Store, storagetest.Clock) {
		m := miniredis.RunT(t)
		clock := &mini{m: m}
		clock.t = time.Now()
		m.SetTime(clock.t)
		return connect(t, storage.RedisOptions{Addresses: []string{m.Addr()}, Now: clock.Now}), clock
	})
}

type mini struct {
	jumping
	m *miniredis.Miniredis
}

func (c *mini) Advance(d time.Duration) {
	c.jumping.Advance(d)
	c.m.SetTime(c.Now())
	c.m.FastForward(d)
}

func call(id string, version uint64, size int) storage.Item {
	return storage.Item{ID: id, Version: version, Data: []byte(strings.Repeat("x", size)), Expires: time.Now().Add(time.Hour)}
}

func own(t testing.TB, s storage.Store, node string) uint64 {
	t.Helper()
	epoch, err := s.Own(context.Background(), node)
	if err != nil {
		t.Fatalf("Own: %v", err)
	}
	return epoch
}

func write(t testing.TB, s storage.Store, epoch uint64, b storage.Batch) {
	t.Helper()
	if err := s.Write(context.Background(), epoch, b); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

func details(t testing.TB, s storage.Store) (ids []string) {
	t.Helper()
	if err := s.Details(context.Background(), func(id string, _ []byte) error {
		ids = append(ids, id)
		return nil
	}); err != nil {
		t.Fatalf("Details: %v", err)
	}
	return ids
}

func scan(t testing.TB, s storage.Store) map[string]storage.Item {
	t.Helper()
	all := map[string]storage.Item{}
	if err := s.Scan(context.Background(), func(it storage.Item) error {
		all[it.ID] = it
		return nil
	}); err != nil {
		t.Fatalf("Scan: %v", err)
	}
	return all
}

// A promoted replica has no scripts: what failed is sent again, the rest is not.
func TestNOSCRIPT(t *testing.T) {
	server := storagetest.StartRedis(t)
	r := connect(t, at(server))
	e := own(t, r, "a")
	for range 3 {
		server.Do("SCRIPT", "FLUSH")
		var b storage.Batch
		for i := range 300 {
			b.Puts = append(b.Puts, call(fmt.Sprint("p", i), uint64(time.Now().UnixMicro()), 10))
			b.Ends = append(b.Ends, storage.Ending{Tombstone: call(rand.Text(), 1, 10), Detail: []byte("d")})
		}
		write(t, r, e, b)
	}
	if n := len(scan(t, r)); n != 300 {
		t.Errorf("%d live calls", n)
	}
	if n := len(details(t, r)); n != 900 {
		t.Errorf("%d details", n)
	}
}

// An owner whose Redis was emptied is told so; of two that come back the later one
// stays, in whatever order.
func TestEmptyRedis(t *testing.T) {
	server := storagetest.StartRedis(t)
	o := at(server)
	o.Unit = "u"
	a, b := connect(t, o), connect(t, o)
	ctx := context.Background()
	for _, oldFirst := range []bool{true, false} {
		old := own(t, a, "a")
		e := own(t, b, "b")
		write(t, b, e, storage.Batch{Puts: []storage.Item{call("x", 1, 10)}})
		server.Do("FLUSHALL")
		if err := b.Write(ctx, e, storage.Batch{Puts: []storage.Item{call("y", 1, 10)}}); !errors.Is(err, storage.ErrLost) {
			t.Fatalf("Write to an emptied Redis: %v", err)
		}
		if oldFirst {
			if err := a.Reclaim(ctx, "a", old); err != nil {
				t.Fatalf("Reclaim by who thinks it is the owner: %v", err)
			}
		}
		if err := b.Reclaim(ctx, "b", e); err != nil {
			t.Fatalf("Reclaim: %v", err)
		}
		if err := a.Reclaim(ctx, "a", old); !errors.Is(err, storage.ErrFenced) {
			t.Fatalf("Reclaim of an old epoch: %v", err)
		}
		write(t, b, e, storage.Batch{Puts: []storage.Item{call("x", 1, 10)}})
		// Who takes the unit from an emptied Redis is above all before.
		server.Do("FLUSHALL")
		if next := own(t, a, "a"); next <= e {
			t.Fatalf("epoch %d after %d", next, e)
		}
		if err := b.Write(ctx, e, storage.Batch{Puts: []storage.Item{call("x", 2, 10)}}); !errors.Is(err, storage.ErrFenced) {
			t.Fatalf("Write of an old epoch: %v", err)
		}
	}
}

// A replica that lagged behind its master has the epoch, but not the last writes.
func TestConfirmedWritesAreMissed(t *testing.T) {
	server := storagetest.StartRedis(t)
	o := at(server)
	o.Unit, o.Prefix = "u", "test:"
	r := connect(t, o)
	e := own(t, r, "a")
	write(t, r, e, storage.Batch{Puts: []storage.Item{call("x", 1, 10)}})
	seq := server.Do("GET", "test:{u}:seq")
	write(t, r, e, storage.Batch{Puts: []storage.Item{call("x", 2, 10)}})
	server.Do("SET", "test:{u}:seq", seq)
	for _, b := range []storage.Batch{{Puts: []storage.Item{call("x", 3, 10)}}, {Ends: []storage.Ending{{Tombstone: call("x", 3, 10)}}}} {
		if err := r.Write(context.Background(), e, b); !errors.Is(err, storage.ErrLost) {
			t.Fatalf("Write: %v", err)
		}
	}
	if err := r.Reclaim(context.Background(), "a", e); err != nil {
		t.Fatalf("Reclaim: %v", err)
	}
	write(t, r, e, storage.Batch{Puts: []storage.Item{call("x", 3, 10)}})
}

// In lease mode nobody takes a unit from a new or emptied Redis before an owner that
// lives could come back to it.
func TestLeaseOfAnEmptiedRedis(t *testing.T) {
	server := storagetest.StartRedis(t)
	o := at(server)
	o.Unit = "u"
	a, b := connect(t, o), connect(t, o)
	ctx := context.Background()
	var e uint64
	storagetest.Eventually(t, "a has the lease", func() bool {
		var err error
		e, err = a.Acquire(ctx, "a", 50*time.Millisecond)
		return err == nil
	})
	if err := a.Renew(ctx, e, time.Hour); err != nil && !errors.Is(err, storage.ErrLost) {
		t.Fatal(err)
	}
	server.Do("FLUSHALL")
	for range 2 {
		if _, err := b.Acquire(ctx, "b", time.Hour); !errors.Is(err, storage.ErrHeld) {
			t.Fatalf("Acquire: %v", err)
		}
	}
	if err := a.Renew(ctx, e, time.Hour); !errors.Is(err, storage.ErrLost) {
		t.Fatalf("Renew: %v", err)
	}
	if err := a.Reclaim(ctx, "a", e); err != nil {
		t.Fatalf("Reclaim: %v", err)
	}
	if _, err := b.Acquire(ctx, "b", time.Hour); !errors.Is(err, storage.ErrHeld) {
		t.Fatalf("Acquire after Reclaim: %v", err)
	}
}

// A full Redis takes ends, with their details, and the states of calls that it has;
// it refuses new calls by name.
func TestFullRedis(t *testing.T) {
	server := storagetest.StartRedis(t, "--maxmemory", "5mb", "--maxmemory-policy", "noeviction")
	r := connect(t, at(server))
	ctx := context.Background()
	e := own(t, r, "a")
	var stored []string
	var full *storage.FullError
	// What a command carries counts too: at last they are as small as those below.
	for size := 50; size > 2 || full == nil; {
		if full != nil {
			full, size = nil, max(size/2, 2)
		}
		var b storage.Batch
		for range size {
			b.Puts = append(b.Puts, call(rand.Text(), 1, 2000))
		}
		if err := r.Write(ctx, e, b); err != nil && !errors.As(err, &full) {
			t.Fatalf("Write: %v", err)
		}
		if full != nil {
			if !errors.Is(full, storage.ErrFull) || len(full.IDs) != size {
				t.Fatalf("%v, %q", full, full.IDs)
			}
			continue
		}
		for _, it := range b.Puts {
			stored = append(stored, it.ID)
		}
	}
	t.Logf("%d calls of 2,000 bytes fill 5 MB", len(stored))
	// Mixed: the new one is refused, in whatever place, the others are written.
	b := storage.Batch{Puts: []storage.Item{call(stored[0], 2, 2100), call("new", 1, 2000), call(stored[1], 2, 2100)}}
	if err := r.Write(ctx, e, b); !errors.As(err, &full) || len(full.IDs) != 1 || full.IDs[0] != "new" {
		t.Fatalf("Write: %v", err)
	}
	for _, id := range stored[:2] {
		if it, err := r.Get(ctx, id); err != nil || it.Version != 2 {
			t.Fatalf("Get: %v, %v", it.Version, err)
		}
	}
	// Ends, also of a call that Redis refused; the next node takes over.
	b = storage.Batch{Ends: []storage.Ending{{Tombstone: call("new", 2, 100), Detail: []byte("d")}}}
	for _, id := range stored {
		b.Ends = append(b.Ends, storage.Ending{Tombstone: call(id, 3, 100), Detail: []byte("d")})
	}
	write(t, r, e, storage.Batch{Ends: b.Ends[:1]})
	e = own(t, r, "b")
	write(t, r, e, b)
	if n := len(details(t, r)); n != len(stored)+1 {
		t.Fatalf("%d details of %d", n, len(stored)+1)
	}
	if n := len(scan(t, r)); n != 0 {
		t.Fatalf("%d live calls", n)
	}
	write(t, r, e, storage.Batch{Puts: []storage.Item{call("after", 1, 2000)}})
}

func TestInspect(t *testing.T) {
	server := storagetest.StartRedis(t, "--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru")
	r := connect(t, at(server))
	s, err := r.Inspect(context.Background())
	if err != nil || s.Most != 50<<20 || s.Memory == 0 || s.Replicas != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	if f := s.Faults(); len(f) != 1 || !strings.Contains(f[0], "allkeys-lru") {
		t.Fatalf("faults %q", f)
	}
	if f := (storage.Server{Version: "6.0.16", Policy: "noeviction"}).Faults(); len(f) != 1 {
		t.Fatalf("faults %q", f)
	}
}

func TestBeat(t *testing.T) {
	server := storagetest.StartRedis(t)
	o := at(server)
	o.Unit = "u"
	a, b := connect(t, o), connect(t, o)
	ctx := context.Background()
	if _, err := a.Beat(ctx, "a", time.Minute); err != nil {
		t.Fatal(err)
	}
	nodes, err := b.Beat(ctx, "b", time.Minute)
	if err != nil || len(nodes) != 2 {
		t.Fatalf("%v, %v", nodes, err)
	}
	storagetest.Eventually(t, "a is forgotten", func() bool {
		nodes, err := b.Beat(ctx, "b", 20*time.Millisecond)
		return err == nil && len(nodes) == 1 && nodes[0].Name == "b"
	})
}

// What expires leaves the index too: by the next write.
func TestIndexIsSwept(t *testing.T) {
	server := storagetest.StartRedis(t)
	o := at(server)
	o.Unit = "u"
	r := connect(t, o)
	e := own(t, r, "a")
	soon := call("x", 1, 10)
	soon.Expires = time.Now().Add(50 * time.Millisecond)
	write(t, r, e, storage.Batch{Puts: []storage.Item{soon}})
	n := uint64(0)
	storagetest.Eventually(t, "the index is swept", func() bool {
		n++
		write(t, r, e, storage.Batch{Puts: []storage.Item{call("y", n, 10)}})
		return server.Do("ZCARD", "bulkhead:{u}:live") == "1"
	})
	write(t, r, e, storage.Batch{Ends: []storage.Ending{{Tombstone: call("y", n, 0)}}})
	if n := server.Do("ZCARD", "bulkhead:{u}:live"); n != "0" {
		t.Fatalf("%s calls in the index", n)
	}
}

// A record that cannot be read hides no other.
func TestUnreadableRecord(t *testing.T) {
	server := storagetest.StartRedis(t)
	o := at(server)
	o.Unit = "u"
	r := connect(t, o)
	e := own(t, r, "a")
	write(t, r, e, storage.Batch{Puts: []storage.Item{call("x", 1, 10), call("y", 1, 10), call("z", 1, 10)}})
	server.Do("SET", "bulkhead:{u}:call:y", "from tomorrow")
	seen := 0
	err := r.Scan(context.Background(), func(storage.Item) error { seen++; return nil })
	if !errors.Is(err, storage.ErrUnreadable) || seen != 2 {
		t.Fatalf("%d seen, %v", seen, err)
	}
	if _, err := r.Get(context.Background(), "y"); !errors.Is(err, storage.ErrUnreadable) {
		t.Fatalf("Get: %v", err)
	}
	write(t, r, e, storage.Batch{Puts: []storage.Item{call("y", 1, 10)}})
	if len(scan(t, r)) != 3 {
		t.Fatal("what its owner writes again is there")
	}
}
