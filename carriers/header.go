package carriers

import (
	"fmt"
	"slices"
	"strings"

	"bulkhead/dialog"
)

// Header fields at the border. Every message is of our own making, so nothing passes that
// is not let through. Pass of a trunk or carrier is what of its messages may be shown
// to the other side; remove and add are of the messages that it is sent, in that order.

// Bounds of what passes of one message, and of what is added.
const (
	maxPassed  = 64      // fields
	maxPassing = 8 << 10 // bytes of all names and values
	maxAdded   = 32
	maxValue   = 1 << 10 // bytes
)

// owned are the header fields that we write, or that belong to one side alone: they can be
// neither passed, added nor removed.
var owned = []string{
	"via", "from", "to", "call-id", "cseq", "contact", "content-length", "content-type", "max-forwards", "route", "record-route", "path",
	"service-route", "supported", "require", "proxy-require", "unsupported", "allow", "accept", "accept-encoding", "accept-language",
	"session-expires", "min-se", "rseq", "rack", "refer-to", "referred-by", "refer-sub", "replaces", "target-dialog", "join",
	"event", "subscription-state", "allow-events", "expires", "min-expires", "content-encoding", "content-disposition", "content-language", "mime-version",
	"info-package", "recv-info", "retry-after", "timestamp", "user-agent", "server", "reason", "session-id", "p-early-media", "privacy",
	"authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "authentication-info", "proxy-authentication-info", "security-client",
	"security-server", "security-verify",
}

// shownByProfile are those that keys of their own are about: they can be removed, and
// neither passed nor added.
var shownByProfile = map[string]string{
	"p-asserted-identity": "identity and trust", "p-preferred-identity": "identity and trust", "remote-party-id": "identity and trust",
	"diversion": "diversion", "history-info": "diversion",
}

// byDefault are those that pass unless they are removed: signed by who calls, for who is called
// (RFC 8224).
var byDefault = []string{"identity"}

// compact are the compact forms that a configuration may use.
var compact = map[string]string{
	"a": "accept-contact", "b": "referred-by", "c": "content-type", "d": "request-disposition", "e": "content-encoding", "f": "from",
	"i": "call-id", "j": "reject-contact", "k": "supported", "l": "content-length", "m": "contact", "n": "identity-info", "o": "event",
	"r": "refer-to", "s": "subject", "t": "to", "u": "allow-events", "v": "via", "x": "session-expires", "y": "identity",
}

// spelled is the name of a header field in small letters and its long form.
func spelled(name string) string {
	name = strings.ToLower(name)
	if long, ok := compact[name]; ok {
		return long
	}
	return name
}

// names are names of header fields, each whole or, with an asterisk at its end, the
// beginning of many.
type names struct{ whole, begin []string }

func newNames(list []string) (n names) {
	for _, s := range list {
		if begin, many := strings.CutSuffix(s, "*"); many {
			n.begin = append(n.begin, strings.ToLower(begin))
		} else {
			n.whole = append(n.whole, spelled(s))
		}
	}
	return n
}

func (n *names) none() bool { return len(n.whole) == 0 && len(n.begin) == 0 }

// have says that a name, spelled so, is one of them.
func (n *names) have(name string) bool {
	return slices.Contains(n.whole, name) ||
		slices.ContainsFunc(n.begin, func(begin string) bool { return strings.HasPrefix(name, begin) })
}

// headers are the rules of one trunk or carrier.
type headers struct {
	pass   names
	remove names
	add    []dialog.Header
}

func newHeaders(c HeadersConfig) headers {
	h := headers{pass: newNames(c.Pass), remove: newNames(c.Remove)}
	for _, name := range sortedKeys(c.Add) {
		h.add = append(h.add, dialog.Header{Name: name, Value: c.Add[name]})
	}
	return h
}

// passes lists what of a message of the peer's may cross by name: in order, as it came, as
// far as there is room.
func (h *headers) passes(m *dialog.Message, list []dialog.Header, besides []string) []dialog.Header {
	if h.pass.none() && len(besides) == 0 {
		return list
	}
	size := 0
	for name, value := range m.Fields() {
		as := spelled(name)
		if !slices.Contains(besides, as) && (!h.pass.have(as) || slices.Contains(owned, as) || shownByProfile[as] != "") {
			continue
		}
		if size += len(name) + len(value); len(list) >= maxPassed || size > maxPassing {
			break
		}
		list = append(list, dialog.Header{Name: strings.Clone(name), Value: strings.Clone(value)})
	}
	return list
}

