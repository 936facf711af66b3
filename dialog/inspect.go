package dialog

import "strings"

// What every request that begins or changes something is held to, in a dialog and
// outside (RFC 3261 §8.2.2.3, §8.2.3).

// Extensions are the option tags that a request requires of us or of a proxy, as
// which we count, and that we do not support: of a proxy we support none.
func Extensions(m *Message) (asked []string) {
	for _, option := range m.Values("Require") {
		if !listed([]string{"100rel", "timer"}, option) {
			asked = append(asked, option)
		}
	}
	return append(asked, m.Values("Proxy-Require")...)
}

// Unsupported is the answer to a request that requires extensions.
func Unsupported(extensions []string) Refusal {
	return Refusal{Code: 420, Extra: []Header{{"Unsupported", strings.Join(extensions, ", ")}}}
}

// Acceptable says that there is no body or one that we know how to pass.
func Acceptable(m *Message) bool {
	t, _, _ := strings.Cut(m.Body.Type, ";")
	t = strings.ToLower(strings.TrimSpace(t))
	return m.Body.Empty() || t == "application/sdp" || strings.HasPrefix(t, "multipart/")
}

// Optional says that a body may be left out: without a word about its handling it
// must be understood (RFC 3261 §20.11).
func Optional(m *Message) bool {
	_, params, _ := strings.Cut(m.Value("Content-Disposition"), ";")
	handling, _ := param(";"+params, "handling")
	return strings.EqualFold(handling, "optional")
}

// UnsupportedMedia is the answer to a body that is neither.
func UnsupportedMedia() Refusal {
	return Refusal{Code: 415, Extra: []Header{{"Accept", Accepted}}}
}

// inspect finds why a request within a dialog is refused, and leaves out what is
// optional. A BYE is not held to it: whatever we answered, its sender is gone
// (§15.1.1), and the other side would stay in the call alone.
func inspect(m *Message) (Refusal, bool) {
	if asked := Extensions(m); len(asked) > 0 {
		return Unsupported(asked), true
	}
	if Acceptable(m) {
		return Refusal{}, false
	}
	if Optional(m) {
		m.Body = Body{}
		return Refusal{}, false
	}
	return UnsupportedMedia(), true
}
