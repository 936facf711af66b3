package storage_test

import (
	"sync"
	"testing"
	"time"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// jumping is a clock that tests move.
type jumping struct {
	mu sync.Mutex
	t  time.Time
}

func (j *jumping) Now() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.t
}

func (j *jumping) Advance(d time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.t = j.t.Add(d)
}

func TestMemory(t *testing.T) {
	storagetest.Suite(t, func(*testing.T) (storage.Store, storagetest.Clock) {
		clock := &jumping{t: time.Unix(1e9, 0)}
		return storage.NewMemory(clock.Now), clock
	})
}
