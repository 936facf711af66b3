package relay

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// scratch is what forwarding a packet needs beside it; a reader has one.
type scratch struct {
	opened [MaxPacket]byte       // decrypted
	sealed [MaxPacket + 256]byte // encrypted, with its trailer
}

// arrived takes a packet of n bytes, of which b are those that fit, and sends it on.
func (e *end) arrived(now time.Duration, on *socket, from netip.AddrPort, b []byte, n int, w *scratch) {
	e.mu.Lock()
	peer := e.peer
	k, b, why := e.take(now, on, from, b, n, w)
	e.mu.Unlock()
	if why == passed {
		why = peer.give(e, k, b, w)
	}
	if why == passed {
		return
	}
	e.relay.drops[why].Add(1)
	if why == Late {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard.Dropped++
	if why == Foreign {
		e.heard.Foreign++
	}
	if why == Unkeyed {
		e.heard.Unkeyed++
	}
	if why == Replayed {
		e.heard.Replayed++
	}
}

// take says which packet it is, in clear, or why it does not count.
func (e *end) take(now time.Duration, on *socket, from netip.AddrPort, b []byte, n int, w *scratch) (kind, []byte, Reason) {
	switch {
	case e.closed:
		return 0, nil, Late
	case n > MaxPacket:
		return 0, nil, Oversize
	case !e.aimed:
		return 0, nil, Unaimed
	case e.remote.refused():
		return 0, nil, Refused
	}
	k, why := e.check(on.kind, b)
	if why != passed {
		if e.remote.rank(from, on.kind == control) > e.remote.Latch.worst() {
			why = Foreign // who it is says more than what it is
		}
		return 0, nil, why
	}
	var ssrc uint32
	switch {
	case on.kind == control:
		ssrc = binary.BigEndian.Uint32(b[4:]) // of its sender (RFC 3550 §6.4), in clear in SRTCP too
	case k == media && !e.remote.UDPTL:
		ssrc = binary.BigEndian.Uint32(b[8:])
	}
	s := e.sources[on.kind]
	ok, moved := s.accept(now, &e.remote, from, on.kind == control, ssrc)
	if ok && e.crypto != nil { // who does not authenticate takes nothing over
		if b, why = e.crypto.open(w, k, b); why != passed {
			return 0, nil, why
		}
	}
	e.sources[on.kind] = s
	if moved {
		e.retarget(on.kind)
	}
	if !ok {
		return 0, nil, Foreign
	}
	e.count(now, k, b)
	return k, b, passed
}

// check says what a packet is, or what is wrong with it.
func (e *end) check(on kind, b []byte) (kind, Reason) {
	switch {
	case isSTUN(b):
		return on, STUN
	case on == control:
		return control, checkRTCP(b)
	case e.remote.UDPTL:
		return media, checkUDPTL(b)
	case e.remote.Mux && len(b) >= 2 && b[0]>>6 == 2 && isRTCP(b):
		return control, checkRTCP(b)
	}
	return media, checkRTP(b)
}

// count measures what has been accepted.
func (e *end) count(now time.Duration, k kind, b []byte) {
	switch {
	case k == control:
		e.heard.RTCP++
	case e.remote.UDPTL:
		e.heard.packet(now, len(b))
	default:
		e.heard.rtp(now, b)
	}
}

// give sends to the far end what another one has taken, while they are joined.
func (e *end) give(from *end, k kind, b []byte, w *scratch) Reason {
	if e == nil {
		return Nowhere
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	by := k
	if e.remote.Mux {
		by = media
	}
	switch {
	case e.peer != from || e.closed || !e.aimed || e.remote.refused():
		return Nowhere
	case e.muted || !e.to[by].valid():
		return Held
	}
	if e.crypto != nil {
		var why Reason
		if b, why = e.crypto.seal(w, k, b); why != passed {
			return why
		}
	}
	if !e.sockets[by].send(&e.to[by], b) {
		return Unsent
	}
	e.thread.packets.Add(1)
	e.thread.octets.Add(uint64(len(b)))
	return passed
}
