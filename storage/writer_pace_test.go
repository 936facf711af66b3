package storage_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/storage"
)

// slow is a store that answers in time only if it is not given much at once.
type slow struct {
	*storage.Memory
	most   int
	failed int
}

func (s *slow) Write(ctx context.Context, epoch uint64, b storage.Batch) error {
	if len(b.Puts)+len(b.Ends) > s.most {
		s.failed++
		return errDown
	}
	return s.Memory.Write(ctx, epoch, b)
}

// What has gathered while a store was away it gets in batches that grow: one that is
// too slow for the largest catches up all the same, and soon.
func TestWriterFindsThePaceOfASlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 5000
		s := &slow{Memory: storage.NewMemory(time.Now), most: 200}
		w := storage.NewWriter(s, storage.WriterOptions{Node: "a", Epoch: own(t, s, "a"), Wait: budget})
		for i := range calls {
			w.Put(state(fmt.Sprint(i), 1), nil)
		}
		started := time.Now()
		if err := w.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(started); s.failed > calls/200 || took > time.Second {
			t.Errorf("%d batches were too large, %v in all", s.failed, took)
		}
	})
}
