package storage_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/storage"
)

// batches notes the batches that a writer writes: when, since the first, and how many
// calls are in it.
type batches struct {
	*storage.Memory
	first time.Time
	all   []string
}

func (b *batches) Write(ctx context.Context, epoch uint64, batch storage.Batch) error {
	if b.first.IsZero() {
		b.first = time.Now()
	}
	b.all = append(b.all, fmt.Sprintf("%v: %d", time.Since(b.first), len(batch.Puts)+len(batch.Ends)))
	return b.Memory.Write(ctx, epoch, batch)
}

// A call for itself is written at once. Calls that follow closely share a batch, which
// begins a moment after the one before; what is many is written without waiting.
func TestWriterGathersWhatIsFew(t *testing.T) {
	for _, c := range []struct {
		name  string
		calls []int // so many come at once, 300 µs after those before
		wait  time.Duration
		want  []string
	}{
		{"few", []int{1, 1, 2, 1, 1}, budget, []string{"0s: 1", "500µs: 1", "1ms: 3", "1.5ms: 1"}},
		// Two and fourteen are just enough: with more, the last may miss the batch that they begin.
		{"many", []int{1, 15, 2, 14}, budget, []string{"0s: 1", "500µs: 15", "900µs: 16"}},
		{"a small budget", []int{1, 1, 1, 1}, time.Millisecond, []string{"0s: 1", "300µs: 1", "600µs: 1", "900µs: 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &batches{Memory: storage.NewMemory(time.Now)}
				w := storage.NewWriter(s, storage.WriterOptions{Node: "a", Epoch: own(t, s, "a"), Wait: c.wait})
				n, told := 0, 0
				for _, calls := range c.calls {
					for range calls {
						n++
						w.Put(state(fmt.Sprint(n), 1), func(err error) {
							if err != nil {
								t.Error(err)
							}
							told++
						})
					}
					<-time.After(300 * time.Microsecond)
				}
				<-time.After(time.Second)
				synctest.Wait()
				if told != n || !slices.Equal(s.all, c.want) {
					t.Errorf("%d of %d calls in batches of\n%q, want\n%q", told, n, s.all, c.want)
				}
				if err := w.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Who stops does not wait for more.
func TestWriterClosesWithoutGathering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &batches{Memory: storage.NewMemory(time.Now)}
		w := storage.NewWriter(s, storage.WriterOptions{Node: "a", Epoch: own(t, s, "a"), Wait: budget})
		w.Put(state("1", 1), func(error) {})
		synctest.Wait()
		w.Put(state("2", 1), func(error) {})
		synctest.Wait()
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if want := []string{"0s: 1", "0s: 1"}; !slices.Equal(s.all, want) {
			t.Errorf("%q, want %q", s.all, want)
		}
	})
}
