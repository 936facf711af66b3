package wire

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

const (
	maxDatagram   = 65507   // bytes of UDP payload over IPv4
	receiveBuffer = 4 << 20 // bytes; some 100 ms of a full gigabit, should we be held up
)

// socket is one bound UDP socket.
type socket struct {
	realm string
	addr  netip.AddrPort
	udp   atomic.Pointer[datagrams] // replaced when it fails for good
	watch watch
}

func (e *Edge) bindUDP(realm string, addr netip.AddrPort) (*socket, error) {
	udp, err := e.openUDP(addr)
	if err != nil {
		return nil, err
	}
	s := &socket{realm: realm, addr: unmap(udp.LocalAddr().(*net.UDPAddr).AddrPort())}
	s.udp.Store(udp)
	if got := bufferSize(udp); got < receiveBuffer {
		e.log.Warn("receive buffer smaller than wanted: raise net.core.rmem_max",
			zap.String("realm", realm), zap.Stringer("address", s.addr),
			zap.Int("bytes", got), zap.Int("wanted", receiveBuffer))
	}
	return s, nil
}

func (e *Edge) openUDP(addr netip.AddrPort) (*datagrams, error) {
	lc := e.config.listening(addr.Addr(), func(fd int) error {
		// Beyond rmem_max with CAP_NET_ADMIN, up to it without.
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer); err != nil {
				return err
			}
		}
		return askUnreachable(fd, addr.Addr().Is4())
	})
	pc, err := lc.ListenPacket(e.ctx, network("udp", addr.Addr()), addr.String())
	if err != nil {
		return nil, err
	}
	udp := pc.(*net.UDPConn)
	raw, err := udp.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, udp.Close())
	}
	return &datagrams{udp, raw}, nil
}

// bufferSize is what the kernel made of the wish; it books twice of it.
func bufferSize(udp *datagrams) (n int) {
	_ = udp.raw.Control(func(fd uintptr) {
		n, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	return n / 2
}

// socket is what UDP to h.Remote leaves by.
func (r *realm) socket(h Hop) *socket {
	for _, s := range r.sockets {
		if s.addr == h.Local {
			return s
		}
	}
	for _, s := range r.sockets {
		if s.addr.Addr().Is4() == h.Remote.Addr().Is4() {
			return s
		}
	}
	return nil
}

// readUDP reads one socket until Close.
func (e *Edge) readUDP(s *socket) {
	buf := make([]byte, 64<<10)
	var bad trouble
	for {
		n, from, err := s.udp.Load().read(buf)
		if err == nil {
			bad.over()
			e.datagram(s, from, buf[:n])
			continue
		}
		if e.ctx.Err() != nil {
			return
		}
		if s.unreachable() > 0 || reported(err) {
			continue // not our trouble: somebody we wrote to is not there
		}
		if !bad.again(e, s.realm, s.addr, err) {
			return
		}
		if closed(err) {
			e.reopen(s)
		}
	}
}

// reopen takes the place of a socket that is no more.
func (e *Edge) reopen(s *socket) {
	udp, err := e.openUDP(s.addr)
	if err != nil {
		return // the next read fails again, and it is tried again
	}
	s.udp.Store(udp)
	if e.ctx.Err() != nil {
		s.close() // Close may have come before the new one stood there
	}
}

func (e *Edge) datagram(s *socket, from netip.AddrPort, b []byte) {
	source := from.Addr()
	drop := func(name string) { e.to.Dropped(s.realm, name, source, len(b)) }
	if !e.to.Known(s.realm, source) {
		drop(dropUnknownSource)
		return
	}
	now := time.Now()
	if begins(b) && e.rate.take(now, source) > 0 {
		drop(dropRate)
		return
	}
	if name := noise(b); name != "" {
		drop(name)
		return
	}
	raw := make([]byte, len(b))
	copy(raw, b)
	e.judge(Hop{Realm: s.realm, Transport: UDP, Local: s.addr, Remote: from}, now, raw, nil)
}

// send writes one datagram. The socket also reports what became of earlier ones
// (see watch): such an error is not this datagram's, and it is written again.
func (s *socket) send(to netip.AddrPort, data []byte, unsent func(error)) {
	if len(data) > maxDatagram {
		fail(unsent, fmt.Errorf("send %d bytes to %s: %w", len(data), to, ErrTooLong))
		return
	}
	sent := s.watch.add(to, data, unsent)
	var err error
	for range 4 {
		if err = s.udp.Load().write(to, data); err == nil {
			return
		}
		if s.unreachable() == 0 && !reported(err) {
			break
		}
	}
	s.watch.tell(sent, fmt.Errorf("send to %s: %w", to, err))
}

func (s *socket) close() {
	if udp := s.udp.Load(); udp != nil {
		_ = udp.Close()
	}
}
