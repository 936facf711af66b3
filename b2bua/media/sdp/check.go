package sdp

import (
	"net/netip"
	"strconv"
	"strings"
)

// Check says whether media may go where the body says, of a peer whose signalling comes from an
// address: to the loopback only if he is on it himself. own tells what is ours: such a stream
// would go round in circles; nil: nothing is. Refused streams and what has no address
// (a name, no c=, 0.0.0.0) are not looked at. The error is a *Fault: what a SIP border
// carries goes to one host (RFC 3264 §5), to one pair of ports.
func (b *Body) Check(from netip.Addr, own func(netip.AddrPort) bool) error {
	for i := range b.media {
		m := &b.media[i]
		if m.Refused() {
			continue
		}
		if m.Ports != 1 {
			return fault(PortCount, b.lineOf(i), m.Remote().String())
		}
		for _, at := range [...]netip.AddrPort{m.Remote(), m.RTCP} {
			if name := nowhere(at, from, own); name != "" {
				return fault(name, b.lineOf(i), at.String())
			}
		}
	}
	for i := range b.lines { // of several a=rtcp lines, rtpengine goes by the first
		l := &b.lines[i]
		if l.kind != 'a' || l.media == session || b.media[l.media].Refused() || string(attributeName(l.value())) != "rtcp" {
			continue
		}
		at := loosely(string(l.value()), b.media[l.media].Addr)
		if name := nowhere(at, from, own); name != "" {
			return fault(name, l.number, at.String())
		}
	}
	return nil
}

// loosely is where rtpengine takes an a=rtcp line to lead: to the number that its port begins with.
func loosely(attribute string, addr netip.Addr) netip.AddrPort {
	_, value, _ := strings.Cut(attribute, ":")
	f := strings.Fields(value)
	if len(f) == 0 {
		return netip.AddrPort{}
	}
	if len(f) >= 4 {
		if a, _ := addressOf(f[3]); a.IsValid() {
			addr = a
		}
	}
	digits := strings.TrimPrefix(f[0], "+")
	digits = digits[:len(digits)-len(strings.TrimLeft(digits, "0123456789"))]
	port, _ := strconv.ParseUint(digits, 10, 16) // 0: no port of anybody's
	return netip.AddrPortFrom(addr, uint16(port))
}

// nowhere is why nothing is sent there for a peer; empty: it may be.
func nowhere(at netip.AddrPort, peer netip.Addr, own func(netip.AddrPort) bool) string {
	switch addr := at.Addr(); {
	case !addr.IsValid() || addr.IsUnspecified():
		return ""
	case addr.IsMulticast():
		return Multicast
	case addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}), addr.Is4() && addr.As4()[0] == 0:
		return Address // everybody on the link; "this network" (RFC 1122 §3.2.1.3)
	case addr.IsLoopback() && !peer.IsLoopback():
		return Address // services of this machine, which believe who reaches them
	case own != nil && own(at):
		return Loop
	}
	return ""
}

// lineOf is the number of the m= line in the body as it came.
func (b *Body) lineOf(media int) int {
	for i := range b.lines {
		if b.lines[i].kind == 'm' && int(b.lines[i].media) == media {
			return b.lines[i].number
		}
	}
	return 0
}
