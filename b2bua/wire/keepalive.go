package wire

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// keepalive is the pinging of a connection that we have opened (RFC 5626 §3.5.1): two
// line ends, answered by one. It keeps what lies between open, and finds out that a peer
// is gone before a call needs it.
type keepalive struct {
	mu      sync.Mutex
	timer   *time.Timer // of the next ping, or of its answer; nil: there are none
	every   time.Duration
	again   func() // the next ping
	awaits  bool
	stopped bool
}

var errNoPong = errors.New("a ping had no answer")

// keepAlive begins to ping, where the peer or the realm is configured so.
func (c *conn) keepAlive() {
	every := time.Duration(0)
	if !c.inbound {
		every = c.about().Keepalive
	}
	k := &c.alive
	k.mu.Lock()
	defer k.mu.Unlock()
	if every <= 0 || k.stopped {
		return
	}
	k.every, k.again = every, c.ping
	k.timer = time.AfterFunc(k.next(), c.ping)
}

// next is 80 to 100 % of the interval (RFC 5626 §4.4.1).
func (k *keepalive) next() time.Duration {
	return k.every * time.Duration(800+rand.IntN(200)) / 1000
}

// ping sends one and waits for its answer.
func (c *conn) ping() {
	k := &c.alive
	k.mu.Lock()
	if k.stopped {
		k.mu.Unlock()
		return
	}
	k.awaits = true
	k.timer = time.AfterFunc(c.edge.config.PongTimeout, c.unanswered)
	k.mu.Unlock()
	c.enqueue(outgoing{data: []byte("\r\n\r\n")})
}

// unanswered ends a connection whose peer says nothing.
func (c *conn) unanswered() {
	c.alive.mu.Lock()
	late := c.alive.awaits && !c.alive.stopped
	c.alive.mu.Unlock()
	if late {
		c.dropped(dropPong, 0)
		c.end(fmt.Errorf("%w: %w", ErrGone, errNoPong))
	}
}

// pong takes a line end for the answer, where one is awaited.
func (k *keepalive) pong() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.awaits {
		return false
	}
	k.awaits = false
	k.timer.Stop() // where it is too late for that, it finds nothing awaited
	if !k.stopped {
		k.timer = time.AfterFunc(k.next(), k.again)
	}
	return true
}

func (k *keepalive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	if k.timer != nil {
		k.timer.Stop()
	}
}
