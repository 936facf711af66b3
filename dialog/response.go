package dialog

import (
	"net/netip"
	"strconv"
	"strings"
)

// reply is what a response has beside what it mirrors.
type reply struct {
	Contact bool
	Body    Body
	Extra   []Header
}

// Methods are those that we serve ourselves; what a profile relays is besides.
const Methods = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE"

// Options are the option tags of what we support.
const Options = "100rel, timer"

// Accepted are the kinds of body that we know how to pass.
const Accepted = "application/sdp, multipart/mixed"

// Capabilities tell what is understood: in the 200 to OPTIONS (RFC 3261 §11.2). No
// coding is, and no language is preferred.
func (p *Policy) Capabilities() []Header {
	return []Header{
		{"Allow", p.Allow()}, {"Supported", Options}, {"Accept", Accepted}, {"Accept-Encoding", "identity"}, {"Accept-Language", "*"},
	}
}

// timestamp is what a 100 copies of its request (RFC 3261 §8.2.6.1).
func timestamp(m *Message) []Header {
	if v := m.Value("Timestamp"); v != "" {
		return []Header{{"Timestamp", v}}
	}
	return nil
}

// respond answers a transaction of the peer's: the bytes are made once and kept.
func (s *step) respond(t *Tx, code int, phrase string, r reply) {
	t.Code = code
	b := make(text, 0, room)
	b = b.start("SIP/2.0 " + itoa(code) + " " + phraseOf(code, phrase))
	for _, v := range t.Vias {
		b = b.line("Via", v)
	}
	establishing := t.machine == inviteServer && code > 100 && code < 300
	if establishing {
		for _, route := range t.Routes {
			b = b.line("Record-Route", route)
		}
	}
	from, to := s.named(t, code > 100 || t.Seq != First) // a 100 within a dialog has the tag of its request
	b = b.line("From", from)
	b = b.line("To", to)
	b = b.line("Call-ID", s.CallID)
	b = b.line("CSeq", strconv.FormatUint(uint64(t.CSeq), 10)+" "+t.Method)
	if r.Contact {
		b = b.line("Contact", s.contact(t.Path.Transport))
	}
	if establishing || code == 200 && t.Method == "UPDATE" {
		b = b.allow(s.Policy)
	}
	b = b.session(s.SessionID).agent("Server", s.Policy.Agent)
	for _, h := range r.Extra {
		b = b.line(h.Name, h.Value)
	}
	t.Last = b.body(s.described(r.Body))
	s.send(t, t.Method, code, t.Path, s.fallback(t.Path), t.Last, false)
	s.move(t, told(t, code), nil)
}

// named is From and To of a response (RFC 3261 §8.2.6.2): those of its request,
// To with our tag where it has none and is to have one.
func (l *Leg) named(t *Tx, tag bool) (from, to string) {
	from, to = l.Peer, l.Self
	if d := l.dialogOf(t); d != nil {
		from = d.Peer
	}
	if t.From != "" {
		from, to = t.From, t.To
	}
	if own, _ := param(afterAddress(to), "tag"); tag && own == "" {
		to = tagged(to, l.Tag)
	}
	return from, to
}

// dialogOf is the dialog whose peer a response goes to; nil: the first.
func (l *Leg) dialogOf(t *Tx) *Dialog {
	if l.makes(t) {
		return nil // the INVITE made it
	}
	return l.dialog(t.Of)
}

// told is the input that a response of ours is to its transaction.
func told(t *Tx, code int) input {
	switch {
	case code < 200:
		return tell1xx
	case t.machine == server:
		return tellFinal
	case code < 300:
		return tell2xx
	}
	return tell3to6
}

// refuse answers a request without keeping anything: its repeat is answered the
// same way (RFC 3261 §8.2.7).
func (s *step) refuse(m *Message, from Path, code int, phrase string) {
	if m.Method == "ACK" {
		s.drop(DropACK, m)
		return
	}
	tag := s.Tag
	if m.Method == "INVITE" {
		// Not the tag of the dialog: the ACK of a refused INVITE must not pass for
		// the ACK of the call's answer.
		tag = s.Policy.Seal.Tag(ID{Call: s.ID.Call, Leg: Stateless})
	}
	data, to := Refuse(m, from, tag, Refusal{Code: code, Phrase: phrase, Agent: s.Policy.Agent})
	s.send(nil, m.Method, code, to, s.fallback(to), data, false)
}

// Refusal is an answer to a request that nothing is kept of.
type Refusal struct {
	Code   int
	Phrase string // empty: the standard one
	Agent  string
	Extra  []Header
}

