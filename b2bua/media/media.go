// Package media carries what calls talk, in one of three ways: not at all (bypass: the peers
// send to each other), by the relay of this process, or by rtpengine over its ng protocol.
//
// Calls know of it what Way says: an offer, an answer, a refusal, the end. What holds of a call
// is a value, State, which is stored with the call: a node that takes over opens the same ports
// from it. The package knows no SIP: legs are numbers, descriptions are the bytes of one
// application/sdp body each.
package media

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"bulkhead/b2bua/media/relay"
	"bulkhead/b2bua/media/sdp"
)

// Mode is how the media between two legs is carried.
type Mode uint8

// The modes, as the configuration names them.
const (
	Bypass    Mode = iota // descriptions pass; media flows directly
	Relay                 // by the relay of this process
	RTPEngine             // by an rtpengine
)

// Modes are their names.
var Modes = [...]string{"bypass", "relay", "rtpengine"}

// String is the name in the configuration.
// String is its name; other: a newer version's.
func (m Mode) String() string {
	if int(m) >= len(Modes) {
		return "other"
	}
	return Modes[m]
}

// Side is one end of the media of a call: that of the trunk, or that of a carrier.
type Side uint8

// The sides.
const (
	Trunk Side = iota
	Carrier
)

// Leg is what the media of a leg goes by: facts of its realm, its path and its profile.
type Leg struct {
	Number  uint8
	Address netip.Addr // of ours, as descriptions to this leg name it
	Bind    netip.Addr // where its ports are opened; another one behind NAT
	Source  netip.Addr // where its SIP comes from
	Latch   relay.Latch
	Secure  bool // its SIP goes by TLS: keys may be written to it

	SRTP      bool     // it is to be offered SRTP; where it is not secure, by rtpengine it is not, and by the relay nothing is
	Transcode []string // codecs that offers to it are to have; by rtpengine
}

// Legs are the two between which media flows, by their sides.
type Legs [2]Leg

// Way is one way to carry media. A method changes the anchor as it says. An error changes
// nothing but which rtpengine has ports, and wraps one of those below. The relay answers at
// once; an rtpengine is waited for.
type Way interface {
	// Offer is the offer of one side's peer, as that of the other is to see it. It holds when
	// it is answered; until then what was holds. A second one takes the place of the first.
	Offer(call string, a *Anchor, legs *Legs, from Side, sdp []byte) ([]byte, error)

	// Answer is an answer of one side's peer, as that of the other is to see it: from now on
	// they talk as described. Where nothing was offered it says what its peer has changed by
	// itself. It may come again, from other forks: the last one holds.
	Answer(call string, a *Anchor, legs *Legs, from Side, sdp []byte) ([]byte, error)

	// Refused says that the offer of a side's peer has come to nothing: what was, holds.
	Refused(call string, a *Anchor, legs *Legs, from Side)

	// Release ends the media: its ports go back, and what was counted is in the anchor.
	Release(call string, a *Anchor)

	// Silent says that nothing was heard for too long, from either side, though something should
	// have been.
	Silent(call string, a *Anchor) bool

	// Sync brings the anchor up to date: what was counted, and who was heard from where.
	Sync(call string, a *Anchor)
}

// Why an offer or an answer cannot be carried.
var (
	ErrUnreadable  = errors.New("description cannot be read") // 488
	ErrUnsupported = errors.New("media cannot be carried")    // 488
	ErrExhausted   = errors.New("no media port is free")      // 503
	ErrUnavailable = errors.New("no media engine answers")    // 503
)

// Readable says whether a description can be read, of one that is passed on as it came all the same.
func Readable(body []byte) error {
	if _, err := sdp.Parse(body); err != nil {
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return nil
}

// Passed is a description that nobody carries, as it is passed on to a leg whose SIP goes by TLS, or not: as it came, but that a key
// goes by TLS or not at all. Without TLS a=crypto goes from what has it (RFC 4568; and from capabilities, RFC 5939), and with that
// what sdp.Rewrite takes out of any. The error is ErrUnsupported where that would leave SRTP without keys, and ErrUnreadable where it
// cannot be read, and so not be said what in it is a key.
func Passed(body []byte, secure bool) ([]byte, error) {
	if secure || !bytes.Contains(bytes.ToLower(body), []byte("crypto:")) {
		return body, nil
	}
	b, err := sdp.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	out, err := b.Rewrite(sdp.Rules{Keep: sdp.KeepAll &^ sdp.KeepCrypto})
	if err != nil {
		return nil, fmt.Errorf("%w: %w: %w", ErrUnsupported, ErrInsecure, err)
	}
	return out, nil
}

// State is the media of one call, as its record keeps it. The zero State is of one that has
// none anchored.
type State struct{ Anchors []Anchor }

// Clone is a copy that shares nothing which is written to.
func (s State) Clone() State {
	s.Anchors = slices.Clone(s.Anchors)
	for i := range s.Anchors {
		s.Anchors[i].Streams = slices.Clone(s.Anchors[i].Streams)
	}
	return s
}

// Of is the anchor of a carrier's leg; nil: its media is not anchored, or not any more.
func (s *State) Of(leg uint8) *Anchor {
	for i := range s.Anchors {
		if a := &s.Anchors[i]; a.Leg == leg && !a.Ended {
			return a
		}
	}
	return nil
}

// Anchor is the media between the trunk and one carrier's leg. A leg that is tried after another
// one has the anchor of that one: the trunk's side stays as it is, and the carrier's begins
// anew.
type Anchor struct {
	Leg     uint8 // the carrier's
	Mode    Mode
	Node    string // of the rtpengine; empty: none has it yet
	Offered Offered
	Renew   bool // the carrier's side is still that of another leg
	Ended   bool // its ports are free; what was counted stays
	Streams []Stream

	// Of rtpengine alone.
	Root   uint8     // the first leg of the anchor, by which it is named there
	Was    uint8     // whose the carrier's side still is, with Renew
	Agreed bool      // there was an answer
	Bodies [2][]byte // what holds, as each side has described it
	Offers [2][]byte // what is offered
}

// Offered says whose offer has no answer yet.
type Offered uint8

// By is that of a side.
func By(s Side) Offered { return Offered(1) << s }

// Stream is one m= line: an end of ours for each side, by Side.
type Stream struct {
	Kind string // audio, video, image
	Ends [2]End
}

// End is where a stream meets one side's peer.
type End struct {
	Local  netip.AddrPort // of our pair of ports; zero: it has none
	Far    relay.Remote   // as agreed; zero: nothing is yet
	Said   relay.Remote   // by the latest description, which counts from its answer on
	Stats  relay.Stats    // what was heard, as of the last Sync or Release
	Before relay.Stats    // what of it was counted at other ports, or by another node

	Own  []Key // of ours toward its peer, by the relay
	Used bool  // they may have been used at other ports
}

// Secured says that the trunk has talked SRTP through the relay, in any of the anchors.
func (s *State) Secured() bool {
	for i := range s.Anchors {
		for j := range s.Anchors[i].Streams {
			if s.Anchors[i].Streams[j].Ends[Trunk].Far.Crypto != nil {
				return true
			}
		}
	}
	return false
}

// At is the anchor whose trunk's side has that port; nil: none has.
func (s *State) At(port netip.AddrPort) *Anchor {
	for i := range s.Anchors {
		for j := range s.Anchors[i].Streams {
			if !s.Anchors[i].Ended && s.Anchors[i].Streams[j].Ends[Trunk].Local == port {
				return &s.Anchors[i]
			}
		}
	}
	return nil
}
