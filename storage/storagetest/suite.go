// Package storagetest holds every implementation of storage.Store to the same
// suite.
package storagetest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"bulkhead/storage"
)

// Clock is the time by which the store under test expires records. Simulated ones
// jump; real ones go on by themselves, and their Advance does nothing.
type Clock interface {
	Now() time.Time
	Advance(time.Duration)
}

// Suite runs every test on stores that make returns, each of them empty.
func Suite(t *testing.T, make func(t *testing.T) (storage.Store, Clock)) {
	for name, test := range map[string]func(*testing.T, storage.Store, Clock){
		"PutGet":                testPutGet,
		"VersionNeverGoesBack":  testVersion,
		"OldEpochIsFenced":      testFence,
		"TombstoneStays":        testTombstone,
		"EndAppendsOnce":        testEndOnce,
		"ScanSeesLiveCalls":     testScan,
		"DetailsTakenOnce":      testDetails,
		"RecordsExpire":         testExpire,
		"CallerKeepsItsMemory":  testMemory,
		"CancelledContextFails": testContext,
		"ManyWriters":           testWriters,
		"ReclaimAfterLoss":      testReclaim,
		"Lease":                 testLease,
		"Assembly":              testAssembly,
		"Orders":                testOrders,
	} {
		t.Run(name, func(t *testing.T) {
			s, clock := make(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			test(t, s, clock)
		})
	}
}

// Eventually waits until is holds.
func Eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func own(t *testing.T, s storage.Store, node string) uint64 {
	t.Helper()
	epoch, err := s.Own(context.Background(), node)
	if err != nil {
		t.Fatalf("Own: %v", err)
	}
	return epoch
}

func item(c Clock, id string, version uint64, data string) storage.Item {
	return storage.Item{ID: id, Version: version, Data: []byte(data), Expires: c.Now().Add(time.Hour)}
}

func put(t *testing.T, s storage.Store, epoch uint64, items ...storage.Item) {
	t.Helper()
	if err := s.Write(context.Background(), epoch, storage.Batch{Puts: items}); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

// end ends one call.
func end(s storage.Store, epoch uint64, tombstone storage.Item, detail string) error {
	return s.Write(context.Background(), epoch, storage.Batch{
		Ends: []storage.Ending{{Tombstone: tombstone, Detail: []byte(detail)}}})
}

func want(t *testing.T, s storage.Store, id, data string, wantErr error) {
	t.Helper()
	it, err := s.Get(context.Background(), id)
	if !errors.Is(err, wantErr) {
		t.Fatalf("Get(%s): error %v, want %v", id, err, wantErr)
	}
	if string(it.Data) != data {
		t.Fatalf("Get(%s) = %q, want %q", id, it.Data, data)
	}
}

func testPutGet(t *testing.T, s storage.Store, c Clock) {
	e := own(t, s, "a")
	put(t, s, e, item(c, "x", 1, "one"), item(c, "y", 1, "two"))
	want(t, s, "x", "one", nil)
	want(t, s, "y", "two", nil)
	want(t, s, "z", "", storage.ErrNotFound)
}

func testVersion(t *testing.T, s storage.Store, c Clock) {
	e := own(t, s, "a")
	put(t, s, e, item(c, "x", 5, "five"))
	put(t, s, e, item(c, "x", 4, "four"), item(c, "y", 1, "y"))
	want(t, s, "x", "five", nil)
	want(t, s, "y", "y", nil)
	put(t, s, e, item(c, "x", 5, "again"))
	want(t, s, "x", "five", nil)
	put(t, s, e, item(c, "x", 6, "six"))
	want(t, s, "x", "six", nil)
}

func testFence(t *testing.T, s storage.Store, c Clock) {
	old := own(t, s, "a")
	put(t, s, old, item(c, "x", 1, "one"))
	e := own(t, s, "b")
	if e <= old {
		t.Fatalf("epoch %d after %d", e, old)
	}
	ctx := context.Background()
	if err := s.Write(ctx, old, storage.Batch{Puts: []storage.Item{item(c, "x", 2, "two"), item(c, "y", 1, "y")}}); !errors.Is(err, storage.ErrFenced) {
		t.Fatalf("Put of an old epoch: %v", err)
	}
	if err := end(s, old, item(c, "x", 3, "end"), "detail"); !errors.Is(err, storage.ErrFenced) {
		t.Fatalf("End of an old epoch: %v", err)
	}
	want(t, s, "x", "one", nil)
	want(t, s, "y", "", storage.ErrNotFound)
	put(t, s, e, item(c, "x", 2, "new owner"))
	want(t, s, "x", "new owner", nil)
}

func testTombstone(t *testing.T, s storage.Store, c Clock) {
	e := own(t, s, "a")
	put(t, s, e, item(c, "x", 1, "one"))
	if err := end(s, e, item(c, "x", 2, "tombstone"), "detail"); err != nil {
		t.Fatalf("End: %v", err)
	}
	put(t, s, e, item(c, "x", 9, "from the dead"), item(c, "y", 1, "y"))
	want(t, s, "x", "tombstone", storage.ErrEnded)
	want(t, s, "y", "y", nil)
}

func testEndOnce(t *testing.T, s storage.Store, c Clock) {
	e := own(t, s, "a")
	put(t, s, e, item(c, "x", 1, "one"))
	if err := end(s, e, item(c, "x", 2, "t"), "detail"); err != nil {
		t.Fatalf("End: %v", err)
	}
	if err := end(s, e, item(c, "x", 3, "t"), "second"); err != nil {
		t.Fatalf("End again: %v", err)
	}
	e = own(t, s, "b")
	if err := end(s, e, item(c, "x", 4, "t"), "third"); err != nil {
		t.Fatalf("End by the next owner: %v", err)
	}
	// A call that was never stored (the store was down) is ended all the same.
	if err := end(s, e, item(c, "y", 1, "t"), "unstored"); err != nil {
		t.Fatalf("End of a call never stored: %v", err)
	}
	if got := details(t, s); !slices.Equal(got, []string{"detail", "unstored"}) {
		t.Fatalf("details %q", got)
	}
}

func details(t *testing.T, s storage.Store) (list []string) {
	t.Helper()
	if err := s.Details(context.Background(), func(_ string, d []byte) error {
		list = append(list, string(d))
		return nil
	}); err != nil {
		t.Fatalf("Details: %v", err)
	}
	return list
}

func testScan(t *testing.T, s storage.Store, c Clock) {
	e := own(t, s, "a")
	for i := range 300 {
		put(t, s, e, item(c, strconv.Itoa(i), 1, "call "+strconv.Itoa(i)))
	}
	for i := range 100 {
		if err := end(s, e, item(c, strconv.Itoa(i), 2, "t"), ""); err != nil {
			t.Fatalf("End: %v", err)
		}
	}
	seen := map[string]string{}
	if err := s.Scan(context.Background(), func(it storage.Item) error {
		if _, twice := seen[it.ID]; twice {
			t.Errorf("%s seen twice", it.ID)
		}
		seen[it.ID] = string(it.Data)
		return nil
	}); err != nil {
		t.Fatalf("Scan: %v", err)
	}
	if len(seen) != 200 || seen["250"] != "call 250" {
		t.Fatalf("%d seen, 250 is %q", len(seen), seen["250"])
	}
	stop := errors.New("stop")
	if err := s.Scan(context.Background(), func(storage.Item) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("Scan with an error: %v", err)
	}
}

func testDetails(t *testing.T, s storage.Store, c Clock) {
	e := own(t, s, "a")
	for _, id := range []string{"1", "2", "3"} {
		if err := end(s, e, item(c, id, 1, "t"), id); err != nil {
			t.Fatalf("End: %v", err)
		}
	}
	disk := errors.New("disk full")
	var taken []string
	err := s.Details(context.Background(), func(id string, d []byte) error {
		if string(d) != id {
			t.Errorf("detail %q of call %q", d, id)
		}
		if string(d) == "2" {
			return disk
		}
		taken = append(taken, string(d))
		return nil
	})
	if !errors.Is(err, disk) || !slices.Equal(taken, []string{"1"}) {
		t.Fatalf("taken %q, error %v", taken, err)
	}
	if got := details(t, s); !slices.Equal(got, []string{"2", "3"}) {
		t.Fatalf("then %q", got)
	}
	if got := details(t, s); len(got) != 0 {
		t.Fatalf("then %q", got)
	}
}

func testExpire(t *testing.T, s storage.Store, c Clock) {
	e := own(t, s, "a")
	soon := item(c, "x", 1, "one")
	soon.Expires = c.Now().Add(200 * time.Millisecond)
	grave := item(c, "z", 1, "t")
	grave.Expires = soon.Expires
	put(t, s, e, soon, item(c, "y", 1, "y"))
	if err := end(s, e, grave, ""); err != nil {
		t.Fatalf("End: %v", err)
	}
	c.Advance(time.Second)
	for _, id := range []string{"x", "z"} {
		Eventually(t, id+" expires", func() bool {
			_, err := s.Get(context.Background(), id)
			return errors.Is(err, storage.ErrNotFound)
		})
	}
	want(t, s, "y", "y", nil)
	put(t, s, e, item(c, "y", 2, "y2"))
	n := 0
	if err := s.Scan(context.Background(), func(storage.Item) error { n++; return nil }); err != nil || n != 1 {
		t.Fatalf("Scan sees %d, %v", n, err)
	}
}

func testReclaim(t *testing.T, s storage.Store, c Clock) {
	ctx := context.Background()
	e := own(t, s, "a")
	if err := s.Reclaim(ctx, "a", e); err != nil {
		t.Fatalf("Reclaim of what is mine: %v", err)
	}
	if err := s.Reclaim(ctx, "b", e-1); !errors.Is(err, storage.ErrFenced) {
		t.Fatalf("Reclaim of an old epoch: %v", err)
	}
	// An epoch that the store does not know: it has forgotten it.
	if err := s.Write(ctx, e+7, storage.Batch{Puts: []storage.Item{item(c, "x", 1, "one")}}); !errors.Is(err, storage.ErrLost) {
		t.Fatalf("Write of a lost epoch: %v", err)
	}
	if err := end(s, e+7, item(c, "x", 1, "t"), "d"); !errors.Is(err, storage.ErrLost) {
		t.Fatalf("End of a lost epoch: %v", err)
	}
	want(t, s, "x", "", storage.ErrNotFound)
	if err := s.Reclaim(ctx, "a", e+7); err != nil {
		t.Fatalf("Reclaim: %v", err)
	}
	put(t, s, e+7, item(c, "x", 1, "one"))
	if err := end(s, e, item(c, "x", 1, "t"), "d"); !errors.Is(err, storage.ErrFenced) {
		t.Fatalf("End of an old epoch: %v", err)
	}
	if next := own(t, s, "b"); next <= e+7 {
		t.Fatalf("epoch %d after %d", next, e+7)
	}
}

func testMemory(t *testing.T, s storage.Store, c Clock) {
	e := own(t, s, "a")
	it := item(c, "x", 1, "one")
	put(t, s, e, it)
	it.Data[0] = '!'
	got, err := s.Get(context.Background(), "x")
	if err != nil || string(got.Data) != "one" {
		t.Fatalf("%q, %v", got.Data, err)
	}
	got.Data[0] = '?'
	want(t, s, "x", "one", nil)
}

func testContext(t *testing.T, s storage.Store, c Clock) {
	e := own(t, s, "a")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Write(ctx, e, storage.Batch{Puts: []storage.Item{item(c, "x", 1, "one")}}); !errors.Is(err, context.Canceled) {
		t.Fatalf("Put: %v", err)
	}
	want(t, s, "x", "", storage.ErrNotFound)
}

func testWriters(t *testing.T, s storage.Store, c Clock) {
	e := own(t, s, "a")
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for v := uint64(1); v <= 50; v++ {
				it := item(c, "shared", v*8+uint64(w), strconv.FormatUint(v*8+uint64(w), 10))
				if err := s.Write(context.Background(), e, storage.Batch{Puts: []storage.Item{it}}); err != nil {
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
	wg.Wait()
	want(t, s, "shared", strconv.Itoa(50*8+7), nil)
}
