package relay

import "sync/atomic"

// Reason is why a packet was not forwarded.
type Reason uint8

// What is dropped, in the order in which it is looked for.
const (
	passed    Reason = iota
	Late             // its end has been closed
	Oversize         // longer than MaxPacket
	Unaimed          // no SDP has said yet who speaks here
	Refused          // the m-line is refused: port 0
	Foreign          // from whom the SDP of this leg has not named
	Short            // too short for what it should be
	Version          // not version 2 of RTP
	Malformed        // lengths inside lead past its end
	STUN             // connectivity checks: we offer no ICE (RFC 8445)
	Unkeyed          // SRTP that does not authenticate
	Replayed         // SRTP that was here already, or is too late for that to be known (RFC 3711 §3.3.2)
	Spent            // toward SRTP, with an index that has gone out, or from too many sources: no keystream is used twice
	Nowhere          // joined to nobody, or to an end that is not aimed yet
	Held             // the other leg wants nothing: c=0.0.0.0
	Unsent           // the kernel would not send it
	reasons
)

var reasonNames = [reasons]string{
	"passed", "late", "oversize", "unaimed", "refused", "foreign", "short", "version",
	"malformed", "stun", "unkeyed", "replayed", "spent", "nowhere", "held", "unsent",
}

func (r Reason) String() string { return reasonNames[r] }

// Reasons are all that there are.
func Reasons() []Reason {
	all := make([]Reason, 0, reasons-1)
	for r := Late; r < reasons; r++ {
		all = append(all, r)
	}
	return all
}

// drops counts packets that were not forwarded.
type drops [reasons]atomic.Uint64
