package relay

import (
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// end is where one m-line of one leg meets us: a pair of ports, and whom it talks with through them.
type end struct {
	relay  *Relay
	thread *thread
	local  netip.AddrPort // RTP's; RTCP's port is the one above it

	// mu is held while a packet is read into the end or sent from it: microseconds. Nobody holds
	// those of two ends at once.
	mu      sync.Mutex
	sockets [2]*socket // by kind
	closed  bool
	peer    *end // who hears what this one takes; nil: nobody
	aimed   bool
	muted   bool // nothing is sent there (c=0.0.0.0); remote still says who speaks
	remote  Remote
	sources [2]source // by socket
	to      [2]target // by kind
	heard   meter
	crypto  *transform
	keyed   bool // it has had keys
}

// aim takes a far end that has been checked.
func (e *end) aim(now time.Duration, to Remote) error {
	to = to.unmapped()
	if err := to.check(e.local.Addr(), e.relay.pool.own); err != nil {
		return err
	}
	crypto, err := e.crypto.rekey(to.Crypto, e.keyed)
	if err != nil {
		return err
	}
	e.crypto, e.keyed = crypto, e.keyed || crypto != nil
	before, first := e.remote, !e.aimed
	e.muted = !to.refused() && to.RTP.Addr().IsUnspecified()
	if e.muted && !first && !before.refused() {
		to.RTP, to.RTCP = before.RTP, before.RTCP // who has put us on hold may play music to us
	}
	e.remote, e.aimed = to, true
	e.heard.clock = to.Clock
	e.heard.heard, e.heard.timed = 0, false // what was between two descriptions is no gap
	for k, named := range [2][2]netip.AddrPort{{before.RTP, to.RTP}, {before.rtcp(), to.rtcp()}} {
		l := &e.sources[k]
		if named[0] != named[1] || to.rank(l.at, k == int(control)) > to.Latch.worst() {
			*l = source{}
		}
		l.fresh = true
	}
	if rank := to.rank(to.Heard, false); first && to.Heard.IsValid() && rank <= to.Latch.worst() {
		e.sources[media] = source{at: to.Heard, rank: rank, ssrc: to.SSRC, last: now}
	}
	e.retarget(media)
	e.retarget(control)
	return nil
}

// retarget says where packets of a kind go: to the source, or to where the SDP says.
func (e *end) retarget(k kind) {
	to := e.sources[k].at
	if !to.IsValid() {
		to = e.remote.RTP
		if k == control {
			to = e.remote.rtcp()
		}
	}
	e.to[k] = target{}
	if to.IsValid() && to.Port() != 0 && !to.Addr().IsUnspecified() {
		e.to[k] = targetOf(to)
	}
}

// stats is what has been heard so far.
func (e *end) stats() Stats {
	st := e.heard.Stats
	st.Heard = e.sources[media].at
	if e.heard.last != 0 {
		st.Last = e.relay.start.Add(e.heard.last)
	}
	st.Rollovers = e.crypto.rollovers()
	return st
}

// hears lets an end hear another one, or nobody.
func (e *end) hears(peer *end) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.peer = peer
}

// Aim says who the far end of a pair of ports is, from its latest description. Where address and port are those of
// before, the source that has been found stays until another of its rank comes (a refresh); with others it is
// forgotten. The error is ErrClosed, ErrLoop, ErrAddress or one of keys; then nothing changes.
func (r *Relay) Aim(local netip.AddrPort, to Remote) error {
	e, err := r.find(local)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return closedError(local)
	}
	if err := e.aim(r.now(), to); err != nil {
		return fmt.Errorf("media from %v: %w", local, err)
	}
	return nil
}

// Join lets each of two ends hear the other, and nobody else. Who was joined to one of them before is alone.
func (r *Relay) Join(a, b netip.AddrPort) error {
	one, err := r.find(a)
	if err != nil {
		return err
	}
	other, err := r.find(b)
	if err != nil {
		return err
	}
	if one == other {
		return fmt.Errorf("%w: %v to itself", ErrLoop, a)
	}
	r.joins.Lock()
	defer r.joins.Unlock()
	switch {
	case one.closed:
		return closedError(a)
	case other.closed:
		return closedError(b)
	case one.peer == other && other.peer == one:
		return nil
	}
	one.part()
	other.part()
	one.hears(other)
	other.hears(one)
	return nil
}

// part leaves an end, and who was joined to it, alone. The caller has the relay's joins.
func (e *end) part() {
	if peer := e.peer; peer != nil {
		e.hears(nil)
		peer.hears(nil)
	}
}

// Stats is what an end has heard.
func (r *Relay) Stats(local netip.AddrPort) (Stats, bool) {
	e, err := r.find(local)
	if err != nil {
		return Stats{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stats(), true
}

// Close ends an end: no packet goes out of it or comes from it any more. Its ports may be taken again when their
// quarantine is over: until then its name means nothing, and after that another end.
func (r *Relay) Close(local netip.AddrPort) Stats {
	r.mu.Lock()
	e := r.ends[local]
	if e != nil {
		delete(r.ends, local)
		e.thread.ends--
	}
	r.mu.Unlock()
	if e == nil {
		return Stats{}
	}
	r.joins.Lock()
	e.part()
	e.mu.Lock()
	e.closed = true
	st, pair := e.stats(), e.sockets
	e.mu.Unlock()
	r.joins.Unlock()
	r.unbind(e, pair)
	return st
}
