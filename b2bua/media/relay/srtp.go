package relay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// Crypto is what SDES has agreed toward one leg (RFC 4568). What the other leg gets is plain, or of its own keys.
type Crypto struct {
	Suite   string // as SDP names it
	Send    []byte // master key and salt of what goes to the far end
	Receive []byte // and of what comes from it

	// Where the counters were, after a takeover. They count where a key begins to be used, so not
	// at an Aim with the keys of before.
	Rollovers []Rollover
}

// Rollover is how far an SSRC has come with a key: as much of it as must be stored for another process to go on. It changes every
// 32,768 packets, and has to be stored within the next 31,000.
type Rollover struct {
	Sent bool   // to the far end, not by it
	SSRC uint32 //
	ROC  uint32 // how often its sequence numbers have begun again (RFC 3711 §3.3.1)
	Half bool   // the number is 32,768 or more
	RTCP uint32 // thousands of SRTCP packets sent, begun
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

const (
	window   = 128 // packets within which a repeat is known (RFC 3711 §3.3.2: at least 64)
	mostSSRC = 64  // for a key: each keeps memory as long as the key is used
	late     = 1000
	thousand = 1000
)

// transform is SRTP on one end. nil: plain.
type transform struct {
	suite         string
	sent, arrived stream
	rtp           rtp.Header // of the packet at hand
	rtcp          rtcp.Header
}

// stream is one direction, with its key.
type stream struct {
	*srtp.Context
	key     []byte
	sources []*counted
}

// counted is one SSRC of a direction.
type counted struct {
	ssrc    uint32
	index   uint64 // of the highest packet: ROC and sequence number
	reports uint32 // SRTCP packets sent
	guess   bool   // taken over, and not one packet seen
	begun   bool
}

// rekey is the transform for these keys. A direction whose key stays goes on as it is: no index
// is used twice with one key.
func (t *transform) rekey(c *Crypto) (*transform, error) {
	if c == nil {
		return nil, nil
	}
	next := &transform{suite: c.Suite}
	if t != nil && t.suite == c.Suite {
		next.sent, next.arrived = t.sent, t.arrived
	}
	for _, d := range []struct {
		stream *stream
		key    []byte
		sent   bool
	}{{&next.sent, c.Send, true}, {&next.arrived, c.Receive, false}} {
		if d.stream.Context != nil && bytes.Equal(d.stream.key, d.key) {
			continue
		}
		fresh, err := keyed(c.Suite, d.key)
		if err != nil {
			return nil, err
		}
		for _, was := range c.Rollovers {
			if was.Sent == d.sent && len(fresh.sources) < mostSSRC {
				fresh.wind(was)
			}
		}
		*d.stream = fresh
	}
	return next, nil
}

func keyed(suite string, key []byte) (stream, error) {
	profile, known := suites[suite]
	if !known {
		return stream{}, fmt.Errorf("%w: suite %q", ErrCrypto, suite)
	}
	n, err := profile.KeyLen()
	salt, err2 := profile.SaltLen()
	if err := errors.Join(err, err2); err != nil {
		return stream{}, fmt.Errorf("%w: %w", ErrCrypto, err)
	}
	if len(key) != n+salt {
		return stream{}, fmt.Errorf("%w: %d bytes of key and salt, %s has %d", ErrCrypto, len(key), suite, n+salt)
	}
	ctx, err := srtp.CreateContext(key[:n], key[n:], profile, srtp.SRTPReplayProtection(window), srtp.SRTCPReplayProtection(window))
	if err != nil {
		return stream{}, fmt.Errorf("%w: %w", ErrCrypto, err)
	}
	return stream{Context: ctx, key: bytes.Clone(key)}, nil
}

// wind puts an SSRC to where it was. Of SRTCP some numbers are left out: none is used twice.
func (s *stream) wind(was Rollover) {
	c := &counted{ssrc: was.SSRC, index: uint64(was.ROC) << 16, guess: true, begun: true, reports: (was.RTCP + 1) * thousand}
	if was.Half {
		c.index |= 1 << 15
	}
	s.SetROC(c.ssrc, was.ROC)
	if was.Sent {
		s.SetIndex(c.ssrc, c.reports)
	}
	s.sources = append(s.sources, c)
}

// of finds an SSRC, or begins with it. nil: there are too many.
func (s *stream) of(ssrc uint32) (c *counted, fresh bool) {
	for _, c := range s.sources {
		if c.ssrc == ssrc {
			return c, false
		}
	}
	if len(s.sources) == mostSSRC {
		return nil, false
	}
	return &counted{ssrc: ssrc}, true
}

// likely is the ROC of the first packet after a takeover: it comes after what was stored.
func (c *counted) likely(seq uint16) uint32 {
	roc := uint32(c.index >> 16)
	if int(seq) < int(uint16(c.index))-late {
		roc++
	}
	return roc
}

// saw counts a packet.
func (c *counted) saw(seq uint16) {
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
	if err != nil {
		return nil, Unkeyed
	}
	if fresh {
		s.sources = append(s.sources, c)
	}
	return out, passed
}

func (t *transform) openRTP(w *scratch, c *counted, b []byte) ([]byte, error) {
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

// seal encrypts.
func (t *transform) seal(w *scratch, k kind, b []byte) ([]byte, Reason) {
	s, ssrcAt := &t.sent, 8
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
		out, err = s.EncryptRTCP(w.sealed[:0], b, &t.rtcp)
	} else {
		seq := binary.BigEndian.Uint16(b[2:])
		if c.guess {
			roc := c.likely(seq)
			s.SetROC(c.ssrc, roc)
			c.guess, c.index = false, uint64(roc)<<16|uint64(seq)
		}
		out, err = s.EncryptRTP(w.sealed[:0], b, &t.rtp)
		c.saw(seq)
	}
	if err != nil {
		return nil, Unkeyed
	}
	if k == control {
		c.reports++
	}
	if fresh {
		s.sources = append(s.sources, c)
	}
	return out, passed
}

// rollovers is what is to be stored.
func (t *transform) rollovers() (all []Rollover) {
	if t == nil {
		return nil
	}
	for _, s := range [2]*stream{&t.sent, &t.arrived} {
		for _, c := range s.sources {
			all = append(all, Rollover{
				Sent: s == &t.sent, SSRC: c.ssrc, ROC: uint32(c.index >> 16), Half: c.index>>15&1 == 1, RTCP: c.reports / thousand,
			})
		}
	}
	return all
}
