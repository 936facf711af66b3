package dialog

import (
	"bytes"
	"strings"
)

// span is a stretch of a body.
type span struct{ from, to int }

// Bounds of what is looked at, since a peer chooses it.
const (
	nesting     = 4   // of multipart bodies
	longestType = 512 // bytes of a folded Content-Type
)

// descriptions adds to a list where a body holds SDP: all of it, or a part of what
// is multipart (RFC 2046 §5.1).
func descriptions(list []span, b Body, at, depth int) []span {
	if isSDP(b.Type) {
		return append(list, span{at, at + len(b.Data)})
	}
	kind, params, _ := strings.Cut(b.Type, ";")
	boundary, _ := param(";"+params, "boundary")
	boundary = strings.Trim(boundary, `"`)
	if !strings.HasPrefix(strings.ToLower(strings.TrimSpace(kind)), "multipart/") || boundary == "" || depth == 0 {
		return list
	}
	for _, p := range parts(b.Data, "--"+boundary) {
		contentType, start := partType(b.Data[p.from:p.to])
		p.from += start
		list = descriptions(list, Body{Type: contentType, Data: b.Data[p.from:p.to]}, at+p.from, depth-1)
	}
	return list
}

// Rewritten is the body with each of its descriptions as f gives it: all of it, or the parts
// that are SDP, of which nothing but their own bytes changes.
func (b Body) Rewritten(f func(sdp []byte) ([]byte, error)) (Body, error) {
	if b.Empty() {
		return b, nil
	}
	var few [2]span
	found := descriptions(few[:0], b, 0, nesting)
	if len(found) == 0 {
		return b, nil
	}
	var out []byte
	at := 0
	for _, p := range found {
		if p.to < len(b.Data) { // the line break before a delimiter is the delimiter's (RFC 2046 §5.1.1)
			p.to -= len(b.Data[p.from:p.to]) - len(withoutBreak(b.Data[p.from:p.to]))
		}
		data, err := f(b.Data[p.from:p.to])
		if err != nil {
			return b, err
		}
		out = append(append(out, b.Data[at:p.from]...), data...)
		at = p.to
	}
	return Body{Type: b.Type, Data: append(out, b.Data[at:]...)}, nil
}

// withoutBreak is a text without the line break at its end.
func withoutBreak(data []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
}

// parts lists what stands between the delimiter lines, each part with its headers.
// The last one may lack its end.
func parts(data []byte, delimiter string) (list []span) {
	start := -1
	for at := 0; at < len(data); {
		end := lineEnd(data, at)
		rest, found := bytes.CutPrefix(bytes.TrimRight(data[at:end], " \t\r\n"), []byte(delimiter))
		if last := string(rest) == "--"; found && (last || len(rest) == 0) {
			if start >= 0 {
				list = append(list, span{start, at})
			}
			if last {
				return list
			}
			start = end
		}
		at = end
	}
	if start >= 0 {
		list = append(list, span{start, len(data)})
	}
	return list
}

// partType is the Content-Type of a part, whose header fields may be folded, and
// where its content begins.
func partType(part []byte) (contentType string, content int) {
	ours := false
	for content < len(part) {
		end := lineEnd(part, content)
		line := strings.TrimRight(string(part[content:end]), "\r\n")
		content = end
		switch name, value, _ := strings.Cut(line, ":"); {
		case line == "":
			return contentType, content
		case line[0] == ' ' || line[0] == '\t':
			if ours && len(contentType) < longestType {
				contentType += line
			}
		default:
			if ours = strings.EqualFold(strings.TrimSpace(name), "content-type"); ours {
				contentType = value
			}
		}
	}
	return contentType, content
}

// lineEnd is where the line that begins at a place ends, with its line break.
func lineEnd(data []byte, at int) int {
	if i := bytes.IndexByte(data[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(data)
}
