package sdp

import (
	"net/netip"
	"strings"
)

// Rules is how a body is to be shown to the other side. Zero: the addresses and ports stay,
// and what is of one hop alone goes.
type Rules struct {
	Addr   netip.Addr   // of our media toward that side: for c= and a=rtcp; zero: theirs stay
	Origin Identity     // the o= line
	Media  []MediaRules // one for each m= line, in order; nil: none changes
	Keep   Keep
}

// Identity is the o= line that our side of a leg has (RFC 3264 §8): one id for ever, and a
// version that rises by one when the description changes. Both zero: the numbers stay.
type Identity struct {
	ID, Version uint64
	Addr        netip.Addr // zero: that of the media; without any, the line stays as it is
}

// MediaRules is what becomes of one m= line.
type MediaRules struct {
	Same   bool     // port and a=rtcp stay: bypass
	Port   uint16   // ours; 0: the stream is refused. One that is refused stays so
	RTCP   uint16   // ours; 0: the port that follows
	Mux    Mux      // whether RTCP may come to the same port
	Proto  string   // another transport, "RTP/SAVP"; empty: it stays
	Crypto []Crypto // our keys toward a leg over TLS, in the place of theirs; nil: none
}

// Mux is what becomes of a=rtcp-mux (RFC 5761 §5.1.1).
type Mux uint8

// The zero value takes it out: RTCP comes to a port of its own.
const (
	NoMux   Mux = iota
	SameMux     // it stays, or stays away
	WithMux     // it is there
)

// Keep lists what stays of that which is between two hops, or is nobody else's business.
type Keep uint8

// What goes otherwise.
const (
	KeepICE    Keep = 1 << iota // candidates and credentials (RFC 8839)
	KeepDTLS                    // fingerprints and roles (RFC 8842)
	KeepCrypto                  // keys: a=crypto (RFC 4568), a=key-mgmt (RFC 4567); for a leg over TLS only
	KeepCNAME                   // a=ssrc with a cname (RFC 5576 §6.1), which may have a host in it
	KeepBundle                  // a=group:BUNDLE (RFC 9143): several streams on one port
	KeepOther                   // other ways to say an address or a transport: capabilities
	// (RFC 5939), a=altc (RFC 6947), a=source-filter (RFC 4570), OMR (3GPP TS 29.079), a=alt
	KeepAll = KeepICE | KeepDTLS | KeepCrypto | KeepCNAME | KeepBundle | KeepOther
)

// Secure is the profile of SRTP for one of RTP, and Plain the other way round; anything else
// stays. One with DTLS loses it: keys are in a=crypto then.
func Secure(proto string) string {
	switch strings.ToUpper(proto) {
	case "RTP/AVP", "UDP/TLS/RTP/SAVP":
		return "RTP/SAVP"
	case "RTP/AVPF", "UDP/TLS/RTP/SAVPF":
		return "RTP/SAVPF"
	}
	return proto
}

// Plain is the profile without SRTP.
func Plain(proto string) string {
	switch strings.ToUpper(proto) {
	case "RTP/SAVP", "UDP/TLS/RTP/SAVP":
		return "RTP/AVP"
	case "RTP/SAVPF", "UDP/TLS/RTP/SAVPF":
		return "RTP/AVPF"
	}
	return proto
}

// of is the rule for one m= line.
func (r *Rules) of(media int) MediaRules {
	if r.Media == nil {
		return MediaRules{Same: true, Mux: SameMux}
	}
	return r.Media[media]
}

// origin is the address of the o= line; not valid: the line stays.
func (r *Rules) origin() netip.Addr {
	if r.Origin.Addr.IsValid() {
		return r.Origin.Addr
	}
	return r.Addr
}

// fault says that the rules do not fit a body. What they write is one word each: a line
// break in it would be a line of whoever chose it.
func (r *Rules) fault(media int) *Fault {
	if r.Media != nil && len(r.Media) != media {
		return fault(BadRules, 0, "not one rule for each m= line")
	}
	for i := range r.Media {
		m := &r.Media[i]
		bad := !word(m.Proto)
		for _, c := range m.Crypto {
			bad = bad || !word(c.Suite+c.Key+c.Lifetime+c.MKI) || !word(strings.ReplaceAll(c.Params, " ", ""))
		}
		if bad {
			return fault(BadRules, 0, "no word")
		}
	}
	return nil
}

// word says that a text has neither blanks nor control characters.
func word(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
