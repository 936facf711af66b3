package carriers

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"bulkhead/dialog"
)

const nameLength = 64

// CheckName says what is wrong with the name of a trunk, carrier or realm. It
// stands in logs, records and labels of metrics, so it is short and plain.
func CheckName(s string) error {
	if s == "" {
		return errors.New("a name is empty")
	}
	if len(s) > nameLength {
		return fmt.Errorf("the name is longer than %d letters", nameLength)
	}
	for _, r := range s {
		switch {
		case '0' <= r && r <= '9', 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', r == '-', r == '_', r == '.':
		default:
			return fmt.Errorf("%q cannot stand in a name: letters, digits, '-', '_', '.'", r)
		}
	}
	return nil
}

func (v *validator) realm(path, realm string) {
	if realm == "" {
		v.fault(path+".realm", "is needed")
	} else if _, ok := v.realms[realm]; !ok {
		v.fault(path+".realm", "there is no realm %q", realm)
	}
}

// peer checks an address that we are to send to, and that its realm has a socket
// to send from.
func (v *validator) peer(path, realm string, peer Socket, err error) {
	if err != nil {
		v.fault(path, "%s", err)
		return
	}
	if peer.Address.Port() == 0 || peer.Address.Addr().IsUnspecified() {
		v.fault(path, "%s is nowhere to send to", peer.Address)
		return
	}
	listening, ok := v.realms[realm]
	if ok && !slices.ContainsFunc(listening, func(s Socket) bool { return s.reaches(peer) }) {
		family := "IPv4"
		if peer.Address.Addr().Is6() {
			family = "IPv6"
		}
		v.fault(path, "realm %s has no %s listener for %s", realm, strings.ToLower(peer.Transport.String()), family)
	}
}

func (v *validator) weight(path string, w int) {
	if w < 0 || w > 65535 {
		v.fault(path, "%d is not a weight: 1 to 65535", w)
	}
}

func (v *validator) oneOf(path, s string, allowed ...string) {
	if s != "" && !slices.Contains(allowed, s) {
		v.fault(path, "%q is not one of: %s", s, strings.Join(allowed, ", "))
	}
}

