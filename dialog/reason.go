package dialog

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// The Reason header field (RFC 3326, RFC 6432): what a peer gives is passed on, and where
// it gives no cause of Q.850, ours follows the tables of RFC 3398.

// DropReason is a value of a Reason header field that is none, or one too many: the message
// counts, the value is not passed on.
const DropReason = "malformed_reason"

// Bounds of what is kept of a message's reasons.
const (
	maxReasons    = 8
	maxReasonText = 1024 // bytes of all
)

// causes are the Q.850 causes of status codes (RFC 3398 §8.2.6.1). 487 has none; 488 and
// 606 have theirs by Warning, which we do not read; 603 is not touched: what it says more
// is its sender's to say.
var causes = map[int]int{
	400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 413: 127, 414: 127,
	415: 79, 416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17,
	500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127,
	600: 17, 604: 1,
}

// silent are the codes that have no cause, though their class has one.
var silent = []int{487, 488}

// CauseOf is the Q.850 cause of a status code; 0: it has none. An unknown code is x00 of
// its class (RFC 3261 §8.1.3.2), but for 6xx, which are few and each its own.
func CauseOf(status int) int {
	if q, ok := causes[status]; ok {
		return q
	}
	if status < 400 || status >= 600 || slices.Contains(silent, status) {
		return 0
	}
	return causes[status/100*100]
}

// statuses are the status codes of Q.850 causes (RFC 3398 §7.2.4.1). 16 has none: it is
// the normal end, a BYE or CANCEL. 22 brings no new number here.
var statuses = map[int]int{
	1: 404, 2: 404, 3: 404, 17: 486, 18: 408, 19: 480, 20: 480, 21: 403, 22: 410, 23: 410, 26: 404, 27: 502, 28: 484,
	29: 501, 31: 480, 34: 503, 38: 503, 41: 503, 42: 503, 47: 503, 55: 403, 57: 403, 58: 503, 65: 488, 70: 488, 79: 501,
	87: 403, 88: 503, 102: 504, 111: 500, 127: 500,
}

// StatusOf is the status code of a Q.850 cause; 0: it has none. An unknown cause is the
// unspecified one of its class (Q.850 §2.2.5).
func StatusOf(cause int) int {
	if code, ok := statuses[cause]; ok {
		return code
	}
	switch {
	case cause < 1 || cause == 16 || cause > 127:
		return 0
	case cause < 32:
		return statuses[31]
	case cause < 48:
		return statuses[47]
	case cause < 64:
		return 503 // 63, service or option not available
	case cause < 80:
		return statuses[79]
	case cause < 96:
		return 500 // 95, invalid message
	case cause < 112:
		return statuses[111]
	}
	return statuses[127]
}

// q850 is what a cause says in Q.850 to whoever is to hear of it.
func (a Cause) q850() int {
	switch {
	case a.Q850 != 0:
		return a.Q850
	case a.Why == HungUp || a.Why == Cancelled:
		code := causeIn(a.Reasons, "SIP", 699)
		if code == 200 {
			return 26 // completed elsewhere
		}
		return cmp.Or(CauseOf(code), 16)
	}
	return CauseOf(a.Code)
}

// reasons are the Reason header fields of a cause (RFC 3326): those received, and where
// none of them is of Q.850, ours.
func reasons(c Cause) (list []Header) {
	for _, r := range c.Reasons {
		list = append(list, Header{"Reason", r})
	}
	if causeIn(c.Reasons, "Q.850", 127) != 0 {
		return list
	}
	if q := c.q850(); q != 0 {
		list = append(list, Header{"Reason", "Q.850;cause=" + itoa(q)})
	}
	return list
}

// causeIn is the cause that the values of Reason give by a protocol; 0: none, or none up
// to the greatest that there is.
func causeIn(list []string, protocol string, most int) int {
	for _, r := range list {
		name, params, _ := strings.Cut(r, ";")
		if !strings.EqualFold(strings.TrimSpace(name), protocol) {
			continue
		}
		v, _ := param(";"+params, "cause")
		if n, err := strconv.Atoi(v); err == nil && n > 0 && n <= most {
			return n
		}
	}
	return 0
}

// wellFormed adds the values of a Reason header field that are such (RFC 3326 §2) to a
// list in which SIP and Q.850 stand once each, Q.850 with a cause that there is, as far as
// there is room, and counts the others.
func wellFormed(list []string, value string) (_ []string, others int) {
	size := 0
	for _, v := range list {
		size += len(v)
	}
	for _, v := range appendList(nil, value) {
		if len(list) >= maxReasons || size+len(v) > maxReasonText {
			others++
			continue
		}
		name, params, _ := strings.Cut(v, ";")
		name = strings.TrimSpace(name)
		same := func(other string) bool {
			n, _, _ := strings.Cut(other, ";")
			return strings.EqualFold(strings.TrimSpace(n), name)
		}
		q850 := strings.EqualFold(name, "Q.850")
		once := q850 || strings.EqualFold(name, "SIP")
		none := q850 && causeIn([]string{v}, "Q.850", 127) == 0
		if !isToken(name) || !areParams(params) || none || once && slices.ContainsFunc(list, same) {
			others++
			continue
		}
		list = append(list, v)
		size += len(v)
	}
	return list, others
}

// areParams says that a text is parameters, each a token, or a token and a token or
// quoted string after it; cause is a number.
func areParams(text string) bool {
	for _, p := range splitParams(text) {
		name, v, given := strings.Cut(p, "=")
		name, v = strings.TrimSpace(name), strings.TrimSpace(v)
		switch {
		case !isToken(name), given && !isToken(v) && !isQuoted(v):
			return false
		case strings.EqualFold(name, "cause") && (v == "" || strings.Trim(v, "0123456789") != ""):
			return false
		}
	}
	return true
}

// isQuoted says that a text is one quoted string (RFC 3261 §25.1).
func isQuoted(s string) bool {
	if len(s) < 2 || s[0] != '"' {
		return false
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i == len(s)-1
		}
	}
	return false
}

// isToken says that a text is a token (RFC 3261 §25.1).
func isToken(s string) bool {
	for _, r := range s {
		switch {
		case '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
		case strings.ContainsRune("-.!%*_+`'~", r):
		default:
			return false
		}
	}
	return s != ""
}

// given are the reasons that a message gives, to be kept; what is none is counted.
func (s *step) given(m *Message) []string {
	if m.others > 0 {
		s.drop(DropReason, m)
	}
	return cloned(m.Reasons)
}
