package carriers

import "strings"

// The forms in which a carrier is given numbers.
const (
	formE164          = "e164"          // +33123456789
	formPlain         = "plain"         // 33123456789
	formInternational = "international" // 0033123456789, as it is dialled in the carrier's country
	formNational      = "national"      // 0123456789 within the carrier's country, international elsewhere
)

// longestShort is how many digits a number has at most that is looked at as a short one:
// an emergency number, a service, an extension. It means what it means where it is dialled,
// so nothing is ever done to it.
const longestShort = 6

// isShort says that a number is an emergency number or a short code.
func isShort(number string) bool {
	return number != "" && len(number) <= longestShort && isDigits(number)
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// isGlobal says that a number is of ITU-T E.164, with its plus.
func isGlobal(number string) bool {
	digits, plus := strings.CutPrefix(number, "+")
	return plus && isDigits(digits)
}

// bare is a number without what only makes it readable (RFC 3966 §5.1.1).
func bare(number string) string {
	if !strings.ContainsAny(number, "-.()") {
		return number
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("-.()", r) {
			return -1
		}
		return r
	}, number)
}

// global makes a number as it is dialled in the plan's country one of E.164. What is
// none of the plan's, a short number or a name, stays as it is.
func (p plan) global(number string) string {
	digits := bare(number)
	if isGlobal(digits) {
		return digits
	}
	if !isDigits(digits) || isShort(digits) {
		return number
	}
	if rest, ok := strings.CutPrefix(digits, p.international); ok && len(rest) > longestShort {
		return "+" + rest
	}
	if rest, ok := strings.CutPrefix(digits, p.national); ok && p.national != "" && p.fits(rest) {
		return "+" + p.code + rest
	}
	// Without its prefix a number is a national one only where it cannot be a local one.
	if p.fits(digits) && (p.national == "" || p.least == p.most) {
		return "+" + p.code + digits
	}
	return number
}

func (p plan) fits(digits string) bool { return p.least <= len(digits) && len(digits) <= p.most }

// write is a number of E.164 in one of the forms; any other stays as it is.
func (p plan) write(form, number string) string {
	if !isGlobal(number) {
		return number
	}
	digits := number[1:]
	switch form {
	case formPlain:
		return digits
	case formNational:
		if rest, ok := strings.CutPrefix(digits, p.code); ok && p.code != "" && p.fits(rest) {
			return p.national + rest
		}
		return p.abroad() + digits
	case formInternational:
		return p.abroad() + digits
	}
	return number
}

// abroad is what is dialled before an international number; where no country is named, what
// ITU-T E.164 recommends.
func (p plan) abroad() string {
	if p.international == "" {
		return "00"
	}
	return p.international
}
