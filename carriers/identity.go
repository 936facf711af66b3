package carriers

import (
	"strings"

	"bulkhead/dialog"
)

// Who calls, as the two sides may know it (RFC 3323, RFC 3325). Of an identity its number
// or name and its display name cross; the host is always that of our own side, since whose
// number it is, the carrier of the number knows.

// The ways in which a carrier is shown who calls.
const (
	identityFrom = "from" // the default: in From alone
	identityPAI  = "pai"
	identityRPID = "rpid"
	identityNone = "none"
)

const (
	assertedIdentity  = "P-Asserted-Identity"
	preferredIdentity = "P-Preferred-Identity"
	remoteParty       = "Remote-Party-ID"
	privacy           = "Privacy"
)

// nowhere is the host of an identity that crosses.
const nowhere = "identity.invalid"

// isIdentity says that a header field is Identity: what its signature is of, the caller's
// number, stands in it for everybody to read (RFC 8225 §5), so it is no more for everybody
// than the number is.
func isIdentity(h dialog.Header) bool { return spelled(h.Name) == "identity" }

// party is who an address names, its number as one of E.164.
func (n *numbers) party(value string) dialog.Party {
	p := dialog.PartyOf(value)
	user, _ := subscriber(p.User)
	p.User = n.global(user)
	return p
}

// asserted is who a message says is calling, or answering, if its sender is believed
// (RFC 3325 §9.1): of two identities the number, with a display name of either.
func (n *numbers) asserted(m *dialog.Message) (found dialog.Party) {
	display := ""
	for _, v := range m.Values(assertedIdentity) {
		p := n.party(v)
		if display == "" {
			display = p.Display
		}
		if p.User != "" && (found.User == "" || !isGlobal(found.User) && isGlobal(p.User)) {
			found = p
		}
	}
	if found.User != "" && found.Display == "" {
		found.Display = display
	}
	return found
}

// remote is who Remote-Party-ID says is calling, where it has been screened
// (draft-ietf-sip-privacy-04), and what is to be withheld of it.
func (n *numbers) remote(m *dialog.Message) (dialog.Party, dialog.Privacy) {
	for _, v := range m.Values(remoteParty) {
		params := dialog.Params(v)
		is := func(name, value string) bool {
			got, _ := dialog.Param(params, name)
			return strings.EqualFold(got, value)
		}
		if _, given := dialog.Param(params, "party"); given && !is("party", "calling") || !is("screen", "yes") {
			continue
		}
		if p := n.party(v); p.User != "" {
			if is("privacy", "full") || is("privacy", "uri") {
				return p, dialog.PrivateID
			}
			return p, 0
		}
	}
	return dialog.Party{}, 0
}

var priv = []struct {
	name  string
	value dialog.Privacy
}{
	{"id", dialog.PrivateID}, {"user", dialog.PrivateUser}, {"header", dialog.PrivateHeader}, {"session", dialog.PrivateSession},
	{"history", dialog.PrivateHistory}, {"none", dialog.PrivateNone}, {"critical", dialog.PrivateCritical},
}

// privacyOf is what a message asks to be withheld.
func privacyOf(m *dialog.Message) (all dialog.Privacy) {
	for _, v := range m.Values(privacy) {
		for _, name := range strings.Split(v, ";") {
			bit := dialog.PrivateOther
			for _, p := range priv {
				if strings.EqualFold(strings.TrimSpace(name), p.name) {
					bit = p.value
				}
			}
			all |= bit
		}
	}
	return all
}

// privacyValue writes it; what is not known is not written.
func privacyValue(p dialog.Privacy) string {
	var b strings.Builder
	for _, one := range priv {
		if p&one.value != 0 {
			if b.Len() > 0 {
				b.WriteByte(';')
			}
			b.WriteString(one.name)
		}
	}
	return b.String()
}

// caller is who a carrier is shown in From, and in a header field of its own.
func (c *Carrier) caller(s *dialog.Setup) (from dialog.Party, shown dialog.Party) {
	from = s.Caller
	withheld := s.Privacy.Withheld()
	switch {
	case c.identity == identityNone:
		return dialog.Party{}, dialog.Party{}
	case withheld && (!c.trust || s.Privacy&dialog.PrivateUser != 0):
		from = dialog.Party{} // what the caller has asked of us
	case c.identity == identityFrom && s.Asserted.User != "" && !withheld:
		from = s.Asserted
	}
	if c.identity != identityFrom && (c.trust || !withheld) {
		shown = s.Asserted
		shown.User = c.write(shown.User)
	}
	from.User = c.write(from.User)
	return from, shown
}

// identify appends who calls, and what is still to be withheld further on: what we have
// done is not asked for again (RFC 3323 §5).
func (c *Carrier) identify(list []dialog.Header, s *dialog.Setup, shown dialog.Party, host string) []dialog.Header {
	withheld := s.Privacy.Withheld()
	switch {
	case shown.User == "":
	case c.identity == identityPAI:
		list = append(list, dialog.Header{Name: assertedIdentity, Value: shown.Address(host)})
	case c.identity == identityRPID:
		full := "off"
		if withheld {
			full = "full"
		}
		list = append(list, dialog.Header{Name: remoteParty, Value: shown.Address(host) + ";party=calling;screen=yes;privacy=" + full})
	}
	if s.Privacy == 0 {
		return list
	}
	left := s.Privacy &^ (dialog.PrivateID | dialog.PrivateUser | dialog.PrivateHeader | dialog.PrivateHistory | dialog.PrivateOther)
	if s.Privacy&dialog.PrivateNone != 0 {
		left = dialog.PrivateNone
	} else if c.trust {
		left |= s.Privacy & dialog.PrivateHistory
		if withheld {
			left |= dialog.PrivateID
		}
	}
	if left&^dialog.PrivateCritical == 0 {
		return list
	}
	return append(list, dialog.Header{Name: privacy, Value: privacyValue(left)})
}
