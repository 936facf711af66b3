package ops

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Whoever reaches the port has no token yet: neither the log nor the descriptors are his.

// How many connections to the port there are at most: in all, and of one address. Another node
// asks for all who listen there, each by a connection of its own.
const (
	mostConnections = 2 * mostStreams
	mostOfOne       = mostStreams + 64
)

// mostPath is how many bytes of a stranger's path are told.
const mostPath = 200

// floodEvery is how often what anybody can do again and again is told.
const floodEvery = 10 * time.Second

// flood counts what anybody can do again and again.
type flood struct {
	mu    sync.Mutex
	told  time.Time
	since int // happenings since then
}

// due counts one happening, and returns how many are to be told now; 0: it is too soon.
func (f *flood) due(now time.Time) (count int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.since++
	if now.Sub(f.told) < floodEvery {
		return 0
	}
	count, f.told, f.since = f.since, now, 0
	return count
}

// bounded is a listener that closes what is beyond the bounds.
type bounded struct {
	net.Listener
	log     *zap.Logger
	refused flood

	mu     sync.Mutex
	all    int
	source map[netip.Addr]int
}

// Accept is net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		source := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		if b.take(source) {
			return &admitted{Conn: c, free: sync.OnceFunc(func() { b.free(source) })}, nil
		}
		_ = c.(*net.TCPConn).SetLinger(0) // a reset leaves nothing behind
		_ = c.Close()
		if n := b.refused.due(time.Now()); n > 0 {
			b.log.Warn("connections to the API refused", zap.Int("count", n), zap.Stringer("last_from", source))
		}
	}
}

func (b *bounded) take(source netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all >= mostConnections || b.source[source] >= mostOfOne {
		return false
	}
	if b.source == nil {
		b.source = map[netip.Addr]int{}
	}
	b.all++
	b.source[source]++
	return true
}

func (b *bounded) free(source netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all--
	if b.source[source]--; b.source[source] == 0 {
		delete(b.source, source)
	}
}

// admitted is a connection that makes room when it is closed.
type admitted struct {
	net.Conn
	free func()
}

// Close is net.Conn.
func (c *admitted) Close() error {
	defer c.free()
	return c.Conn.Close()
}
