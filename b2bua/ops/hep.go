package ops

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// HEP mirrors every message of every call, settled ones too, to a capture server such as
// Homer, by version 3 of its encapsulation protocol over UDP (HEP3 rev. 12). The correlation
// id of all legs of a call is the call's id.
//
// It is an Observer. What the server or the network does not take is lost and counted: no
// call waits for it.
type HEP struct {
	conn    net.Conn
	node    string
	local   func(dialog.Path) netip.AddrPort
	packets chan b2bua.Sight
	lost    atomic.Uint64
}

// hepQueue is how many messages may wait for being sent.
const hepQueue = 4096

// DialHEP makes a mirror to a server at an address. The node is what it calls itself; local
// says which socket of ours a message goes by, where its path does not.
func DialHEP(server, node string, local func(dialog.Path) netip.AddrPort) (*HEP, error) {
	conn, err := net.Dial("udp", server)
	if err != nil {
		return nil, fmt.Errorf("reaching the HEP server: %w", err)
	}
	return &HEP{conn: conn, node: node, local: local, packets: make(chan b2bua.Sight, hepQueue)}, nil
}

// Saw is b2bua.Observer.
func (h *HEP) Saw(s b2bua.Sight) {
	if s.Data == nil {
		return
	}
	select {
	case h.packets <- s:
	default:
		h.lost.Add(1)
	}
}

// Hunted is b2bua.Observer.
func (h *HEP) Hunted(dialog.CallID, b2bua.Failover) {}

// Ended is b2bua.Observer.
func (h *HEP) Ended(dialog.CallID, b2bua.Record) {}

// Left is b2bua.Observer.
func (h *HEP) Left(dialog.CallID) {}

// Lost is how many messages were not mirrored.
func (h *HEP) Lost() uint64 { return h.lost.Load() }

// Run sends until done is closed, and then what still waits.
func (h *HEP) Run(done <-chan struct{}) {
	buffer := make([]byte, 0, 4096)
	send := func(s b2bua.Sight) {
		buffer = h.encode(buffer[:0], s)
		if _, err := h.conn.Write(buffer); err != nil { // nobody listens, or it is too long
			h.lost.Add(1)
		}
	}
	defer h.conn.Close()
	for {
		select {
		case s := <-h.packets:
			send(s)
		case <-done:
			for {
				select {
				case s := <-h.packets:
					send(s)
				default:
					return
				}
			}
		}
	}
}

// Chunks of vendor 0 (generic).
const (
	hepFamily      = 0x01 // AF_INET, AF_INET6 as Linux numbers them
	hepProtocol    = 0x02 // IPPROTO_UDP, IPPROTO_TCP
	hepSource4     = 0x03
	hepTarget4     = 0x04
	hepSource6     = 0x05
	hepTarget6     = 0x06
	hepSourcePort  = 0x07
	hepTargetPort  = 0x08
	hepSeconds     = 0x09 // since 1970
	hepMicros      = 0x0a
	hepKind        = 0x0b // 1: SIP
	hepAgent       = 0x0c
	hepPayload     = 0x0f
	hepCorrelation = 0x11
	hepNode        = 0x13
)

// encode appends one packet.
func (h *HEP) encode(b []byte, s b2bua.Sight) []byte {
	source, target := s.Path.Local, s.Path.Remote
	if !source.IsValid() {
		source = h.local(s.Path)
	}
	if s.In {
		source, target = target, source
	}
	b = append(b, "HEP3\x00\x00"...)
	from, to := source.Addr().Unmap(), target.Addr().Unmap()
	if from.Is4() && to.Is4() {
		b = chunk(b, hepFamily, 2)
		b = chunk(b, hepSource4, from.AsSlice()...)
		b = chunk(b, hepTarget4, to.AsSlice()...)
	} else {
		a, z := from.As16(), to.As16()
		b = chunk(b, hepFamily, 10)
		b = chunk(b, hepSource6, a[:]...)
		b = chunk(b, hepTarget6, z[:]...)
	}
	protocol := byte(17)
	if s.Path.Transport.Reliable() {
		protocol = 6
	}
	b = chunk(b, hepProtocol, protocol)
	b = chunk16(b, hepSourcePort, source.Port())
	b = chunk16(b, hepTargetPort, target.Port())
	b = chunk32(b, hepSeconds, uint32(s.At.Unix()))
	b = chunk32(b, hepMicros, uint32(s.At.Nanosecond()/int(time.Microsecond)))
	b = chunk(b, hepKind, 1)
	b = chunk32(b, hepAgent, 0)
	b = chunk(b, hepCorrelation, []byte(s.Call.String())...)
	if h.node != "" {
		b = chunk(b, hepNode, []byte(h.node)...)
	}
	b = chunk(b, hepPayload, s.Data...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	return b
}

// chunk appends one of the generic chunks: its vendor, its type, its length with these six
// bytes, and what it says.
func chunk(b []byte, kind uint16, data ...byte) []byte {
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(6+len(data)))
	return append(b, data...)
}

func chunk16(b []byte, kind, value uint16) []byte {
	return chunk(b, kind, byte(value>>8), byte(value))
}

func chunk32(b []byte, kind uint16, value uint32) []byte {
	return chunk(b, kind, byte(value>>24), byte(value>>16), byte(value>>8), byte(value))
}
