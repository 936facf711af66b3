package sdp

import (
	"bytes"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// mended is a description as pion takes it: what somebody here reads of it, and nothing else.
// s= and t= are made up, as is o= where it is none; b=, k= and others pass unread.
func (b *Body) mended(p *part) (string, *Fault) {
	size := 64
	for i := range b.lines[p.from:p.to] {
		size += len(b.lines[p.from+i].text) + len("\r\n")
	}
	w := make([]byte, 0, size)
	w, f := b.mendedSession(w, p)
	if f != nil {
		return "", f
	}
	var c connection
	for i := range b.lines[p.head:p.to] {
		l := &b.lines[p.head+i]
		switch l.kind {
		case 'm':
			c = connection{}
			var m mline
			if m, f = mlineOf(l.value()); f == nil {
				w = m.mended(w)
				c.unused = m.port == 0
			}
		case 'c':
			w, f = c.mended(w, l.value())
		case 'a':
			w = append(append(w, l.text...), "\r\n"...)
		}
		if f != nil {
			f.Line = l.number
			return "", f
		}
	}
	return string(w), nil
}

// mendedSession is what stands before the first m=: o= before c= before a=.
func (b *Body) mendedSession(w []byte, p *part) ([]byte, *Fault) {
	var origin, c []byte
	var seen connection
	for i := range b.lines[p.from:p.head] {
		l := &b.lines[p.from+i]
		var f *Fault
		switch {
		case l.kind == 'v' && string(bytes.TrimSpace(l.value())) != "0":
			f = fault(Version, 0, string(l.text))
		case l.kind == 'o' && origin == nil:
			origin = l.value()
			f = originFault(origin)
		case l.kind == 'c':
			c, f = seen.mended(c, l.value())
		}
		if f != nil {
			f.Line = l.number
			return nil, f
		}
	}
	p.named = seen.found
	w = append(w, "v=0\r\n"...)
	w = append(appendOrigin(w, numbersOf(origin), netip.IPv4Unspecified()), "\r\ns=-\r\n"...)
	w = append(append(w, c...), "t=0 0\r\n"...)
	for i := range b.lines[p.from:p.head] {
		if l := &b.lines[p.from+i]; l.kind == 'a' {
			w = append(append(w, l.text...), "\r\n"...)
		}
	}
	return w, nil
}

// numbers are the session's id and version as an o= line has them.
type numbers struct{ id, version uint64 }

// numbersIn finds the two numbers of an o= line, which are the words before "IN": a user name
// may have blanks, though no RFC allows it. Empty: there are none.
func numbersIn(value []byte) (id, version []byte) {
	rest, _, found := bytes.Cut(value, []byte(" IN "))
	if !found {
		return nil, nil
	}
	rest, version = lastWord(rest)
	_, id = lastWord(rest)
	return id, version
}

func lastWord(b []byte) (rest, word []byte) {
	b = bytes.TrimRight(b, " \t")
	i := bytes.LastIndexAny(b, " \t") + 1
	return b[:i], b[i:]
}

// originFault refuses a number that does not fit into 64 bits, since pion, and who knows who
// else, reads another one. What is no number at all is nobody's number: it is passed over.
func originFault(value []byte) *Fault {
	id, version := numbersIn(value)
	for _, x := range [...][]byte{id, version} {
		x = bytes.TrimPrefix(x, []byte("-")) // a number that was printed as a signed one
		if len(bytes.Trim(x, "0123456789")) > 0 || len(x) == 0 {
			continue
		}
		if x = bytes.TrimLeft(x, "0"); len(x) > 0 && number(x) == 0 {
			return fault(Origin, 0, string(value))
		}
	}
	return nil
}

// numbersOf reads an o= line; zero where there are none.
func numbersOf(value []byte) numbers {
	id, version := numbersIn(value)
	return numbers{number(id), number(version)}
}

// number reads a decimal number; what is none, or is beyond 64 bits, is zero.
func number(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		d := uint64(c - '0')
		if c < '0' || c > '9' || n > (math.MaxUint64-d)/10 {
			return 0
		}
		n = n*10 + d
	}
	return n
}

// appendOrigin writes an o= line without its end. A user name is nobody's business.
func appendOrigin(w []byte, n numbers, addr netip.Addr) []byte {
	w = strconv.AppendUint(append(w, "o=- "...), n.id, 10)
	w = strconv.AppendUint(append(w, ' '), n.version, 10)
	return appendAddress(append(w, ' '), addr)
}

// appendAddress writes "IN IP4 192.0.2.1".
func appendAddress(w []byte, addr netip.Addr) []byte {
	if addr.Is4() {
		return addr.AppendTo(append(w, "IN IP4 "...))
	}
	return addr.AppendTo(append(w, "IN IP6 "...))
}

// connection is what the c= lines of one level say.
type connection struct {
	host   string
	found  bool
	unused bool // of a refused stream: whatever it says, nothing is sent there
}

// mended adds a c= line as pion takes it. Several are for layered multicast (RFC 8866 §5.7);
// where they differ, one reader sends its media here and another one there.
func (c *connection) mended(w, value []byte) ([]byte, *Fault) {
	host := hostOf(value)
	switch {
	case c.unused && host == "":
		return w, nil
	case host == "" || c.found && c.host != host:
		return w, fault(Connection, 0, "c="+string(value))
	case c.found:
		return w, nil
	}
	c.host, c.found = host, true
	family := "IP4 "
	if strings.Contains(host, ":") {
		family = "IP6 "
	}
	return append(append(append(append(w, "c=IN "...), family...), host...), "\r\n"...), nil
}

// hostOf is the address or the name of a c= line, empty where it has none. What follows it
// is looked at by nobody: "IN IP4 192.0.2.1/127", "IN IP4 192.0.2.1 UNHOLD".
func hostOf(value []byte) string {
	net := next(value, 0)
	family := next(value, net.to)
	at := next(value, family.to)
	if f := value[family.from:family.to]; !bytes.EqualFold(value[net.from:net.to], []byte("IN")) ||
		!bytes.EqualFold(f, []byte("IP4")) && !bytes.EqualFold(f, []byte("IP6")) {
		return ""
	}
	host, _, _ := bytes.Cut(value[at.from:at.to], []byte("/"))
	_, name := addressOf(string(bytes.TrimSuffix(bytes.TrimPrefix(host, []byte("[")), []byte("]"))))
	return name
}

// addressOf reads an address, or a name (RFC 1123 §2.1): it is never both, and where the name
// is empty it is none of them. An IPv4 address in IPv6's clothes is one of IPv4.
func addressOf(host string) (addr netip.Addr, name string) {
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		return addr.Unmap(), host
	}
	if len(host) > 253 || strings.Trim(host, "0123456789.-_") == "" {
		return netip.Addr{}, ""
	}
	for i := range len(host) {
		c := host[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_') {
			return netip.Addr{}, ""
		}
	}
	return netip.Addr{}, host
}
