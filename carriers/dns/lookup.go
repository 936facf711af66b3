package dns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Bounds of one name's answer, whatever the servers say.
const (
	maxRecords   = 32 // of one answer that are looked at
	maxAddresses = 32
	maxQuestions = 64
	maxAliases   = 8
)

// What an answer lives: nobody asks us more often than that, and a server that says
// "for ever" is asked once a day.
const (
	leastLife    = 5 * time.Second
	mostLife     = 24 * time.Hour
	mostNothing  = 5 * time.Minute // that there is nothing (RFC 2308 §5 allows hours; a route is dead meanwhile)
	usualNothing = time.Minute     // where no SOA says
)

// lookup is one finding out where a name leads.
type lookup struct {
	ask       func(context.Context, dns.Question) (*dns.Msg, error)
	ctx       context.Context
	questions int
	life      time.Duration // the least of all answers; zero: none has come
	nothing   string        // the last reason for which there was none
}

var errTooMany = errors.New("the answer leads to too many questions")

// answer is what a name leads to (RFC 3263 §4), and how long that holds. An error: no
// server has said.
func (l *lookup) answer(n carriers.Name) (carriers.Lead, time.Duration, error) {
	found, err := l.name(n)
	if err != nil {
		return carriers.Lead{}, 0, err
	}
	if len(found) == 0 {
		return carriers.Lead{Fault: cmp.Or(l.nothing, "no addresses")}, clamp(l.life, mostNothing), nil
	}
	return carriers.Lead{Addresses: found}, clamp(l.life, mostLife), nil
}

func clamp(d, most time.Duration) time.Duration { return min(max(d, leastLife), most) }

// name takes the three ways of RFC 3263 §4.1 and §4.2 to a name: by its port, by the
// transport that is configured, by NAPTR.
func (l *lookup) name(n carriers.Name) ([]carriers.Address, error) {
	host := dns.Fqdn(n.Host)
	if n.Port != 0 {
		return l.hosts(nil, carriers.Address{Transport: only(n.Ways)}, host, n.Port, n.Ways)
	}
	if !n.Given {
		found, decided, err := l.byNAPTR(n, host)
		if err != nil || decided {
			return found, err
		}
	}
	for _, t := range transports {
		if n.Ways.By(t) == 0 {
			continue
		}
		found, there, err := l.services(serviceOf(t)+host, t, n.Ways)
		if err != nil || there {
			return found, err
		}
	}
	// Neither NAPTR nor SRV: the host itself, by UDP where nothing else is configured.
	t := dialog.UDP
	if n.Given || n.Ways.By(t) == 0 {
		t = only(n.Ways)
	}
	port := uint16(5060)
	if t == dialog.TLS {
		port = 5061
	}
	return l.hosts(nil, carriers.Address{Transport: t}, host, port, n.Ways)
}

// transports are those that there are, in our order of preference (RFC 3263 §4.1).
var transports = [...]dialog.Transport{dialog.UDP, dialog.TCP, dialog.TLS}

// only is the first transport among the ways.
func only(w carriers.Ways) dialog.Transport {
	for _, t := range transports {
		if w.By(t) != 0 {
			return t
		}
	}
	return dialog.UDP
}

func serviceOf(t dialog.Transport) string {
	switch t {
	case dialog.TCP:
		return "_sip._tcp."
	case dialog.TLS:
		return "_sips._tcp."
	case dialog.UDP:
	}
	return "_sip._udp."
}

