package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"
)

// Receiver is whom the edge works for. Its methods are called from many
// goroutines and must not block.
type Receiver interface {
	// Known says whether a source may talk to a realm at all. It is asked before
	// anything is read of a datagram, when a connection is accepted, and for whatever
	// comes by one: with who was known it ends. So it must be cheap.
	Known(realm string, source netip.Addr) bool
	// Receive takes what is a SIP message, in the order of arrival on its socket
	// or connection.
	Receive(Packet)
	// Dropped tells of everything that did not reach Receive. source is not
	// valid where the socket itself is at fault.
	Dropped(realm string, name string, source netip.Addr, bytes int)
}

// Why bytes were not sent, besides the errors of the system, which are wrapped.
var (
	ErrGone      = errors.New("the connection is gone")
	ErrNoSocket  = errors.New("the realm has no socket for this")
	ErrQueueFull = errors.New("the peer does not read what is sent to it")
	ErrTooLong   = errors.New("too long for a datagram")
	ErrTooMany   = errors.New("too many connections")
	ErrClosed    = errors.New("the edge is closed")
)

// Edge is all realms' sockets and connections.
type Edge struct {
	config Config
	to     Receiver
	log    *zap.Logger
	rate   limiter
	realms map[string]*realm                // not changed after Listen
	peers  atomic.Pointer[map[string]*keys] // certificates of Config.Keys
	waits  waits

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup
	closing sync.Once
	panics  sync.Once
	streams
}

// realm is a Realm that has been bound.
type realm struct {
	Realm
	name      string
	sockets   []*socket
	listeners []*listener
	keys      atomic.Pointer[keys] // nil: no TLS
}

// New checks the configuration; the error names every fault in it.
func New(c Config, r Receiver, log *zap.Logger) (*Edge, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = zap.NewNop()
	}
	c = c.orDefault()
	e := &Edge{config: c, to: r, log: log, rate: limiter{rate: c.MaxRatePerSource}, realms: map[string]*realm{}}
	e.peers.Store(&map[string]*keys{})
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.streams.init()
	return e, nil
}

// Listen binds the sockets of all realms, or none.
func (e *Edge) Listen() error {
	peers := map[string]*keys{}
	for name, files := range e.config.Keys {
		k, err := e.loadKeys(name, files)
		if err != nil {
			return fmt.Errorf("certificates of %s: %w", name, err)
		}
		peers[name] = k
	}
	e.peers.Store(&peers)
	for name, conf := range e.config.Realms {
		r := &realm{Realm: conf, name: name}
		e.realms[name] = r
		keys, err := e.loadKeys(name, conf.TLS)
		if err != nil {
			e.closeSockets()
			return fmt.Errorf("realm %s: %w", name, err)
		}
		r.keys.Store(keys)
		for _, l := range conf.Listen {
			if err := e.bind(r, l); err != nil {
				e.closeSockets()
				return fmt.Errorf("realm %s: listen on %s: %w", name, l, err)
			}
		}
	}
	return nil
}

func (e *Edge) bind(r *realm, l Listener) error {
	if l.Transport == UDP {
		s, err := e.bindUDP(r.name, l.Addr)
		if err == nil {
			r.sockets = append(r.sockets, s)
		}
		return err
	}
	s, err := e.bindStream(r, l)
	if err == nil {
		r.listeners = append(r.listeners, s)
	}
	return err
}

// Serve receives until ctx ends or Close is called. A socket that fails is
// served again; Serve returns when all its goroutines have ended.
func (e *Edge) Serve(ctx context.Context) error {
	for _, r := range e.realms {
		for _, s := range r.sockets {
			e.spawn(func() { e.readUDP(s) })
		}
		for _, l := range r.listeners {
			e.spawn(func() { e.accept(l) })
		}
	}
	select {
	case <-ctx.Done():
	case <-e.ctx.Done():
	}
	return e.Close()
}

// Close ends everything and waits for it. What was not sent is told so.
func (e *Edge) Close() error {
	e.closing.Do(func() { // whoever else calls waits for it, too
		e.streams.mu.Lock()
		e.cancel()
		e.streams.mu.Unlock()
		e.closeSockets()
		e.closeConns()
		e.running.Wait()
	})
	return nil
}

func (e *Edge) closeSockets() {
	for _, r := range e.realms {
		for _, s := range r.sockets {
			s.close()
		}
		for _, l := range r.listeners {
			l.close()
		}
	}
}

// spawn runs f so that Close waits for it. After Close nothing is begun.
func (e *Edge) spawn(f func()) bool {
	e.streams.mu.Lock()
	defer e.streams.mu.Unlock()
	return e.spawnLocked(f)
}

func (e *Edge) spawnLocked(f func()) bool {
	if e.ctx.Err() != nil {
		return false
	}
	e.running.Go(f)
	return true
}

