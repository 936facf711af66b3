package simtest

import (
	"bytes"
	"container/heap"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/wire"
	"bulkhead/dialog"
)

// Net is the network between Bulkhead and its peers. It is the engine's Wire and
// Observer. Whatever happens on it happens in the goroutine that plays the
// scenario, one thing after the other, so that a scenario always runs alike.
type Net struct {
	mu      sync.Mutex
	queue   events
	count   int
	wake    chan struct{}
	rules   map[direction]*rule
	dice    *rand.Rand
	peers   []*Peer
	local   map[string]netip.AddrPort // by realm
	broken  map[uint64]bool           // connections that are closed
	crossed []*crossing               // in the order in which they happened
	last    *crossing                 // what Bulkhead received last
	faults  []string                  // what Bulkhead sent and no peer would understand
	begin   time.Time
	counts  map[tally]int
	secure  bool // the realms have TLS

	// Forget is for so many calls that what crossed cannot be kept: it is only
	// counted, and there are neither ladders nor promises.
	Forget bool

	receive func(wire.Packet)
	known   func(realm string, source netip.Addr) bool
	dropped func(realm, name string, source netip.Addr, size int)
	heard   func(*Peer, message, netip.AddrPort)
}

// crossing is one message at Bulkhead's side of the network.
type crossing struct {
	at   time.Time
	in   bool // to Bulkhead
	peer *Peer
	to   netip.AddrPort // out: the peer's address; in: its source
	data []byte
	text message
	lost bool
	mark string // why it got no further: a name of dialog.Drop
}

// tally is what is counted.
type tally struct {
	peer, label string
	in          bool
}

type direction struct {
	peer string
	in   bool
}

// rule is how the network treats one direction.
type rule struct {
	loss, dup  float64
	delay      [2]time.Duration
	lose       int
	unsendable error
}

// event is something that is to happen on the network.
type event struct {
	at time.Time
	n  int // in the order of their making
	do func()
}

type events []event

func (h events) Len() int { return len(h) }
func (h events) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].n < h[j].n
}
func (h events) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is heap.Interface.
func (h *events) Push(x any) { *h = append(*h, x.(event)) }

// Pop is heap.Interface.
func (h *events) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

// Local is how Bulkhead writes itself (b2bua.Wire).
func (n *Net) Local(realm string, t wire.Transport) (string, bool) {
	a, ok := n.local[realm]
	if t == wire.TLS {
		a = netip.AddrPortFrom(a.Addr(), 5061)
		ok = ok && n.secure
	}
	if !ok {
		return "", false
	}
	return a.String(), true
}

// Send takes what Bulkhead sends (b2bua.Wire).
func (n *Net) Send(h, fallback wire.Hop, data []byte, unsent func(error)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h.Conn != 0 && n.broken[h.Conn] {
		if !fallback.Remote.IsValid() {
			n.refuse(unsent, errors.New("the connection is gone"))
			return
		}
		h = fallback
	}
	peer := n.at(h.Realm, h.Remote.Addr())
	c := &crossing{at: time.Now(), peer: peer, to: h.Remote, data: bytes.Clone(data), text: read(data)}
	n.judge(c, data)
	n.keep(c)
	if peer == nil {
		c.lost = true
		return
	}
	r := n.rules[direction{peer.Name, false}]
	if r != nil && r.unsendable != nil {
		c.lost = true
		n.refuse(unsent, r.unsendable)
		return
	}
	n.travel(c, r, func() { n.heard(peer, c.text, c.to) })
}

// refuse tells the engine later, as a network does.
func (n *Net) refuse(unsent func(error), err error) {
	if unsent != nil {
		n.soon(0, func() { unsent(err) })
	}
}

// judge parses what Bulkhead sends as strictly as Bulkhead parses others.
func (n *Net) judge(c *crossing, data []byte) {
	_, fault, err := wire.Parse(bytes.Clone(data), wire.Limits{})
	if fault != nil {
		err = errors.New(fault.Name + ": " + fault.Phrase)
	}
	if err == nil && c.peer == nil {
		err = errors.New("nobody is at " + c.to.String())
	}
	if err != nil {
		n.faults = append(n.faults, fmt.Sprintf("%s\n%s", err, data))
	}
}

// say puts bytes of a peer on the network.
func (n *Net) say(p *Peer, source netip.AddrPort, data []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := &crossing{in: true, peer: p, to: source, data: data, text: read(data)}
	conn := uint64(0)
	if p.transport != wire.UDP {
		if p.conn == 0 || n.broken[p.conn] {
			n.count++
			p.conn = uint64(n.count)
		}
		conn = p.conn
	}
	n.travel(c, n.rules[direction{p.Name, true}], func() { n.deliver(c, conn) })
}

