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

// MostStreams is how many listeners a feed has at most.
const MostStreams = mostStreams

// Handler is everything that is served, without a network.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Packet is what a HEP of a node says of a message by a socket of ours.
func Packet(ours netip.AddrPort, node string, s b2bua.Sight) []byte {
	return (&HEP{node: node, local: func(dialog.Path) netip.AddrPort { return ours }}).encode(nil, s)
}
