package wire

import "time"

// BreakSockets closes what a realm reads from behind its back.
func (e *Edge) BreakSockets(name string) {
	for _, s := range e.realms[name].sockets {
		_ = s.udp.Load().Close()
	}
	for _, l := range e.realms[name].listeners {
		_ = l.tcp.Load().Close()
	}
}

// LookAtKeys makes the next handshake look whether certificates have changed.
func (e *Edge) LookAtKeys(name string) {
	k := e.realms[name].keys.Load()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looked = time.Time{}
}

// LookAtPeerKeys is LookAtKeys of certificates that go with a peer.
func (e *Edge) LookAtPeerKeys(name string) {
	k := (*e.peers.Load())[name]
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looked = time.Time{}
}

// Unanswered is how many requests wait for a response by a connection.
func (e *Edge) Unanswered() int {
	e.waits.mu.Lock()
	defer e.waits.mu.Unlock()
	return len(e.waits.by)
}

// Connections is how many there are.
func (e *Edge) Connections() int {
	e.streams.mu.Lock()
	defer e.streams.mu.Unlock()
	return len(e.conns)
}

// Sources is how many source addresses are remembered.
func (e *Edge) Sources() int {
	e.rate.mu.Lock()
	defer e.rate.mu.Unlock()
	return len(e.rate.sources)
}

// Age makes what waits older.
func (e *Edge) Age(by time.Duration) {
	e.waits.mu.Lock()
	defer e.waits.mu.Unlock()
	for _, one := range e.waits.queue {
		one.at = one.at.Add(-by)
	}
}
