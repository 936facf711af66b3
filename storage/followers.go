package storage

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// followers are the replicas that shall have a batch before it counts as written.
// Fewer in time are no failure: it is what a master without its replica can do. But
// then Redis notices the end of the time only every 100 ms, so a master that came short
// is not asked to wait again before it says that its replicas are there.
type followers struct {
	want int
	wait time.Duration
	now  func() time.Time

	mu    sync.Mutex
	short bool
	next  time.Time // until then a master that came short is left in peace
}

// lookAgain is how often a master that came short is looked at.
const lookAgain = time.Second

// ask adds what is to be asked to a pipeline, and returns what is to be done after it.
func (f *followers) ask(ctx context.Context, pipe redis.Pipeliner) (heard func()) {
	if f.want == 0 {
		return func() {}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.short {
		said := pipe.Do(ctx, "WAIT", f.want, f.wait.Milliseconds())
		return func() {
			if n, err := said.Int(); err == nil {
				f.set(n < f.want)
			}
		}
	}
	if f.now().Before(f.next) {
		return func() {}
	}
	f.next = f.now().Add(lookAgain)
	said := pipe.Info(ctx, "replication")
	return func() {
		if said.Err() == nil {
			f.set(inStep(said.Val()) < f.want)
		}
	}
}

func (f *followers) set(short bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.short = short
	f.next = f.now().Add(lookAgain)
}

// inStep counts the replicas that are online and were heard of within a second.
func inStep(info string) (n int) {
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if _, err := strconv.Atoi(strings.TrimPrefix(key, "slave")); err == nil &&
			strings.Contains(value, "state=online") &&
			(strings.HasSuffix(value, "lag=0") || strings.HasSuffix(value, "lag=1")) {
			n++
		}
	}
	return n
}

// Replicated says whether the replicas asked for had the last batch in time. It is true
// if none are asked for.
func (r *Redis) Replicated() bool {
	r.followers.mu.Lock()
	defer r.followers.mu.Unlock()
	return !r.followers.short
}
