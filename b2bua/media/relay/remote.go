package relay

import (
	"errors"
	"fmt"
	"net/netip"
)

// Latch is which sources count, beside the one that the SDP names.
type Latch uint8

// The policies, the default first.
const (
	SameIP Latch = iota // the address of the SDP or of the signalling, from any port
	Strict              // address and port of the SDP
	Any                 // everyone, once he has sent some packets in a row: media from behind a NAT of its own
)

var latchNames = [...]string{"same-ip", "strict", "any"}

// String is its name; other: a newer version's, which is held to the default.
func (l Latch) String() string {
	if int(l) >= len(latchNames) {
		return "other"
	}
	return latchNames[l]
}

// ParseLatch reads a policy's name. "" is the default.
func ParseLatch(name string) (Latch, error) {
	if name == "" {
		return SameIP, nil
	}
	for i, n := range latchNames {
		if n == name {
			return Latch(i), nil
		}
	}
	return 0, fmt.Errorf("latch %q: strict, same-ip or any", name)
}

// Remote is the far end of a pair of ports, as its SDP and its signalling say.
type Remote struct {
	RTP    netip.AddrPort // port 0: refused. An unspecified address (c=0.0.0.0): nothing is sent there
	RTCP   netip.AddrPort // zero: RTP's port + 1 (RFC 3550 §11)
	Source netip.Addr     // where the signalling of this leg comes from; zero: says nothing

	Latch Latch
	Mux   bool   // RTCP on RTP's port (RFC 5761), agreed with this leg
	UDPTL bool   // T.38: no RTP inside, no RTCP
	Held  bool   // on hold, by either side's direction: silence is as it should be
	Clock uint32 // Hz of RTP's timestamps, for jitter; 0: 8000

	Crypto *Crypto // SDES keys toward this leg; nil: plain

	// Where its source was found and with which SSRC, after a takeover. It counts at the first Aim of an end
	// only, and only as far as the policy lets it.
	Heard netip.AddrPort
	SSRC  uint32
}

// Why a Remote is refused.
var (
	ErrLoop    = errors.New("the relay's own port")
	ErrAddress = errors.New("no address to send media to")
)

// check refuses what cannot or must not be sent to from a local address. own says what is the relay's.
func (e Remote) check(local netip.Addr, own func(netip.AddrPort) bool) error {
	if e.UDPTL && e.Crypto != nil {
		return fmt.Errorf("%w: for UDPTL", ErrCrypto)
	}
	if e.refused() || e.RTP.Addr().IsUnspecified() {
		return nil
	}
	for _, at := range [...]netip.AddrPort{e.RTP, e.rtcp()} {
		ip := at.Addr()
		switch {
		case !ip.IsValid(), ip.IsMulticast(), ip.IsLinkLocalUnicast(), ip == broadcast, ip.Zone() != "", at.Port() == 0:
			return fmt.Errorf("%w: %v", ErrAddress, at)
		case ip.IsLoopback() && e.Source.IsValid() && !e.Source.IsLoopback():
			return fmt.Errorf("%w: %v, of %v", ErrAddress, at, e.Source)
		case ip.Is4() != local.Is4():
			return fmt.Errorf("%w: %v from %v", ErrAddress, at, local)
		case own(at):
			return fmt.Errorf("%w: %v", ErrLoop, at)
		}
	}
	return nil
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

func (e Remote) refused() bool { return e.RTP.Port() == 0 }

// rtcp is where RTCP of its own port goes. RTP's port 65535 has none above it.
func (e Remote) rtcp() netip.AddrPort {
	switch {
	case e.RTCP.IsValid():
		return e.RTCP
	case e.RTP.Port() == 65535:
		return e.RTP
	}
	return netip.AddrPortFrom(e.RTP.Addr(), e.RTP.Port()+1)
}

// unmapped is the endpoint without IPv4 inside IPv6: sources come without.
func (e Remote) unmapped() Remote {
	e.RTP = netip.AddrPortFrom(e.RTP.Addr().Unmap(), e.RTP.Port())
	if e.RTCP.IsValid() {
		e.RTCP = netip.AddrPortFrom(e.RTCP.Addr().Unmap(), e.RTCP.Port())
	}
	e.Source = e.Source.Unmap()
	e.Heard = netip.AddrPortFrom(e.Heard.Addr().Unmap(), e.Heard.Port())
	if e.Clock == 0 {
		e.Clock = 8000
	}
	return e
}
