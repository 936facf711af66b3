//go:build !linux || goroutines

package relay

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// thread is, where there is no epoll, a goroutine for each socket.
type thread struct {
	relay   *Relay
	ends    int           // under the relay's lock
	open    atomic.Int32  // sockets
	packets atomic.Uint64 // sent from its ends
	octets  atomic.Uint64
	haste   atomic.Int32 // Fair
	readers sync.WaitGroup
}

// socket is one bound port.
type socket struct {
	place
	conn *net.UDPConn
	done chan struct{}
}

type address = netip.AddrPort

func addressOf(at netip.AddrPort) address { return at }

// target is where packets go to.
type target struct{ netip.AddrPort }

func targetOf(to netip.AddrPort) target { return target{to} }
func (t *target) valid() bool           { return t.IsValid() }

func newThread(r *Relay) (*thread, error) { return &thread{relay: r}, nil }

// ef is DSCP Expedited Forwarding (RFC 3246), in the byte that the header has.
const ef = 46 << 2

// listen opens a port and has it read. Where the system has no DSCP, there is none.
func (t *thread) listen(at place, local address) (*socket, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
	if err != nil {
		return nil, err
	}
	if local.Addr().Is4() {
		_ = ipv4.NewConn(conn).SetTOS(ef)
	} else {
		_ = ipv6.NewConn(conn).SetTrafficClass(ef)
	}
	s := &socket{at, conn, make(chan struct{})}
	t.open.Add(1)
	t.readers.Add(1)
	go t.read(s)
	return s, nil
}

func (t *thread) read(s *socket) {
	defer t.readers.Done()
	defer close(s.done)
	b, w := make([]byte, MaxPacket+1), new(scratch)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return // closed: an unconnected socket has no other
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		s.end.arrived(t.relay.now(), s, from, b[:min(n, MaxPacket)], n, w)
	}
}

func (s *socket) send(to *target, b []byte) bool {
	_, err := s.conn.WriteToUDPAddrPort(b, to.AddrPort)
	return err == nil
}

// close closes sockets, and does what is to be done when nobody reads them any more.
func (t *thread) close(sockets [2]*socket, then func()) {
	t.readers.Add(1)
	go func() {
		defer t.readers.Done()
		for _, s := range sockets {
			if s != nil {
				_ = s.conn.Close()
				<-s.done
				t.open.Add(-1)
			}
		}
		if then != nil {
			then()
		}
	}()
}

func (t *thread) stop() { t.readers.Wait() }
