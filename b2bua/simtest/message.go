package simtest

import (
	"strconv"
	"strings"
)

// message is a SIP message as peers write and read it. It shares nothing with
// the code that it tests.
type message struct {
	start  string
	fields []field
	body   string
}

type field struct{ name, value string }

// compact are the short names of RFC 3261 §7.3.3 that a peer may use.
var compact = map[string]string{
	"v": "Via", "f": "From", "t": "To", "i": "Call-ID", "m": "Contact", "c": "Content-Type", "l": "Content-Length", "k": "Supported",
}

// read takes apart what Bulkhead or a peer wrote: names may be compact, lines folded.
func read(data []byte) message {
	head, body, _ := strings.Cut(string(data), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	m := message{start: lines[0], body: body}
	for _, l := range lines[1:] {
		if n := len(m.fields); n > 0 && strings.TrimLeft(l, " \t") != l {
			m.fields[n-1].value = strings.TrimSpace(m.fields[n-1].value + " " + strings.TrimSpace(l))
			continue
		}
		name, value, _ := strings.Cut(l, ":")
		name = strings.TrimSpace(name)
		if long := compact[strings.ToLower(name)]; long != "" {
			name = long
		}
		m.add(name, strings.TrimSpace(value))
	}
	return m
}

func (m *message) add(name, value string) { m.fields = append(m.fields, field{name, value}) }

// set replaces the value of a header field, or adds it.
func (m *message) set(name, value string) {
	for i := range m.fields {
		if strings.EqualFold(m.fields[i].name, name) {
			m.fields[i].value = value
			return
		}
	}
	m.add(name, value)
}

func (m *message) remove(name string) {
	kept := m.fields[:0]
	for _, f := range m.fields {
		if !strings.EqualFold(f.name, name) {
			kept = append(kept, f)
		}
	}
	m.fields = kept
}

func (m message) all(name string) (list []string) {
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			list = append(list, f.value)
		}
	}
	return list
}

func (m message) first(name string) string {
	if list := m.all(name); len(list) > 0 {
		return list[0]
	}
	return ""
}

// code is the status code; 0: a request.
func (m message) code() int {
	if rest, ok := strings.CutPrefix(m.start, "SIP/2.0 "); ok {
		n, _ := strconv.Atoi(rest[:min(3, len(rest))])
		return n
	}
	return 0
}

func (m message) method() string {
	if m.code() == 0 {
		method, _, _ := strings.Cut(m.start, " ")
		return method
	}
	_, method, _ := strings.Cut(m.first("CSeq"), " ")
	return method
}

func (m message) uri() string {
	if f := strings.Fields(m.start); m.code() == 0 && len(f) == 3 {
		return f[1]
	}
	return ""
}

func (m message) cseq() int {
	number, _, _ := strings.Cut(m.first("CSeq"), " ")
	n, _ := strconv.Atoi(number)
	return n
}

func (m message) branch() string  { return parameter(m.first("Via"), "branch") }
func (m message) toTag() string   { return parameter(m.first("To"), "tag") }
func (m message) fromTag() string { return parameter(m.first("From"), "tag") }
func (m message) callID() string  { return m.first("Call-ID") }

// label is what the ladder writes on the arrow.
func (m message) label() string {
	l := m.method()
	if c := m.code(); c != 0 {
		l = strconv.Itoa(c)
		if m.method() != "INVITE" {
			l += " " + m.method()
		}
	}
	if strings.HasPrefix(m.first("Content-Type"), "application/sdp") {
		l += " sdp"
	} else if m.body != "" {
		l += " body"
	}
	return l
}

func (m message) bytes() []byte {
	var b strings.Builder
	b.WriteString(m.start + "\r\n")
	for _, f := range m.fields {
		b.WriteString(f.name + ": " + f.value + "\r\n")
	}
	b.WriteString("\r\n" + m.body)
	return []byte(b.String())
}

// parameter is a parameter after the address of a name-addr, or of a Via.
func parameter(value, name string) string {
	if i := strings.LastIndexByte(value, '>'); i >= 0 {
		value = value[i:]
	}
	for _, p := range strings.Split(value, ";")[1:] {
		if k, v, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(k), name) {
			return v
		}
	}
	return ""
}

// untagged is a From or To without its tag.
func untagged(value string) string {
	at := strings.LastIndexByte(value, '>')
	if i := strings.Index(value[max(at, 0):], ";tag="); i >= 0 {
		return value[:max(at, 0)+i]
	}
	return value
}

// address is the URI in brackets.
func address(value string) string {
	_, rest, ok := strings.Cut(value, "<")
	if !ok {
		return value
	}
	uri, _, _ := strings.Cut(rest, ">")
	return uri
}
