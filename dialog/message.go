package dialog

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Message is one message as the core reads it: the parsed message of sipgo, and
// what transactions and dialogs go by, taken out of it once. Raw values are as
// they came; names and parameters are found without regard to case. The strings
// share the datagram's memory, so what is kept of them is cloned.
type Message struct {
	Method  string // of the request, or from the CSeq of a response
	Code    int    // 0: a request
	Phrase  string
	URI     sip.Uri // Request-URI
	Vias    []string
	Branch  string // of the top Via
	From    string
	FromTag string
	To      string
	ToTag   string
	CallID  string
	CSeq    uint32
	Contact string   // URI of the first Contact, without brackets; empty: none
	Routes  []string // Record-Route, as received

	MaxForwards int // -1: absent
	RetryAfter  int // seconds; 0: none
	Reasons     []string
	others      int // values of Reason that are none
	Body        Body

	sessionID      string // Session-ID, as it came (RFC 7989)
	expires, minSE string // Session-Expires and Min-SE, as they came (RFC 4028)

	headers []sip.Header
}

// Read takes out of a parsed message what the core goes by. It does not judge:
// a field that is missing or cannot be read stays at its zero value.
func Read(m sip.Message) *Message {
	r := &Message{MaxForwards: -1}
	switch m := m.(type) {
	case *sip.Request:
		r.Method, r.URI, r.headers = string(m.Method), m.Recipient, m.Headers()
	case *sip.Response:
		r.Code, r.Phrase, r.headers = m.StatusCode, m.Reason, m.Headers()
	}
	for _, h := range r.headers {
		switch strings.ToLower(h.Name()) {
		case "via":
			r.Vias = appendList(r.Vias, h.Value())
		case "from":
			r.From = h.Value()
			r.FromTag, _ = param(afterAddress(r.From), "tag")
		case "to":
			r.To = h.Value()
			r.ToTag, _ = param(afterAddress(r.To), "tag")
		case "call-id":
			r.CallID = h.Value()
		case "cseq":
			number, method, _ := strings.Cut(h.Value(), " ")
			n, _ := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
			r.CSeq = uint32(n)
			if r.Code != 0 {
				r.Method = strings.ToUpper(strings.TrimSpace(method))
			}
		case "contact":
			if r.Contact == "" {
				if list := appendList(nil, h.Value()); len(list) > 0 {
					r.Contact = addressURI(list[0])
				}
			}
		case "record-route":
			r.Routes = appendList(r.Routes, h.Value())
		case "max-forwards":
			if n, err := strconv.Atoi(strings.TrimSpace(h.Value())); err == nil {
				r.MaxForwards = n
			}
		case "retry-after":
			digits := strings.TrimSpace(h.Value())
			if i := strings.IndexAny(digits, " ;("); i >= 0 {
				digits = digits[:i]
			}
			if n, err := strconv.Atoi(digits); err == nil && n > 0 {
				r.RetryAfter = n
			}
		case "session-expires", "x":
			r.expires = h.Value()
		case "session-id":
			r.sessionID = h.Value()
		case "min-se":
			r.minSE = h.Value()
		case "reason":
			var others int
			r.Reasons, others = wellFormed(r.Reasons, h.Value())
			r.others += others
		case "content-type":
			r.Body.Type = h.Value()
		}
	}
	if len(r.Vias) > 0 {
		r.Branch, _ = param(r.Vias[0], "branch")
	}
	r.Body.Data = m.Body()
	if r.Body.Empty() {
		r.Body = Body{}
	}
	return r
}

// Values lists the values of a header field that may hold several, split at its
// commas, in order; nil: the field is absent.
func (m *Message) Values(name string) (list []string) {
	for _, h := range m.headers {
		if strings.EqualFold(h.Name(), name) {
			list = appendList(list, h.Value())
		}
	}
	return list
}

// Value is the first value of a header field, whole.
func (m *Message) Value(name string) string {
	for _, h := range m.headers {
		if strings.EqualFold(h.Name(), name) {
			return h.Value()
		}
	}
	return ""
}

// Dialled is the number or name that the Request-URI asks for: its user part, or
// the number of a tel URI (RFC 3966), without the parameters.
func (m *Message) Dialled() string {
	if strings.EqualFold(m.URI.Scheme, "tel") {
		number, _, _ := strings.Cut(m.URI.Raw(), ";")
		return strings.Clone(number)
	}
	return strings.Clone(m.URI.User)
}

