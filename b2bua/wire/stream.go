package wire

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// listener is one bound TCP or TLS socket.
type listener struct {
	realm     *realm
	transport Transport
	addr      netip.AddrPort
	tcp       atomic.Pointer[net.TCPListener] // replaced when it fails for good
}

func (e *Edge) bindStream(r *realm, l Listener) (*listener, error) {
	s := &listener{realm: r, transport: l.Transport, addr: l.Addr}
	if err := s.open(e); err != nil {
		return nil, err
	}
	s.addr = unmap(s.tcp.Load().Addr().(*net.TCPAddr).AddrPort())
	return s, nil
}

func (l *listener) open(e *Edge) error {
	lc := e.config.listening(l.addr.Addr(), nil)
	tcp, err := lc.Listen(e.ctx, network("tcp", l.addr.Addr()), l.addr.String())
	if err != nil {
		return err
	}
	l.tcp.Store(tcp.(*net.TCPListener))
	return nil
}

func (l *listener) close() {
	if tcp := l.tcp.Load(); tcp != nil {
		_ = tcp.Close()
	}
}

// peer is where a connection leads.
type peer struct {
	realm     string
	transport Transport
	remote    netip.AddrPort
}

// streams are all connections of an edge.
type streams struct {
	mu        sync.Mutex
	last      uint64 // number of the connection opened last
	conns     map[uint64]*conn
	byPeer    map[peer]*conn
	perSource map[netip.Addr]int // connections that others opened
	inbound   int                // sum of perSource
}

func (s *streams) init() {
	s.conns = map[uint64]*conn{}
	s.byPeer = map[peer]*conn{}
	s.perSource = map[netip.Addr]int{}
}

// accept takes connections until Close.
func (e *Edge) accept(l *listener) {
	var bad trouble
	for {
		nc, err := l.tcp.Load().AcceptTCP()
		if err == nil {
			bad.over()
			e.admit(l, nc)
			continue
		}
		if !bad.again(e, l.realm.name, l.addr, err) {
			return
		}
		if closed(err) {
			_ = l.open(e) // the next round fails again, and it is tried again
			if e.ctx.Err() != nil {
				l.close()
			}
		}
	}
}

// admit begins a connection of somebody known, within the bounds.
func (e *Edge) admit(l *listener, nc *net.TCPConn) {
	remote := unmap(nc.RemoteAddr().(*net.TCPAddr).AddrPort())
	source := remote.Addr()
	refuse := func(name string) {
		_ = nc.SetLinger(0) // a reset leaves nothing behind, TIME_WAIT neither
		_ = nc.Close()
		e.to.Dropped(l.realm.name, name, source, 0)
	}
	if !e.to.Known(l.realm.name, source) {
		refuse(dropUnknownSource)
		return
	}
	c := newConn(e, l.realm, Hop{Realm: l.realm.name, Transport: l.transport, Local: l.addr, Remote: remote})
	c.inbound, c.nc = true, nc
	e.streams.mu.Lock()
	var over string
	switch {
	case e.inbound >= e.config.MaxConnections:
		over = dropConnections
	case e.perSource[source] >= e.config.MaxConnectionsPerSource:
		over = dropSourceConns
	case e.ctx.Err() != nil:
		over = dropConnections
	default:
		e.begin(c)
	}
	e.streams.mu.Unlock()
	if over != "" {
		refuse(over)
	}
}

// begin gives a connection its number and serves it. The caller holds the lock.
func (e *Edge) begin(c *conn) {
	e.last++
	c.hop.Conn = e.last
	c.known = c.inbound || e.to.Known(c.hop.Realm, c.hop.Remote.Addr())
	e.conns[c.hop.Conn] = c
	if c.inbound {
		e.inbound++
		e.perSource[c.hop.Remote.Addr()]++
	}
	// Requests of ours may use what a peer opened over TCP, from the port that it
	// listens on. On TLS whoever opened it showed who he is to the one side only
	// (RFC 5923 §8).
	if !c.apart && (!c.inbound || c.hop.Transport == TCP) {
		if key := c.peer(); e.byPeer[key] == nil {
			e.byPeer[key] = c
		}
	}
	e.spawnLocked(c.serve)
}

func (e *Edge) unregister(c *conn) {
	e.streams.mu.Lock()
	defer e.streams.mu.Unlock()
	if e.conns[c.hop.Conn] != c {
		return
	}
	delete(e.conns, c.hop.Conn)
	if e.byPeer[c.peer()] == c {
		delete(e.byPeer, c.peer())
	}
	if c.inbound {
		source := c.hop.Remote.Addr()
		e.inbound--
		if e.perSource[source]--; e.perSource[source] == 0 {
			delete(e.perSource, source)
		}
	}
}

// sendStream finds or opens the connection that Send promises.
func (e *Edge) sendStream(r *realm, h, fallback Hop, o outgoing) {
	for {
		c, err := e.reach(r, h, fallback)
		if err != nil {
			fail(o.unsent, fmt.Errorf("send by %s of realm %s to %s: %w", h.Transport, h.Realm, h.Remote, err))
			return
		}
		if c == nil {
			e.Send(fallback, Hop{}, o.data, o.unsent)
			return
		}
		// One that ended since it was found is no longer found.
		if c.enqueue(o) {
			return
		}
	}
}

