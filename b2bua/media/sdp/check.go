package sdp

import "net/netip"

// Check says whether media may go where the body says. own tells what is ours: such a stream
// would go round in circles; nil: nothing is. Refused streams and those without an address
// (a name, no c=, 0.0.0.0) are not looked at. The error is a *Fault: what a SIP border
// carries goes to one host (RFC 3264 §5), to one pair of ports.
func (b *Body) Check(own func(netip.AddrPort) bool) error {
	for i := range b.media {
		m := &b.media[i]
		if m.Refused() {
			continue
		}
		name, text := "", m.Remote().String()
		switch {
		case m.Ports != 1:
			name = PortCount
		case !m.Addr.IsValid() || m.Addr.IsUnspecified():
			continue
		case nowhere(m.Addr) != "":
			name = nowhere(m.Addr)
		case m.RTCP.IsValid() && nowhere(m.RTCP.Addr()) != "":
			name, text = nowhere(m.RTCP.Addr()), m.RTCP.String()
		case own != nil && own(m.Remote()):
			name = Loop
		case own != nil && m.RTCP.IsValid() && own(m.RTCP):
			name, text = Loop, m.RTCP.String()
		default:
			continue
		}
		return fault(name, b.lineOf(i), text)
	}
	return nil
}

// nowhere is why nothing is sent to an address; empty: it may be.
func nowhere(addr netip.Addr) string {
	switch {
	case addr.IsMulticast():
		return Multicast
	case addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}), addr.Is4() && addr.As4()[0] == 0 && !addr.IsUnspecified():
		return Address // everybody on the link; "this network" (RFC 1122 §3.2.1.3)
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
