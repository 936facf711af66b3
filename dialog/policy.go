package dialog

import (
	"net/netip"
	"time"
)

// Transport is how bytes travel (RFC 3261 §18).
type Transport uint8

// The transports that a realm can listen on.
const (
	UDP Transport = iota
	TCP
	TLS
	transports
)

// String is the token of the Via header field: UDP, TCP, TLS.
func (t Transport) String() string { return [...]string{"UDP", "TCP", "TLS"}[t] }

// Reliable says that no repeats are needed (RFC 3261 §17.1.1.1).
func (t Transport) Reliable() bool { return t != UDP }

// Path is how bytes reach a peer: the socket of ours and the address of theirs.
type Path struct {
	Realm     string
	Transport Transport
	Local     netip.AddrPort // our socket; zero: the realm's own choice
	Remote    netip.AddrPort
	Conn      uint64 // the stream connection that it came by; 0: any to Remote
}

// Local is what our side of a leg calls itself in Via and Contact, per
// transport: "203.0.113.7:5060", "[2001:db8::1]:5061". Empty: the realm does
// not have that transport.
type Local [transports]string

// Timers are the timers of RFC 3261 §17 (table 4) for one leg.
type Timers struct {
	T1, T2, T4 time.Duration
}

// Policy is how a leg behaves: frozen when the leg begins, shared by many legs,
// never changed.
type Policy struct {
	Seal   *Seal
	Local  Local
	Timers Timers

	// Outbound: how long to wait before the next target, from the INVITE.
	// Zero: as long as NoAnswer allows.
	NoResponse time.Duration // no response at all
	NoRinging  time.Duration // no 18x
	NoAnswer   time.Duration // no final response: Timer C of RFC 3261 §16.6, never zero

	Linger       time.Duration // how long after Timer D repeats are still ACKed
	Contact      Path          // inbound: where our requests go when the dialog names nothing better
	Peers        Peers         // whom a dialog may name; nil: anybody
	SessionTimer SessionTimer
	Relay        []string // methods that pass within a dialog, besides those that we serve ourselves
	EarlyMedia   bool     // P-Early-Media passes (RFC 5009)
	Stay         bool     // outbound: early media is the end of the hunt
	Codecs       Codecs
	Agent        string // Server and User-Agent; empty: none
	Transfers    Transfers
	Profile      Profile       // of header fields; nil: those of the signals pass as they are
	Form         Form          // outbound: how who is called is written
	Audit        time.Duration // how often the peer is asked whether it is there; zero: never
	Login        *Login        // outbound: for its challenges; nil: none is met
	LargeByTCP   bool          // outbound: an INVITE that is too large for UDP goes by TCP (RFC 3261 §18.1.1)
}

// Peers are who is heard in a realm: the trunks and gateways there.
type Peers interface {
	Known(realm string, at netip.Addr) bool
}

// Host is what our side calls itself over a transport.
func (p *Policy) Host(t Transport) string { return p.Local[t] }

// Target is where an outbound leg is to go, all names resolved.
type Target struct {
	Carrier string
	Gateway string // the gateway's address, as configured
	Number  string // user part of the Request-URI and of To
	Host    string // host and port of the Request-URI, as to be written
	Path    Path
	Dead    string // why nothing can be sent there, where its name leads nowhere; empty: Path leads there
	Route   string // Service-Route of our registration there (RFC 3608), in the form of Route; empty: none
}
