// Package media carries what calls talk, in one of three ways: not at all (bypass: the peers
// send to each other), by the relay of this process, or by rtpengine over its ng protocol.
//
// Calls know of it what Anchor says: an offer, an answer, a refusal, the end of a leg. What holds
// of a call is a value, State, which is stored with the call: a node that takes over opens the
// same ports from it. The package knows no SIP: legs are numbers, descriptions are the bytes of
// one application/sdp body each.
package media

import (
	"errors"
	"net/netip"
	"time"
)

// Mode is how the media between two legs is carried.
type Mode uint8

// The modes, as the configuration names them.
const (
	Bypass    Mode = iota // descriptions pass; media flows directly
	Relay                 // by the relay of this process
	RTPEngine             // by an rtpengine
)

// String is the name in the configuration.
func (m Mode) String() string { return [...]string{"bypass", "relay", "rtpengine"}[m] }

// Latch is from where a port takes packets (RFC 3264 says only where they go to).
type Latch uint8

// The policies. Never is the first packet that comes the one that is taken.
const (
	SameIP Latch = iota // the address that was described, at any port of it; where its peer is behind NAT, that of its SIP
	Strict              // exactly the address and port that were described
	Any                 // whoever sends first, where the description has not shown to be right
)

// Leg is what the media of a leg goes by: facts of its trunk or carrier and its realm.
type Leg struct {
	Number  uint8
	Address netip.Addr // of ours, as descriptions to this leg name it
	Bind    netip.Addr // where its ports are opened; differs from Address behind NAT
	Source  netip.Addr // where its SIP comes from
	Latch   Latch
	Secure  bool // its SIP goes by TLS: keys may be written to it
}

// Anchor carries the media of calls. A method changes the state as it says, and asks nobody
// for longer than a relay in this process takes, but for an rtpengine's, which may wait for a
// round trip. An error changes nothing, and is one of those below, wrapped.
type Anchor interface {
	// Offer is an offer of the peer of one leg, as that of another is to see it. It holds
	// when it is answered; until then what was holds. A second offer of a leg takes the place of
	// the first.
	Offer(c Call, from, to Leg, sdp []byte) ([]byte, error)

	// Answer is an answer to the offer that the peer of `to` has made, as that one is to see
	// it: from now on these two legs talk, as described. It may come again, from other forks: the
	// last one holds.
	Answer(c Call, from, to Leg, sdp []byte) ([]byte, error)

	// Refused says that the offer of a leg's peer has come to nothing: what was, holds.
	Refused(c Call, from uint8)

	// Release ends the media of a leg: its ports go back, and what was counted is in the state.
	// One that has none, or had, is left alone.
	Release(c Call, leg uint8)
}

// Call is whose media it is.
type Call struct {
	ID    string
	Mode  Mode // of the two legs
	State *State
}

// Why an offer or an answer cannot be carried.
var (
	ErrUnreadable  = errors.New("description cannot be read") // 488
	ErrUnsupported = errors.New("media cannot be carried")    // 488: encrypted where nobody may decrypt, a loop to ourselves
	ErrExhausted   = errors.New("no media port is free")      // 503
	ErrUnavailable = errors.New("no rtpengine answers")       // 503
)

// State is the media of one call, as its record keeps it. The zero State is of one that has
// none anchored.
type State struct {
	Node string // of the rtpengine that has the call; empty: none has
	Ends []End  // in the order in which they were opened
}

// End is where media meets one leg.
type End struct {
	Leg     uint8
	Mode    Mode
	Bind    netip.Addr // of our ports
	Peer    uint8      // the leg that it talks to; itself: to none yet
	Streams []Stream   // one an m= line, in their order
	Offered []Far      // of an offer that has no answer yet; nil: there is none
	Ended   time.Time  // zero: it has ports
}

// Stream is one m= line of an end.
type Stream struct {
	Port   uint16 // ours for RTP or UDPTL, the next one is for RTCP; 0: none is open
	Far    Far
	Heard  netip.AddrPort // where the peer was heard, where that is another place; zero: nowhere yet
	SSRC   uint32         // that it was heard with
	Report Report         // as it was when the state was stored last, or the end was released
}

// Far is the far end of a stream as its peer describes it.
type Far struct {
	Kind  string         // audio, video, image: the medium
	UDPTL bool           // T.38: no RTP
	RTP   netip.AddrPort // zero port: the stream is refused; unspecified address: held
	RTCP  netip.AddrPort // where it is not at RTP's next port; equal to RTP: rtcp-mux
	Held  bool           // by direction or address: silence is no failure
}

// Report is what was counted of a stream on one end: of packets that came from its peer.
type Report struct {
	Packets uint64 // taken, of RTP or UDPTL
	Bytes   uint64
	Lost    uint64        // as the sequence numbers say
	Foreign uint64        // from elsewhere than the latch lets: dropped
	Jitter  time.Duration // RFC 3550 §6.4.1, mean
	Gap     time.Duration // the longest between two packets
	MOS     float64       // estimate, 1 to 4.5; 0: not enough was heard
}
