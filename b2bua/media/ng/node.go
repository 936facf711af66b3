package ng

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	maxDatagram = 65507 // bytes of UDP payload over IPv4
	// lately is how many ended requests are remembered, so that an answer that
	// comes after the end can be given its name.
	lately = 256
)

// node is one rtpengine and the socket that it is asked by.
type node struct {
	name    string
	address netip.AddrPort
	client  *Client
	udp     *net.UDPConn
	counts  counters

	mu        sync.Mutex
	waiting   map[uint64]*request // by cookie
	ended     [lately]ending      // by cookie modulo
	health    health
	roundTrip time.Duration
}

// ending is how a request ended.
type ending struct {
	cookie   uint64
	answered bool
}

// request is one that waits for its answer. It is taken from a pool: its buffers,
// channel and timer live on.
type request struct {
	cookie uint64
	out    []byte // the datagram
	in     []byte // the answer without its cookie
	err    error  // why there is none
	done   chan struct{}
	timer  *time.Timer
	check  check
}

var requests = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &request{done: make(chan struct{}, 1), timer: t}
}}

// newRequest begins a request's datagram: its cookie and a space.
func newRequest() *request {
	r := requests.Get().(*request)
	// Nobody who has not seen the request can answer it: 64 random bits.
	r.cookie, r.err, r.in = rand.Uint64(), nil, r.in[:0]
	r.out = append(appendCookie(r.out[:0], r.cookie), ' ')
	return r
}

func (r *request) release() {
	r.timer.Stop()
	requests.Put(r)
}

const hex = "0123456789abcdef"

func appendCookie(b []byte, cookie uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, hex[cookie>>shift&15])
	}
	return b
}

// cookieOf splits an answer.
func cookieOf(b []byte) (cookie uint64, rest []byte, ok bool) {
	if len(b) < 17 || b[16] != ' ' {
		return 0, nil, false
	}
	for _, c := range b[:16] {
		switch {
		case '0' <= c && c <= '9':
			cookie = cookie<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			cookie = cookie<<4 | uint64(c-'a'+10)
		default:
			return 0, nil, false
		}
	}
	return cookie, b[17:], true
}

// ask sends the request, repeats it with the same cookie (rtpengine answers a repeat
// with the bytes of its first answer and does nothing twice), and waits. The answer
// is part of the request: it is good until the request is released.
func (n *node) ask(ctx context.Context, r *request, repeat, timeout time.Duration) (value, error) {
	if len(r.out) > maxDatagram {
		n.counts.lost.Add(1)
		return nil, fmt.Errorf("%d bytes: %w", len(r.out), ErrTooLong)
	}
	if err := n.await(r); err != nil {
		n.counts.lost.Add(1)
		return nil, err
	}
	n.counts.sent.Add(1)
	n.write(r)
	for left := timeout; ; {
		wait := min(repeat, left)
		r.timer.Reset(wait)
		select {
		case <-r.done:
			return n.taken(r)
		case <-r.timer.C:
			if left -= wait; left > 0 {
				repeat *= 2
				n.counts.repeated.Add(1)
				n.write(r)
				continue
			}
			return n.giveUp(r, fmt.Errorf("rtpengine %s: no answer for %v: %w", n.name, timeout, ErrNodeLost))
		case <-ctx.Done():
			return n.giveUp(r, ctx.Err())
		}
	}
}

// taken takes the answer, or what is there in its place.
func (n *node) taken(r *request) (value, error) {
	if r.err != nil {
		n.counts.lost.Add(1)
		return nil, r.err
	}
	n.counts.answered.Add(1)
	v, err := r.check.parse(r.in)
	if err == nil && v[0] != 'd' {
		err = errNoDict
	}
	if err != nil {
		n.counts.garbled.Add(1)
		return nil, fmt.Errorf("rtpengine %s: %w: %w", n.name, ErrGarbled, err)
	}
	return v, nil
}

var errNoDict = errors.New("not a dictionary")

// await has the answer given to the request.
func (n *node) await(r *request) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.client.ctx.Err() != nil {
		return ErrClosed
	}
	n.waiting[r.cookie] = r
	return nil
}

// giveUp ends the wait; the answer may have come meanwhile.
func (n *node) giveUp(r *request, err error) (value, error) {
	n.mu.Lock()
	_, waits := n.waiting[r.cookie]
	n.end(r.cookie, false)
	n.mu.Unlock()
	if !waits {
		<-r.done
		return n.taken(r)
	}
	n.counts.lost.Add(1)
	return nil, err
}

// end forgets a request; n.mu is held.
func (n *node) end(cookie uint64, answered bool) {
	delete(n.waiting, cookie)
	n.ended[cookie%lately] = ending{cookie, answered}
}

// abandon ends every wait with an error.
func (n *node) abandon(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for cookie, r := range n.waiting {
		n.end(cookie, false)
		r.err = err
		r.done <- struct{}{} // has room for the one
	}
}

// answer gives a datagram of the node to who waits for it.
func (n *node) answer(b []byte) {
	cookie, rest, ok := cookieOf(b)
	if !ok {
		n.counts.garbled.Add(1)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if r := n.waiting[cookie]; r != nil {
		n.end(cookie, true)
		r.in = append(r.in[:0], rest...)
		r.done <- struct{}{} // has room for the one
		return
	}
	switch e := n.ended[cookie%lately]; {
	case e.cookie != cookie:
		n.counts.stray.Add(1)
	case e.answered:
		n.counts.duplicate.Add(1)
	default:
		n.counts.late.Add(1)
	}
}

func (n *node) inHealth() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.health.down
}

func (n *node) lost() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.health.lost()
}

func (n *node) state() State {
	n.mu.Lock()
	defer n.mu.Unlock()
	return State{n.name, n.address, !n.health.down, n.health.since, n.roundTrip, len(n.waiting), n.counts.read()}
}
