package carriers

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"bulkhead/dialog"
)

// Socket is a transport and an address: what a realm listens on, or where a
// peer is to be reached.
type Socket struct {
	Transport dialog.Transport
	Address   netip.AddrPort
}

// Realms says which sockets each realm listens on.
type Realms map[string][]Socket

// ParseSocket reads "udp://192.0.2.1:5060", "tls://[2001:db8::1]:5061"; without
// a scheme it is udp.
func ParseSocket(s string) (Socket, error) {
	scheme, address, ok := strings.Cut(s, "://")
	if !ok {
		scheme, address = "udp", s
	}
	transport, err := parseTransport(scheme)
	if err != nil {
		return Socket{}, err
	}
	at, err := parseAddress(address)
	return Socket{Transport: transport, Address: at}, err
}

// reaches says that bytes can go from the listening socket to a peer of this
// transport and address.
func (s Socket) reaches(peer Socket) bool {
	from, to := s.Address.Addr(), peer.Address.Addr()
	dual := from.Is6() && from.IsUnspecified()
	return s.Transport == peer.Transport && (dual || from.Is4() == to.Is4())
}

func parseTransport(s string) (dialog.Transport, error) {
	switch s {
	case "", "udp":
		return dialog.UDP, nil
	case "tcp":
		return dialog.TCP, nil
	case "tls":
		return dialog.TLS, nil
	}
	return 0, fmt.Errorf("unknown transport %q: udp, tcp or tls", s)
}

var errName = errors.New("is not an IP address, and only a gateway's may be a name")

// parseAddress reads "192.0.2.1:5060" or "[2001:db8::1]:5060".
func parseAddress(s string) (netip.AddrPort, error) {
	at, err := netip.ParseAddrPort(s)
	switch {
	case err == nil && at.Addr().Is4In6():
		return at, fmt.Errorf("%q: write the address as IPv4", s)
	case err == nil && at.Addr().Zone() != "":
		return at, fmt.Errorf("%q: an address with a zone is not usable", s)
	case err == nil:
		return at, nil
	}
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return at, fmt.Errorf("%q needs a port, such as %s", s, example(s))
	}
	host, port, ok := strings.Cut(s, ":")
	if isName(host) && (!ok || isPort(port)) {
		return at, fmt.Errorf("%q %w", s, errName)
	}
	return at, fmt.Errorf("%q is not an address and a port, such as 192.0.2.1:5060", s)
}

func example(ip string) string {
	return netip.AddrPortFrom(netip.MustParseAddr(strings.Trim(ip, "[]")), 5060).String()
}

func isPort(s string) bool {
	at, err := netip.ParseAddrPort("0.0.0.0:" + s)
	return err == nil && at.Port() > 0
}

// isName says that s is a host name that is not all digits and dots, so that a
// mistyped address is not taken for one.
func isName(s string) bool {
	letters := false
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			letters = true
		case '0' <= r && r <= '9', r == '-', r == '.', r == '_':
		default:
			return false
		}
	}
	return letters
}

// parsePrefix reads "192.0.2.0/24", or "192.0.2.1" for that address alone.
func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		if addr.Is4In6() || addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q: write a plain IPv4 or IPv6 address", s)
		}
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil && isName(s):
		return p, fmt.Errorf("%q %w", s, errName)
	case err != nil:
		return p, fmt.Errorf("%q is not an address or a prefix, such as 192.0.2.0/24", s)
	case p.Addr().Is4In6():
		return p, fmt.Errorf("%q: write the prefix as IPv4", s)
	case p != p.Masked():
		return p, fmt.Errorf("%q has bits beyond its length: write %s or %s", s, p.Masked(), p.Addr())
	}
	return p, nil
}

// plain is the address as the book keeps it: an IPv4 peer of a dual-stack socket
// is an IPv4 peer, and a zone says nothing about who it is.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
