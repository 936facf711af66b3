package wire

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// field is one line of the header part, unfolded.
type field struct {
	name  string // canonical
	value string // without surrounding blanks
	dirty bool   // a NUL, CR or LF stands in it: never to be repeated to anybody
}

// section is the header part of a message, split and not yet judged.
type section struct {
	start  string
	fields []field
	flaw   *Fault // the first thing wrong with the lines; nil: none
}

// noise names what arrives on SIP ports without being SIP. Empty: something else.
func noise(raw []byte) string {
	if len(bytes.Trim(raw, "\r\n\x00 \t")) == 0 {
		return dropKeepalive
	}
	// RFC 8489 §5: two zero bits first, and the magic cookie.
	if len(raw) >= 20 && raw[0] < 0x40 && binary.BigEndian.Uint32(raw[4:]) == 0x2112A442 {
		return dropSTUN
	}
	return ""
}

// splitHead finds where the header part ends. A datagram that ends with its last
// header line lacks the empty line, and is still complete (RFC 3261 §7 asks for
// the line; nothing but an end can follow in a datagram).
func splitHead(raw []byte) (head, body []byte, ok bool) {
	if i := bytes.Index(raw, []byte("\r\n\r\n")); i >= 0 {
		return raw[:i], raw[i+4:], true
	}
	head, ok = bytes.CutSuffix(raw, []byte("\r\n"))
	return head, nil, ok
}

// scan splits the header part into its lines. It reads the whole of it whatever
// it finds, because what an answer needs may stand last; beyond the limits it
// keeps only that.
func scan(head string, l Limits, fields []field) section {
	s := section{fields: fields}
	// One pass of the machine's widest loads tells a clean message.
	lines := strings.Count(head, "\r\n")
	clean := strings.Count(head, "\r") == lines && strings.Count(head, "\n") == lines &&
		strings.IndexByte(head, 0) < 0
	var rest string
	s.start, rest, _ = strings.Cut(head, "\r\n")
	if !clean && isDirty(s.start) {
		s.fault(bad("control_byte", "NUL, CR or LF in the Start Line"))
	}
	if rest != "" && isBlank(rest[0]) {
		s.fault(bad("folded_start", "Folded Start Line"))
	}
	if strings.Count(head, ";") > l.Params {
		s.fault(bad("too_many_params", "Too Many Parameters"))
	}
	for count := 1; rest != ""; count++ {
		var line string
		line, rest = cutLine(rest)
		name, value, ok := strings.Cut(line, ":")
		name = strings.TrimRight(name, space)
		if !ok || !isToken(name) {
			s.fault(bad("header_line", "Malformed Header Line"))
			continue
		}
		f := field{name: canonical(name), value: strings.Trim(value, space)}
		if !clean {
			f.value = withoutNUL(f.value)
			if f.dirty = isDirty(f.value); f.dirty {
				s.fault(bad("control_byte", "NUL, CR or LF in "+f.name))
			}
		}
		if count > l.Lines {
			s.fault(bad("too_many_lines", "Too Many Header Lines"))
			if !answers(f.name) {
				continue
			}
		}
		s.fields = append(s.fields, f)
	}
	return s
}

func (s *section) fault(f *Fault) {
	if s.flaw == nil {
		s.flaw = f
	}
}

// first returns the first clean value of a name.
func (s *section) first(name string) (value string, ok bool) {
	for i := range s.fields {
		if s.fields[i].name == name && !s.fields[i].dirty {
			return s.fields[i].value, true
		}
	}
	return "", false
}

// cutLine takes one header line with its continuations off s (RFC 3261 §7.3.1:
// a line break and the blanks after it mean one space).
func cutLine(s string) (line, rest string) {
	line, rest, _ = strings.Cut(s, "\r\n")
	if rest == "" || !isBlank(rest[0]) {
		return line, rest
	}
	var b strings.Builder
	b.WriteString(strings.TrimRight(line, space))
	for rest != "" && isBlank(rest[0]) {
		line, rest, _ = strings.Cut(rest, "\r\n")
		b.WriteByte(' ')
		b.WriteString(strings.Trim(line, space))
	}
	return b.String(), rest
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isDirty(s string) bool { return strings.ContainsAny(s, "\x00\r\n") }

// withoutNUL takes out what a quoted-string may legally say and nobody should
// pass on: a NUL as a quoted-pair (RFC 3261 §25.1, seen in RFC 4475 §3.1.1.2).
func withoutNUL(s string) string {
	if !strings.Contains(s, "\\\x00") {
		return s
	}
	out := make([]byte, 0, len(s))
	quoted := false
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			quoted = !quoted
		}
		if quoted && s[i] == '\\' && i+1 < len(s) {
			if i++; s[i] != 0 {
				out = append(out, '\\', s[i])
			}
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

// answers says whether a stateless answer needs the field (RFC 3261 §8.2.6.2).
func answers(name string) bool {
	switch name {
	case "Via", "From", "To", "Call-ID", "CSeq":
		return true
	}
	return false
}
