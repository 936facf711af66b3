package relay

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// No keystream is used twice (RFC 3711 §9.1). It is of a key, an SSRC and an index (ROC and sequence number), of which both
// of the latter are the plain side's to choose: a source may begin again, two carriers may have picked the same SSRC, one
// packet may come twice with other words in it. And a process that takes a call over knows what was stored, not what
// was sent. So:
//
//   - Each index goes out once for an SSRC: what comes again is dropped.
//   - A source that begins again goes on with an SSRC of our own, which this key has not had.
//   - So does every source where a key may have been used and we do not know with which indices: after a takeover, at
//     other ports, when a leg has had other keys in between. However old the record is, nothing in it has to be right.
//
// To who hears it that is another source, as at any transfer (RFC 3550 §8): its reports name the SSRC that they know, and
// get there with the one that was sent.

// sent is what goes to the far end.
type sent struct {
	stream
	others  bool // every SSRC is one of ours
	sources []*spoken
	renewed int // SSRCs of ours so far
}

// spoken is one SSRC of the plain side's.
type spoken struct {
	ssrc  uint32
	as    uint32 // it goes out with that
	begun bool
	index uint64 // of the highest packet
	used  [2]uint64
	odd   uint32 // the number after one that did not fit (RFC 3550 §A.1)
}

// mostRenewed is how many SSRCs of ours a key has at most: each keeps memory.
const mostRenewed = 256

// of finds a source, or begins with it. nil: there are too many.
func (s *sent) of(ssrc uint32) (c *spoken, fresh bool) {
	for _, c := range s.sources {
		if c.ssrc == ssrc {
			return c, false
		}
	}
	if len(s.sources) == mostSSRC {
		return nil, false
	}
	c = &spoken{ssrc: ssrc, as: ssrc, odd: noSeq}
	if (s.others || s.taken(ssrc)) && !s.renew(c) {
		return nil, false
	}
	return c, true
}

// taken says that an SSRC has gone out for a source.
func (s *sent) taken(ssrc uint32) bool {
	return slices.ContainsFunc(s.sources, func(c *spoken) bool { return c.as == ssrc })
}

// renew gives a source an SSRC that the key has not had. False: there were too many.
func (s *sent) renew(c *spoken) bool {
	if s.renewed == mostRenewed {
		return false
	}
	s.renewed++
	as := rand.Uint32()
	for s.taken(as) || slices.ContainsFunc(s.sources, func(c *spoken) bool { return c.ssrc == as }) {
		as = rand.Uint32()
	}
	c.as, c.begun, c.index, c.used, c.odd = as, false, 0, [2]uint64{}, noSeq
	return true
}

// Whether a packet may go out.
type turn uint8

const (
	next  turn = iota
	spent      // its index has gone out, or may have
	anew       // the source has begun again
)

// take takes the index of a packet. It counts as a receiver does that has heard all of it (RFC 3711 §3.3.1).
func (c *spoken) take(seq uint16) turn {
	d := int64(int16(seq - uint16(c.index)))
	switch {
	case !c.begun:
		c.begun, c.index, c.used, c.odd = true, uint64(seq), [2]uint64{1}, noSeq
		return next
	case d > 0:
		c.index, c.odd = c.index+uint64(d), noSeq // d is positive
		c.used = shifted(c.used, uint64(d))
		c.used[0] |= 1
		return next
	case -d < window && uint64(-d) <= c.index: // not negative
		word, bit := -d/64, uint64(1)<<(-d%64)
		if c.used[word]&bit == 0 {
			c.used[word] |= bit
			return next
		}
	}
	if uint32(seq) == c.odd {
		return anew
	}
	c.odd = uint32(seq + 1)
	return spent
}

// shifted is a window that has moved on.
func shifted(w [2]uint64, by uint64) [2]uint64 {
	switch {
	case by >= window:
		return [2]uint64{}
	case by >= 64:
		return [2]uint64{0, w[0] << (by - 64)}
	}
	return [2]uint64{w[0] << by, w[1]<<by | w[0]>>(64-by)}
}

// seal encrypts.
func (t *transform) seal(w *scratch, k kind, b []byte) ([]byte, Reason) {
	s, ssrcAt := &t.sent, 8
	if k == control {
		ssrcAt = 4
	}
	c, fresh := s.of(binary.BigEndian.Uint32(b[ssrcAt:]))
	if c == nil {
		return nil, Spent
	}
	var out []byte
	var err error
	if k == control {
		rename(b, c.ssrc, c.as)
		out, err = s.EncryptRTCP(w.sealed[:0], b, &t.rtcp)
	} else {
		seq := binary.BigEndian.Uint16(b[2:])
		turn := c.take(seq)
		if turn == anew && s.renew(c) {
			turn = c.take(seq)
		}
		if turn != next {
			return nil, Spent
		}
		binary.BigEndian.PutUint32(b[ssrcAt:], c.as)
		out, err = s.EncryptRTP(w.sealed[:0], b, &t.rtp)
	}
	if err != nil {
		return nil, Spent
	}
	if fresh {
		s.sources = append(s.sources, c)
	}
	return out, passed
}

// asTheirs lets a report of the far end's name the plain side's sources as that does.
func (s *sent) asTheirs(b []byte) {
	for _, c := range s.sources {
		rename(b, c.as, c.ssrc)
	}
}

// rename puts an SSRC for another one where RTCP names who sends, and whom it is about (RFC 3550 §6.4 to §6.6, RFC 4585
// §6.1), as far as the packets of a compound one go.
func rename(b []byte, from, to uint32) {
	if from == to {
		return
	}
	at := func(p []byte, i int) {
		if len(p) >= i+4 && binary.BigEndian.Uint32(p[i:]) == from {
			binary.BigEndian.PutUint32(p[i:], to)
		}
	}
	for len(b) >= 8 {
		n := 4 + 4*int(binary.BigEndian.Uint16(b[2:]))
		if b[0]>>6 != 2 || n > len(b) {
			return
		}
		p, blocks := b[:n], 0
		switch at(p, 4); p[1] {
		case 200: // SR
			blocks = 28
		case 201: // RR
			blocks = 8
		case 203: // BYE: one SSRC after the other
			for i := 1; i < int(p[0]&31); i++ {
				at(p, 4+4*i)
			}
		case 205, 206: // feedback
			at(p, 8)
		}
		for i := 0; blocks > 0 && i < int(p[0]&31); i++ {
			at(p, blocks+24*i)
		}
		b = b[n:]
	}
}
