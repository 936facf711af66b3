package sdp

import (
	"bytes"

	pion "github.com/pion/sdp/v3"
)

// Body is a description as it came, and what it says. It keeps the bytes that it was made
// of: who has given them does not change them.
type Body struct {
	lines []line
	media []Media
	parts []part
}

// part is one description of a body. There is one, but for peers that write several, one
// after the other: each with its own o= and c=.
type part struct {
	from, head, to int  // its lines; those before head are of its session level
	named          bool // they have a c=
}

// line is one line of a body without its end and the blanks before it.
type line struct {
	kind   byte // the letter before the "="; 0: what has no such form, and is kept
	media  int16
	number int // in the body as it came, from 1
	text   []byte
}

// session is the place of a line before the first m=.
const session = -1

// value is what stands after the "=".
func (l *line) value() []byte { return l.text[2:] }

// Parse reads a body of application/sdp. The error is a *Fault.
func Parse(body []byte) (*Body, error) {
	b := &Body{}
	if f := b.split(body); f != nil {
		return nil, f
	}
	for i := range b.parts {
		if f := b.read(&b.parts[i]); f != nil {
			return nil, f
		}
	}
	return b, nil
}

// split finds the lines, and which description and m= line each belongs to.
func (b *Body) split(body []byte) *Fault {
	if len(body) > MaxBody {
		return fault(TooLong, 0, "")
	}
	b.lines = make([]line, 0, 1+bytes.Count(body, []byte("\n")))
	b.parts = make([]part, 0, 1)
	var p part
	media, described, versions := session, 0, 0
	end := func() {
		if p.to = len(b.lines); media == session {
			p.head = p.to
		}
		b.parts = append(b.parts, p)
		p, media, versions = part{from: p.to}, session, 0
	}
	for number := 1; len(body) > 0; number++ {
		var text []byte
		text, body, _ = bytes.Cut(body, []byte("\n"))
		l, f := lineOf(text, number)
		if f != nil {
			return f
		}
		if len(l.text) == 0 {
			continue // a blank line says nothing, and RFC 8866 §9 has none
		}
		switch l.kind {
		case 'v':
			if versions > 0 || media != session {
				end()
			}
			versions++
		case 'm':
			if media == session {
				p.head = len(b.lines)
			}
			media = described
			if described++; described > MaxMedia {
				return fault(ManyMedia, number, "")
			}
		}
		l.media = int16(media)
		b.lines = append(b.lines, l)
	}
	switch {
	case len(b.lines) == 0:
		return fault(Empty, 0, "")
	case described == 0 && versions == 0 && len(b.parts) == 0:
		return fault(NoSDP, b.lines[0].number, string(b.lines[0].text))
	}
	end()
	b.media = make([]Media, 0, described)
	return nil
}

// lineOf is a line without its end; without text it is blank.
func lineOf(text []byte, number int) (line, *Fault) {
	text = bytes.TrimRight(text, "\r")
	if len(text) > MaxLine {
		return line{}, fault(LineTooLong, number, string(text[:quoted]))
	}
	if bytes.IndexByte(text, 0) >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return line{}, fault(Control, number, string(text))
	}
	l := line{number: number, text: text}
	if t := bytes.TrimLeft(text, " \t"); len(t) == 0 {
		l.text = nil
	} else if len(t) > 1 && t[1] == '=' && 'a' <= t[0] && t[0] <= 'z' {
		l.kind, l.text = t[0], t
	}
	return l, nil
}

// read gives one description to pion, and reads what pion says of it.
func (b *Body) read(p *part) *Fault {
	text, f := b.mended(p)
	if f != nil {
		return f
	}
	var d pion.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return fault(Syntax, b.lines[p.from].number, err.Error())
	}
	for i := range b.lines[p.head:p.to] {
		l := &b.lines[p.head+i]
		if l.kind != 'm' {
			continue
		}
		n := int(l.media) - int(b.lines[p.head].media)
		if n >= len(d.MediaDescriptions) {
			return fault(Syntax, l.number, "")
		}
		m, _ := mlineOf(l.value())
		media, f := mediaOf(&d, d.MediaDescriptions[n], m)
		if f != nil {
			f.Line = l.number
			return f
		}
		b.media = append(b.media, media)
	}
	return nil
}
