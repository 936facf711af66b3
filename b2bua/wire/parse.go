package wire

import (
	"bytes"
	"errors"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Limits bound one message. Zero values mean the defaults.
type Limits struct {
	Message int // bytes; default 16384, at most 65507 make sense
	Lines   int // header lines; default 256
	Params  int // semicolons in the header part; default 512
}

func (l Limits) orDefault() Limits {
	if l.Message <= 0 {
		l.Message = 16 << 10
	}
	if l.Lines <= 0 {
		l.Lines = 256
	}
	// What reads parameters may take time with the square of their number.
	if l.Params <= 0 {
		l.Params = 512
	}
	return l
}

// Parse reads one datagram, or one message cut out of a stream.
//
// A message without a Fault has: exactly one From, To, Call-ID and CSeq, at
// least one Via, at most one Max-Forwards, Content-Type and Content-Length, all
// of the shape that RFC 3261 §25 gives them; a Request-URI with a scheme and,
// where that is sip or sips, a host; a body as long as Content-Length says (RFC
// 3261 §18.3); and no NUL, CR or LF in any value. What the values mean is not
// looked at: methods, URI schemes, extensions and hops are the receiver's
// business. Except for Content-Length, every header field is a generic one of
// package sip: its canonical name and its value as it came, unfolded. The body
// shares raw's memory and the values share one copy of the header part: clone
// what is kept for long.
//
// With a Fault the message is a request that carries what an answer needs, and
// perhaps nothing else. An error is always a DropError.
func Parse(raw []byte, l Limits) (sip.Message, *Fault, error) {
	l = l.orDefault()
	if name := noise(raw); name != "" {
		return nil, nil, DropError{Name: name}
	}
	for bytes.HasPrefix(raw, []byte("\r\n")) { // RFC 3261 §7.5
		raw = raw[2:]
	}
	head, body, ok := splitHead(raw)
	if !ok || len(head) > l.Message {
		return nil, nil, DropError{Name: unsplit(raw, ok)}
	}
	var store [48]field
	s := scan(string(head), l, store[:0])
	if len(raw) > l.Message {
		s.flaw = &Fault{Code: 513, Phrase: "Message Too Large", Name: "message_too_large"}
	}
	if len(s.start) >= 4 && strings.EqualFold(s.start[:4], "SIP/") {
		return response(&s, body)
	}
	return request(&s, body)
}

// unsplit names why no header part was found.
func unsplit(raw []byte, ok bool) string {
	line := raw[:min(len(raw), 4<<10)]
	if i := bytes.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	switch {
	case !bytes.Contains(bytes.ToUpper(line), []byte("SIP/")):
		return dropNotSIP
	case ok:
		return dropTooLarge
	case !bytes.Contains(raw, []byte("\r\n")):
		return dropLineFeeds
	}
	return "no_blank_line"
}

func request(s *section, body []byte) (sip.Message, *Fault, error) {
	line := strings.TrimRight(s.start, space)
	method, rest, _ := strings.Cut(line, " ")
	at := strings.LastIndexAny(rest, space)
	version := rest[at+1:]
	if !isToken(method) || len(version) < 4 || !strings.EqualFold(version[:4], "SIP/") {
		return nil, nil, DropError{Name: dropNotSIP}
	}
	uri := rest[:max(at, 0)]
	var recipient sip.Uri
	s.fault(checkVersion(version))
	if len(line) != len(s.start) || strings.ContainsAny(uri, space) {
		// RFC 4475 §3.1.2.8 to 10: one SP, none within, none at the end.
		s.fault(bad("start_line", "Blanks in the Request Line"))
	} else {
		s.fault(requestURI(uri, &recipient))
	}
	s.fault(mandatory(s, method))
	if s.flaw == nil {
		s.fault(requestFields(s, method))
	}
	size, declared, flaw := contentLength(s.fields)
	s.fault(flaw)
	if declared && size > len(body) {
		s.fault(bad("body_short", "Content-Length Exceeds Body"))
	}

	// NewRequest would copy the parameters just read.
	r := sip.NewRequest(sip.RequestMethod(method), sip.Uri{})
	if s.flaw == nil {
		r.Recipient = recipient
		deliver(&r.MessageData, s.fields, body, size, declared)
		return r, nil, nil
	}
	// An ACK is never answered (RFC 3261 §17), and an answer that cannot be
	// matched with its request is of no use.
	if method == "ACK" || !answerable(s, &r.MessageData) {
		return nil, nil, DropError{Name: s.flaw.Name}
	}
	return r, s.flaw, nil
}

func response(s *section, body []byte) (sip.Message, *Fault, error) {
	version, rest, _ := strings.Cut(s.start, " ")
	code, phrase, _ := strings.Cut(rest, " ")
	s.fault(checkVersion(version))
	status, ok := number(code, 699)
	if !ok || len(code) != 3 || status < 100 {
		s.fault(bad("status_code", ""))
	}
	s.fault(mandatory(s, ""))
	size, declared, flaw := contentLength(s.fields)
	s.fault(flaw)
	if declared && size > len(body) {
		s.fault(bad("body_short", ""))
	}
	if s.flaw != nil {
		return nil, nil, DropError{Name: s.flaw.Name}
	}
	r := sip.NewResponse(int(status), phrase)
	deliver(&r.MessageData, s.fields, body, size, declared)
	return r, nil, nil
}

// deliver puts what was judged, and not a second reading of it, into the message.
func deliver(m *sip.MessageData, fields []field, body []byte, size int, declared bool) {
	seen := false
	for i := range fields {
		f := &fields[i]
		if f.name != "Content-Length" {
			m.AppendHeader(sip.NewHeader(f.name, f.value))
			continue
		}
		if !seen { // equal repeats say nothing new
			seen = true
			length := sip.ContentLengthHeader(size)
			m.AppendHeader(&length)
		}
	}
	if declared {
		body = body[:size] // RFC 3261 §18.3: the rest of a datagram is discarded
	}
	if len(body) > 0 {
		m.SetBody(body)
	}
}

// answerable gives the message what an answer copies from the request, and says
// whether it is all there.
func answerable(s *section, m *sip.MessageData) bool {
	for i := range s.fields {
		if f := &s.fields[i]; f.name == "Via" {
			if f.dirty {
				return false
			}
			m.AppendHeader(sip.NewHeader(f.name, f.value))
		}
	}
	if len(m.Headers()) == 0 {
		return false
	}
	for _, name := range [...]string{"From", "To", "Call-ID", "CSeq"} {
		value, ok := s.first(name)
		if !ok {
			return false
		}
		m.AppendHeader(sip.NewHeader(name, value))
	}
	return true
}

func checkVersion(version string) *Fault {
	if strings.EqualFold(version, "SIP/2.0") {
		return nil
	}
	return &Fault{Code: 505, Phrase: "Version Not Supported", Name: "version"}
}

// requestURI reads the Request-URI. Of a scheme other than sip and sips the rest
// comes as it is, in Raw.
func requestURI(s string, u *sip.Uri) *Fault {
	scheme, rest, _ := strings.Cut(s, ":")
	if !isURI(s) {
		return bad("request_uri", "Malformed Request-URI")
	}
	if !strings.EqualFold(scheme, "sip") && !strings.EqualFold(scheme, "sips") {
		if err := sip.ParseUri(s, u); err != nil {
			// It has no room for schemes with digits, dots, plus, minus.
			*u = sip.Uri{Scheme: strings.ToLower(scheme), Host: rest}
		}
		return nil
	}
	if i := strings.IndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	if strings.IndexByte(rest, '?') >= 0 {
		// RFC 3261 §19.1.1, table 1: not allowed here; RFC 4475 §3.1.2.11.
		return bad("request_uri_headers", "Header Fields in Request-URI")
	}
	end := strings.IndexByte(rest, ';')
	if end < 0 {
		end = len(rest)
	}
	host, port, colon := cutPort(rest[:end])
	if !isHost(host) || colon && !isPort(port) {
		return bad("request_uri", "Malformed Request-URI")
	}
	if err := sip.ParseUri(s, u); err != nil || u.Wildcard {
		return bad("request_uri", "Malformed Request-URI")
	}
	return nil
}

// dropName is the name of an error of Parse.
func dropName(err error) string {
	var d DropError
	if errors.As(err, &d) {
		return d.Name
	}
	return dropNotSIP
}
