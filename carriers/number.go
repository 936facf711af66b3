package carriers

import (
	"fmt"
	"strings"
)

// pattern is a number pattern, split at its asterisks: "+33*0" is {"+33", "0"}.
type pattern []string

func newPattern(s string) pattern { return strings.Split(s, "*") }

// literal says that there is no asterisk in the pattern.
func (p pattern) literal() bool { return len(p) == 1 }

// prefix says that the only asterisk is the last character.
func (p pattern) prefix() bool { return len(p) == 2 && p[1] == "" }

// match says whether the pattern stands for the whole number. An asterisk
// stands for any run of characters, also for none.
func (p pattern) match(number string) bool {
	first, last := p[0], p[len(p)-1]
	if p.literal() {
		return number == first
	}
	rest, ok := strings.CutPrefix(number, first)
	if !ok {
		return false
	}
	if rest, ok = strings.CutSuffix(rest, last); !ok {
		return false
	}
	// The earliest place for each part leaves the most for those after it.
	for _, part := range p[1 : len(p)-1] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return true
}

// userCharacters are those of the user part of a SIP URI (RFC 3261 §25.1:
// unreserved, escaped, user-unreserved) beside letters and digits.
const userCharacters = "-_.!~*'()&=+$,;?/%"

// checkUser names the first character that no user part of a SIP URI can hold.
func checkUser(s string) error {
	for _, r := range s {
		switch {
		case '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
		case strings.ContainsRune(userCharacters, r):
		default:
			return fmt.Errorf("%q cannot stand in a number", r)
		}
	}
	return nil
}
