package sdp

import (
	"bytes"
	"strconv"
)

// stream writes an m= line and what belongs to it.
func (w *writing) stream(lines []line) *Fault {
	n := int(lines[0].media)
	m, r := &w.media[n], w.Rules.of(n)
	port := r.Port
	if r.Same || m.Refused() {
		port = m.Port
	}
	proto := r.Proto
	switch {
	case proto == "":
		proto = m.Proto
	case transportOf(proto) != m.Transport:
		return fault(BadRules, lines[0].number, proto)
	}
	w.mline(lines[0].value(), m, port, proto)
	var s stream
	for i := range lines[1:] {
		l := &lines[1+i]
		switch {
		case l.kind == 'c' && s.named, l.kind == 'o', l.kind == 's':
			// said before, or of the session, where nothing of it is looked for
		case l.kind == 'a':
			w.attribute(l, m, &r, &s, port)
		default:
			s.named = s.named || l.kind == 'c'
			w.common(l, m.Transport)
		}
	}
	if port != 0 {
		w.lacking(m, &r, &s, port)
	}
	if port != 0 && secured(proto) && !s.keys && !(m.DTLS && w.Keep&KeepDTLS != 0) {
		return fault(NoKeys, lines[0].number, proto)
	}
	return nil
}

// stream is what has been written of an m= line's section.
type stream struct {
	named    bool // c=
	rtcp     bool
	mux      bool
	directed bool
	keys     bool
}

// mline writes the m= line with another port and transport; else it is as it came.
func (w *writing) mline(value []byte, m *Media, port uint16, proto string) {
	l, _ := mlineOf(value)
	w.out = append(append(w.out, "m="...), value[:l.ports.from]...)
	if port == m.Port {
		w.out = append(w.out, l.at(l.ports)...)
	} else {
		w.out = strconv.AppendUint(w.out, uint64(port), 10)
	}
	w.out = append(w.out, value[l.ports.to:l.proto.from]...)
	w.out = append(w.out, proto...)
	w.line(l.tail)
}

// attribute writes an attribute of a stream, or does not.
func (w *writing) attribute(l *line, m *Media, r *MediaRules, s *stream, port uint16) {
	name := attributeName(l.value())
	switch string(name) {
	case "rtcp":
		if r.Same && !w.Addr.IsValid() {
			break
		}
		if !s.rtcp && m.Transport == RTP {
			s.rtcp = true
			w.rtcp(l.value(), r.port(m, port))
		}
		return
	case "rtcp-mux", "rtcp-mux-only":
		if r.Mux == NoMux || r.Mux == WithMux && string(name) == "rtcp-mux" && s.mux {
			return
		}
		s.mux = s.mux || string(name) == "rtcp-mux"
		w.line(l.text)
		return
	case "crypto", "key-mgmt":
		if r.Crypto != nil || w.Keep&KeepCrypto == 0 {
			return
		}
		s.keys = true
	default:
		if d, ok := directionOf(string(name)); ok && w.silent(m) {
			if !s.directed {
				s.directed = true
				w.text("a=" + mute(d).String())
			}
			return
		}
	}
	w.common(l, m.Transport)
}

// rtcp writes where RTCP is to go, in the form in which it came.
func (w *writing) rtcp(value []byte, port uint16) {
	if port == 0 {
		return
	}
	w.out = strconv.AppendUint(append(w.out, "a=rtcp:"...), uint64(port), 10)
	if len(bytes.Fields(value)) > 1 && w.Addr.IsValid() {
		w.out = appendAddress(append(w.out, ' '), w.Addr)
	}
	w.text("")
}

// port is that of RTCP, beside that of RTP; 0: there is none.
func (r *MediaRules) port(m *Media, port uint16) uint16 {
	switch {
	case port == 0:
		return 0
	case r.Same:
		return m.RTCP.Port()
	case r.RTCP != 0:
		return r.RTCP
	}
	return port + 1
}

// silent says that a stream is held by its address, which the other side cannot be shown.
func (w *writing) silent(m *Media) bool {
	return w.Addr.Is6() && m.Addr.IsValid() && m.Addr.IsUnspecified()
}

// mute is a direction without what its sender hears.
func mute(d Direction) Direction {
	if d == SendRecv || d == SendOnly {
		return SendOnly
	}
	return Inactive
}

// lacking writes the attributes that a used stream needs and has not had.
func (w *writing) lacking(m *Media, r *MediaRules, s *stream, port uint16) {
	if w.silent(m) && !s.directed {
		w.text("a=" + mute(m.Direction).String())
	}
	if m.Transport != RTP {
		return
	}
	if !r.Same && r.RTCP != 0 && r.RTCP != port+1 && !s.rtcp {
		w.rtcp(nil, r.RTCP)
	}
	if r.Mux == WithMux && !s.mux {
		w.text("a=rtcp-mux")
	}
	for i := range r.Crypto {
		s.keys = true
		w.out = append(w.out, "a=crypto:"...)
		w.out = r.Crypto[i].append(w.out)
		w.text("")
	}
}
