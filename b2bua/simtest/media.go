package simtest

import (
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/media"
	"bulkhead/b2bua/media/relay"
)

// ports are a relay without sockets: pairs of ports that nobody sends to, numbered from 30000 on.
// It keeps account of them.
type ports struct {
	mu     sync.Mutex
	most   int
	next   uint16
	open   map[netip.AddrPort]netip.AddrPort // and whom each is joined to
	faults []string
}

// relays reads "media relay [ports=2] [timeout=60s]", or the same of "rtpengine [nodes=1]".
func (s *Stage) relays(o options) error {
	p := &ports{most: 1000, next: 30000, open: map[netip.AddrPort]netip.AddrPort{}}
	timeout, nodes := time.Duration(0), 1
	var err error
	for key, value := range o.values {
		switch key {
		case "ports":
			p.most, err = strconv.Atoi(value)
		case "nodes":
			nodes, err = strconv.Atoi(value)
		case "timeout":
			timeout, err = time.ParseDuration(value)
		default:
			return fmt.Errorf("media has no %s", key)
		}
		if err != nil {
			return err
		}
	}
	own := func(at netip.AddrPort) bool {
		for _, local := range s.Net.local {
			if at.Addr() == local.Addr() && at.Port() >= 30000 && at.Port() < 40000 {
				return true
			}
		}
		return false
	}
	m := &b2bua.Media{Mode: media.Relay, Relay: media.NewRelayed(p, own, timeout), Realms: map[string]b2bua.MediaAddresses{}}
	m.Relay.Random = &counting{}
	for realm, local := range s.Net.local {
		m.Realms[realm] = b2bua.MediaAddresses{{Said: local.Addr(), Bind: local.Addr()}}
	}
	s.media, s.ports = m, p
	if o.has("rtpengine") {
		s.engined(nodes, timeout)
	}
	return nil
}

// Open is media.Ports.
func (p *ports) Open(at netip.Addr) (netip.AddrPort, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.open) >= p.most {
		return netip.AddrPort{}, relay.ErrExhausted
	}
	local := netip.AddrPortFrom(at, p.next)
	p.next += 2
	p.open[local] = netip.AddrPort{}
	return local, nil
}

// Restore is media.Ports.
func (p *ports) Restore(local netip.AddrPort) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, is := p.open[local]; is {
		return relay.ErrInUse
	}
	p.open[local] = netip.AddrPort{}
	return nil
}

// counting is what keys are made of, so that a ladder can tell one from the other: the first is of ones.
type counting struct{ n atomic.Uint32 }

func (c *counting) Read(b []byte) (int, error) {
	n := byte(c.n.Add(1)) // of few
	for i := range b {
		b[i] = n
	}
	return len(b), nil
}

// Aim is media.Ports.
func (p *ports) Aim(local netip.AddrPort, to relay.Remote) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := to.Crypto; c != nil && (len(c.Send) != relay.KeyLength(c.Suite) || len(c.Receive) != len(c.Send)) {
		p.faults = append(p.faults, fmt.Sprintf("port %v is given keys of %d and %d bytes for %s", local, len(c.Send), len(c.Receive), c.Suite))
		return relay.ErrCrypto
	}
	return p.has(local)
}

// Join is media.Ports.
func (p *ports) Join(a, b netip.AddrPort) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range [...]netip.AddrPort{a, b} {
		if err := p.has(one); err != nil {
			return err
		}
		if other := p.open[one]; other.IsValid() {
			p.open[other] = netip.AddrPort{}
		}
	}
	p.open[a], p.open[b] = b, a
	return nil
}

// has notes where what is closed is used; the lock is held.
func (p *ports) has(local netip.AddrPort) error {
	if _, is := p.open[local]; !is {
		p.faults = append(p.faults, fmt.Sprintf("R20: port %v is used after its release", local))
		return relay.ErrClosed
	}
	return nil
}

// Stats is media.Ports: nobody is ever heard.
func (p *ports) Stats(local netip.AddrPort) (relay.Stats, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, is := p.open[local]
	return relay.Stats{}, is
}

// Close is media.Ports.
func (p *ports) Close(local netip.AddrPort) relay.Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.has(local)
	if other := p.open[local]; other.IsValid() {
		p.open[other] = netip.AddrPort{}
	}
	delete(p.open, local)
	return relay.Stats{}
}

// left says what was not given back, of an engine that keeps nothing.
func (s *Stage) left() (faults []string) {
	if s.ports == nil {
		return nil
	}
	if s.engines != nil && s.Engine.Strands() == 0 && s.engines.kept() > 0 {
		faults = append(faults, fmt.Sprintf("P7: no call is left, and rtpengines have %d", s.engines.kept()))
	}
	s.ports.mu.Lock()
	defer s.ports.mu.Unlock()
	faults = append(faults, s.ports.faults...)
	if s.Engine.Strands() == 0 && len(s.ports.open) > 0 {
		faults = append(faults, fmt.Sprintf("P7: no call is left, and %d pairs of media ports are open", len(s.ports.open)))
	}
	return faults
}
