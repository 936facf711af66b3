package simtest

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// names is the DNS of a scenario (carriers.Names), by host and port as written.
type names struct {
	mu      sync.Mutex
	answers map[string]carriers.Lead
	asked   []carriers.Name
}

// Lead is carriers.Names.
func (n *names) Lead(name carriers.Name) carriers.Lead {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.answers[name.String()]
}

// At is carriers.Names.
func (n *names) At(source netip.Addr) (list []carriers.Name) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range n.asked {
		a := n.answers[name.String()]
		if slices.Contains(a.Former, source) || slices.ContainsFunc(a.Addresses, func(a carriers.Address) bool { return a.Remote.Addr() == source }) {
			list = append(list, name)
		}
	}
	return list
}

// lead has a name lead to addresses, in this order; to none: there is no such name.
func (n *names) lead(name string, by dialog.Transport, to ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.answers[name]
	a := carriers.Lead{Former: before.Former}
	for _, at := range before.Addresses {
		a.Former = append(a.Former, at.Remote.Addr())
	}
	for i, at := range to {
		a.Addresses = append(a.Addresses, carriers.Address{Transport: by, Remote: netip.MustParseAddrPort(at), Target: at, Priority: i})
	}
	if len(to) == 0 {
		a.Fault = "there is no such name (NXDOMAIN)"
	}
	n.answers[name] = a
}

// change reads "NAME none" or "NAME ADDRESS...".
func (s *Stage) change(words []string) error {
	if len(words) < 2 {
		return fmt.Errorf("dns NAME none|IP:PORT")
	}
	by, to := dialog.UDP, words[1:]
	for _, c := range s.config.Carriers {
		for _, g := range c.Gateways {
			if g.Address == words[0] {
				t, err := transport(g.Transport)
				if err != nil {
					return err
				}
				by = dialog.Transport(t)
			}
		}
	}
	if to[0] == "none" {
		to = nil
	}
	s.names.lead(words[0], by, to...)
	return nil
}

// secure gives the realms TLS.
func (s *Stage) secure() {
	if s.Net.secure {
		return
	}
	s.Net.secure = true
	for realm, a := range s.Net.local {
		s.realms[realm] = append(s.realms[realm], carriers.Socket{Transport: dialog.TLS, Address: netip.AddrPortFrom(a.Addr(), 5061)})
	}
}
