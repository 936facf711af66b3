package media

import (
	"net/netip"

	"bulkhead/b2bua/media/relay"
)

// Embedded is the relay of this process as Streams.
type Embedded struct{ *relay.Relay }

// Open is Streams.
func (r Embedded) Open(call string, trunk, carrier netip.Addr) (Ports, error) {
	s, err := r.Relay.Open(call, trunk, carrier)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Restore is Streams.
func (r Embedded) Restore(call string, st relay.State) (Ports, error) {
	s, err := r.Relay.Restore(call, st)
	if err != nil {
		return nil, err
	}
	return s, nil
}
