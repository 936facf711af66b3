package carriers

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"bulkhead/dialog"
)

// Names says where host names lead now. It answers at once, from what was found out
// before it was asked: a call waits for no DNS.
type Names interface {
	// Lead is what the DNS says of a name; the zero Lead where it is not followed.
	Lead(Name) Lead
	// At lists the names that lead to an address, or did a while ago.
	At(netip.Addr) []Name
}

// Name is a gateway's address that the DNS is asked for (RFC 3263 §4).
type Name struct {
	Host  string // lower case, without the last dot
	Port  uint16 // 0: the DNS says, or it is the transport's own
	Given bool   // the transport is configured: NAPTR has no say
	Ways  Ways   // that may be taken
}

// String is the name with its port, as an operator writes it.
func (n Name) String() string {
	if n.Port == 0 {
		return n.Host
	}
	return n.Host + ":" + strconv.Itoa(int(n.Port))
}

// Ways are pairs of a transport and a family of addresses.
type Ways uint8

func way(t dialog.Transport, v6 bool) Ways {
	w := Ways(1) << (2 * t)
	if v6 {
		w <<= 1
	}
	return w
}

// Has says that an address of a family may be reached by a transport.
func (w Ways) Has(t dialog.Transport, v6 bool) bool { return w&way(t, v6) != 0 }

// By is what is left of the ways if the transport is this one.
func (w Ways) By(t dialog.Transport) Ways { return w & (way(t, false) | way(t, true)) }

// Lead is where a name leads. No addresses: Fault says why.
type Lead struct {
	Addresses []Address    // in the order of the DNS
	Former    []netip.Addr // of answers before it: calls may still be there
	Fault     string
}

// Address is one place where a name leads, with the priority and weight of its SRV
// record (RFC 2782), or zero.
type Address struct {
	Transport dialog.Transport
	Remote    netip.AddrPort
	Target    string // of the SRV record: its addresses share the weight
	Priority  int
	Weight    int
}

// maxAddresses is how many addresses of one name a call tries. Nobody waits for
// more; an answer may have what its owner likes.
const maxAddresses = 8

// unresolved is why a gateway has no address before there was an answer.
const unresolved = "not resolved yet"

// where is a gateway's address: a socket, or a name.
func (g GatewayConfig) where(listening []Socket) (Socket, Name, error) {
	transport, err := parseTransport(g.Transport)
	if err != nil {
		return Socket{}, Name{}, err
	}
	at, err := parseAddress(g.Address)
	if err == nil || !errors.Is(err, errName) {
		return Socket{Transport: transport, Address: at}, Name{}, err
	}
	host, port, colon := strings.Cut(g.Address, ":")
	n := Name{Host: strings.ToLower(strings.TrimSuffix(host, ".")), Given: g.Transport != ""}
	if err := checkHost(n.Host); err != nil {
		return Socket{}, Name{}, err
	}
	for _, s := range listening {
		for _, v6 := range [...]bool{false, true} {
			if s.has(v6) {
				n.Ways |= way(s.Transport, v6)
			}
		}
	}
	if colon {
		p, _ := strconv.ParseUint(port, 10, 16) // parseAddress has read it
		n.Port, n.Given = uint16(p), true       // §4.1: a port says that it is udp, or what is configured
	}
	if n.Given {
		n.Ways = n.Ways.By(transport)
	}
	return Socket{}, n, nil
}

// has says that the listening socket reaches addresses of a family.
func (s Socket) has(v6 bool) bool {
	a := netip.IPv4Unspecified()
	if v6 {
		a = netip.IPv6Unspecified()
	}
	return s.reaches(Socket{Transport: s.Transport, Address: netip.AddrPortFrom(a, 1)})
}

const hostLetters = "abcdefghijklmnopqrstuvwxyz0123456789-_"

// checkHost says what keeps a host name out of the DNS (RFC 1035 §2.3.4).
func checkHost(s string) error {
	if len(s) > 253 {
		return fmt.Errorf("%q is longer than 253 letters", s)
	}
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, hostLetters) != "" {
			return fmt.Errorf("%q is not a host name", s)
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return fmt.Errorf("%q is neither an IP address nor a host name", s)
	}
	return nil
}

// Resolve has the book go by what the DNS says. It is called before the book is used.
func (b *Book) Resolve(n Names) { b.names = n }

// Gateways are the places of a carrier at the moment, those that its names lead to among
// them, with no number to dial there.
func (b *Book) Gateways(carrier string) []dialog.Target {
	c := b.carriers[carrier]
	if c == nil {
		return nil
	}
	list := c.Targets()
	for i := range c.Gateways {
		if g := &c.Gateways[i]; g.Ask != (Name{}) {
			for _, t := range c.resolved(g, dialog.CallID{}, "", b.names, maxAddresses) {
				if t.Dead == "" {
					list = append(list, t)
				}
			}
		}
	}
	return list
}

// noNames knows none.
type noNames struct{}

func (noNames) Lead(Name) Lead       { return Lead{} }
func (noNames) At(netip.Addr) []Name { return nil }

// Names lists the names that the book's gateways have.
func (b *Book) Names() []Name {
	list := make([]Name, 0, len(b.asked))
	for n := range b.asked {
		list = append(list, n.name)
	}
	slices.SortFunc(list, func(a, b Name) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Ways, b.Ways))
	})
	return slices.Compact(list)
}

// named is a name that a realm has a gateway of.
type named struct {
	realm string
	name  Name
}

// asks says that one of the names that lead to an address is a gateway's of a realm.
func (b *Book) asks(realm string, source netip.Addr) bool {
	return len(b.asked) > 0 && slices.ContainsFunc(b.names.At(source), func(n Name) bool { return b.asked[named{realm, n}] != nil })
}

// holds says that the answer has an address, or has had it.
func (a Lead) holds(source netip.Addr) bool {
	return slices.Contains(a.Former, source) ||
		slices.ContainsFunc(a.Addresses, func(a Address) bool { return a.Remote.Addr() == source })
}

// order puts the addresses into the order in which a call tries them (RFC 2782): by
// priority, by weight among those of one, and those of one SRV target as they are drawn.
// At most most of them.
func (a Lead) order(call dialog.CallID, carrier, gateway string, most int) []Address {
	if len(a.Addresses) < 2 {
		return a.Addresses[:min(len(a.Addresses), most)]
	}
	type candidate struct {
		*Address
		target, own float64
	}
	list := make([]candidate, 0, len(a.Addresses))
	for i := range a.Addresses {
		at := &a.Addresses[i]
		// A weight of 0 is to be chosen seldom, and yet (RFC 2782).
		list = append(list, candidate{at, draw(call, 256*at.Weight+1, carrier, gateway, at.Target),
			draw(call, 1, carrier, gateway, at.Remote.String())})
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.target, b.target), cmp.Compare(a.own, b.own))
	})
	order := make([]Address, 0, min(len(list), most))
	for _, c := range list[:cap(order)] {
		order = append(order, *c.Address)
	}
	return order
}