// byNAPTR takes the best NAPTR record that we can follow and that leads anywhere
// (RFC 3263 §4.1, RFC 3403 §4.1). False: there is none that speaks of us.
func (l *lookup) byNAPTR(n carriers.Name, host string) ([]carriers.Address, bool, error) {
	records, err := l.records(host, dns.TypeNAPTR)
	if err != nil {
		return nil, false, err
	}
	var list []*dns.NAPTR
	for _, r := range records {
		r := r.(*dns.NAPTR)
		if t, ok := transportOf(r.Service); ok && n.Ways.By(t) != 0 && strings.EqualFold(r.Flags, "s") && r.Replacement != "." {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b *dns.NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	for _, r := range list {
		t, _ := transportOf(r.Service)
		found, _, err := l.services(r.Replacement, t, n.Ways)
		if err != nil || len(found) > 0 {
			return found, true, err
		}
	}
	return nil, len(list) > 0, nil
}

// transportOf reads the service field of a NAPTR record (RFC 3263 §4.1).
func transportOf(service string) (dialog.Transport, bool) {
	switch strings.ToUpper(service) {
	case "SIP+D2U":
		return dialog.UDP, true
	case "SIP+D2T":
		return dialog.TCP, true
	case "SIPS+D2T":
		return dialog.TLS, true
	}
	return 0, false
}

// services are the addresses of a name's SRV records (RFC 2782). False: it has none.
func (l *lookup) services(name string, t dialog.Transport, ways carriers.Ways) (found []carriers.Address, there bool, err error) {
	records, err := l.records(name, dns.TypeSRV)
	if err != nil || len(records) == 0 {
		return nil, false, err
	}
	slices.SortStableFunc(records, func(a, b dns.RR) int {
		return cmp.Compare(a.(*dns.SRV).Priority, b.(*dns.SRV).Priority)
	})
	for _, r := range records {
		r := r.(*dns.SRV)
		if r.Target == "." {
			l.nothing = name + " says that the service is not available" // RFC 2782: decidedly
			continue
		}
		at := carriers.Address{Transport: t, Target: strings.ToLower(r.Target), Priority: int(r.Priority), Weight: int(r.Weight)}
		if found, err = l.hosts(found, at, r.Target, r.Port, ways); err != nil {
			return nil, true, err
		}
	}
	return found, true, nil
}

// hosts adds the addresses of a host.
func (l *lookup) hosts(found []carriers.Address, at carriers.Address, host string, port uint16, ways carriers.Ways) ([]carriers.Address, error) {
	for _, family := range [...]struct {
		kind uint16
		v6   bool
	}{{dns.TypeA, false}, {dns.TypeAAAA, true}} {
		if !ways.Has(at.Transport, family.v6) || port == 0 || len(found) >= maxAddresses {
			continue
		}
		records, err := l.records(host, family.kind)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			ip, ok := netip.AddrFromSlice(addressOf(r))
			if ip = ip.Unmap(); !ok || ip.Is6() != family.v6 || ip.IsUnspecified() || ip.IsMulticast() || len(found) >= maxAddresses {
				continue
			}
			at.Remote = netip.AddrPortFrom(ip, port)
			if !slices.ContainsFunc(found, func(other carriers.Address) bool { return other.Remote == at.Remote }) {
				found = append(found, at)
			}
		}
	}
	return found, nil
}

func addressOf(r dns.RR) []byte {
	switch r := r.(type) {
	case *dns.A:
		return r.A
	case *dns.AAAA:
		return r.AAAA
	}
	return nil
}

// records asks for one type of a name, and goes after its aliases. None and no error:
// a server has said that there are none.
func (l *lookup) records(name string, kind uint16) ([]dns.RR, error) {
	for range maxAliases {
		if l.questions++; l.questions > maxQuestions {
			return nil, errTooMany
		}
		m, err := l.ask(l.ctx, dns.Question{Name: name, Qtype: kind, Qclass: dns.ClassINET})
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", name, dns.TypeToString[kind], err)
		}
		found, alias := l.read(m, name, kind)
		switch {
		case len(found) > 0:
			return found, nil
		case strings.EqualFold(alias, name):
			l.none(m, name, kind)
			return nil, nil
		}
		name = alias // of a server that does not go after it itself
	}
	l.nothing, l.life = name+" has too many aliases", shorter(l.life, usualNothing)
	return nil, nil
}

// read takes the records of a type out of an answer, by way of the aliases in it;
// without any, where the last alias leads.
func (l *lookup) read(m *dns.Msg, name string, kind uint16) (found []dns.RR, alias string) {
	for range maxAliases {
		next := ""
		for _, r := range m.Answer {
			h := r.Header()
			if !strings.EqualFold(h.Name, name) {
				continue
			}
			if h.Rrtype == kind && len(found) < maxRecords {
				found = append(found, r)
				l.life = shorter(l.life, seconds(h.Ttl))
			} else if c, ok := r.(*dns.CNAME); ok && next == "" {
				next = c.Target
				l.life = shorter(l.life, seconds(h.Ttl))
			}
		}
		if len(found) > 0 || next == "" {
			return found, name
		}
		name = next
	}
	return nil, name
}

// none notes that there is nothing, for as long as the zone says (RFC 2308 §5).
func (l *lookup) none(m *dns.Msg, name string, kind uint16) {
	life := usualNothing
	for _, r := range m.Ns {
		if soa, ok := r.(*dns.SOA); ok {
			life = min(seconds(soa.Hdr.Ttl), seconds(soa.Minttl))
		}
	}
	l.life = shorter(l.life, life)
	switch {
	case m.Rcode == dns.RcodeNameError:
		l.nothing = "there is no such name (NXDOMAIN)"
	case kind == dns.TypeA || kind == dns.TypeAAAA:
		l.nothing = name + " has no address"
	}
}

// shorter is the lesser of two lives, of which zero is none yet. A record that lives
// for no time counts as one.
func shorter(a, b time.Duration) time.Duration {
	b = max(b, time.Nanosecond)
	if a == 0 {
		return b
	}
	return min(a, b)
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }
