package wire

import "strings"

// The parts of the grammar of RFC 3261 §25.1 on which it depends whether a
// message can be worked with at all. Liberal where a peer's carelessness does no
// harm (display names, parameter values), strict where two readers could
// understand different things.

const space = " \t"

func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || strings.IndexByte("-.!%*_+`'~", c) >= 0
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// number reads 1*DIGIT up to most. Leading zeros are allowed, as the RFC does.
func number(s string, most uint64) (n uint64, ok bool) {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		if n = n*10 + uint64(s[i]-'0'); n > most {
			return 0, false
		}
	}
	return n, s != ""
}

// afterQuoted returns what follows the quoted-string that s begins with.
func afterQuoted(s string) (rest string, ok bool) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[i+1:], true
		}
	}
	return "", false
}

// afterAddress takes one name-addr or addr-spec and its parameters off s and
// returns the rest: empty, or beginning with a comma. In a list an unquoted
// comma ends the value, elsewhere it is taken as part of a careless display name
// (RFC 4475 §3.1.2.15).
func afterAddress(s string, list bool) (rest string, ok bool) {
	at := 0
scan:
	for at < len(s) {
		switch s[at] {
		case '"':
			rest, ok = afterQuoted(s[at:])
			if !ok {
				return "", false
			}
			at = len(s) - len(rest)
		case '<':
			uri, rest, ok := strings.Cut(s[at+1:], ">")
			if !ok || !isURI(uri) {
				return "", false
			}
			return afterParams(rest)
		case '>':
			return "", false
		case ';':
			break scan
		case ',':
			if list {
				break scan
			}
			at++
		default:
			at++
		}
	}
	// Without angle brackets, neither "?" nor "," may be in the URI, and what
	// follows ";" belongs to the header field (RFC 3261 §20).
	uri := strings.Trim(s[:at], space)
	if strings.ContainsAny(uri, "?,") || !isURI(uri) {
		return "", false
	}
	return afterParams(s[at:])
}

// afterParams takes *( SEMI name [ EQUAL value ] ) off s.
func afterParams(s string) (rest string, ok bool) {
	for {
		s = strings.TrimLeft(s, space)
		if s == "" || s[0] == ',' {
			return s, true
		}
		if s[0] != ';' {
			return "", false
		}
		s = strings.TrimLeft(s[1:], space)
		end := until(s, "=;, \t\"<>")
		if end == 0 {
			return "", false
		}
		s = strings.TrimLeft(s[end:], space)
		if s == "" || s[0] != '=' {
			continue
		}
		s = strings.TrimLeft(s[1:], space)
		if s != "" && s[0] == '"' {
			if s, ok = afterQuoted(s); !ok {
				return "", false
			}
			continue
		}
		s = s[until(s, ";, \t\"<>"):]
	}
}

func until(s, stops string) int {
	if i := strings.IndexAny(s, stops); i >= 0 {
		return i
	}
	return len(s)
}

// afterVia takes one via-parm off s. Neither branch nor cookie is asked for
// (RFC 2543 clients send none), nor is the transport one that we know.
func afterVia(s string) (rest string, ok bool) {
	for range 2 { // protocol name and version
		token, rest, ok := strings.Cut(s, "/")
		if !ok || !isToken(strings.Trim(token, space)) {
			return "", false
		}
		s = rest
	}
	s = strings.TrimLeft(s, space)
	end := until(s, space)
	if !isToken(s[:end]) {
		return "", false
	}
	s = strings.TrimLeft(s[end:], space)
	end = until(s, ";, \t")
	host, port, colon := cutPort(s[:end])
	s = strings.TrimLeft(s[end:], space)
	// sent-by = host [ COLON port ], and a COLON may stand between blanks.
	if !colon && s != "" && s[0] == ':' {
		colon, s = true, s[1:]
	}
	if colon && port == "" {
		s = strings.TrimLeft(s, space)
		end = until(s, ";, \t")
		port, s = s[:end], s[end:]
	}
	if !isHost(host) || colon && !isPort(port) {
		return "", false
	}
	return afterParams(s)
}

// cutPort splits host[:port]; a colon within brackets is part of the host.
func cutPort(s string) (host, port string, colon bool) {
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

func isPort(s string) bool {
	_, ok := number(s, 65535)
	return ok
}

// isHost accepts names and addresses; IPv6 in brackets, as far as their letters
// go: RFC 5118 §4.10 wants even ":::" tolerated, an artefact of RFC 3261's ABNF.
func isHost(s string) bool {
	if strings.HasPrefix(s, "[") {
		if len(s) < 4 || s[len(s)-1] != ']' {
			return false
		}
		return strings.Trim(s[1:len(s)-1], "0123456789abcdefABCDEF:.") == ""
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '.' || c == '-' || c == '_') {
			return false
		}
	}
	return s != ""
}

// isURI says whether s has the outer shape of an absolute URI: a scheme, and
// behind it something without blanks, control bytes, and quotes or brackets that
// would end it.
func isURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) {
		return false
	}
	for i := range len(rest) {
		if c := rest[i]; c <= ' ' || c == 0x7f || c == '"' || c == '<' || c == '>' {
			return false
		}
	}
	return rest != ""
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z' || i > 0 && (isDigit(s[i]) || strings.IndexByte("+-.", s[i]) >= 0)) {
			return false
		}
	}
	return s != ""
}
