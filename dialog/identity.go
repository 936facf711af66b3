package dialog

import "strings"

// Who calls and who was called before, as a Setup has it: without addresses of the side that
// said so.

// Privacy is what a caller asks to be withheld (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §10.1).
type Privacy uint8

// The values of the Privacy header field.
const (
	PrivateID Privacy = 1 << iota
	PrivateUser
	PrivateHeader
	PrivateSession
	PrivateHistory
	PrivateNone     // nothing is to be withheld
	PrivateCritical // refuse rather than not withhold it
	PrivateOther    // something that nobody here knows
)

// Withheld says that the caller's number is not for everybody.
func (p Privacy) Withheld() bool {
	return p&PrivateNone == 0 && p&(PrivateID|PrivateUser|PrivateHeader) != 0
}

// Provided says that what is critical can be done: the session is the two sides' own, and
// what is not known cannot be withheld (RFC 3323 §5).
func (p Privacy) Provided() bool {
	return p&PrivateNone != 0 || p&PrivateCritical == 0 || p&(PrivateSession|PrivateOther) == 0
}

// Diversion is a number that the call was for before, and why it went on (RFC 5806).
type Diversion struct {
	User    string
	Reason  string // a token, such as user-busy; empty: unknown
	Counter uint8  // how many it stands for; 0: one
	Private bool   // not for everybody
}

// Form is how a number is written as a URI.
type Form uint8

// The forms of a number.
const (
	SIPForm   Form = iota // sip:+33123456789@host
	PhoneForm             // the same with user=phone (RFC 3261 §19.1.1)
	TelForm               // tel:+33123456789 (RFC 3966)
)

// uri writes a number with its parameters, which only a telephone number has (RFC 3261
// §19.1.6), as a URI of a host.
func (f Form) uri(number, params, host string, t Transport) string {
	if f == TelForm && isPhone(number) {
		return "tel:" + number + params
	}
	uri := sipURI(number+params, host, t)
	if number != "" && (params != "" || f == PhoneForm && isPhone(number)) {
		uri += ";user=phone"
	}
	return uri
}

// isPhone says that a text is a telephone number (RFC 3966 §3).
func isPhone(s string) bool {
	s = strings.TrimPrefix(s, "+")
	return s != "" && strings.Trim(s, "0123456789*#") == ""
}

// PartyOf is who a name-addr or addr-spec names: nobody, if its URI cannot be read or says
// that it is anonymous (RFC 3323 §4.1.1.3).
func PartyOf(value string) Party {
	uri := addressURI(value)
	scheme, rest, _ := strings.Cut(uri, ":")
	host := afterUser(rest)
	if i := strings.IndexAny(host, ":;?>"); i >= 0 {
		host = host[:i]
	}
	var user string
	switch {
	case strings.EqualFold(scheme, "tel"):
		user, _, _ = strings.Cut(rest, ";")
	case !strings.EqualFold(scheme, "sip") && !strings.EqualFold(scheme, "sips"), !strings.Contains(rest, "@"):
		return Party{} // a host alone, perhaps with a port, is nobody
	default:
		user = rest[:strings.LastIndexByte(rest, '@')]
		if i := strings.IndexByte(user, ':'); i >= 0 {
			user = user[:i] // a password is not part of who it is
		}
		if strings.EqualFold(host, "anonymous.invalid") {
			return Party{}
		}
	}
	if strings.ContainsAny(user, "<>\"@ \t") {
		return Party{}
	}
	return Party{Display: strings.Clone(displayName(value)), User: strings.Clone(user)}
}

// Address writes a party at a host (RFC 3261 §20.20), anonymous where there is no user.
func (p Party) Address(host string) string { return nameAddr(p, host) }

// Params are the header field's own parameters of a name-addr or addr-spec.
func Params(value string) string { return afterAddress(value) }

// Param finds a parameter in ";a=b;c" by its name.
func Param(params, name string) (value string, found bool) { return param(params, name) }

// URIParam finds a parameter of the URI of a name-addr or addr-spec.
func URIParam(value, name string) (string, bool) { return uriParam(addressURI(value), name) }

// AddressURI is the URI of a name-addr or addr-spec.
func AddressURI(value string) string { return addressURI(value) }

// identity lists what a record says of who calls and was called before: most calls have
// nothing of it, and one byte says so.
func (s *Setup) identity(c *Coder) {
	c.Maybe(s.Params != "" || s.Asserted != Party{} || s.Privacy != 0 || len(s.Diversions) > 0, func() {
		c.String(&s.Params)
		c.String(&s.Asserted.Display)
		c.String(&s.Asserted.User)
		Int(c, &s.Privacy)
		List(c, &s.Diversions, func(d *Diversion) {
			c.String(&d.User)
			c.String(&d.Reason)
			Int(c, &d.Counter)
			c.Flag(&d.Private)
		})
	})
}

// MoreFields writes or reads what Fields lacked at first, at the end of the call's record.
func (s *Setup) MoreFields(c *Coder) { s.identity(c) }

// Dialled is the number that the peer of an outbound leg was asked for, with its parameters.
func (l *Leg) Dialled() string {
	if number, tel := strings.CutPrefix(l.URI, "tel:"); tel {
		return number
	}
	user, _, _ := strings.Cut(strings.TrimPrefix(l.URI, "sip:"), "@")
	return user
}