// Send puts data, which must not be changed afterwards, on the wire.
//
// UDP: at once, from h.Local or else the realm's first socket of the right
// family. TCP and TLS: on the connection h.Conn; else on one that there is to
// h.Remote; else to fallback, where that is valid. Only where h names no
// connection (h.Conn is 0) and there is no fallback is h.Remote connected to: a
// peer that closed its connection does not choose where we connect.
//
// A request with unsent that has gone out on a connection and has no response when the
// connection ends is sent again, once, by a new one, if we opened that: to the peer it is a
// repeat at most. Else unsent is called.
//
// Send does not wait for connecting nor for slow peers. unsent, if not nil, is
// called at most once, from any goroutine and perhaps before Send returns, when
// the bytes did not leave or the system tells that nobody is there: errors.Is
// finds syscall.ECONNREFUSED and its like, ErrGone, ErrNoSocket, ErrQueueFull.
func (e *Edge) Send(h, fallback Hop, data []byte, unsent func(error)) {
	h.Remote = unmap(h.Remote)
	r := e.realms[h.Realm]
	switch {
	case r == nil || !h.Remote.IsValid():
		fail(unsent, fmt.Errorf("send by realm %q to %s: %w", h.Realm, h.Remote, ErrNoSocket))
	case h.Transport == UDP:
		s := r.socket(h)
		if s == nil {
			fail(unsent, fmt.Errorf("send by UDP of realm %s to %s: %w", h.Realm, h.Remote, ErrNoSocket))
			return
		}
		s.send(h.Remote, data, unsent)
	default:
		e.sendStream(r, h, fallback, outgoing{data: data, unsent: unsent, fallback: fallback})
	}
}

func fail(unsent func(error), err error) {
	if unsent != nil {
		unsent(err)
	}
}

// Local is how a realm writes itself in Via and Contact for a transport:
// "192.0.2.1:5060", "[2001:db8::1]:5061". The port is always said.
func (e *Edge) Local(name string, t Transport) (sentBy string, ok bool) {
	r := e.realms[name]
	if r == nil {
		return "", false
	}
	for _, l := range r.bound() {
		if l.Transport != t {
			continue
		}
		if r.Advertise == "" {
			return l.Addr.String(), true
		}
		if ip, err := netip.ParseAddr(r.Advertise); err == nil {
			return netip.AddrPortFrom(ip, l.Addr.Port()).String(), true
		}
		if _, _, colon := cutPort(r.Advertise); colon {
			return r.Advertise, true
		}
		return r.Advertise + ":" + strconv.Itoa(int(l.Addr.Port())), true
	}
	return "", false
}

// Addrs are the sockets of a realm with the ports they got.
func (e *Edge) Addrs(name string) []Listener {
	r := e.realms[name]
	if r == nil {
		return nil
	}
	return r.bound()
}

// bound lists datagram sockets before stream ones.
func (r *realm) bound() []Listener {
	all := make([]Listener, 0, len(r.sockets)+len(r.listeners))
	for _, s := range r.sockets {
		all = append(all, Listener{UDP, s.addr})
	}
	for _, l := range r.listeners {
		all = append(all, Listener{l.transport, l.addr})
	}
	return all
}

// judge parses and hands on one message; then changes what Parse found where the
// transport knows better.
func (e *Edge) judge(h Hop, at time.Time, raw []byte, then func(sip.Message, *Fault, error) (*Fault, error)) {
	m, fault, err := e.parse(raw)
	if then != nil {
		fault, err = then(m, fault, err)
	}
	if err != nil {
		e.to.Dropped(h.Realm, dropName(err), h.Remote.Addr(), len(raw))
		return
	}
	if r, ok := m.(*sip.Response); ok && h.Transport != UDP {
		e.waits.answered(r)
	}
	e.to.Receive(Packet{Hop: h, At: at, Message: m, Raw: raw, Fault: fault})
}

// parse keeps a defect in reading one message from ending all calls.
func (e *Edge) parse(raw []byte) (m sip.Message, fault *Fault, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = DropError{Name: dropPanic}
			e.panics.Do(func() {
				e.log.Error("parsing a message panicked; told once",
					zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
			})
		}
	}()
	return Parse(raw, Limits{Message: e.config.MaxMessage})
}

// trouble is the supervision of one socket: told once until it works again, and
// tried again ever more slowly.
type trouble struct {
	times int
}

func (t *trouble) over() { t.times = 0 }

// again reports whether to go on.
func (t *trouble) again(e *Edge, realm string, addr netip.AddrPort, err error) bool {
	if e.ctx.Err() != nil {
		return false
	}
	e.to.Dropped(realm, dropReadError, netip.Addr{}, 0)
	if t.times == 0 {
		e.log.Error("socket failed; trying on", zap.String("realm", realm), zap.Stringer("address", addr), zap.Error(err))
	}
	t.times++
	wait := time.NewTimer(min(10*time.Millisecond<<min(t.times, 10), time.Second))
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-e.ctx.Done():
		return false
	}
}

func closed(err error) bool { return errors.Is(err, net.ErrClosed) }
