package dialog

import (
	"strings"

	"github.com/emiago/sipgo/sip"
)

// Reference is what a REFER asks its receiver to call (RFC 3515 §2.1), read and judged.
type Reference struct {
	URI      string // without its header fields, as it came
	User     string // user part, or the number of a tel URI; empty: none
	Host     string // empty: a tel URI
	Replaces Replaces
}

// Replaces names a dialog (RFC 3891 §6.1) as whoever is called with it knows it: To is
// its own side. The zero value names none.
type Replaces struct{ CallID, ToTag, FromTag string }

// Replaced is the dialog of the other leg of a call of ours that a Replaces names, as
// that leg's peer knows it.
type Replaced struct {
	Call CallID
	Replaces
	Target string // URI at which that peer is called
}

// Names of the answers to a reference that is not followed (RFC 3515 §2.4.2).
var (
	malformedReference = Refusal{Code: 400}
	declinedReference  = Refusal{Code: 603}
)

// Reference reads the Refer-To. There must be exactly one (RFC 3515 §2.4.2). What asks
// for more than a call is declined: another method, and header fields that would write
// the INVITE (RFC 3261 §19.1.5), but for Replaces and the Require that goes with it
// (RFC 5589 §7.1). Of a scheme that is neither sip nor tel nothing can be called by us.
func (m *Message) Reference() (r Reference, no Refusal, ok bool) {
	values := m.Values("Refer-To")
	if len(values) != 1 {
		return r, malformedReference, false
	}
	var uri sip.Uri
	whole := addressURI(values[0])
	if !plainURI(whole) || sip.ParseUri(whole, &uri) != nil {
		return r, malformedReference, false
	}
	r.URI, _, _ = strings.Cut(whole, "?")
	switch strings.ToLower(uri.Scheme) {
	case "sip", "sips":
		if uri.Host == "" || uri.Port > 65535 {
			return r, malformedReference, false
		}
		r.User, r.Host = uri.User, uri.Host
	case "tel":
		r.User, _, _ = strings.Cut(uri.Raw(), ";")
	default:
		return r, declinedReference, false
	}
	if method, given := uriParam(r.URI, "method"); given && !strings.EqualFold(method, "INVITE") {
		return r, declinedReference, false
	}
	_, fields, _ := strings.Cut(afterUser(whole), "?")
	for _, f := range splitFields(fields) {
		value, sound := unescape(f.Value)
		switch {
		case !sound:
			return r, malformedReference, false
		case strings.EqualFold(f.Name, "Replaces") && r.Replaces == Replaces{}:
			if r.Replaces, ok = parseReplaces(value); !ok {
				return r, malformedReference, false
			}
		case strings.EqualFold(f.Name, "Require") && strings.EqualFold(strings.TrimSpace(value), "replaces"):
		default:
			return r, declinedReference, false
		}
	}
	return r, no, true
}

// plainURI says that a URI holds nothing that would end it or its line.
func plainURI(uri string) bool {
	for i := range len(uri) {
		if c := uri[i]; c <= ' ' || c > '~' || strings.IndexByte("<>\"\\", c) >= 0 {
			return false
		}
	}
	return uri != ""
}

// splitFields are the header fields of a URI (RFC 3261 §19.1.1).
func splitFields(text string) (list []Header) {
	for _, f := range strings.Split(text, "&") {
		if name, value, _ := strings.Cut(f, "="); f != "" {
			list = append(list, Header{name, value})
		}
	}
	return list
}

// parseReplaces reads the value of a Replaces, which has a Call-ID and both tags.
func parseReplaces(value string) (r Replaces, ok bool) {
	id, params, _ := strings.Cut(value, ";")
	r.CallID = strings.TrimSpace(id)
	r.ToTag, _ = param(";"+params, "to-tag")
	r.FromTag, _ = param(";"+params, "from-tag")
	return r, r.CallID != "" && r.ToTag != "" && r.FromTag != "" && !strings.ContainsAny(value, "\r\n\x00")
}

// field is the Replaces as a header field of a URI.
func (r Replaces) field() string {
	return "Replaces=" + escape(r.CallID+";to-tag="+r.ToTag+";from-tag="+r.FromTag)
}

// escape writes what may stand in a header field of a URI (RFC 3261 §25.1: hvalue).
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.!~*'()", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteString("%" + hex[c>>4:c>>4+1] + hex[c&15:c&15+1])
		}
	}
	return b.String()
}

// unescape reads it; false: an escape is cut short.
func unescape(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := unhex(s[i+1]), unhex(s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return b.String(), true
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Named says that a Replaces names the leg's dialog as its peer would write it to have
// the call taken over: our tag is the one of who is called.
func (l *Leg) Named(r Replaces) bool {
	d := l.dialog(r.FromTag)
	return l.State == Confirmed && d != nil && !d.Early && !d.Left && r.CallID == l.CallID && strings.EqualFold(r.ToTag, l.Tag)
}

// Naming is what the leg's peer is to be told to name the leg's dialog.
func (l *Leg) Naming() (Replaced, bool) {
	d := l.current()
	if l.State != Confirmed || d == nil {
		return Replaced{}, false
	}
	target, _, _ := strings.Cut(d.Target, "?")
	return Replaced{l.ID.Call, Replaces{l.CallID, d.Tag, l.Tag}, target}, true
}
