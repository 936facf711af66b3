package sdp

import (
	"net/netip"
	"slices"
	"strings"
)

// writing is a body that is being written for the other side.
type writing struct {
	*Body
	Rules
	first bool // of several descriptions
	out   []byte
}

// Rewrite gives the body as the other side is shown it. What the rules do not name is as it
// came, byte for byte, but for the ends of lines. s= becomes "-", and i= u= e= p= k= go in
// any case: they are of who has written them. What it gives it gives again when it is parsed
// and rewritten with the same rules. The error is a *Fault, NoKeys or BadRules.
func (b *Body) Rewrite(r Rules) ([]byte, error) {
	if f := r.fault(len(b.media)); f != nil {
		return nil, f
	}
	size := 160 + 64*len(b.media)
	for i := range b.lines {
		size += len(b.lines[i].text) + len("\r\n")
	}
	w := writing{Body: b, Rules: r, out: make([]byte, 0, size)}
	for i := range b.parts {
		p := &b.parts[i]
		w.first = i == 0
		w.session(p)
		for from := p.head; from < p.to; {
			to := from + 1
			for to < p.to && b.lines[to].kind != 'm' {
				to++
			}
			if f := w.stream(b.lines[from:to]); f != nil {
				return nil, f
			}
			from = to
		}
	}
	return w.out, nil
}

func (w *writing) line(text []byte) { w.out = append(append(w.out, text...), "\r\n"...) }
func (w *writing) text(text string) { w.out = append(append(w.out, text...), "\r\n"...) }

// ranks is the order in which RFC 8866 §5 has the lines that a description must have, with
// b= among them; whatever else there is follows.
const ranks = "vosc" + "b" + "t"

func rank(kind byte) int {
	if i := strings.IndexByte(ranks, kind); i >= 0 {
		return i
	}
	return len(ranks)
}

// session writes what stands before the first m= line.
func (w *writing) session(p *part) {
	var has [len(ranks) + 1]bool
	has[rank('b')] = true // nobody must have it
	has[rank('c')] = !w.Addr.IsValid() || !w.unnamed(p)
	for i := range w.lines[p.from:p.head] {
		has[rank(w.lines[p.from+i].kind)] = true
	}
	var written [len(ranks) + 1]bool
	t := RTP
	if slices.ContainsFunc(w.media, func(m Media) bool { return m.Transport == OtherTransport }) {
		t = OtherTransport
	}
	missing := func(before int) { // writes what lacks before a line of a rank
		for r := range before {
			if !has[r] {
				has[r] = true
				w.missing(ranks[r])
			}
		}
	}
	for i := range w.lines[p.from:p.head] {
		l := &w.lines[p.from+i]
		switch l.kind {
		case 'i', 'u', 'e', 'p', 'k':
			continue
		}
		r := rank(l.kind)
		missing(r)
		if strings.IndexByte("vosc", l.kind) >= 0 && written[r] {
			continue // a second one says what the first does, or nothing that counts
		}
		written[r] = true
		if l.kind != 'a' || !w.misplaced(l) {
			w.common(l, t)
		}
	}
	missing(len(ranks))
}

// missing writes a line that RFC 8866 §5 asks for.
func (w *writing) missing(kind byte) {
	switch kind {
	case 'v':
		w.text("v=0")
	case 'o':
		w.origin(nil)
	case 's':
		w.text("s=-")
	case 'c':
		w.connection(w.Addr)
	case 't':
		w.text("t=0 0")
	}
}

// unnamed says that a stream of a description, of which the session has no c=, has none.
func (w *writing) unnamed(p *part) bool {
	lines := w.lines[p.head:p.to]
	for i := range lines {
		if lines[i].kind != 'm' {
			continue
		}
		rest := lines[i+1:]
		if n := slices.IndexFunc(rest, func(l line) bool { return l.kind == 'm' }); n >= 0 {
			rest = rest[:n]
		}
		if !slices.ContainsFunc(rest, func(l line) bool { return l.kind == 'c' }) {
			return true
		}
	}
	return false
}

// misplaced says that an attribute is one of streams, has no meaning for a session, and is not
// true any more.
func (w *writing) misplaced(l *line) bool {
	switch string(attributeName(l.value())) {
	case "rtcp":
		return w.Addr.IsValid() || w.Rules.Media != nil
	case "rtcp-mux", "rtcp-mux-only", "crypto":
		return w.Rules.Media != nil
	}
	return false
}

// common writes a line that both the session and a stream may have.
func (w *writing) common(l *line, t Transport) {
	switch l.kind {
	case 'v':
		w.text("v=0")
	case 'o':
		w.origin(l.value())
	case 's':
		w.text("s=-")
	case 'c':
		w.named(l)
	case 'a':
		if !w.Keep.goes(l.value(), w.Addr.IsValid(), t) {
			w.line(l.text)
		}
	case 'i', 'u', 'e', 'p', 'k':
	default:
		w.line(l.text)
	}
}

// origin writes the o= line; value is what came, if any did. Where the leg gives the numbers
// later it gives them to the first description: those of others would be a peer's for ever.
func (w *writing) origin(value []byte) {
	addr := w.Rules.origin()
	n := numbers{w.Origin.ID, w.Origin.Version}
	if n == (numbers{}) && w.first {
		n = numbersOf(value)
	}
	switch {
	case addr.IsValid():
		w.out = appendOrigin(w.out, n, addr)
	case value == nil:
		w.out = appendOrigin(w.out, n, netip.IPv4Unspecified())
	default:
		w.out = append(append(w.out, "o="...), value...)
	}
	w.text("")
}

// named writes a c= line in the place of one. 0.0.0.0 is a hold, and is one for the other
// side too; of IPv6 there is no such thing, and the direction says it (RFC 3264 §8.4).
func (w *writing) named(l *line) {
	addr, _ := addressOf(hostOf(l.value()))
	switch {
	case !w.Addr.IsValid():
		w.line(l.text)
	case addr.IsUnspecified() && w.Addr.Is4():
		w.connection(netip.IPv4Unspecified())
	default:
		w.connection(w.Addr)
	}
}

func (w *writing) connection(addr netip.Addr) {
	w.out = appendAddress(append(w.out, "c="...), addr)
	w.text("")
}
