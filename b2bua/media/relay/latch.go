package relay

import (
	"net/netip"
	"time"
)

// Rank is how well the description of a leg speaks for a sender. The lower, the better.
type Rank uint8

// The ranks.
const (
	Exact     Rank = iota // address and port of the SDP
	SameHost              // address of the SDP
	Signalled             // address of the signalling
	Other
)

// worst is the rank down to which a policy lets sources count.
func (l Latch) worst() Rank {
	switch l {
	case Strict:
		return Exact
	case Any:
		return Other
	default:
		return Signalled
	}
}

// rank judges a source of RTP, or of RTCP on a port of its own.
func (e *Remote) rank(from netip.AddrPort, rtcp bool) Rank {
	named := e.RTP
	if rtcp {
		named = e.rtcp()
	}
	switch ip := from.Addr(); {
	case from == named:
		return Exact
	case ip == named.Addr(), ip == e.RTP.Addr():
		return SameHost
	case ip == e.Source:
		return Signalled
	}
	return Other
}

// How a source is left, and how one that nobody has named becomes one.
const (
	silence = 2 * time.Second // the source has gone: its address and SSRC, if it has one, may come back from another port
	proof   = 5               // packets in a row from a source of rank Other
)

// source is who counts on one socket.
type source struct {
	at    netip.AddrPort // zero: nobody has spoken yet
	rank  Rank
	fresh bool // there was new SDP: an equal source may take over, once
	ssrc  uint32
	last  time.Duration

	tried     netip.AddrPort // of rank Other, not yet proved
	triedSSRC uint32
	proved    uint8
}

// accept says whether a packet from this source counts. ssrc is 0 where the packet
// has none. moved: the source is another one than before.
func (s *source) accept(now time.Duration, e *Remote, from netip.AddrPort, rtcp bool, ssrc uint32) (ok, moved bool) {
	if from == s.at {
		s.last, s.fresh = now, false
		if ssrc != 0 {
			s.ssrc = ssrc
		}
		return true, false
	}
	rank := e.rank(from, rtcp)
	if rank > e.Latch.worst() {
		return false, false
	}
	switch {
	case !s.at.IsValid(), rank < s.rank:
	case s.fresh && rank == s.rank:
	case now-s.last >= silence && from.Addr() == s.at.Addr() && (ssrc != 0 && ssrc == s.ssrc || e.UDPTL && !rtcp):
		// the same source, behind a NAT that has forgotten it; of UDPTL the address alone says so
	default:
		return false, false
	}
	if rank == Other && !s.proves(from, ssrc) {
		return false, false
	}
	*s = source{at: from, rank: rank, ssrc: ssrc, last: now}
	return true, true
}

// proves counts the packets in a row of somebody who is not named anywhere.
func (s *source) proves(from netip.AddrPort, ssrc uint32) bool {
	if from != s.tried || ssrc != s.triedSSRC {
		s.tried, s.triedSSRC, s.proved = from, ssrc, 0
	}
	s.proved++
	return s.proved >= proof
}
