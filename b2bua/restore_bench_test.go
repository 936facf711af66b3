package b2bua_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"bulkhead/b2bua"
	"bulkhead/carriers"
	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// BenchmarkTakeover is what the next owner of a unit does before it has all of its calls:
// confirmed ones, at rest, are read from a Redis on this machine, counted, and armed.
func BenchmarkTakeover(b *testing.B) {
	k := &shelf{}
	p := newPipe(b, k, nil)
	p.setUp(b, 0)
	// What a takeover finds of nearly all calls is the record that they were packed with.
	storagetest.Eventually(b, "the call that rests is packed", func() bool { return p.engine.Packed() == 1 })
	state := k.states[k.puts()-1]
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("calls=%d", n), func(b *testing.B) {
			server := storagetest.StartRedis(b)
			r, err := storage.NewRedis(storage.RedisOptions{Addresses: []string{server.Address}, Unit: "u1", Timeout: 10 * time.Second})
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			epoch, err := r.Own(b.Context(), "a")
			if err != nil {
				b.Fatal(err)
			}
			for i := 0; i < n; {
				var batch storage.Batch
				for ; len(batch.Puts) < 1000; i++ {
					batch.Puts = append(batch.Puts, copied(b, p.engine, state, uint64(i)))
				}
				if err := r.Write(b.Context(), epoch, batch); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				b.StopTimer()
				e := newPipe(b, &shelf{}, nil).engine
				b.StartTimer()
				got, err := e.Restoring(b.Context(), r, func(ctx context.Context, each func(storage.Item) error) error {
					return r.Scan(ctx, each)
				})
				if err != nil || got != n {
					b.Fatal(got, err)
				}
				b.StopTimer()
				if packed, used := e.Packed(), e.Used(carriers.Place{Kind: carriers.OfCarrier, Name: "tc1"}); packed != n || used != n {
					b.Fatalf("of %d calls %d rest as they are stored, and %d are counted", n, packed, used)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/takeover")
			b.ReportMetric(float64(len(state.Data)), "B/record")
		})
	}
}

// copied is the record of another call that stands where the first one does.
func copied(b *testing.B, e *b2bua.Engine, it storage.Item, n uint64) storage.Item {
	call, err := b2bua.Decode(it.Data, e.Profiles())
	if err != nil {
		b.Fatal(err)
	}
	binary.BigEndian.PutUint64(call.ID[:], n<<8|n&0xff) // the last byte is the shard
	call.Setup.Call = call.ID
	return storage.Item{ID: call.ID.String(), Version: it.Version, Data: call.Encode(nil), Expires: it.Expires}
}
