package dialog

import (
	"bytes"
	"hash/fnv"
	"strconv"
	"strings"
)

// Session is the identity of what we describe on a leg: one o= line whose
// version rises exactly when the description changes (RFC 3264 §8), whichever
// carriers are behind it (promise P6).
type Session struct {
	Version uint64
	Hash    uint64 // of the last description, without its o= line
}

// described gives each description in a body the o= line of this leg. Whatever else
// there is passes as it is.
func (s *step) described(b Body) Body {
	if b.Empty() {
		return b
	}
	var few [2]span
	origins, sum := originsOf(few[:0], b)
	if len(origins) == 0 {
		return b
	}
	if sum != s.Session.Hash || s.Session.Version == 0 {
		s.Session.Hash = sum
		s.Session.Version++
	}
	data, at := make([]byte, 0, len(b.Data)+64*len(origins)), 0
	for _, o := range origins {
		data = s.origin(append(data, b.Data[at:o.from]...))
		at = o.to
	}
	return Body{Type: b.Type, Data: append(data, b.Data[at:]...)}
}

// originsOf finds the o= lines of a body, and a hash of what else its descriptions say.
func originsOf(few []span, b Body) (origins []span, sum uint64) {
	found := descriptions(few, b, 0, nesting)
	origins = found[:0]
	h := fnv.New64a()
	for _, p := range found {
		if before, after, ok := cutOrigin(b.Data[p.from:p.to]); ok {
			h.Write(before)
			h.Write(after)
			origins = append(origins, span{p.from + len(before), p.to - len(after)})
		}
	}
	return origins, h.Sum64()
}

// shown says that a description is the one that the peer was shown last.
func (l *Leg) shown(b Body) bool {
	_, sum := originsOf(nil, b)
	return l.Session.Version != 0 && sum == l.Session.Hash
}

// origin writes the o= line of this leg (RFC 4566 §5.2).
func (s *step) origin(data []byte) []byte {
	host, family := hostOf(s.local(s.Path.Transport)), "IP4"
	if strings.Contains(host, ":") {
		family = "IP6"
	}
	data = append(data, "o=- "...)
	data = strconv.AppendUint(data, s.Policy.Seal.Number(s.ID), 10)
	data = append(data, ' ')
	data = strconv.AppendUint(data, s.Session.Version, 10)
	return append(data, " IN "+family+" "+host...)
}

// isSDP says that a Content-Type is application/sdp, with or without parameters.
func isSDP(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(t), "application/sdp")
}

// cutOrigin splits a description around the value of its o= line.
func cutOrigin(data []byte) (before, after []byte, ok bool) {
	i := 0
	if !bytes.HasPrefix(data, []byte("o=")) {
		if i = bytes.Index(data, []byte("\no=")); i < 0 {
			return nil, nil, false
		}
		i++
	}
	end := bytes.IndexAny(data[i:], "\r\n")
	if end < 0 {
		end = len(data) - i
	}
	return data[:i], data[i+end:], true
}

// hostOf is the address of "host:port", without brackets.
func hostOf(sentBy string) string {
	if i := strings.LastIndexByte(sentBy, ':'); i >= 0 && !strings.HasSuffix(sentBy, "]") {
		sentBy = sentBy[:i]
	}
	return strings.Trim(sentBy, "[]")
}

// decline answers an offer by refusing each of its streams (RFC 3264 §6): for
// the ACK of a 2xx whose call is to end at once.
func decline(offer Body) Body {
	if offer.Empty() || !isSDP(offer.Type) {
		return Body{}
	}
	var b bytes.Buffer
	for line := range strings.Lines(string(offer.Data)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "m=") {
			if f := strings.Fields(line); len(f) > 2 {
				f[1] = "0"
				line = strings.Join(f, " ")
			}
		} else if strings.HasPrefix(line, "a=") {
			continue
		}
		b.WriteString(line + "\r\n")
	}
	return Body{Type: offer.Type, Data: b.Bytes()}
}
