package dialog

import (
	"bytes"
	"net/netip"
)

// An INVITE that is too large for a datagram goes by TCP, where the carrier's profile
// says so, and by UDP after all if that cannot be (RFC 3261 §18.1.1). Nothing but the Via
// changes: the carrier is where it was, and so are we.

// largest is how long a request over UDP may be where the path's MTU is not known.
const largest = 1300

// byTCP puts the INVITE that makes the leg on TCP if it is too large.
func (s *step) byTCP(t *Tx) {
	if !s.Policy.LargeByTCP || t.Path.Transport != UDP || len(t.Last) <= largest || s.Policy.Local[TCP] == "" {
		return
	}
	t.Path.Transport, t.Path.Local, t.Path.Conn = TCP, netip.AddrPort{}, 0
	t.Last = s.withVia(t.Last, t)
	t.Every, t.Repeat = 0, never
}

// backToUDP sends an INVITE that could not go by TCP by UDP, as the same transaction;
// false: it was not put there, or it is not wanted any more (P5).
func (s *step) backToUDP(t *Tx) bool {
	if !s.makes(t) || t.state != calling || s.State == Leaving || t.Path.Transport != TCP || s.Target.Path.Transport != UDP {
		return false
	}
	t.Path = s.Target.Path
	t.Last = s.withVia(t.Last, t)
	s.start(t)
	s.send(t, t.Method, 0, t.Path, Path{}, t.Last, false)
	s.promise()
	return true
}

// withVia is a request of ours with the Via, its first header field, of another transport.
func (s *step) withVia(request []byte, t *Tx) []byte {
	line, rest, _ := bytes.Cut(request, []byte("\r\n"))
	_, rest, _ = bytes.Cut(rest, []byte("\r\n"))
	b := append(make(text, 0, len(request)+16), line...)
	b = append(b, "\r\n"...)
	b = b.line("Via", s.via(t.Path.Transport, s.Policy.Seal.Branch(s.ID, t.Seq)))
	return append(b, rest...)
}
