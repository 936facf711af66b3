package carriers

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"
	"time"

	"bulkhead/dialog"
)

// Trunk is somebody who calls us. It is never changed.
type Trunk struct {
	Name        string
	Realm       string
	Contact     dialog.Path   // where requests of ours go when the dialog names nothing better; zero Remote: not known
	MaxDuration time.Duration // of a call, from its answer; never zero
	MaxSetup    time.Duration // from the INVITE to the answer; never zero
	Relay       []string      // methods that pass within a dialog
	Transfers   dialog.Transfers

	SessionTimer dialog.SessionTimer
	Audit        time.Duration // between two OPTIONS where no session timer runs; zero: none
	EarlyMedia   bool          // P-Early-Media passes (RFC 5009)
	Login        *dialog.Login // what its calls have to prove; nil: nothing
	Codecs       dialog.Codecs
	SRTP         bool     // offers to it have keys
	Transcode    []string // codecs that offers to it have in any case
	Media        string   // bypass, relay, rtpengine; empty: as the carrier's
	Limit        Limit

	border
	identities []pattern // that it may call as, where it is not believed
}

func newTrunk(name string, c TrunkConfig) *Trunk {
	t := &Trunk{Name: name, Realm: c.Realm, Media: c.Media, SRTP: c.SRTP, Transcode: c.Transcode, EarlyMedia: c.EarlyMedia, Audit: c.Audit, Limit: c.Limits.limit()}
	t.Login = c.Auth.login()
	t.MaxDuration = cmp.Or(c.MaxDuration, DefaultMaxDuration)
	t.MaxSetup = cmp.Or(c.MaxSetup, DefaultMaxSetup)
	t.Relay, t.Transfers = c.Methods, transfers(c.Refer)
	t.SessionTimer, t.Codecs = c.SessionTimer.timer(), dialog.Codecs(c.Codecs)
	t.border = border{newHeaders(c.Headers), newNumbers(c.Numbers, c.Country), c.Trust, c.Diversion == diversionHistory, toEveryone}
	for _, number := range c.Identities {
		t.identities = append(t.identities, newPattern(number))
	}
	if c.Contact != "" {
		contact, _ := ParseSocket(c.Contact) // Validate has read it
		t.Contact = dialog.Path{Realm: c.Realm, Transport: contact.Transport, Remote: contact.Address}
	}
	return t
}

// claim is one prefix that a trunk calls from.
type claim struct {
	prefix netip.Prefix
	trunk  string
	index  int // in the trunk's from
}

// claims lists what the trunks of each realm call from, in the order of the
// addresses, what encloses before what is enclosed. What cannot be read is left
// out: Validate speaks of it elsewhere.
func claims(trunks map[string]TrunkConfig) map[string][]claim {
	all := map[string][]claim{}
	for name, t := range trunks {
		for i, from := range t.From {
			if prefix, err := parsePrefix(from); err == nil {
				all[t.Realm] = append(all[t.Realm], claim{prefix, name, i})
			}
		}
	}
	for _, list := range all {
		sort.Slice(list, func(i, j int) bool {
			a, b := list[i], list[j]
			if c := a.prefix.Addr().Compare(b.prefix.Addr()); c != 0 {
				return c < 0
			}
			if a.prefix.Bits() != b.prefix.Bits() {
				return a.prefix.Bits() < b.prefix.Bits()
			}
			if a.trunk != b.trunk {
				return a.trunk < b.trunk
			}
			return a.index < b.index
		})
	}
	return all
}

// nested calls f for every claim that lies in another one, with the closest
// such. The claims are in the order that claims gives; prefixes are disjoint or
// one in the other, so a stack of open ones suffices.
func nested(list []claim, f func(inner, outer claim)) {
	var open []claim
	for _, c := range list {
		for len(open) > 0 && !open[len(open)-1].prefix.Contains(c.prefix.Addr()) {
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			f(c, open[len(open)-1])
		}
		open = append(open, c)
	}
}

// sources finds the trunk of an address in one realm: disjoint prefixes in the
// order of their addresses.
type sources struct {
	prefixes []netip.Prefix
	trunks   []*Trunk
}

func newSources(list []claim, trunks map[string]*Trunk) *sources {
	inner := map[claim]bool{} // in another prefix of the same trunk: says nothing new
	nested(list, func(in, _ claim) { inner[in] = true })
	s := &sources{}
	for _, c := range list {
		if !inner[c] {
			s.prefixes = append(s.prefixes, c.prefix)
			s.trunks = append(s.trunks, trunks[c.trunk])
		}
	}
	return s
}

func (s *sources) find(source netip.Addr) *Trunk {
	i, exact := slices.BinarySearchFunc(s.prefixes, source, func(p netip.Prefix, a netip.Addr) int {
		return p.Addr().Compare(a)
	})
	if !exact {
		i-- // the last that begins at or before it
	}
	if i < 0 || !s.prefixes[i].Contains(source) {
		return nil
	}
	return s.trunks[i]
}
