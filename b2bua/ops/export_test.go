package ops

import (
	"net/http"
	"net/netip"
	"time"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Hurry has the servers that are made from now on take so long for a request at most; undo ends
// that.
func Hurry(d time.Duration) (undo func()) {
	was := within
	within = d
	return func() { within = was }
}

// IdleFor has the servers that are made from now on keep a connection without a request so long
// at most; undo ends that.
func IdleFor(d time.Duration) (undo func()) {
	was := idle
	idle = d
	return func() { idle = was }
}

// MostConnections and MostOfOne are how many connections to the port there are at most: in all,
// and of one address.
const (
	MostConnections = mostConnections
	MostOfOne       = mostOfOne
)

// Flood is what anybody can do again and again.
type Flood struct{ flood }

// Due counts one happening, and returns how many are to be told now.
func (f *Flood) Due(now time.Time) int { return f.due(now) }

// MostStreams is how many listeners a feed has at most.
const MostStreams = mostStreams

// Handler is everything that is served, without a network.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Packet is what a HEP of a node says of a message by a socket of ours.
func Packet(ours netip.AddrPort, node string, s b2bua.Sight) []byte {
	return (&HEP{node: node, local: func(dialog.Path) netip.AddrPort { return ours }}).encode(nil, s)
}
