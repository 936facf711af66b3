package carriers

import (
	"fmt"
	"slices"
	"strings"
)

// codecs checks that each entry can be a codec's name, and that no list makes an entry of
// another one meaningless.
func (v *validator) codecs(path string, c CodecsConfig) {
	v.codecList(path, "allow", c.Allow, func(s string) string { return denied(c, s) })
	v.codecList(path, "deny", c.Deny, func(string) string { return "" })
	v.codecList(path, "order", c.Order, func(s string) string {
		if len(c.Allow) > 0 && !slices.ContainsFunc(c.Allow, func(a string) bool { return covers(a, s) || covers(s, a) }) {
			return "is not among those of allow"
		}
		return denied(c, s)
	})
}

// codecList checks one list; objection says what else is wrong with an entry.
func (v *validator) codecList(path, name string, entries []string, objection func(string) string) {
	for i, s := range entries {
		at := fmt.Sprintf("%s.%s[%d]", path, name, i)
		first := slices.IndexFunc(entries, func(other string) bool { return strings.EqualFold(other, s) })
		switch why := objection(s); {
		case !isCodec(s):
			v.fault(at, "%q is not a codec's name, such as PCMA, or with its clock rate, such as opus/48000", s)
		case first < i:
			v.fault(at, "the same as %s[%d]", name, first)
		case why != "":
			v.fault(at, "%s %s", s, why)
		}
	}
}

func denied(c CodecsConfig, s string) string {
	if slices.ContainsFunc(c.Deny, func(d string) bool { return covers(d, s) }) {
		return "is denied"
	}
	return ""
}

// covers says that an entry means whatever another one does: it is the same, or has no
// clock rate.
func covers(entry, other string) bool {
	name, _, _ := strings.Cut(other, "/")
	return strings.EqualFold(entry, other) || strings.EqualFold(entry, name)
}

// isCodec says that s is an encoding name, which is a token (RFC 4566 §6, §9), alone or with
// a clock rate.
func isCodec(s string) bool {
	const marks = "!#$%&'*+-.^_`{|}~"
	name, rate, rated := strings.Cut(s, "/")
	digit := func(r rune) bool { return '0' <= r && r <= '9' }
	token := func(r rune) bool {
		return digit(r) || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune(marks, r)
	}
	all := func(s string, f func(rune) bool) bool {
		return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !f(r) })
	}
	return all(name, token) && (!rated || all(rate, digit))
}
