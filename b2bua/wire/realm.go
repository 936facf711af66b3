package wire

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Listener is a socket that a realm has, or is to have.
type Listener struct {
	Transport Transport
	Addr      netip.AddrPort // port 0: any, which Addrs tells
}

// ParseListener reads "udp://127.0.0.1:5060", "tls://[::1]:5061". Without a port
// it is the transport's own (RFC 3261 §19.1.2).
func ParseListener(s string) (Listener, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return Listener{}, fmt.Errorf("%q: want transport://address:port", s)
	}
	var l Listener
	port := uint16(5060)
	switch strings.ToLower(scheme) {
	case "udp":
		l.Transport = UDP
	case "tcp":
		l.Transport = TCP
	case "tls":
		l.Transport, port = TLS, 5061
	default:
		return Listener{}, fmt.Errorf("%q: unknown transport %q; want udp, tcp or tls", s, scheme)
	}
	addr, err := netip.ParseAddrPort(rest)
	if err != nil {
		ip, ipErr := netip.ParseAddr(strings.Trim(rest, "[]"))
		if ipErr != nil {
			return Listener{}, fmt.Errorf("%q: %w", s, err)
		}
		addr = netip.AddrPortFrom(ip, port)
	}
	l.Addr = unmap(addr)
	return l, nil
}

// String is what ParseListener reads.
func (l Listener) String() string {
	return strings.ToLower(l.Transport.String()) + "://" + l.Addr.String()
}

// Realm is one side of the border: its sockets and what they are called.
type Realm struct {
	Listen    []Listener
	Advertise string // host, or host:port, that Via and Contact say; empty: the listening address
	Media     string // not looked at here
	TLS       Certificates
	Keepalive time.Duration // as of a Peer that has none of its own
}

// Peer is what is known of whom we have stream connections with.
type Peer struct {
	Host      string        // its host name, told to it over TLS (SNI, RFC 6066 §3); empty: none is known
	Name      string        // that its certificate must have (RFC 5922 §7); empty: Host, or else its address
	Keys      string        // which of Config.Keys we show and believe; empty: the realm's
	Keepalive time.Duration // between two pings on a connection that we opened (RFC 5626 §3.5.1); zero: the realm's
}

// Certificates are PEM files. They are read again when they change; connections that
// there are go on.
type Certificates struct {
	Certificate string // ours, with its chain
	Key         string
	// ClientCA vouches for peers: whoever connects must then show a certificate
	// of it, and whom we connect to is checked against it instead of the
	// system's.
	ClientCA string
}

// Config is what the edge is made of. Zero values mean the defaults.
type Config struct {
	Realms map[string]Realm `yaml:"-"`

	MaxMessage              int           // bytes; default 16384
	MaxRatePerSource        int           // a second of one address, with a burst of as many, of messages that can begin something; 0: any
	MaxConnections          int           // that others opened, over all realms; default 4096
	MaxConnectionsPerSource int           // of one address; default 128
	IdleTimeout             time.Duration // of a connection without traffic; default 15 minutes
	WriteTimeout            time.Duration // of one write; default 5 s
	ConnectTimeout          time.Duration // of connecting, TLS included; default 3 s
	PongTimeout             time.Duration // from a ping to its answer; default 10 s (RFC 5626 §4.4.1)
	MessageTimeout          time.Duration // from the first byte of a message to its last on a stream; default 10 s

	// FreeBind binds sockets to addresses that are not here yet. What is sent from
	// such an address is refused by the system, and nothing comes in by it.
	FreeBind bool

	// Keys are certificates beside those of the realms, by a name that Peer says and that
	// no realm has.
	Keys map[string]Certificates `yaml:"-"`

	// Peer says what is known of who is at an address; its port is not known where
	// the peer has connected to us. Nil: nothing is.
	Peer func(realm string, transport Transport, remote netip.AddrPort) Peer `yaml:"-"`
}

func (c Config) orDefault() Config {
	set := func(n *int, to int) {
		if *n <= 0 {
			*n = to
		}
	}
	last := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	set(&c.MaxMessage, 16<<10)
	set(&c.MaxConnections, 4096)
	set(&c.MaxConnectionsPerSource, 128)
	last(&c.IdleTimeout, 15*time.Minute)
	last(&c.WriteTimeout, 5*time.Second)
	last(&c.ConnectTimeout, 3*time.Second) // before a carrier that says nothing is given up
	last(&c.PongTimeout, 10*time.Second)
	last(&c.MessageTimeout, 10*time.Second)
	return c
}

// validate names every fault at once.
func (c Config) validate() error {
	var faults []error
	taken := map[Listener]string{}
	for name, r := range c.Realms {
		fault := func(format string, a ...any) {
			faults = append(faults, fmt.Errorf("realm "+name+": "+format, a...))
		}
		if name == "" {
			fault("a realm without a name")
		}
		if len(r.Listen) == 0 {
			fault("nothing to listen on")
		}
		if host, port, ok := cutPort(r.Advertise); r.Advertise != "" {
			if _, err := netip.ParseAddr(r.Advertise); err != nil && (!isHost(host) || ok && !isPort(port)) {
				fault("advertise: %q is neither host nor host:port", r.Advertise)
			}
		}
		for _, l := range r.Listen {
			switch {
			case l.Transport > TLS:
				fault("%s: unknown transport", l)
			case !l.Addr.IsValid():
				fault("%s: no address", l)
			case l.Addr.Addr().IsUnspecified() && r.Advertise == "":
				// Peers would be told to answer to 0.0.0.0.
				fault("%s: advertise must say what the address is", l)
			case l.Addr.Port() != 0 && taken[l] != "":
				fault("%s: taken by realm %s", l, taken[l])
			case l.Transport == TLS && (r.TLS.Certificate == "" || r.TLS.Key == ""):
				fault("%s: needs a certificate and its key", l)
			}
			taken[l] = name
		}
	}
	return errors.Join(faults...)
}

// unmap turns ::ffff:192.0.2.1 into 192.0.2.1, so that one address is one value.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
