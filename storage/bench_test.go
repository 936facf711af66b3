package storage_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

const recordSize = 1700 // of a call with two legs

// BenchmarkWriter offers 25,000 writes/s, as 5,000 calls/s of five writes do, and 2,500,
// for three seconds, and prints what they waited and what they cost. Nobody waits for
// the second of a call and the fourth (what rings, what is acknowledged); the last is the
// end. Beside it stands how late the benchmark itself was woken: what the machine holds
// up, and what then comes all at once, is no store's to answer for.
func BenchmarkWriter(b *testing.B) {
	for _, rate := range []int{25_000, 2_500} {
		for _, replicas := range []int{0, 1} {
			b.Run(fmt.Sprintf("rate=%d/replicas=%d", rate, replicas), func(b *testing.B) { benchmarkWriter(b, rate, replicas) })
		}
	}
}

func benchmarkWriter(b *testing.B, rate, replicas int) {
	server := storagetest.StartRedis(b)
	o := at(server)
	if o.Replicas = replicas; replicas > 0 {
		storagetest.StartRedis(b, "--replicaof", "127.0.0.1", server.Port)
		storagetest.Eventually(b, "the replica is in step", func() bool {
			return strings.Contains(server.Do("INFO", "replication"), "state=online")
		})
	}
	r := connect(b, o)
	batches, calls := 0, 0
	w := storage.NewWriter(r, storage.WriterOptions{Node: "a", Epoch: own(b, r, "a"), Wait: time.Minute,
		Watch: storage.Watch{Wrote: func(n int, _ time.Duration, _ error) { batches++; calls += n }}})
	writes := 3 * rate
	data := make([]byte, recordSize)
	waits := make([]time.Duration, 0, writes)
	var mu sync.Mutex
	var pending sync.WaitGroup
	for b.Loop() {
		waits = waits[:0]
		goTime, redisTime := ownCPU(), redisCPU(server)
		start := time.Now()
		tick := time.NewTicker(time.Millisecond)
		sent := 0
		var late []time.Duration
		for sent < writes {
			late = append(late, time.Since(<-tick.C))
			for due := min(writes, int(time.Since(start).Seconds()*float64(rate))); sent < due; sent++ {
				at := time.Now()
				done := func(err error) {
					if err != nil {
						b.Error(err)
					}
					mu.Lock()
					waits = append(waits, time.Since(at))
					mu.Unlock()
					pending.Done()
				}
				// 1,000 calls at a time, each with its five writes in turn.
				round, call, step := sent/5000, sent%1000, sent/1000%5
				it := storage.Item{ID: fmt.Sprintf("%p-%d-%d", b, round, call), Version: uint64(step) + 1,
					Data: data, Expires: time.Now().Add(time.Hour)}
				if step == 1 || step == 3 {
					w.Put(it, nil)
					continue
				}
				pending.Add(1)
				if step < 4 {
					w.Put(it, done)
				} else {
					it.Data, it.Expires = data[:100], time.Now().Add(time.Minute)
					w.End(it, data[:800], done)
				}
			}
		}
		pending.Wait()
		tick.Stop()
		slices.Sort(waits)
		b.ReportMetric(float64(sent)/time.Since(start).Seconds(), "writes/s")
		b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "µs-p50")
		b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "µs-p99")
		slices.Sort(late)
		b.ReportMetric(float64(late[len(late)*99/100].Microseconds()), "µs-late-p99")
		b.ReportMetric(float64((ownCPU()-goTime).Microseconds())/float64(writes), "µs-Go-CPU/write")
		b.ReportMetric((redisCPU(server)-redisTime)/float64(writes), "µs-Redis-CPU/write")
		b.ReportMetric(float64(calls)/float64(batches), "calls/batch")
	}
	if err := w.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail for itself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// redisCPU is in microseconds.
func redisCPU(s *storagetest.Server) (sum float64) {
	for line := range strings.Lines(s.Do("INFO", "cpu")) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if key == "used_cpu_sys" || key == "used_cpu_user" {
			var seconds float64
			_, _ = fmt.Sscan(value, &seconds) // zero shows
			sum += seconds * 1e6
		}
	}
	return sum
}

// BenchmarkRestore reads all live calls, as after a takeover.
func BenchmarkRestore(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("calls=%d", n), func(b *testing.B) {
			server := storagetest.StartRedis(b)
			r := connect(b, at(server))
			epoch := own(b, r, "a")
			for i := 0; i < n; {
				var batch storage.Batch
				for ; len(batch.Puts) < 1000; i++ {
					batch.Puts = append(batch.Puts, call(fmt.Sprintf("%026d", i), 1, recordSize))
				}
				write(b, r, epoch, batch)
			}
			for b.Loop() {
				seen := 0
				if err := r.Scan(context.Background(), func(storage.Item) error { seen++; return nil }); err != nil || seen != n {
					b.Fatalf("%d, %v", seen, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/restore")
		})
	}
}

// BenchmarkReseed writes all live calls again to a Redis that has lost them.
func BenchmarkReseed(b *testing.B) {
	const n = 10_000
	server := storagetest.StartRedis(b)
	r := connect(b, at(server))
	items := make([]storage.Item, n)
	for i := range items {
		items[i] = call(fmt.Sprintf("%026d", i), 1, recordSize)
	}
	w := storage.NewWriter(r, storage.WriterOptions{Node: "a", Epoch: own(b, r, "a"), Wait: time.Minute,
		Live: func(each func(storage.Item)) {
			for _, it := range items {
				each(it)
			}
		}})
	version := uint64(0)
	for b.Loop() {
		server.Do("FLUSHALL")
		version++
		start := time.Now()
		if err := w.Save(call("new", version, recordSize)); err != nil {
			b.Fatal(err)
		}
		storagetest.Eventually(b, "all is written", func() bool { return w.Unprotected() == 0 })
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/10,000-calls")
	}
	if err := w.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}
