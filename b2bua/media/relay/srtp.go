package relay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// Crypto is what SDES has agreed toward one leg (RFC 4568). What the other leg gets is plain, or of its own keys.
type Crypto struct {
	Suite   string // as SDP names it
	Tag     uint32 // of its a=crypto line; it says nothing here
	Send    []byte // master key and salt of what goes to the far end
	Receive []byte // and of what comes from it
	MKI     []byte `json:",omitempty"` // that its packets have (RFC 3711 §3.1); ours have none

	// Used says that something has been sent with these keys that this end does not know of: by another process,
	// or from other ports. It counts where a key begins to be used, and so do Rollovers: not at an Aim with the keys of
	// before.
	Used      bool       `json:",omitempty"`
	Rollovers []Rollover `json:",omitempty"` // where the far end's counters were
}

// Rollover is how far an SSRC of the far end's has come with its key: as much of it as must be stored for another process to
// go on. It changes every 32,768 packets, and has to be stored within the next 31,000. Of what we send nothing is: see renew.
type Rollover struct {
	SSRC uint32
	ROC  uint32 // how often its sequence numbers have begun again (RFC 3711 §3.3.1)
	Half bool   // the number is 32,768 or more
}

// ErrCrypto means that keys cannot be used.
var ErrCrypto = errors.New("keys that cannot be used")

// suites are those of RFC 4568 §6.2, RFC 6188 and RFC 7714.
var suites = map[string]srtp.ProtectionProfile{
	"AES_CM_128_HMAC_SHA1_80": srtp.ProtectionProfileAes128CmHmacSha1_80,
	"AES_CM_128_HMAC_SHA1_32": srtp.ProtectionProfileAes128CmHmacSha1_32,
	"AES_256_CM_HMAC_SHA1_80": srtp.ProtectionProfileAes256CmHmacSha1_80,
	"AES_256_CM_HMAC_SHA1_32": srtp.ProtectionProfileAes256CmHmacSha1_32,
	"AEAD_AES_128_GCM":        srtp.ProtectionProfileAeadAes128Gcm,
	"AEAD_AES_256_GCM":        srtp.ProtectionProfileAeadAes256Gcm,
}

// KeyLength is how many bytes of master key and salt a suite has; 0: it is none of ours.
func KeyLength(suite string) int {
	profile, known := suites[suite]
	if !known {
		return 0
	}
	n, err := profile.KeyLen()
	salt, err2 := profile.SaltLen()
	if errors.Join(err, err2) != nil {
		return 0
	}
	return n + salt
}

const (
	window   = 128 // packets within which a repeat is known (RFC 3711 §3.3.2: at least 64)
	mostSSRC = 64  // for a key: each keeps memory as long as the key is used
	late     = 1000
)

// transform is SRTP on one end. nil: plain.
type transform struct {
	suite   string
	sent    sent
	arrived arrived
	rtp     rtp.Header // of the packet at hand
	rtcp    rtcp.Header
}

// stream is one direction, with its key and the identifier of that.
type stream struct {
	*srtp.Context
	key, mki []byte
}

// arrived is what comes from the far end.
type arrived struct {
	stream
	sources []*talker
}

// talker is one SSRC of the far end's.
type talker struct {
	ssrc  uint32
	index uint64 // of the highest packet: ROC and sequence number
	guess bool   // taken over, and not one packet seen
	begun bool
}

// rekey is the transform for these keys. A direction whose key stays goes on as it is. again: this end has sent with
// other keys before, or with these and not with those of before.
func (t *transform) rekey(c *Crypto, again bool) (*transform, error) {
	if c == nil {
		return nil, nil
	}
	next := &transform{suite: c.Suite}
	if t != nil && t.suite == c.Suite {
		next.sent, next.arrived = t.sent, t.arrived
	}
	if next.sent.Context == nil || !bytes.Equal(next.sent.key, c.Send) {
		fresh, err := keyed(c.Suite, c.Send)
		if err != nil {
			return nil, err
		}
		next.sent = sent{stream: fresh, others: again || c.Used}
	}
	if next.arrived.Context == nil || !bytes.Equal(next.arrived.key, c.Receive) || !bytes.Equal(next.arrived.mki, c.MKI) {
		fresh, err := keyed(c.Suite, c.Receive, srtp.MasterKeyIndicator(c.MKI), srtp.SRTPReplayProtection(window), srtp.SRTCPReplayProtection(window))
		if err != nil {
			return nil, err
		}
		fresh.mki = bytes.Clone(c.MKI)
		next.arrived = arrived{stream: fresh}
		for _, was := range c.Rollovers[:min(len(c.Rollovers), mostSSRC)] {
			next.arrived.wind(was)
		}
	}
	return next, nil
}

