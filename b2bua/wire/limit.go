package wire

import (
	"bytes"
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// maxSources bounds the memory of a limiter. Who is pushed out begins again with
// a full bucket: forgetting is in a peer's favour.
const maxSources = 1 << 16

// limiter is a token bucket for each source address: rate tokens a second, rate
// of them at most. Zero rate: everything passes and nothing is kept.
type limiter struct {
	rate int

	mu      sync.Mutex
	sources map[netip.Addr]*list.Element
	recent  list.List // of *bucket, the latest used first
}

type bucket struct {
	source netip.Addr
	tokens float64
	at     time.Time
}

// take asks for one token. wait is how long until there is one; zero: taken.
func (l *limiter) take(now time.Time, source netip.Addr) (wait time.Duration) {
	if l.rate <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	rate := float64(l.rate)
	e := l.sources[source]
	if e == nil {
		if l.sources == nil {
			l.sources = make(map[netip.Addr]*list.Element)
		}
		if l.recent.Len() >= maxSources {
			oldest := l.recent.Back()
			delete(l.sources, l.recent.Remove(oldest).(*bucket).source)
		}
		e = l.recent.PushFront(&bucket{source: source, tokens: rate, at: now})
		l.sources[source] = e
	} else {
		l.recent.MoveToFront(e)
	}
	b := e.Value.(*bucket)
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(rate, b.tokens+d.Seconds()*rate)
		b.at = now
	}
	if b.tokens < 1 {
		return max(time.Duration((1-b.tokens)/rate*float64(time.Second)), time.Millisecond)
	}
	b.tokens--
	return 0
}

// within are the methods of requests that belong to something which has passed
// the limit already, or to nothing at all. To drop them would strand calls.
var within = [...]string{"ACK ", "BYE ", "CANCEL ", "PRACK ", "UPDATE ", "INFO "}

// begins says whether a message can begin something: any but a response and the
// requests that only make sense within a dialog or transaction.
func begins(message []byte) bool {
	if bytes.HasPrefix(message, []byte("SIP/2.0 ")) {
		return false
	}
	for _, method := range within {
		if bytes.HasPrefix(message, []byte(method)) {
			return false
		}
	}
	return true
}
