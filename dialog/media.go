package dialog

import "strings"

// Early media: what a carrier describes before it answers, and what it says of it in
// P-Early-Media (RFC 5009), which passes between those whose profiles both say so.

const pEarlyMedia = "P-Early-Media"

// earlyMedia is what a message says of early media, where its sender is trusted with it:
// the parameters that are tokens, in order (RFC 5009 §8). Empty: nothing.
func (p *Policy) earlyMedia(m *Message) string {
	if !p.EarlyMedia {
		return ""
	}
	var list []string
	for _, v := range m.Values(pEarlyMedia) {
		if isToken(v) {
			list = append(list, v)
		}
	}
	return strings.Join(list, ", ")
}

// ofEarlyMedia is the header field for a peer that is trusted with it.
func (p *Policy) ofEarlyMedia(value string) []Header {
	if value == "" || !p.EarlyMedia {
		return nil
	}
	return []Header{{pEarlyMedia, value}}
}

// Stays says that a carrier is not left for another one, since its caller has heard it.
func (l *Leg) Stays() bool { return l.Policy.Stay && !l.Marks.Media.IsZero() }
