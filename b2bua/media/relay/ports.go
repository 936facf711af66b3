package relay

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// ErrExhausted means that no pair of ports is free, or none has been for long enough.
var ErrExhausted = errors.New("no media port is free")

// ErrInUse means that another end, or another process, has the pair.
var ErrInUse = errors.New("port in use")

// ports are the pairs of one address. Who has been free the longest is taken first,
// and no pair before its quarantine is over: what still arrives for the last call
// must not be heard in the next.
type ports struct {
	free []pair // in the order in which they were given back
	used int
}

// pair is two ports by the even one, RTP's.
type pair struct {
	rtp   uint16
	ready time.Duration // when it may be taken
}

// pool is all pairs of the relay.
type pool struct {
	first, last uint16          // RTP's, both even
	start       func(n int) int // below n: where an address begins

	mu sync.Mutex
	by map[netip.Addr]*ports
}

// of is the pairs of an address, which begin anywhere: after a restart, too, late
// packets find nobody.
func (p *pool) of(ip netip.Addr) *ports {
	if l := p.by[ip]; l != nil {
		return l
	}
	n := int(p.last-p.first)/2 + 1
	l := &ports{free: make([]pair, n)}
	at := p.start(n)
	for i := range l.free {
		l.free[i].rtp = p.first + uint16(2*((at+i)%n))
	}
	p.by[ip] = l
	return l
}

// take takes the pair that has been free the longest.
func (p *pool) take(now time.Duration, ip netip.Addr) (uint16, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.of(ip)
	if len(l.free) == 0 || l.free[0].ready > now {
		return 0, ErrExhausted
	}
	rtp := l.free[0].rtp
	l.free = l.free[1:]
	l.used++
	return rtp, nil
}

// reserve takes this pair, which a restored call has. One outside the range is
// nobody else's.
func (p *pool) reserve(ip netip.Addr, rtp uint16) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.of(ip)
	if p.inside(rtp) {
		i := slices.IndexFunc(l.free, func(f pair) bool { return f.rtp == rtp })
		if i < 0 {
			return ErrInUse
		}
		l.free = slices.Delete(l.free, i, i+1)
	}
	l.used++
	return nil
}

// give gives a pair back. ready is when it may be taken again.
func (p *pool) give(ready time.Duration, ip netip.Addr, rtp uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.of(ip)
	l.used--
	if p.inside(rtp) {
		l.free = append(l.free, pair{rtp, ready})
	}
}

func (p *pool) inside(port uint16) bool { return port >= p.first && port <= p.last+1 }

// own says whether an address is one that the relay has sockets on, and the port
// within its range.
func (p *pool) own(at netip.AddrPort) bool {
	if !p.inside(at.Port()) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.by[at.Addr()] != nil
}

// count is how many pairs are in use, how many may be taken now, and how many are in
// quarantine.
func (p *pool) count(now time.Duration) (used, free, quarantined int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.by {
		used += l.used
		for _, f := range l.free {
			if f.ready > now {
				quarantined++
			} else {
				free++
			}
		}
	}
	return used, free, quarantined
}