// target is the URI of Contact where it may stand in a Request-URI, which is
// written as it came: a SIP URI without headers (RFC 3261 §19.1.1 table 1), and
// nothing in it that would end the request line. Empty: there is none.
func (m *Message) target() string {
	for i := range len(m.Contact) {
		if c := m.Contact[i]; c <= ' ' || c > '~' || strings.IndexByte("<>\"\\", c) >= 0 {
			return ""
		}
	}
	var uri sip.Uri
	if sip.ParseUri(m.Contact, &uri) != nil || uri.Host == "" || uri.Port > 65535 || strings.Contains(afterUser(m.Contact), "?") {
		return ""
	}
	switch strings.ToLower(uri.Scheme) {
	case "sip", "sips":
		return strings.Clone(m.Contact)
	}
	return ""
}

// Caller is who From says is calling.
func (m *Message) Caller() Party {
	return PartyOf(m.From)
}

// Q850 is the ITU-T cause that the Reason header fields give (RFC 3326 §2);
// 0: none.
func (m *Message) Q850() int { return causeIn(m.Reasons, "Q.850", 127) }

// cloned shares no memory with the message.
func cloned(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	own := make([]string, len(list))
	for i, s := range list {
		own[i] = strings.Clone(s)
	}
	return own
}

// appendList splits a header field value at the commas that stand outside
// quotes and angle brackets (RFC 3261 §7.3.1).
func appendList(list []string, value string) []string {
	start, quoted, bracket := 0, false, false
	add := func(end int) {
		if v := strings.TrimSpace(value[start:end]); v != "" {
			list = append(list, v)
		}
	}
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			bracket = true
		case c == '>':
			bracket = false
		case c == ',' && !bracket:
			add(i)
			start = i + 1
		}
	}
	add(len(value))
	return list
}

// afterAddress is the part of a name-addr or addr-spec that holds the header
// field's parameters: after the closing bracket, or from the first semicolon
// where there are no brackets (RFC 3261 §20.10).
func afterAddress(value string) string {
	if i := bracket(value, '<'); i >= 0 {
		if j := strings.IndexByte(value[i:], '>'); j >= 0 {
			return value[i+j+1:]
		}
		return ""
	}
	if i := strings.IndexByte(value, ';'); i >= 0 {
		return value[i:]
	}
	return ""
}

// addressURI is the URI of a name-addr or addr-spec.
func addressURI(value string) string {
	if i := bracket(value, '<'); i >= 0 {
		rest := value[i+1:]
		if j := strings.IndexByte(rest, '>'); j >= 0 {
			return strings.TrimSpace(rest[:j])
		}
		return ""
	}
	if i := strings.IndexByte(value, ';'); i >= 0 {
		value = value[:i]
	}
	return strings.TrimSpace(value)
}

// afterUser is a URI from its host on.
func afterUser(uri string) string { return uri[strings.LastIndexByte(uri, '@')+1:] }

// uriParam finds a parameter of a URI, not of its user part or its headers.
func uriParam(uri, name string) (value string, found bool) {
	host, _, _ := strings.Cut(afterUser(uri), "?")
	_, params, _ := strings.Cut(host, ";")
	return param(";"+params, name)
}

// displayName is the name before the brackets, unquoted.
func displayName(value string) string {
	i := bracket(value, '<')
	if i < 0 {
		return ""
	}
	name := strings.TrimSpace(value[:i])
	if len(name) < 2 || name[0] != '"' || name[len(name)-1] != '"' {
		return name
	}
	var b strings.Builder
	for i := 1; i < len(name)-1; i++ {
		if name[i] == '\\' && i+1 < len(name)-1 {
			i++
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

// bracket finds c outside quotes; -1: it is not there.
func bracket(value string, c byte) int {
	quoted := false
	for i := 0; i < len(value); i++ {
		switch {
		case quoted && value[i] == '\\':
			i++
		case value[i] == '"':
			quoted = !quoted
		case !quoted && value[i] == c:
			return i
		}
	}
	return -1
}

// param finds a parameter in ";a=b;c" by its name, without regard to case and
// with white space around the separators; a parameter without a value is found
// with the empty value.
func param(params, name string) (value string, found bool) {
	for rest := params; ; {
		i := bracket(rest, ';')
		if i < 0 {
			return "", false
		}
		rest = rest[i+1:]
		one := rest
		if j := bracket(rest, ';'); j >= 0 {
			one = rest[:j]
		}
		key, v, _ := strings.Cut(one, "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(v), true
		}
	}
}
