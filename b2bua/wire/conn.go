package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// What may wait to be written to one peer that reads slowly.
const (
	maxQueued      = 512
	maxQueuedBytes = 1 << 20
)

// conn is one TCP or TLS connection: a goroutine that reads and one that writes.
type conn struct {
	edge    *Edge
	realm   *realm
	hop     Hop  // of what arrives on it; Remote is the peer
	inbound bool // the peer opened it
	apart   bool // for one message alone
	known   bool // its peer was, when it began: with that it ends. A call may lead to a stranger
	used    atomic.Int64
	alive   keepalive

	mu    sync.Mutex
	wake  *sync.Cond // out or ended has changed
	nc    net.Conn   // nil: being connected
	out   []outgoing
	bytes int
	ended error // nil: alive
}

// outgoing is what is to be written.
type outgoing struct {
	data     []byte
	unsent   func(error)
	fallback Hop  // where to go instead if the connection is found to be gone
	again    bool // it has been on a connection that is gone
}

func newConn(e *Edge, r *realm, h Hop) *conn {
	c := &conn{edge: e, realm: r, hop: h}
	c.wake = sync.NewCond(&c.mu)
	c.used.Store(time.Now().UnixNano())
	return c
}

func (c *conn) peer() peer { return peer{c.hop.Realm, c.hop.Transport, c.hop.Remote} }

// enqueue never waits. false: the connection has ended, nothing was taken.
func (c *conn) enqueue(o outgoing) bool {
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return false
	}
	full := len(c.out) >= maxQueued || c.bytes+len(o.data) > maxQueuedBytes
	if !full {
		c.out = append(c.out, o)
		c.bytes += len(o.data)
		c.wake.Signal()
	}
	c.mu.Unlock()
	if full {
		fail(o.unsent, fmt.Errorf("send to %s: %w", c.hop.Remote, ErrQueueFull))
	}
	return true
}

// end closes the connection, once, and tells those whose bytes wait.
func (c *conn) end(why error) {
	// Who is told below must not find it any more.
	c.edge.unregister(c)
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return
	}
	c.ended = why
	left := c.edge.waits.take(c)
	if c.edge.ctx.Err() != nil {
		left = nil // they have left, and no peer is at fault
	}
	left = append(left, c.out...)
	c.out = nil
	nc := c.nc
	c.wake.Broadcast()
	c.mu.Unlock()
	c.alive.stop()
	if nc != nil {
		_ = nc.Close()
	}
	for _, o := range left {
		c.undo(o, why, len(left) > maxApart)
	}
}

// maxApart is for how many messages of one connection others are made. Where more are without
// an answer, it was not the habit of a peer that closed it.
const maxApart = 32

// undo sends elsewhere what could not be written here, or had no answer, or says so; one
// of many by a connection that they share.
func (c *conn) undo(o outgoing, why error, many bool) {
	switch {
	case c.edge.ctx.Err() != nil:
	case o.fallback.Remote.IsValid():
		c.edge.Send(o.fallback, Hop{}, o.data, o.unsent)
		return
	case c.renews(o, why):
		o.again = true
		if to := (Hop{Realm: c.hop.Realm, Transport: c.hop.Transport, Local: c.hop.Local, Remote: c.hop.Remote}); many {
			c.edge.sendStream(c.realm, to, Hop{}, o)
		} else {
			c.edge.sendApart(c.realm, to, o)
		}
		return
	}
	fail(o.unsent, fmt.Errorf("send by %s to %s: %w", c.hop.Transport, c.hop.Remote, why))
}

// renews says that a new connection may do what this one has not done: there was one, not
// the peer's, that did not end because the peer does not react.
func (c *conn) renews(o outgoing, why error) bool {
	c.mu.Lock()
	connected := c.nc != nil
	c.mu.Unlock()
	return !o.again && !c.inbound && connected && !errors.Is(why, os.ErrDeadlineExceeded) && !errors.Is(why, errNoPong)
}

// serve connects or agrees on TLS where needed, then writes; reading is done
// beside it.
func (c *conn) serve() {
	nc, err := c.open()
	if err != nil {
		if c.inbound {
			c.edge.to.Dropped(c.hop.Realm, dropHandshake, c.hop.Remote.Addr(), 0)
		}
		c.end(err)
		return
	}
	if !c.edge.spawn(c.read) {
		_ = nc.Close()
		c.end(ErrClosed)
		return
	}
	c.keepAlive()
	c.write(nc)
}

// open sets nc for good; end closes it.
func (c *conn) open() (nc net.Conn, err error) {
	switch {
	case !c.inbound:
		nc, err = c.connect()
	case c.hop.Transport == TLS:
		nc, err = c.secure(c.nc)
	default:
		nc = c.nc
	}
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		_ = nc.Close()
		return nil, c.ended
	}
	c.nc = nc
	return nc, nil
}

