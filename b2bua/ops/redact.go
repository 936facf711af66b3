package ops

import (
	"regexp"
	"strings"
)

// Redact says how much of numbers is shown: in the log, and in what goes to others. Passwords
// and digest responses are shown nowhere, whatever it says.
type Redact struct {
	Numbers string // none (zero): all of them is shown; last4: the last four digits are not; all: no digit is
}

// RedactNumbers are the values of Redact.Numbers.
var RedactNumbers = []string{"none", "last4", "all"}

// Number is a number, or the user part of a URI, as it is shown. The + stays, so that one
// can tell which form it has.
func (r Redact) Number(s string) string {
	switch r.Numbers {
	case "last4":
		return mask(s, 4)
	case "all":
		return mask(s, len(s))
	}
	return s
}

// mask puts an x for each of the last n letters and digits.
func mask(s string, n int) string {
	b := []byte(s)
	for i := len(b) - 1; i >= 0 && n > 0; i-- {
		if c := b[i]; c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80 {
			b[i] = 'x'
			n--
		}
	}
	return string(b)
}

// users are the user parts of URIs in a text: of SIP ones what stands before the @.
var users = regexp.MustCompile(`(?i)(sips?:)([^@\s<>"]*)@|(tel:)([^;\s<>"]*)`)

// URIs is a text with the numbers in its URIs as they are shown.
func (r Redact) URIs(s string) string {
	if r.Numbers == "" || r.Numbers == "none" || !strings.Contains(s, ":") {
		return s
	}
	return users.ReplaceAllStringFunc(s, func(uri string) string {
		m := users.FindStringSubmatch(uri)
		if m[3] != "" {
			return m[3] + r.Number(m[4])
		}
		user, rest, _ := strings.Cut(m[2], ";")
		if rest != "" {
			rest = ";" + rest
		}
		return m[1] + r.Number(user) + rest + "@"
	})
}

// secret are header fields that prove who somebody is.
var secret = map[string]bool{"authorization": true, "proxy-authorization": true, "www-authenticate": true, "proxy-authenticate": true, "authentication-info": true}

// displays are the names beside addresses, and the header fields that have them.
var displays = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// Message is the head of a message as it is shown: without what proves who somebody is,
// with its numbers as they are shown, and without the names of people where no digit is.
func (r Redact) Message(data []byte) string {
	head, _, _ := strings.Cut(string(data), "\r\n\r\n")
	var b strings.Builder
	hidden := false
	for i, line := range strings.Split(head, "\r\n") {
		if i > 0 && strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") { // of the header field before
			if !hidden {
				b.WriteString(r.URIs(line) + "\n")
			}
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if hidden = i > 0 && found && secret[strings.ToLower(strings.TrimSpace(name))]; hidden {
			b.WriteString(name + ": (not shown)\n")
			continue
		}
		if i == 0 {
			b.WriteString(r.URIs(line) + "\n")
			continue
		}
		if r.Numbers == "all" {
			value = displays.ReplaceAllString(value, `"x"`)
		}
		b.WriteString(name + ":" + r.URIs(value) + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}