func keyed(suite string, key []byte, options ...srtp.ContextOption) (stream, error) {
	profile, known := suites[suite]
	if !known {
		return stream{}, fmt.Errorf("%w: suite %q", ErrCrypto, suite)
	}
	n, err := profile.KeyLen()
	if err != nil {
		return stream{}, fmt.Errorf("%w: %w", ErrCrypto, err)
	}
	if all := KeyLength(suite); len(key) != all {
		return stream{}, fmt.Errorf("%w: %d bytes of key and salt, %s has %d", ErrCrypto, len(key), suite, all)
	}
	ctx, err := srtp.CreateContext(key[:n], key[n:], profile, options...)
	if err != nil {
		return stream{}, fmt.Errorf("%w: %w", ErrCrypto, err)
	}
	return stream{Context: ctx, key: bytes.Clone(key)}, nil
}

// wind puts an SSRC to where it was.
func (s *arrived) wind(was Rollover) {
	c := &talker{ssrc: was.SSRC, index: uint64(was.ROC) << 16, guess: true, begun: true}
	if was.Half {
		c.index |= 1 << 15
	}
	s.SetROC(c.ssrc, was.ROC)
	s.sources = append(s.sources, c)
}

// of finds an SSRC, or begins with it. nil: there are too many.
func (s *arrived) of(ssrc uint32) (c *talker, fresh bool) {
	for _, c := range s.sources {
		if c.ssrc == ssrc {
			return c, false
		}
	}
	if len(s.sources) == mostSSRC {
		return nil, false
	}
	return &talker{ssrc: ssrc}, true
}

// likely is the ROC of the first packet after a takeover: it comes after what was stored.
func (c *talker) likely(seq uint16) uint32 {
	roc := uint32(c.index >> 16)
	if int(seq) < int(uint16(c.index))-late {
		roc++
	}
	return roc
}

// saw counts a packet.
func (c *talker) saw(seq uint16) {
	switch d := int16(seq - uint16(c.index)); {
	case !c.begun:
		c.index, c.begun = uint64(seq), true
	case d > 0:
		c.index += uint64(d)
	}
}

// open decrypts. What does not authenticate, and what repeats, changes nothing.
func (t *transform) open(w *scratch, k kind, b []byte) ([]byte, Reason) {
	s, ssrcAt := &t.arrived, 8
	if k == control {
		ssrcAt = 4
	}
	c, fresh := s.of(binary.BigEndian.Uint32(b[ssrcAt:]))
	if c == nil {
		return nil, Unkeyed
	}
	var out []byte
	var err error
	if k == control {
		out, err = s.DecryptRTCP(w.opened[:0], b, &t.rtcp)
	} else {
		out, err = t.openRTP(w, c, b)
	}
	switch {
	case err == nil:
	case isRepeat(err):
		return nil, Replayed
	default:
		return nil, Unkeyed
	}
	if fresh {
		s.sources = append(s.sources, c)
	}
	if k == control {
		t.sent.asTheirs(out)
	}
	return out, passed
}

// isRepeat says that an error is of a packet that was here already, or too long ago for that to be known. pion has a name
// for what does not authenticate, and none for this one.
func isRepeat(err error) bool {
	return !errors.Is(err, srtp.ErrFailedToVerifyAuthTag) && strings.HasSuffix(err.Error(), "duplicated packet")
}

func (t *transform) openRTP(w *scratch, c *talker, b []byte) ([]byte, error) {
	s, seq := &t.arrived, binary.BigEndian.Uint16(b[2:])
	if !c.guess {
		out, err := s.DecryptRTP(w.opened[:0], b, &t.rtp)
		if err == nil {
			c.saw(seq)
		}
		return out, err
	}
	// What was stored may be one behind; the packet itself says which it is.
	first := c.likely(seq)
	var out []byte
	var err error
	for _, roc := range [3]uint32{first, first + 1, first - 1} {
		s.SetROC(c.ssrc, roc)
		if out, err = s.DecryptRTP(w.opened[:0], b, &t.rtp); err == nil {
			c.guess, c.index = false, uint64(roc)<<16|uint64(seq)
			return out, nil
		}
	}
	return nil, err
}

// rollovers is what is to be stored.
func (t *transform) rollovers() (all []Rollover) {
	if t == nil {
		return nil
	}
	for _, c := range t.arrived.sources {
		if c.begun { // of others there were reports alone
			all = append(all, Rollover{SSRC: c.ssrc, ROC: uint32(c.index >> 16), Half: c.index>>15&1 == 1})
		}
	}
	return all
}