// transcode wants codecs by name: what follows a slash would be a parameter of rtpengine's.
func (v *validator) transcode(path string, codecs []string) {
	for i, name := range codecs {
		if name == "" || strings.ContainsFunc(name, func(r rune) bool {
			return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			v.fault(fmt.Sprintf("%s[%d]", path, i), "%q is not the name of a codec, such as PCMA", name)
		}
	}
}

func (v *validator) country(path, s string) {
	letter := func(b byte) bool { return 'A' <= b && b <= 'Z' }
	if s != "" && (len(s) != 2 || !letter(s[0]) || !letter(s[1])) {
		v.fault(path, "%q is not a country's two capital letters (ISO 3166-1), such as FR", s)
	} else if s != "" {
		_, err := planOf(s)
		v.check(path, err)
	}
}

func (v *validator) limits(path string, l LimitsConfig) {
	for _, n := range []struct {
		name  string
		value int
	}{{"calls", l.Calls}, {"cps", l.CPS}, {"burst", l.Burst}} {
		if n.value < 0 {
			v.fault(path+"."+n.name, "must not be negative")
		}
	}
	if l.Burst > 0 && l.CPS == 0 {
		v.fault(path+".burst", "needs cps")
	}
	if l.Code != 0 && l.Code != 503 && l.Code != 486 {
		v.fault(path+".code", "%d: 503 or 486", l.Code)
	} else if l.Code != 0 && l.Calls == 0 {
		v.fault(path+".code", "needs calls; too many a second are refused with 503")
	}
}

func (v *validator) auth(path string, a *AuthConfig) {
	if a == nil {
		return
	}
	if a.Username == "" {
		v.fault(path+".username", "is needed")
	}
	v.text(path+".username", a.Username)
	if strings.ContainsAny(a.Username, `":\`) { // RFC 7616 §3.4; what an escape means, peers disagree on
		v.fault(path+".username", `must be without ", \ and :`)
	}
	if a.PasswordFile == "" {
		v.fault(path+".password_file", "is needed")
	}
}

func (v *validator) sessionTimer(path string, s *SessionTimerConfig) {
	if s == nil {
		return
	}
	v.oneOf(path+".refresher", s.Refresher, "us", "them")
	if s.Expires < s.Min {
		v.fault(path+".expires", "%s is less than min, %s", s.Expires, s.Min)
	}
}

// leastAudit is more often than anybody needs to know, and no flood.
const leastAudit = 5 * time.Second

func (v *validator) audit(path string, every time.Duration) {
	if every != 0 && every < leastAudit {
		v.fault(path, "%s is less than %s", every, leastAudit)
	}
}

// tls checks what is configured of TLS with a carrier.
func (v *validator) tls(path string, c CarrierConfig) {
	t := c.TLS
	if t == nil {
		return
	}
	if t.Certificate == "" && t.Key != "" {
		v.fault(path+".certificate", "is needed: there is a key")
	}
	if t.Key == "" && t.Certificate != "" {
		v.fault(path+".key", "is needed: there is a certificate")
	}
	if _, err := netip.ParseAddr(t.Name); t.Name != "" && err != nil {
		v.check(path+".name", checkHost(strings.TrimPrefix(strings.ToLower(t.Name), "*.")))
	}
	listening, ok := v.realms[c.Realm]
	if ok && !slices.ContainsFunc(listening, func(s Socket) bool { return s.Transport == dialog.TLS }) {
		v.fault(path, "realm %s has no tls listener", c.Realm)
	}
}

// large checks how large requests go: by TCP there has to be a socket to connect from.
func (v *validator) large(path string, c CarrierConfig) {
	v.oneOf(path, c.Large, "udp", "tcp")
	listening, ok := v.realms[c.Realm]
	if ok && c.Large == "tcp" && !slices.ContainsFunc(listening, func(s Socket) bool { return s.Transport == dialog.TCP }) {
		v.fault(path, "realm %s has no tcp listener", c.Realm)
	}
}

// sameTLS wants one address to be one peer: a connection has one certificate.
func (v *validator) sameTLS() {
	type place struct {
		realm string
		at    Socket
	}
	first := map[place]string{}
	for _, name := range sortedKeys(v.config.Carriers) {
		c := v.config.Carriers[name]
		for i, g := range c.Gateways {
			socket, _, err := g.where(v.realms[c.Realm])
			if err != nil || socket.Transport != dialog.TLS {
				continue
			}
			other, taken := first[place{c.Realm, socket}]
			if !taken {
				first[place{c.Realm, socket}] = name
			} else if !sameKeys(v.config.Carriers[other].TLS, c.TLS) {
				v.fault(fmt.Sprintf("carriers.%s.gateways[%d].address", name, i), "is carrier %s's as well, with another tls section", other)
			}
		}
	}
}

func sameKeys(a, b *PeerTLSConfig) bool { return a == b || a != nil && b != nil && *a == *b }

// leastKeepalive is more often than any flow needs (RFC 5626 §4.4.1: every 95 to 120 s
// over TCP), and no flood.
const leastKeepalive = 5 * time.Second

func (v *validator) keepalive(path string, every time.Duration) {
	v.check(path, CheckKeepalive(every))
}

// CheckKeepalive says what is wrong with the time between two pings.
func CheckKeepalive(every time.Duration) error {
	if every != 0 && every < leastKeepalive {
		return fmt.Errorf("%s is less than %s", every, leastKeepalive)
	}
	return nil
}

// passable are the methods that can pass within a dialog. The others are ours to
// serve, make a dialog or a usage of one that outlives the call (SUBSCRIBE, RFC 5057
// §4), or belong outside of any (REGISTER, PUBLISH).
var passable = []string{"INFO", "MESSAGE", "NOTIFY"}

func (v *validator) methods(path string, methods []string) {
	for i, m := range methods {
		at := fmt.Sprintf("%s[%d]", path, i)
		if !slices.Contains(passable, m) {
			v.fault(at, "%q does not pass within a dialog; these can: %s", m, strings.Join(passable, ", "))
		} else if j := slices.Index(methods, m); j < i {
			v.fault(at, "the same as methods[%d]", j)
		}
	}
}

// text refuses what would break out of the line of a message that it is written
// into.
func (v *validator) text(path, s string) {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		v.fault(path, "holds a control character")
	}
}
