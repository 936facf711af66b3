package carriers

import (
	"slices"
	"strconv"
	"strings"

	"bulkhead/dialog"
)

// border is what trunks and carriers have in common of what may cross.
type border struct {
	headers
	numbers
	trust   bool     // its word on who calls is believed, and it is told who is (RFC 3325 §2)
	history bool     // History-Info of responses passes
	shows   audience // of who the other side says it is
}

// audience is who is told by P-Asserted-Identity, once the call is made, who the other side is.
type audience uint8

const (
	toNobody   audience = iota
	toTrusted           // only with trust: what the INVITE has withheld, a later request need not say again
	toEveryone          // where the message itself withholds nothing
)

// Heard is dialog.Profile.
func (b *border) Heard(m *dialog.Message) (list []dialog.Header) {
	if b.trust {
		if p := b.asserted(m); p.User != "" {
			list = append(list, dialog.Header{Name: assertedIdentity, Value: p.Address(nowhere)})
			if v := privacyValue(privacyOf(m)); v != "" {
				list = append(list, dialog.Header{Name: privacy, Value: v})
			}
		}
	}
	if b.history && m.Code != 0 {
		for _, e := range b.numbers.history(m) {
			list = append(list, dialog.Header{Name: historyInfo, Value: e.write(nowhere)})
		}
	}
	return b.passes(m, list, nil)
}

// Shown is dialog.Profile.
func (b *border) Shown(list []dialog.Header, to dialog.Shown) []dialog.Header {
	if len(list) > 0 {
		list = b.removes(b.address(list, to.Host))
	}
	if to.Invite && len(b.add) > 0 {
		list = b.adds(list, variable{"call", to.Call.String()})
	}
	return list
}

// address gives who has crossed our own host, and leaves out what is not for this peer.
func (b *border) address(list []dialog.Header, host string) []dialog.Header {
	withheld := false
	for _, h := range list {
		withheld = withheld || h.Name == privacy && h.Value != "none"
	}
	kept := make([]dialog.Header, 0, len(list))
	for _, h := range list {
		switch h.Name {
		case assertedIdentity:
			if b.shows == toNobody || !b.trust && (withheld || b.shows == toTrusted) {
				continue
			}
			p := dialog.PartyOf(h.Value)
			p.User = b.write(p.User)
			h.Value = p.Address(host)
		case privacy:
			if b.shows == toNobody || !b.trust {
				continue
			}
		case historyInfo:
			if !b.history {
				continue
			}
			h.Value = strings.ReplaceAll(h.Value, "@"+nowhere, "@"+host)
		default:
			if isIdentity(h) && !b.trust && (withheld || b.shows != toEveryone) {
				continue
			}
		}
		kept = append(kept, h)
	}
	return kept
}

// Setup is what an INVITE of the trunk's asks for, free of what belongs to its side alone.
// Its Privacy may not be Provided.
func (t *Trunk) Setup(m *dialog.Message) dialog.Setup {
	user := m.URI.User
	if strings.EqualFold(m.URI.Scheme, "tel") {
		user = m.URI.Raw()
	}
	number, params := subscriber(user)
	if strings.EqualFold(m.URI.Scheme, "tel") {
		number = bare(number)
	}
	number = strings.Clone(t.Dialled(number))
	if isGlobal(number) {
		params = without(params, "phone-context")
	}
	s := dialog.Setup{
		Trunk: t.Name, Number: number, Params: params, Domain: strings.Clone(m.URI.Host),
		Caller: t.party(m.From), Privacy: privacyOf(m),
	}
	if t.trust {
		if s.Asserted = t.asserted(m); s.Asserted.User == "" {
			var more dialog.Privacy
			s.Asserted, more = t.remote(m)
			s.Privacy |= more
		}
		s.Diversions = t.diversions(m)
	} else {
		s.Asserted = t.own(m, s.Caller)
	}
	s.Headers = t.passes(m, nil, byDefault)
	return s
}

// Dialled is a number as the trunk dials it, as routes have it.
func (t *Trunk) Dialled(number string) string { return t.dialled(number) }

// own is who a trunk that is not believed may call as: of its identities the one that
// it prefers, or that its From has, else the first that is a number (RFC 3325 §5).
func (t *Trunk) own(m *dialog.Message, from dialog.Party) dialog.Party {
	if len(t.identities) == 0 {
		return dialog.Party{}
	}
	for _, v := range m.Values(preferredIdentity) {
		if p := t.party(v); t.has(p.User) {
			return p
		}
	}
	if t.has(from.User) {
		return from
	}
	for _, i := range t.identities {
		if i.literal() {
			return dialog.Party{User: i[0]}
		}
	}
	return dialog.Party{}
}

func (t *Trunk) has(number string) bool {
	for _, i := range t.identities {
		if number != "" && i.match(number) {
			return true
		}
	}
	return false
}

// Attempt is what an attempt is made for, besides the call.
type Attempt struct {
	Number int // from 1
	Target dialog.Target
	Host   string       // what our side calls itself there
	After  dialog.Cause // why the attempt before it failed; zero: there was none
}

// Dress is the setup as this carrier is to see it in an attempt. It begins with what the
// trunk has asked for, whatever other carriers were shown.
func (c *Carrier) Dress(s dialog.Setup, a Attempt) dialog.Setup {
	d, number := s, a.Target.Number
	if number != s.Number { // what its parameters say, is of the number alone
		number, d.Params = subscriber(number)
	}
	d.Number = c.dial(number)
	var shown dialog.Party
	d.Caller, shown = c.caller(&s)
	d.Asserted, d.Privacy, d.Diversions = dialog.Party{}, 0, nil // said in header fields from here on
	list := c.divert(c.identify(nil, &s, shown, a.Host), &s, a, number)
	passed := s.Headers
	if s.Privacy.Withheld() && !c.trust && slices.ContainsFunc(passed, isIdentity) {
		passed = slices.DeleteFunc(slices.Clone(passed), isIdentity)
	}
	if len(list) > 0 {
		list = append(list, passed...)
	} else {
		list = passed
	}
	list = c.removes(list)
	if len(c.add) > 0 {
		list = c.adds(list[:len(list):len(list)], variable{"call", s.Call.String()}, variable{"trunk", s.Trunk},
			variable{"carrier", c.Name}, variable{"attempt", strconv.Itoa(a.Number)})
	}
	d.Headers = list
	return d
}

// Undialled is the number that the carrier means by one in its own form, such as a
// contact's or that of a transfer, as routes have it; its parameters follow it.
func (c *Carrier) Undialled(number string) string {
	number, params := subscriber(number)
	if !isShort(number) {
		number = c.global(strings.TrimPrefix(strings.TrimPrefix(number, c.rules.TechPrefix), c.rules.Prefix))
	}
	return number + params
}