func (c *conn) write(nc net.Conn) {
	var last outgoing
	noted := false
	for {
		c.mu.Lock()
		for len(c.out) == 0 && c.ended == nil {
			c.wake.Wait()
		}
		if why := c.ended; why != nil {
			c.mu.Unlock()
			if noted && c.edge.waits.remove(c, last) { // it ended between the note and the write
				c.undo(last, why, false)
			}
			return
		}
		o := c.out[0]
		c.out[0] = outgoing{}
		c.out = c.out[1:]
		c.bytes -= len(o.data)
		c.mu.Unlock()

		last, noted = o, c.edge.waits.add(c, o) // before the answer can come
		err := nc.SetWriteDeadline(time.Now().Add(c.edge.config.WriteTimeout))
		if err == nil {
			_, err = nc.Write(o.data)
		}
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrGone, err)
			taken := noted && !c.edge.waits.remove(c, o) // by who has ended it
			c.end(err)
			if !taken {
				c.undo(o, err, false)
			}
			return
		}
		c.used.Store(time.Now().UnixNano())
	}
}

// read cuts what comes into messages until the stream ends or makes no sense.
func (c *conn) read() {
	why := ErrGone
	defer func() { c.end(why) }()
	f := framer{limit: c.edge.config.MaxMessage, pong: c.alive.pong}
	buf := make([]byte, 8<<10)
	var begun time.Time // when the message at the head of f began
	for {
		now := time.Now()
		wait := c.idleLeft(now)
		if f.began() {
			wait = c.edge.config.MessageTimeout - now.Sub(begun)
		}
		_ = c.nc.SetReadDeadline(now.Add(wait)) // fails where Read will
		n, err := c.nc.Read(buf)
		if n > 0 {
			if !f.began() {
				begun = time.Now()
			}
			if c.known && !c.edge.to.Known(c.hop.Realm, c.hop.Remote.Addr()) { // since a reload
				c.dropped(dropUnknownSource, n)
				return
			}
			c.used.Store(time.Now().UnixNano())
			f.add(buf[:n])
			if !c.cutAll(&f, &begun) {
				return
			}
		}
		if err != nil && !c.goOn(&f, err) {
			why = fmt.Errorf("%w: %w", ErrGone, err)
			return
		}
	}
}

// goOn says whether the error of a read is only a peer's silence, still allowed.
func (c *conn) goOn(f *framer, err error) bool {
	name, silent := "", errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case f.began() && silent:
		name = dropSlow
	case f.began():
		name = dropCut
	case silent && c.idleLeft(time.Now()) > 0:
		return true // we wrote since
	case silent:
		name = dropIdle
	}
	if name != "" && c.edge.ctx.Err() == nil {
		c.dropped(name, len(f.buf))
	}
	return false
}

// cutAll hands on all that is complete. false: nothing more can be read.
func (c *conn) cutAll(f *framer, begun *time.Time) bool {
	for {
		found, raw := f.next()
		if found == cutMessage && begins(raw) && !c.slowDown() {
			return false
		}
		now := time.Now()
		if found != cutNothing {
			*begun = now
		}
		switch found {
		case cutNothing:
			return true
		case cutEndless:
			c.dropped(dropTooLarge, len(f.buf))
			return false
		case cutPing:
			// RFC 5626 §4.4.1: one CRLF answers two.
			c.enqueue(outgoing{data: []byte("\r\n")})
			c.dropped(dropKeepalive, 4)
		case cutPong:
		case cutMessage:
			c.edge.judge(c.hop, now, raw, nil)
		case cutHuge:
			c.edge.judge(c.hop, now, raw, huge)
		case cutFlawed:
			c.edge.judge(c.hop, now, raw, unframed)
			c.drain(len(f.buf))
			return false
		}
	}
}

// slowDown does for a stream what dropping does for datagrams: it stops reading
// until the source may send again. false: the edge closes.
func (c *conn) slowDown() bool {
	for {
		wait := c.edge.rate.take(time.Now(), c.hop.Remote.Addr())
		if wait == 0 {
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.edge.ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// huge is what to say of a header part whose body is not read.
func huge(m sip.Message, fault *Fault, err error) (*Fault, error) {
	if fault == nil {
		return nil, DropError{Name: "message_too_large"}
	}
	return &Fault{Code: 513, Phrase: "Message Too Large", Name: "message_too_large"}, err
}

// unframed is what to say of a header part without a usable Content-Length
// (RFC 3261 §18.3: an error, and the stream cannot be read on).
func unframed(m sip.Message, fault *Fault, err error) (*Fault, error) {
	r, request := m.(*sip.Request)
	switch {
	case err != nil || fault != nil:
		return fault, err
	case !request || r.Method == sip.ACK:
		return nil, DropError{Name: "missing_content_length"}
	}
	return bad("missing_content_length", "Missing Content-Length"), nil
}

// drain lets an answer get out: closing a socket with bytes unread resets it,
// and the peer might never see why.
func (c *conn) drain(unread int) {
	_ = c.nc.SetReadDeadline(time.Now().Add(min(2*time.Second, c.edge.config.MessageTimeout)))
	buf := make([]byte, 1<<10)
	for {
		n, err := c.nc.Read(buf)
		unread += n
		if err != nil || unread > c.edge.config.MaxMessage {
			break
		}
	}
	if unread > 0 {
		c.dropped(dropUnframed, unread)
	}
}

func (c *conn) dropped(name string, bytes int) {
	c.edge.to.Dropped(c.hop.Realm, name, c.hop.Remote.Addr(), bytes)
}
