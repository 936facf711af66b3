package wire

import (
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Transport is how bytes travel: the same values in the same order as
// dialog.Transport.
type Transport uint8

// The transports that a realm can listen on.
const (
	UDP Transport = iota
	TCP
	TLS
)

// String is the token of the Via header field: UDP, TCP, TLS.
func (t Transport) String() string {
	if t > TLS {
		return "UNKNOWN"
	}
	return [...]string{"UDP", "TCP", "TLS"}[t]
}

// Hop is where a message came from or goes to: a socket of ours and an address
// of theirs.
type Hop struct {
	Realm     string
	Transport Transport
	Local     netip.AddrPort // our socket; zero: the realm's own choice
	Remote    netip.AddrPort
	Conn      uint64 // the stream connection; 0: any to Remote
}

// Packet is one message that came in.
type Packet struct {
	Hop
	At      time.Time
	Message sip.Message
	Raw     []byte // owned by the receiver
	Fault   *Fault // the request is to be answered so; nil: it is well-formed
}
