package relay

import "encoding/binary"

// MaxPacket is how long a datagram may be, in bytes. Media is sent to fit into a
// frame of Ethernet, or a jumbo frame's half; what is longer is no media.
const MaxPacket = 4096

// kind is which of a side's two sockets a packet belongs to.
type kind uint8

const (
	media   kind = iota // RTP, UDPTL, and RTCP where it shares the port
	control             // RTCP
)

// isSTUN says whether it is a STUN message (RFC 8489 §5), which would pass as UDPTL.
func isSTUN(b []byte) bool {
	return len(b) >= 20 && b[0] < 4 && binary.BigEndian.Uint32(b[4:]) == 0x2112A442
}

// isRTCP says whether a packet of version 2 on a shared port is RTCP (RFC 5761 §4).
func isRTCP(b []byte) bool { return b[1] >= 192 && b[1] <= 223 }

// checkRTP looks at the lengths in the header (RFC 3550 §5.1). Padding is not looked
// at: of SRTP it cannot be.
func checkRTP(b []byte) Reason {
	if len(b) < 12 {
		return Short
	}
	if b[0]>>6 != 2 {
		return Version
	}
	head := 12 + 4*int(b[0]&15)
	if b[0]&0x10 != 0 { // an extension
		if len(b) < head+4 {
			return Malformed
		}
		head += 4 + 4*int(binary.BigEndian.Uint16(b[head+2:]))
	}
	if len(b) < head {
		return Malformed
	}
	return passed
}

// checkRTCP looks at the first report of a compound packet (RFC 3550 §6.4). What
// follows it may be SRTCP's trailer.
func checkRTCP(b []byte) Reason {
	if len(b) < 8 {
		return Short
	}
	if b[0]>>6 != 2 {
		return Version
	}
	if !isRTCP(b) || len(b) < 4+4*int(binary.BigEndian.Uint16(b[2:])) {
		return Malformed
	}
	return passed
}

// checkUDPTL looks at the sequence number and the length of the primary packet
// (T.38 §9.1; a length of 128 or more has two bytes, X.691 §10.9).
func checkUDPTL(b []byte) Reason {
	if len(b) < 4 {
		return Short
	}
	head, primary := 3, int(b[2])
	switch {
	case primary >= 0xC0: // fragments: none are sent in a datagram
		return Malformed
	case primary >= 0x80:
		head, primary = 4, int(b[2]&0x3F)<<8|int(b[3])
	}
	if len(b) < head+primary {
		return Malformed
	}
	return passed
}
