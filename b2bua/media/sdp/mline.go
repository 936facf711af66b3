package sdp

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// mline is an m= line in its pieces, each where it stands.
type mline struct {
	value []byte // all that follows "m="
	media span
	ports span // with the number of ports
	proto span
	tail  []byte // the formats
	port  uint16
	count int // number of ports
}

// span is a stretch of a line.
type span struct{ from, to int }

func (m *mline) at(s span) []byte { return m.value[s.from:s.to] }

// next is the next word of a line, from a place on; empty where there is none.
func next(value []byte, from int) span {
	for from < len(value) && (value[from] == ' ' || value[from] == '\t') {
		from++
	}
	to := from
	for to < len(value) && value[to] != ' ' && value[to] != '\t' {
		to++
	}
	return span{from, to}
}

// mlineOf reads an m= line (RFC 8866 §5.14).
func mlineOf(value []byte) (mline, *Fault) {
	m := mline{value: value, count: 1}
	m.media = next(value, 0)
	m.ports = next(value, m.media.to)
	m.proto = next(value, m.ports.to)
	m.tail = value[m.proto.to:]
	port, count, several := bytes.Cut(m.at(m.ports), []byte("/"))
	n, err := strconv.ParseUint(string(port), 10, 16)
	if err != nil && (len(port) > 0 || several) {
		return m, fault(Port, 0, "m="+string(value))
	}
	m.port = uint16(n)
	if several {
		if m.count, err = strconv.Atoi(string(count)); err != nil || m.count < 1 || m.count > 1<<15 {
			return m, fault(Port, 0, "m="+string(value))
		}
	}
	formats := 0
	for range bytes.FieldsSeq(m.tail) {
		formats++
	}
	switch {
	case formats > maxFormats:
		return m, fault(ManyFormats, 0, "m="+string(value))
	case m.proto.from == m.proto.to, !word(string(m.at(m.media))), !word(string(m.at(m.proto))), formats == 0 && m.port != 0: // some refuse a stream and name no format
		return m, fault(MediaLine, 0, "m="+string(value))
	}
	return m, nil
}

// kinds are those that pion knows.
var kinds = []string{"audio", "video", "text", "application", "message"}

// mended is the line as pion takes it: what it does not know has another name there.
func (m *mline) mended(w []byte) []byte {
	kind := strings.ToLower(string(m.at(m.media)))
	if !slices.Contains(kinds, kind) {
		kind = "application"
	}
	proto := "UDP"
	if t := transportOf(string(m.at(m.proto))); t == RTP {
		proto = strings.ToUpper(string(m.at(m.proto)))
	}
	w = append(append(append(w, "m="...), kind...), ' ')
	w = strconv.AppendUint(w, uint64(m.port), 10)
	if m.count > 1 {
		w = strconv.AppendInt(append(w, '/'), int64(m.count), 10)
	}
	w = append(append(w, ' '), proto...)
	for f := range bytes.FieldsSeq(m.tail) {
		w = append(append(w, ' '), f...)
	}
	return append(w, "\r\n"...)
}
