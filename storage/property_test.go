package storage_test

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// model is what a store should be, said as simply as it can be.
type model struct {
	epoch   uint64
	live    map[string]uint64 // version
	ended   map[string]uint64
	details []string
}

func (m *model) write(epoch uint64, b storage.Batch) error {
	if epoch < m.epoch {
		return storage.ErrFenced
	}
	if epoch > m.epoch {
		return storage.ErrLost
	}
	for _, it := range b.Puts {
		if _, over := m.ended[it.ID]; !over && it.Version > m.live[it.ID] {
			m.live[it.ID] = it.Version
		}
	}
	for _, e := range b.Ends {
		if _, over := m.ended[e.Tombstone.ID]; !over {
			delete(m.live, e.Tombstone.ID)
			m.ended[e.Tombstone.ID] = e.Tombstone.Version
			m.details = append(m.details, string(e.Detail))
		}
	}
	return nil
}

// Several nodes own, write, repeat, reclaim and end in any order: the store is what the
// model is.
func agrees(t *testing.T, open func() []storage.Store) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		nodes := open()
		m := &model{live: map[string]uint64{}, ended: map[string]uint64{}}
		epochs := make([]uint64, len(nodes))
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		take := func(i int) {
			var err error
			epochs[i], err = nodes[i].Own(ctx, fmt.Sprint(i))
			must(err)
			if epochs[i] <= m.epoch {
				t.Fatalf("epoch %d after %d", epochs[i], m.epoch)
			}
			m.epoch = epochs[i]
		}
		for i := range nodes {
			take(i)
		}
		ids := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"})
		node := rapid.IntRange(0, len(nodes)-1)
		serial := 0
		t.Repeat(map[string]func(*rapid.T){
			"own": func(t *rapid.T) { take(node.Draw(t, "node")) },
			"reclaim": func(t *rapid.T) {
				i := node.Draw(t, "node")
				err := nodes[i].Reclaim(ctx, fmt.Sprint(i), epochs[i])
				if fenced := epochs[i] < m.epoch; fenced != errors.Is(err, storage.ErrFenced) || !fenced && err != nil {
					t.Fatalf("Reclaim of %d, %d is newest: %v", epochs[i], m.epoch, err)
				}
			},
			"lost": func(t *rapid.T) { // an epoch that the store has never heard of
				i := node.Draw(t, "node")
				epochs[i] = m.epoch + 3
				if err := nodes[i].Write(ctx, epochs[i], storage.Batch{Puts: []storage.Item{state("a", 99)}}); !errors.Is(err, storage.ErrLost) {
					t.Fatalf("Write: %v", err)
				}
				must(nodes[i].Reclaim(ctx, fmt.Sprint(i), epochs[i]))
				m.epoch = epochs[i]
			},
			"write": func(t *rapid.T) {
				var b storage.Batch
				for _, id := range rapid.SliceOfNDistinct(ids, 1, 5, rapid.ID[string]).Draw(t, "calls") {
					it := state(id, rapid.Uint64Range(1, 20).Draw(t, "version"))
					if rapid.IntRange(0, 3).Draw(t, "end") == 0 {
						serial++
						b.Ends = append(b.Ends, storage.Ending{Tombstone: it, Detail: fmt.Append(nil, id, serial)})
					} else {
						b.Puts = append(b.Puts, it)
					}
				}
				i := node.Draw(t, "node")
				for range rapid.IntRange(1, 3).Draw(t, "times") {
					err, want := nodes[i].Write(ctx, epochs[i], b), m.write(epochs[i], b)
					if !errors.Is(err, want) {
						t.Fatalf("Write of %d, %d is newest: %v, want %v", epochs[i], m.epoch, err, want)
					}
				}
			},
			"details": func(t *rapid.T) {
				got := []string{}
				must(nodes[node.Draw(t, "node")].Details(ctx, func(_ string, d []byte) error {
					got = append(got, string(d))
					return nil
				}))
				if !slices.Equal(got, m.details) {
					t.Fatalf("details %q, want %q", got, m.details)
				}
				m.details = nil
			},
			"": func(t *rapid.T) {
				got := map[string]uint64{}
				must(nodes[0].Scan(ctx, func(it storage.Item) error {
					got[it.ID] = it.Version
					if string(it.Data) != fmt.Sprint(it.Version) || time.Until(it.Expires) < 50*time.Minute {
						t.Fatalf("record %+v", it)
					}
					return nil
				}))
				if !maps.Equal(got, m.live) {
					t.Fatalf("%v live, want %v", got, m.live)
				}
				for id, version := range m.ended {
					if it, err := nodes[0].Get(ctx, id); !errors.Is(err, storage.ErrEnded) || it.Version != version {
						t.Fatalf("tombstone of %s: %+v, %v, want version %d", id, it, err, version)
					}
				}
			},
		})
	})
}

func TestMemoryAgreesWithModel(t *testing.T) {
	agrees(t, func() []storage.Store {
		m := storage.NewMemory(time.Now)
		return []storage.Store{m, m, m}
	})
}

func TestRedisAgreesWithModel(t *testing.T) {
	server := storagetest.StartRedis(t)
	agrees(t, func() []storage.Store {
		o := at(server)
		o.Unit = crand.Text()
		var nodes []storage.Store
		for range 3 {
			r, err := storage.NewRedis(o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			nodes = append(nodes, r)
		}
		return nodes
	})
}

// Whatever a record contains, reading it neither fails otherwise than by saying so nor
// hides another.
func FuzzRecord(f *testing.F) {
	server := storagetest.StartRedis(f)
	o := at(server)
	o.Unit = "u"
	r := connect(f, o)
	epoch := own(f, r, "a")
	write(f, r, epoch, storage.Batch{Puts: []storage.Item{call("x", 1, 10), call("good", 1, 10)}})
	for _, seed := range []string{"", "L", "E", "L0000000000000001000000000000", "E0000000000000001ffffffffffffdata",
		"L00000000000000zz000000000000", "Lffffffffffffffff000000000000", "M0000000000000001000000000000"} {
		f.Add([]byte(seed))
	}
	raw := redis.NewClient(&redis.Options{Addr: server.Address})
	f.Cleanup(func() { raw.Close() })
	version := uint64(1)
	f.Fuzz(func(t *testing.T, record []byte) {
		if err := raw.Set(context.Background(), "bulkhead:{u}:call:x", record, 0).Err(); err != nil {
			t.Fatal(err)
		}
		it, err := r.Get(context.Background(), "x")
		readable := err == nil || errors.Is(err, storage.ErrEnded)
		if !readable && !errors.Is(err, storage.ErrUnreadable) {
			t.Fatalf("Get: %v", err)
		}
		if readable && (it.ID != "x" || it.Version > storage.MaxVersion || len(it.Data) > len(record)) {
			t.Fatalf("Get: %+v", it)
		}
		seen := 0
		err = r.Scan(context.Background(), func(it storage.Item) error {
			if it.ID == "good" {
				seen++
			}
			return nil
		})
		if seen != 1 || err != nil && !errors.Is(err, storage.ErrUnreadable) {
			t.Fatalf("Scan: %d, %v", seen, err)
		}
		// The scripts read its head too. What is no record is written over.
		version++
		write(t, r, epoch, storage.Batch{Puts: []storage.Item{call("x", version, 10)}})
		if it, err := r.Get(context.Background(), "x"); !readable && !bytes.HasPrefix(record, []byte("E")) && (err != nil || it.Version != version) {
			t.Fatalf("Get after writing over it: %+v, %v", it, err)
		}
	})
}
