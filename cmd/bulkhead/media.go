package main

import (
	"net/netip"
	"slices"
	"strings"

	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/b2bua/media"
	"bulkhead/b2bua/media/ng"
	"bulkhead/b2bua/media/relay"
)

// anchoring is how media is carried as the configuration says, and what ends it.
func (c *Config) anchoring(log *zap.Logger) (*b2bua.Media, func(), error) {
	m := c.Media
	if m == nil {
		m = &MediaConfig{}
		m.Default()
	}
	ports := m.Relay
	if ports == nil {
		ports = &RelayConfig{}
		ports.Default()
	}
	latch, err := relay.ParseLatch(ports.Latch)
	if err != nil {
		return nil, nil, err
	}
	r, err := relay.New(relay.Config{First: ports.Ports.First, Last: ports.Ports.Last})
	if err != nil {
		return nil, nil, err
	}
	closers := []func(){r.Shut}
	all := &b2bua.Media{Mode: modeOf(m.Mode), Latch: latch, Realms: map[string]b2bua.MediaAddresses{}, Counts: r.Totals}
	for name, realm := range c.Realms {
		all.Realms[name] = realm.anchored()
	}
	own := func(at netip.AddrPort) bool {
		if all.Engine != nil && all.Engine.Owns(at) {
			return true
		}
		if at.Port() < ports.Ports.First || at.Port() > ports.Ports.Last {
			return false
		}
		for _, realm := range all.Realms {
			if slices.ContainsFunc(realm, func(a b2bua.MediaAddress) bool { return at.Addr() == a.Said || at.Addr() == a.Bind }) {
				return true
			}
		}
		return false
	}
	if e := m.RTPEngine; e != nil {
		client, err := ng.New(ng.Config{Nodes: e.nodes(), Changed: func(node string, up bool) {
			if up {
				log.Info("rtpengine", zap.String("engine", node), zap.String("state", "up"))
				return
			}
			log.Warn("rtpengine", zap.String("engine", node), zap.String("state", "down"))
		}})
		if err != nil {
			return nil, nil, err
		}
		all.Engine = media.NewEngined(client, own, ports.Timeout)
		closers = append(closers, client.Close)
	}
	all.Relay = media.NewRelayed(r, own, ports.Timeout)
	return all, func() {
		for _, c := range closers {
			c()
		}
	}, nil
}

// nodes are the rtpengines of a section that has been validated.
func (e *RTPEngineConfig) nodes() (list []ng.Node) {
	for _, url := range e.Nodes {
		if at, err := netip.ParseAddrPort(strings.TrimPrefix(url, "udp://")); err == nil {
			list = append(list, ng.Node{Name: url, Address: at})
		}
	}
	return list
}

// modeOf reads a mode that has been validated.
func modeOf(name string) media.Mode {
	return media.Mode(max(slices.Index(media.Modes[:], name), 0)) // one of three
}

// anchored is where the media of a realm comes to: what it says of media, and for a family that this is not of, what it listens on. A
// realm that says nothing of media and advertises what it does not listen on is behind NAT: it says the one, and binds to the other.
func (r RealmConfig) anchored() (all b2bua.MediaAddresses) {
	var own []netip.Addr
	for _, s := range r.sockets() {
		own = append(own, s.Address.Addr().Unmap())
	}
	if said, err := netip.ParseAddr(r.Media); err == nil {
		at := b2bua.MediaAddress{Said: said.Unmap(), Bind: said.Unmap()}
		same := slices.IndexFunc(own, func(a netip.Addr) bool { return a.Is4() == at.Said.Is4() })
		if same >= 0 && r.Media == r.Advertise && !slices.Contains(own, at.Said) {
			at.Bind = own[same]
		}
		all = append(all, at)
		if same < 0 { // of the other family alone: it is meant for all
			return all
		}
	}
	for _, a := range own {
		if !a.IsUnspecified() && !slices.ContainsFunc(all, func(is b2bua.MediaAddress) bool { return is.Said.Is4() == a.Is4() }) {
			all = append(all, b2bua.MediaAddress{Said: a, Bind: a})
		}
	}
	return all
}
