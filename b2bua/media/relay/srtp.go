package relay

import "errors"

// Crypto is the keys of SDES (RFC 4568) toward one leg.
type Crypto struct {
	Suite         string // as SDP names it, RFC 4568 §6.2
	Send, Receive []byte // master key and salt, in this order
	Rollovers     []Rollover
}

// Rollover is how often the sequence numbers of an SSRC have begun again (RFC 3711 §3.3.1).
type Rollover struct {
	Sent bool // by us
	SSRC uint32
	ROC  uint32
	Last uint16 // sequence number
	RTCP uint32 // index of SRTCP
}

// ErrCrypto means that keys cannot be used.
var ErrCrypto = errors.New("keys that cannot be used")

// transform is SRTP on one end. nil: plain.
type transform struct{}

func (t *transform) rekey(c *Crypto) (*transform, error) {
	if c != nil {
		return nil, ErrCrypto
	}
	return nil, nil
}

func (t *transform) rollovers() []Rollover                        { return nil }
func (t *transform) open(*scratch, kind, []byte) ([]byte, Reason) { return nil, Unkeyed }
func (t *transform) seal(*scratch, kind, []byte) ([]byte, Reason) { return nil, Unkeyed }