// reach returns the connection for h; nil: fallback is to be used.
func (e *Edge) reach(r *realm, h, fallback Hop) (*conn, error) {
	l := r.listener(h)
	e.streams.mu.Lock()
	defer e.streams.mu.Unlock()
	// The number may come from a stored call, given by a node that is no more.
	if c := e.conns[h.Conn]; c != nil && c.hop.Realm == h.Realm && c.hop.Remote.Addr() == h.Remote.Addr() {
		return c, nil
	}
	if c := e.byPeer[peer{h.Realm, h.Transport, h.Remote}]; c != nil {
		return c, nil
	}
	switch {
	case e.ctx.Err() != nil:
		return nil, ErrClosed
	case fallback.Remote.IsValid():
		return nil, nil
	case h.Conn != 0:
		return nil, ErrGone
	case l == nil:
		return nil, ErrNoSocket
	case len(e.conns)-e.inbound >= e.config.MaxConnections:
		return nil, ErrTooMany
	}
	c := newConn(e, r, Hop{Realm: h.Realm, Transport: h.Transport, Local: l.addr, Remote: h.Remote})
	e.begin(c)
	return c, nil
}

// sendApart writes to h.Remote by a connection of its own, on which nothing else is sent: a
// peer that closes each after one request reads this one.
func (e *Edge) sendApart(r *realm, h Hop, o outgoing) {
	e.streams.mu.Lock()
	l := r.listener(h)
	var err error
	switch {
	case e.ctx.Err() != nil:
		err = ErrClosed
	case l == nil:
		err = ErrNoSocket
	case len(e.conns)-e.inbound >= e.config.MaxConnections:
		err = ErrTooMany
	}
	if err != nil {
		e.streams.mu.Unlock()
		fail(o.unsent, fmt.Errorf("send by %s of realm %s to %s: %w", h.Transport, h.Realm, h.Remote, err))
		return
	}
	c := newConn(e, r, Hop{Realm: h.Realm, Transport: h.Transport, Local: l.addr, Remote: h.Remote})
	c.apart = true
	c.enqueue(o)
	e.begin(c)
	e.streams.mu.Unlock()
}

// listener is whose address a connection to h.Remote is made from.
func (r *realm) listener(h Hop) *listener {
	var found *listener
	for _, l := range r.listeners {
		if l.transport != h.Transport || l.addr.Addr().Is4() != h.Remote.Addr().Is4() {
			continue
		}
		if found == nil || l.addr == h.Local {
			found = l
		}
	}
	return found
}

// connect opens a connection from the realm's own address.
func (c *conn) connect() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(c.edge.ctx, c.edge.config.ConnectTimeout)
	defer cancel()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: c.hop.Local.Addr().AsSlice(), Zone: c.hop.Local.Addr().Zone()}}
	nc, err := d.DialContext(ctx, network("tcp", c.hop.Remote.Addr()), c.hop.Remote.String())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if c.hop.Transport == TCP {
		return nc, nil
	}
	p := c.about()
	k, err := c.keysOf(p)
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	return c.handshake(ctx, nc, tls.Client(nc, p.client(k, c.hop.Remote.Addr())))
}

// about is what is known of the peer.
func (c *conn) about() (p Peer) {
	remote := c.hop.Remote
	if c.inbound {
		remote = netip.AddrPortFrom(remote.Addr(), 0)
	}
	if ask := c.edge.config.Peer; ask != nil {
		p = ask(c.hop.Realm, c.hop.Transport, remote)
	}
	p.Keepalive = cmp.Or(p.Keepalive, c.realm.Keepalive)
	return p
}

// keysOf are the certificates that go with a peer: others than it should have are none.
func (c *conn) keysOf(p Peer) (*keys, error) {
	if p.Keys == "" {
		return c.realm.keys.Load(), nil
	}
	if k := (*c.edge.peers.Load())[p.Keys]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("there are no certificates of %s", p.Keys)
}

// secure is the other side of connect.
func (c *conn) secure(nc net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(c.edge.ctx, c.edge.config.ConnectTimeout)
	defer cancel()
	k, err := c.keysOf(c.about())
	if err != nil {
		_ = nc.Close()
		return nil, err
	}
	conf, _ := k.current()
	return c.handshake(ctx, nc, tls.Server(nc, conf))
}

func (c *conn) handshake(ctx context.Context, nc net.Conn, over *tls.Conn) (net.Conn, error) {
	if err := over.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("agree on TLS: %w", err)
	}
	return over, nil
}

// closeConns ends all connections.
func (e *Edge) closeConns() {
	e.streams.mu.Lock()
	all := make([]*conn, 0, len(e.conns))
	for _, c := range e.conns {
		all = append(all, c)
	}
	e.streams.mu.Unlock()
	for _, c := range all {
		c.end(ErrClosed)
	}
}

// idleLeft is how long a connection may still be without traffic.
func (c *conn) idleLeft(now time.Time) time.Duration {
	return c.edge.config.IdleTimeout - now.Sub(time.Unix(0, c.used.Load()))
}