// Refuse writes a stateless response (RFC 3261 §8.2.7) with the given To-tag,
// and says where it goes.
func Refuse(m *Message, from Path, tag string, r Refusal) ([]byte, Path) {
	b := make(text, 0, room)
	b = b.start("SIP/2.0 " + itoa(r.Code) + " " + phraseOf(r.Code, r.Phrase))
	for _, v := range mirrored(m.Vias, from) {
		b = b.line("Via", v)
	}
	b = b.line("From", m.From)
	to := m.To
	if m.ToTag == "" && r.Code > 100 {
		to = tagged(to, tag)
	}
	b = b.line("To", to)
	b = b.line("Call-ID", m.CallID)
	b = b.line("CSeq", strconv.FormatUint(uint64(m.CSeq), 10)+" "+m.Method)
	b = b.agent("Server", r.Agent)
	for _, h := range r.Extra {
		b = b.line(h.Name, h.Value)
	}
	return b.body(Body{}), responsePath(m, from)
}

// tagged adds our tag to a From or To that has none.
func tagged(value, tag string) string { return untagged(value) + ";tag=" + tag }

// untagged is a From or To without an empty tag, which is none: another beside it
// would make two.
func untagged(value string) string {
	params := afterAddress(value)
	if tag, found := param(params, "tag"); !found || tag != "" {
		return value
	}
	kept := value[:len(value)-len(params)]
	for _, p := range splitParams(params) {
		if name, _, _ := strings.Cut(p, "="); !strings.EqualFold(strings.TrimSpace(name), "tag") {
			kept += ";" + p
		}
	}
	return kept
}

// mirrored is the Via list of a response: as received, the top one completed
// with where the request really came from (RFC 3261 §18.2.1, RFC 3581 §4).
func mirrored(vias []string, from Path) []string {
	if len(vias) == 0 {
		return nil
	}
	top, params, _ := strings.Cut(vias[0], ";")
	var b strings.Builder
	b.WriteString(strings.TrimSpace(top))
	rport := false
	for _, p := range splitParams(params) {
		name, _, _ := strings.Cut(p, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "rport":
			rport = true
			continue
		case "received":
			continue
		}
		b.WriteString(";" + p)
	}
	host, _ := sentBy(top)
	source := from.Remote.Addr().Unmap()
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); rport || err != nil || a.Unmap() != source {
		b.WriteString(";received=" + source.String())
	}
	if rport {
		b.WriteString(";rport=" + itoa(int(from.Remote.Port())))
	}
	list := make([]string, len(vias))
	copy(list, vias)
	list[0] = b.String()
	return list
}

// splitParams splits at semicolons outside quotes and trims.
func splitParams(params string) (list []string) {
	for params != "" {
		one := params
		if i := bracket(params, ';'); i >= 0 {
			one, params = params[:i], params[i+1:]
		} else {
			params = ""
		}
		if one = strings.TrimSpace(one); one != "" {
			list = append(list, one)
		}
	}
	return list
}

// sentBy is host and port of a Via up to its parameters; port 0: none.
func sentBy(top string) (host string, port int) {
	fields := strings.Fields(top)
	if len(fields) < 2 {
		return "", 0
	}
	// "SIP/2.0/UDP host:port", white space allowed around the slashes and colon.
	hp := strings.Join(fields[1:], "")
	if i := strings.LastIndexByte(fields[0], '/'); i < 0 || strings.Count(fields[0], "/") < 2 {
		hp = strings.Join(fields[len(fields)-1:], "")
	}
	host = hp
	if i := strings.LastIndexByte(hp, ':'); i >= 0 && !strings.HasSuffix(hp, "]") {
		if n, err := strconv.Atoi(hp[i+1:]); err == nil && n > 0 && n < 65536 {
			return hp[:i], n
		}
	}
	return host, 0
}

// responsePath is where a response goes (RFC 3261 §18.2.2, RFC 3581 §4): by the
// connection that the request came by; over UDP to its source address, at the
// source port if rport asks for it, else at the port that Via names. The host
// that Via names is never used: the sender chose it.
func responsePath(m *Message, from Path) Path {
	if from.Transport.Reliable() || len(m.Vias) == 0 {
		return from
	}
	top, params, _ := strings.Cut(m.Vias[0], ";")
	if _, ok := param(";"+params, "rport"); ok {
		return from
	}
	_, port := sentBy(top)
	if port == 0 {
		port = 5060
	}
	to := from
	to.Remote = netip.AddrPortFrom(from.Remote.Addr(), uint16(port))
	return to
}

// Phrase is the standard phrase of a status code (RFC 3261 §21 and those since); empty: it
// has none.
func Phrase(code int) string { return phrases[code] }

// phraseOf is the reason phrase to write: what a peer gave, made safe, or the
// standard one.
func phraseOf(code int, given string) string {
	if given != "" {
		return given
	}
	return phrases[code]
}

// phrases are those of RFC 3261 §21 and of the RFCs that add codes.
var phrases = map[int]string{
	100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
	200: "OK", 202: "Accepted",
	400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
	406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone",
	413: "Request Entity Too Large", 414: "Request-URI Too Long", 415: "Unsupported Media Type",
	416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required", 422: "Session Interval Too Small",
	423: "Interval Too Brief", 433: "Anonymity Disallowed", 480: "Temporarily Unavailable",
	481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete",
	485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
	500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
	504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
	600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
	607: "Unwanted", 608: "Rejected",
}
