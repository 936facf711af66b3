package b2bua

import (
	"sync"
	"time"
)

// noticeEvery is how often one kind of drop is spoken of. What strangers send must
// not own our disk, and a mistyped address must not look like silence.
const noticeEvery = 10 * time.Second

// notices counts what happens again and again. Its keys are of a fixed small set.
type notices struct {
	mu   sync.Mutex
	kind map[string]*notice
}

type notice struct {
	said  time.Time
	since int // happenings since then
}

// due counts one happening, and returns how many are to be spoken of now; 0: it is
// too soon.
func (n *notices) due(kind string, now time.Time) (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	k := n.kind[kind]
	if k == nil {
		if n.kind == nil {
			n.kind = map[string]*notice{}
		}
		k = &notice{}
		n.kind[kind] = k
	}
	k.since++
	if now.Sub(k.said) < noticeEvery {
		return 0
	}
	count, k.said, k.since = k.since, now, 0
	return count
}
