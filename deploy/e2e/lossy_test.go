//go:build e2e

package e2e

import (
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// What a lossy link does to the datagrams of either direction.
const (
	lossyDrops  = 0.01 // of all, that do not arrive
	lossyDelays = 0.02 // of all, that are late, so that later ones overtake them
	lossyLeast  = 5 * time.Millisecond
	lossyMost   = 60 * time.Millisecond
)

// lossy is a link between a peer and the border that loses and reorders. It has an address of
// its own, which is all that either of them knows of the other.
type lossy struct {
	conn         *net.UDPConn
	peer, border netip.AddrPort
	rng          *rand.Rand
	gone         chan struct{}

	mu       sync.Mutex
	counts   lossyCount
	answered map[string]struct{} // see calls; nil: nobody asks
	err      error
}

// lossyCount is how many datagrams have come to a link, by what it did with them.
type lossyCount struct{ passed, dropped, late int }

// lossyLink makes a link with a seed of its own; one that watches has calls.
func lossyLink(t *testing.T, at, peer, border string, seed uint64, watches bool) *lossy {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
	if err != nil {
		t.Fatal(err)
	}
	// A link that is slow on a busy machine is not to lose more than it says.
	if err := errors.Join(conn.SetReadBuffer(4<<20), conn.SetWriteBuffer(4<<20)); err != nil {
		t.Fatal(err)
	}
	l := &lossy{
		conn: conn, peer: netip.MustParseAddrPort(peer), border: netip.MustParseAddrPort(border),
		rng: rand.New(rand.NewPCG(seed, 1)), gone: make(chan struct{}),
	}
	if watches {
		l.answered = map[string]struct{}{}
	}
	go l.run()
	t.Cleanup(func() {
		conn.Close()
		<-l.gone
		if l.err != nil {
			t.Errorf("the link at %s: %v", at, l.err)
		}
	})
	return l
}

func (l *lossy) run() {
	defer close(l.gone)
	buffer := make([]byte, 65535)
	for {
		n, from, err := l.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				l.failed(err)
			}
			return
		}
		to := l.border
		if from == l.border {
			to = l.peer
			l.witness(string(buffer[:n]))
		}
		drops, delays := l.rng.Float64() < lossyDrops, l.rng.Float64() < lossyDelays
		l.mu.Lock()
		switch {
		case drops:
			l.counts.dropped++
		case delays:
			l.counts.late++
			text := append([]byte(nil), buffer[:n]...)
			time.AfterFunc(lossyLeast+time.Duration(l.rng.Int64N(int64(lossyMost-lossyLeast))), func() { l.pass(text, to) })
		default:
			l.counts.passed++
		}
		l.mu.Unlock()
		if !drops && !delays {
			l.pass(buffer[:n], to)
		}
	}
}

func (l *lossy) pass(text []byte, to netip.AddrPort) {
	// A peer that does not live any more loses what it is sent, as elsewhere.
	if _, err := l.conn.WriteToUDPAddrPort(text, to); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "refused") {
		l.failed(err)
	}
}

func (l *lossy) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *lossy) count() lossyCount {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// calls are the Call-IDs of the INVITEs that the border has answered, be it with a 100, and
// also where the answer was lost.
func (l *lossy) calls() map[string]struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.answered)
}

// witness notes of which calls the border has taken the INVITE.
func (l *lossy) witness(text string) {
	if l.answered == nil || !strings.HasPrefix(text, "SIP/2.0 ") {
		return
	}
	m := message{text: text}
	if m.method() != "INVITE" {
		return
	}
	id := strings.Clone(m.header("Call-ID")) // not the whole datagram
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered[id] = struct{}{}
}
