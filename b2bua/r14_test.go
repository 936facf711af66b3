package b2bua_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/storage"
)

// away is a store that does not answer, once it is away.
type away struct {
	*storage.Memory
	is atomic.Bool
}

func (a *away) Get(ctx context.Context, id string) (storage.Item, error) {
	if err := a.hangs(ctx); err != nil {
		return storage.Item{}, err
	}
	return a.Memory.Get(ctx, id)
}

func (a *away) Write(ctx context.Context, epoch uint64, b storage.Batch) error {
	if err := a.hangs(ctx); err != nil {
		return err
	}
	return a.Memory.Write(ctx, epoch, b)
}

func (a *away) hangs(ctx context.Context) error {
	if a.is.Load() {
		<-ctx.Done()
	}
	return ctx.Err()
}

// TestR14_AnOutageAfterATakeoverDelaysNoCall: for some time after a takeover each new
// call is looked for among those that have ended. A store that is known to be away is
// not asked; while live calls may still be in it, it is.
func TestR14_AnOutageAfterATakeoverDelaysNoCall(t *testing.T) {
	for _, c := range []struct {
		name string
		read bool // all live calls have been
		want time.Duration
	}{{"all calls read", true, 0}, {"still reading", false, time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &away{Memory: storage.NewMemory(time.Now)}
				n := takes(t, store, "b", nil)
				n.engine.Load(store)
				defer n.serves()()
				if c.read {
					n.restores()
				}
				store.is.Store(true)
				defer store.is.Store(false)
				n.writer.Put(storage.Item{ID: "another", Version: 1}, func(error) {})
				<-time.After(2 * time.Second)
				if !n.writer.Degraded() {
					t.Fatal("nobody has noticed that the store is away")
				}
				began := time.Now()
				sent := n.trunk(invited...)
				for len(sent) == 0 && time.Since(began) < time.Minute {
					<-time.After(time.Millisecond)
					sent = n.net.take()
				}
				took := time.Since(began)
				if took < c.want || took > c.want+10*time.Millisecond || !strings.Contains(strings.Join(firsts(sent), " "), "INVITE") {
					t.Errorf("%q after %v, want the INVITE after %v", firsts(sent), took, c.want)
				}
			})
		})
	}
}