// deliver gives Bulkhead what has arrived.
func (n *Net) deliver(c *crossing, conn uint64) {
	n.mu.Lock()
	copied := *c // the network may have made two of one
	c = &copied
	c.at = time.Now()
	n.keep(c)
	local := n.local[c.peer.realm]
	n.mu.Unlock()
	if c.lost {
		return
	}
	if !n.known(c.peer.realm, c.to.Addr()) {
		c.mark = "unknown_source"
		n.dropped(c.peer.realm, c.mark, c.to.Addr(), len(c.data))
		return
	}
	raw := bytes.Clone(c.data)
	m, fault, err := wire.Parse(raw, wire.Limits{})
	if err != nil {
		var d wire.DropError
		errors.As(err, &d)
		c.mark = d.Name
		n.dropped(c.peer.realm, c.mark, c.to.Addr(), len(raw))
		return
	}
	n.mu.Lock()
	n.last = c
	n.mu.Unlock()
	n.receive(wire.Packet{
		Hop: wire.Hop{Realm: c.peer.realm, Transport: c.peer.transport, Local: local, Remote: c.to, Conn: conn},
		At:  c.at, Message: m, Raw: raw, Fault: fault,
	})
}

// keep remembers what crossed. The lock is held.
func (n *Net) keep(c *crossing) {
	if !n.Forget {
		n.crossed = append(n.crossed, c)
	}
	if c.peer != nil && !c.lost {
		n.counts[tally{c.peer.Name, c.text.label(), c.in}]++
	}
}

// travel carries a message by the rules of its direction. The lock is held.
func (n *Net) travel(c *crossing, r *rule, arrive func()) {
	if r == nil {
		n.soon(0, arrive)
		return
	}
	copies := 1
	if n.dice.Float64() < r.dup {
		copies = 2
	}
	for range copies {
		lost := r.lose > 0 || n.dice.Float64() < r.loss
		if r.lose > 0 {
			r.lose--
		}
		if lost {
			c.lost = copies == 1
			if c.in && c.lost {
				n.soon(0, arrive) // for the ladder alone
			}
			continue
		}
		delay := r.delay[0]
		if spread := r.delay[1] - r.delay[0]; spread > 0 {
			delay += time.Duration(n.dice.Int64N(int64(spread)))
		}
		n.soon(delay.Truncate(time.Millisecond), arrive)
	}
}

// soon queues what is to happen. The lock is held.
func (n *Net) soon(after time.Duration, do func()) {
	n.count++
	heap.Push(&n.queue, event{time.Now().Add(after), n.count, do})
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// later queues what a peer will do.
func (n *Net) later(after time.Duration, do func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.soon(after, do)
}

// pass lets virtual time go by, and happen what happens in it.
func (n *Net) pass(d time.Duration) {
	end := time.Now().Add(d)
	for {
		synctest.Wait() // whatever Bulkhead does at this instant comes first
		n.mu.Lock()
		next := end
		if len(n.queue) > 0 && !n.queue[0].at.After(end) {
			next = n.queue[0].at
			if !next.After(time.Now()) {
				e := heap.Pop(&n.queue).(event)
				n.mu.Unlock()
				e.do()
				continue
			}
		}
		n.mu.Unlock()
		wait := time.Until(next)
		if wait <= 0 {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-n.wake:
			timer.Stop()
		}
	}
}

// idle says that nothing is under way.
func (n *Net) idle() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.queue) == 0
}

// at finds who is at an address of a realm.
func (n *Net) at(realm string, a netip.Addr) *Peer {
	for _, p := range n.peers {
		for _, own := range p.addresses {
			if p.realm == realm && own.Addr() == a {
				return p
			}
		}
	}
	return nil
}

// Saw marks what Bulkhead took in and let go no further (b2bua.Observer).
func (n *Net) Saw(s b2bua.Sight) {
	if !s.In || s.Note == "" || s.Data != nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last != nil && n.last.at.Equal(s.At) {
		n.last.mark = s.Note
	}
}

// Hunted is b2bua.Observer.
func (n *Net) Hunted(dialog.CallID, b2bua.Failover) {}

// Ended is b2bua.Observer.
func (n *Net) Ended(dialog.CallID, b2bua.Record) {}

// Left is b2bua.Observer.
func (n *Net) Left(dialog.CallID) {}

// What the network says of a dead route: by ICMP, by a reset of the connection that is
// being made, by an alert of the peer's TLS, by the system that cannot send at all.
var (
	errRefused    = fmt.Errorf("write udp: %w", syscall.ECONNREFUSED)
	errReset      = fmt.Errorf("connect: %w", syscall.ECONNREFUSED)
	errAlert      = fmt.Errorf("agree on TLS: remote error: %w", tls.AlertError(42))
	errUnsendable = fmt.Errorf("sendto: %w", syscall.EPERM)
)

var (
	_ b2bua.Wire     = (*Net)(nil)
	_ b2bua.Observer = (*Net)(nil)
)

// Sent are the messages that Bulkhead has put on the network, each with the name of the
// peer that it was for, in their order.
func (n *Net) Sent() iter.Seq2[string, string] {
	n.mu.Lock()
	crossed := slices.Clone(n.crossed)
	n.mu.Unlock()
	return func(yield func(string, string) bool) {
		for _, c := range crossed {
			if !c.in && !yield(c.peer.Name, string(c.data)) {
				return
			}
		}
	}
}
