package storage_test

import (
	"fmt"
	"testing"
	"time"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// BenchmarkWrite writes new states of calls that the store has, so many in a batch,
// and prints what each costs on either side.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1, 4, 16, 128} {
		b.Run(fmt.Sprintf("calls=%d", n), func(b *testing.B) {
			server := storagetest.StartRedis(b)
			r := connect(b, at(server))
			epoch := own(b, r, "a")
			const calls = 4096 // live at a time
			data := make([]byte, recordSize)
			var batch storage.Batch
			version := uint64(0)
			puts := func(from, n int) {
				batch.Puts = batch.Puts[:0]
				for i := range n {
					batch.Puts = append(batch.Puts, storage.Item{ID: fmt.Sprintf("%026d", (from+i)%calls), Version: version,
						Data: data, Expires: time.Now().Add(time.Hour)})
				}
				write(b, r, epoch, batch)
			}
			version = 1
			for at := 0; at < calls; at += 128 {
				puts(at, 128)
			}
			goTime, redisTime := ownCPU(), redisCPU(server)
			at, writes := 0, 0
			for b.Loop() {
				if at%calls < n {
					version++
				}
				puts(at, n)
				at, writes = (at+n)%calls, writes+n
			}
			b.ReportMetric(float64((ownCPU()-goTime).Nanoseconds())/1e3/float64(writes), "µs-Go-CPU/write")
			b.ReportMetric((redisCPU(server)-redisTime)/float64(writes), "µs-Redis-CPU/write")
		})
	}
}