// removes takes away what the peer is not to be sent.
func (h *headers) removes(list []dialog.Header) []dialog.Header {
	gone := func(f dialog.Header) bool {
		as := spelled(f.Name)
		return h.remove.have(as) && !slices.Contains(owned, as)
	}
	if h.remove.none() || !slices.ContainsFunc(list, gone) {
		return list
	}
	return slices.DeleteFunc(slices.Clone(list), gone)
}

// adds appends what the peer is sent besides; the variables are those of a call.
func (h *headers) adds(list []dialog.Header, variables ...variable) []dialog.Header {
	for _, f := range h.add {
		list = append(list, dialog.Header{Name: f.Name, Value: expand(f.Value, variables)})
	}
	return list
}

// variable is what stands for a word in braces.
type variable struct{ name, value string }

// expand puts the values of variables where they are named.
func expand(text string, variables []variable) string {
	if !strings.Contains(text, "{") {
		return text
	}
	var b strings.Builder
	for text != "" {
		before, after, open := strings.Cut(text, "{")
		b.WriteString(before)
		if text = after; !open {
			break
		}
		name, rest, closed := strings.Cut(after, "}")
		i := slices.IndexFunc(variables, func(v variable) bool { return closed && v.name == name })
		if i < 0 {
			b.WriteByte('{')
			continue
		}
		b.WriteString(variables[i].value)
		text = rest
	}
	return b.String()
}

func (v *validator) headers(path string, h HeadersConfig, variables ...string) {
	for i, name := range h.Pass {
		at := fmt.Sprintf("%s.pass[%d]", path, i)
		if v.header(at, name, true); shownByProfile[spelled(name)] != "" {
			v.fault(at, "%s does not pass by name: see %s", name, shownByProfile[spelled(name)])
		}
	}
	for i, name := range h.Remove {
		v.header(fmt.Sprintf("%s.remove[%d]", path, i), name, true)
	}
	if len(h.Add) > maxAdded {
		v.fault(path+".add", "%d header fields; %d at most", len(h.Add), maxAdded)
	}
	first := map[string]string{}
	for _, name := range sortedKeys(h.Add) {
		at := path + ".add." + name
		v.header(at, name, false)
		if other, again := first[spelled(name)]; again {
			v.fault(at, "the same as %s", other)
		}
		first[spelled(name)] = name
		if by := shownByProfile[spelled(name)]; by != "" {
			v.fault(at, "%s cannot be added: see %s", name, by)
		}
		v.text(at, h.Add[name])
		if len(h.Add[name]) > maxValue {
			v.fault(at, "is longer than %d bytes", maxValue)
		}
		v.variables(at, h.Add[name], variables)
	}
}

// variables checks that what stands in braces is known.
func (v *validator) variables(path, text string, known []string) {
	for rest := text; ; {
		_, after, open := strings.Cut(rest, "{")
		name, next, closed := strings.Cut(after, "}")
		if !open || !closed {
			return
		}
		rest = next
		if name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") == "" && !slices.Contains(known, name) {
			v.fault(path, "{%s} is not one of: {%s}", name, strings.Join(known, "}, {"))
		}
	}
}

// header checks the name of a header field: a token (RFC 3261 §25.1), with an asterisk at
// its end where it may stand for many, and not one of ours.
func (v *validator) header(path, name string, many bool) {
	if many && strings.HasSuffix(name, "*") {
		if name = strings.TrimSuffix(name, "*"); name == "" {
			return // all that are not ours
		}
	}
	for _, r := range name {
		switch {
		case '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
		case strings.ContainsRune("-.!%_+`'~", r):
		default:
			v.fault(path, "%q cannot stand in the name of a header field", r)
			return
		}
	}
	switch {
	case name == "":
		v.fault(path, "the name of a header field is empty")
	case slices.Contains(owned, spelled(name)):
		v.fault(path, "%s is ours to write", name)
	}
}
