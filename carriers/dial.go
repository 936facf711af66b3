package carriers

import (
	"fmt"
	"strings"

	"bulkhead/dialog"
)

// NumbersConfig is how numbers are written at a trunk or carrier. Of a trunk it says how
// what it dials becomes a number of E.164, in this order: tech_prefix and strip are taken
// off, prefix is put before, the first replace that matches is done, and then what the trunk's
// country says. Of a carrier it says the way back: the first replace that matches,
// format, strip, prefix, tech_prefix. Format concerns every number, the others the one that
// is dialled. Short numbers, emergency numbers among them, stay as they are.
type NumbersConfig struct {
	Format     string          `yaml:"format,omitempty"`      // carriers: e164 (zero), plain, national, international
	Country    string          `yaml:"country,omitempty"`     // carriers: ISO 3166-1 alpha-2; needed by national and international
	URI        string          `yaml:"uri,omitempty"`         // carriers: sip (zero), phone (with user=phone), tel
	TechPrefix string          `yaml:"tech_prefix,omitempty"` // such as 9871 or 9871%23
	Strip      string          `yaml:"strip,omitempty"`       // taken off where the number begins so
	Prefix     string          `yaml:"prefix,omitempty"`
	Replace    []ReplaceConfig `yaml:"replace,omitempty"` // the first that matches
}

// ReplaceConfig makes another number of one. An asterisk in match stands for any run of
// characters, that in with for the same.
type ReplaceConfig struct {
	Match string `yaml:"match"`
	With  string `yaml:"with"`
}

// numbers is a NumbersConfig to work with.
type numbers struct {
	rules NumbersConfig
	plan  plan
	has   bool // a country
}

// newNumbers is of a section that Validate has read.
func newNumbers(c NumbersConfig, country string) numbers {
	n := numbers{rules: c}
	if country != "" {
		n.plan, _ = planOf(country)
		n.has = true
	}
	return n
}

// global is a number of the peer's as one of E.164.
func (n *numbers) global(number string) string {
	switch {
	case n.rules.Format == formPlain && isDigits(number) && !isShort(number):
		return "+" + number
	case n.has:
		return n.plan.global(number)
	}
	return number
}

// dialled is what a trunk has dialled, as routes and carriers see it.
func (n *numbers) dialled(number string) string {
	if number = strings.TrimPrefix(number, n.rules.TechPrefix); isShort(number) || number == "" {
		return number
	}
	number = strings.TrimPrefix(number, n.rules.Strip)
	return n.global(n.replaced(n.rules.Prefix + number))
}

// dial is how a carrier is asked for a number.
func (n *numbers) dial(number string) string {
	if isShort(number) || number == "" {
		return number
	}
	number = strings.TrimPrefix(n.write(n.replaced(number)), n.rules.Strip)
	return n.rules.TechPrefix + n.rules.Prefix + number
}

// write is a number in the form that a carrier is given it.
func (n *numbers) write(number string) string {
	if n.rules.Format == "" {
		return number
	}
	return n.plan.write(n.rules.Format, number)
}

func (n *numbers) replaced(number string) string {
	for _, r := range n.rules.Replace {
		if with, ok := r.apply(number); ok {
			return with
		}
	}
	return number
}

// apply is the number that a rule makes of one. False: it is not the rule's.
func (r ReplaceConfig) apply(number string) (string, bool) {
	before, after, wild := strings.Cut(r.Match, "*")
	if !wild {
		return r.With, number == r.Match
	}
	rest, ok := strings.CutPrefix(number, before)
	if !ok {
		return "", false
	}
	if rest, ok = strings.CutSuffix(rest, after); !ok {
		return "", false
	}
	return strings.Replace(r.With, "*", rest, 1), true
}

// forms are how numbers are written as URIs.
var forms = map[string]dialog.Form{"": dialog.SIPForm, "sip": dialog.SIPForm, "phone": dialog.PhoneForm, "tel": dialog.TelForm}

// parametersOf are those of a telephone number that mean the same everywhere: number
// portability (RFC 4694), subaddress and extension (RFC 3966). A context that is a domain's
// name is of one side alone.
var parametersOf = []string{"rn", "rn-context", "npdi", "cic", "cic-context", "phone-context", "isub", "ext"}

// maxParams bounds them in bytes.
const maxParams = 256

// subscriber splits the user part of a URI, or a tel URI, into a number and what of its
// parameters passes. A name has none, whatever stands in it (RFC 3261 §19.1.6).
func subscriber(user string) (number, params string) {
	number, rest, found := strings.Cut(user, ";")
	if !found || strings.Trim(bare(strings.TrimPrefix(number, "+")), "0123456789*#") != "" || number == "" {
		return user, ""
	}
	for _, p := range strings.Split(rest, ";") {
		name, value, _ := strings.Cut(p, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		context := strings.HasSuffix(name, "-context")
		switch {
		case !contains(parametersOf, name), context && !isGlobal(bare(value)), checkUser(p) != nil, len(params)+len(p) >= maxParams:
		default:
			params += ";" + p
		}
	}
	return number, params
}

// without is parameters but for one: a global number has no context (RFC 3966 §5.1.5).
func without(params, name string) string {
	if _, found := dialog.Param(params, name); !found {
		return params
	}
	kept := ""
	for _, p := range strings.Split(strings.TrimPrefix(params, ";"), ";") {
		if n, _, _ := strings.Cut(p, "="); !strings.EqualFold(n, name) {
			kept += ";" + p
		}
	}
	return kept
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

func (v *validator) numbers(path string, n NumbersConfig, carrier bool) {
	if !carrier {
		for _, given := range []struct{ name, value string }{{"format", n.Format}, {"country", n.Country}, {"uri", n.URI}} {
			if given.value != "" {
				v.fault(path+"."+given.name, "is of carriers; a trunk's own country says how its numbers are read")
			}
		}
	} else {
		v.oneOf(path+".format", n.Format, formE164, formPlain, formNational, formInternational)
		v.oneOf(path+".uri", n.URI, "sip", "phone", "tel")
		v.country(path+".country", n.Country)
		if n.Country == "" && (n.Format == formNational || n.Format == formInternational) {
			v.fault(path+".country", "is needed by format: %s", n.Format)
		}
	}
	for _, part := range []struct{ name, value string }{{"tech_prefix", n.TechPrefix}, {"strip", n.Strip}, {"prefix", n.Prefix}} {
		v.check(path+"."+part.name, checkDigits(part.value))
	}
	for i, r := range n.Replace {
		at := fmt.Sprintf("%s.replace[%d]", path, i)
		if r.Match == "" {
			v.fault(at+".match", "is needed")
		}
		v.check(at+".match", checkUser(r.Match))
		v.check(at+".with", checkUser(r.With))
		if strings.Count(r.Match, "*") > 1 {
			v.fault(at+".match", "%q: one '*' at most", r.Match)
		}
		if strings.Count(r.With, "*") > strings.Count(r.Match, "*") {
			v.fault(at+".with", "%q: its '*' stands for nothing of match", r.With)
		}
	}
}

// checkDigits names the first character that cannot be put before a number. In a URI '#'
// is written %23.
func checkDigits(s string) error {
	for _, r := range strings.ReplaceAll(s, "%23", "") {
		if !strings.ContainsRune("+*0123456789", r) {
			return fmt.Errorf("%q cannot stand in digits to dial: 0 to 9, '+', '*', %%23 for '#'", r)
		}
	}
	return nil
}
