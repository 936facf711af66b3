package sdp

import (
	"net/netip"
	"strconv"
	"strings"

	pion "github.com/pion/sdp/v3"
)

// Media is what one m= line and its attributes say: where its sender wants to have the
// media, and which.
type Media struct {
	Kind      string // audio, video, image and so on, in lower case
	Port      uint16 // 0: the stream is refused, or not to be used any more (RFC 3264 §6, §8.2)
	Ports     int    // number of ports; 1 where none is said
	Proto     string // as it came: "RTP/AVP", "udptl"
	Transport Transport
	Addr      netip.Addr     // where the media is to go; zero: there is no c=, or it has a name
	Host      string         // the name that c= has instead of an address
	RTCP      netip.AddrPort // where RTCP is to go (RFC 3605), without regard to Mux; zero: nowhere
	Mux       bool           // a=rtcp-mux (RFC 5761): it may go to the port of RTP
	Direction Direction      // its own or that of the session
	Formats   []Format
	Crypto    []Crypto // a=crypto lines that can be read (RFC 4568), in their order
	ICE       bool     // candidates or a user name fragment, here or for the session
	DTLS      bool     // a certificate's fingerprint (RFC 8122), here or for the session
	Mid       string   // a=mid (RFC 5888); empty: none
	PTime     int      // a=ptime, milliseconds of a packet; 0: not said
}

// Transport is what the packets of a stream are.
type Transport uint8

// The transports that a border can carry, and the rest: MSRP, BFCP, TCP, MPEG without RTP.
const (
	OtherTransport Transport = iota
	RTP                      // over UDP, whatever the profile; secured or not
	UDPTL                    // T.38 fax (RFC 7345 §3 has UDP/TLS/UDPTL, which is none of these)
)

// transportOf reads the transport of an m= line; case says nothing.
func transportOf(proto string) Transport {
	switch strings.ToUpper(proto) {
	case "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF":
		return RTP
	case "UDPTL":
		return UDPTL
	}
	return OtherTransport
}

// Direction is which way media goes, as its sender sees it (RFC 8866 §6.7).
type Direction uint8

// The directions; where none is said it is SendRecv.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
)

var directions = [...]string{"sendrecv", "sendonly", "recvonly", "inactive"}

// String is the attribute's name.
func (d Direction) String() string { return directions[d&3] }

// directionOf reads an attribute's name; some write SendRecv.
func directionOf(name string) (Direction, bool) {
	if len(name) != len("sendrecv") {
		return 0, false
	}
	for i, d := range directions {
		if strings.EqualFold(name, d) {
			return Direction(i), true
		}
	}
	return 0, false
}

// Format is one format of an m= line. A payload type that is not of RTP has no name.
type Format struct {
	Type     string // payload type ("8"), or a name ("t38")
	Name     string // encoding name, "PCMA"; empty: not known
	Rate     int    // clock rate in Hz; 0: not known
	Channels int    // 1 where none are said
	Params   string // of a=fmtp; empty: none
}

// Refused says that the stream is not to be used.
func (m *Media) Refused() bool { return m.Port == 0 }

// Secured says that the line asks for SRTP (RFC 4568, RFC 5764).
func (m *Media) Secured() bool { return secured(m.Proto) }

func secured(proto string) bool { return strings.Contains(strings.ToUpper(proto), "SAVP") }

// Held says that its sender does not want to hear: by direction, or by 0.0.0.0 as before
// RFC 3264 (§8.4). Silence is no fault then.
func (m *Media) Held() bool {
	return m.Direction == SendOnly || m.Direction == Inactive || m.Addr.IsUnspecified()
}

// Remote is where the media is to go; not valid where there is no address.
func (m *Media) Remote() netip.AddrPort { return netip.AddrPortFrom(m.Addr, m.Port) }

// Media lists what the m= lines say, in their order. Nobody may change it.
func (b *Body) Media() []Media { return b.media }

// mediaOf is what pion has read of an m= line, which it may have been shown by other names.
func mediaOf(d *pion.SessionDescription, m *pion.MediaDescription, l mline) (Media, *Fault) {
	x := Media{
		Kind: strings.ToLower(string(l.at(l.media))), Port: uint16(m.MediaName.Port.Value), Ports: 1, // pion has looked
		Proto: string(l.at(l.proto)), Transport: transportOf(string(l.at(l.proto))),
	}
	if n := m.MediaName.Port.Range; n != nil {
		x.Ports = *n
	}
	c := m.ConnectionInformation
	if c == nil {
		c = d.ConnectionInformation
	}
	if c != nil && c.Address != nil {
		if addr, name := addressOf(c.Address.Address); addr.IsValid() {
			x.Addr = addr
		} else {
			x.Host = name
		}
	}
	x.formats(m)
	if x.Transport == RTP && x.Port != 0 && x.Port != 65535 {
		x.RTCP = netip.AddrPortFrom(x.Addr, x.Port+1)
	}
	directed := false
	for i := range m.Attributes {
		a := &m.Attributes[i]
		directed = x.direct(a.Key, directed)
		x.attribute(strings.ToLower(strings.TrimSpace(a.Key)), strings.TrimSpace(a.Value))
	}
	for i := range d.Attributes {
		a := &d.Attributes[i]
		directed = x.direct(a.Key, directed)
		switch strings.ToLower(a.Key) {
		case "ice-ufrag":
			x.ICE = true
		case "fingerprint":
			x.DTLS = true
		}
	}
	if !x.RTCP.Addr().IsValid() {
		x.RTCP = netip.AddrPort{}
	}
	return x, nil
}

// direct notes a direction, of which the first counts: the line's own before the session's.
func (m *Media) direct(key string, directed bool) bool {
	d, ok := directionOf(strings.TrimSpace(key))
	if ok && !directed {
		m.Direction = d
	}
	return ok || directed
}

// attribute notes what an attribute of the line says.
func (m *Media) attribute(key, value string) {
	switch key {
	case "rtpmap":
		m.rtpmap(value)
	case "fmtp":
		number, params, _ := strings.Cut(value, " ")
		if f := m.format(number); f != nil && f.Params == "" {
			f.Params = strings.TrimSpace(params)
		}
	case "rtcp":
		m.rtcp(value)
	case "rtcp-mux", "rtcp-mux-only":
		m.Mux = true
	case "crypto":
		if c, err := ParseCrypto(value); err == nil {
			m.Crypto = append(m.Crypto, c)
		}
	case "candidate", "ice-ufrag":
		m.ICE = true
	case "fingerprint":
		m.DTLS = true
	case "mid":
		m.Mid = value
	case "ptime":
		if n, err := strconv.ParseUint(value, 10, 16); err == nil {
			m.PTime = int(n)
		}
	}
}

// rtcp reads a=rtcp: a port, or a port and an address (RFC 3605 §2.1). What cannot be read
// says nothing.
func (m *Media) rtcp(value string) {
	f := strings.Fields(value)
	if len(f) == 0 || m.Transport != RTP || m.Port == 0 {
		return
	}
	port, err := strconv.ParseUint(f[0], 10, 16)
	if err != nil || port == 0 {
		return
	}
	addr := m.Addr
	if len(f) == 4 {
		if a, _ := addressOf(f[3]); a.IsValid() {
			addr = a
		}
	}
	m.RTCP = netip.AddrPortFrom(addr, uint16(port))
}
