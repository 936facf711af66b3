package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A datagram to where nobody listens comes back as an ICMP message. The kernel
// keeps those in a queue of the socket (ip(7), IP_RECVERR) together with the
// start of the datagram, by which its sender is found and told: the next target
// need not wait for a timer.

// watched is how many sends are remembered, and watchFor how long.
const (
	watched  = 1024
	watchFor = 5 * time.Second
	// minQuoted is how much of a datagram an ICMP message must quote to be
	// believed: who did not see the datagram cannot say so much of it.
	minQuoted = 64
)

// watch remembers the latest sends of a socket whose senders want to know.
type watch struct {
	mu   sync.Mutex
	ring [watched]*sent
	next int
}

type sent struct {
	to     netip.AddrPort
	data   []byte
	unsent func(error) // nil: told
	at     time.Time
}

// add returns nil where nobody wants to know.
func (w *watch) add(to netip.AddrPort, data []byte, unsent func(error)) *sent {
	if unsent == nil {
		return nil
	}
	s := &sent{to: to, data: data, unsent: unsent, at: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ring[w.next] = s
	w.next = (w.next + 1) % watched
	return s
}

// tell calls unsent, once.
func (w *watch) tell(s *sent, err error) {
	if s == nil {
		return
	}
	w.mu.Lock()
	unsent := s.unsent
	s.unsent, s.data = nil, nil
	w.mu.Unlock()
	fail(unsent, err)
}

// refused tells the senders of what an ICMP message quotes.
func (w *watch) refused(to netip.AddrPort, quoted []byte, errno syscall.Errno) {
	var found []*sent
	w.mu.Lock()
	for i, s := range w.ring {
		switch {
		case s == nil:
		case time.Since(s.at) > watchFor:
			w.ring[i] = nil
		case s.to == to && s.unsent != nil && len(quoted) >= min(minQuoted, len(s.data)) && bytes.HasPrefix(s.data, quoted):
			found = append(found, s)
		}
	}
	w.mu.Unlock()
	for _, s := range found {
		w.tell(s, fmt.Errorf("send to %s: %w", to, errno))
	}
}

// askUnreachable switches the queue on.
func askUnreachable(fd int, v4 bool) error {
	if v4 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
}

// reported says whether an error may be that of an earlier datagram.
func reported(err error) bool {
	for _, e := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
		syscall.EHOSTDOWN, syscall.ENOPROTOOPT, syscall.EPROTO, syscall.EACCES, syscall.EOPNOTSUPP} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// unreachable empties the queue and returns how many messages were in it.
func (s *socket) unreachable() (n int) {
	raw := s.udp.Load().raw
	quoted, oob := make([]byte, 2048), make([]byte, 512)
	for {
		var size, control int
		var from unix.Sockaddr
		var err error
		failed := raw.Control(func(fd uintptr) {
			size, control, _, from, err = unix.Recvmsg(int(fd), quoted, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		})
		if failed != nil || err != nil {
			return n
		}
		n++
		errno, ok := extendedError(oob[:control])
		to, known := addrPort(from)
		if ok && known {
			s.watch.refused(to, quoted[:size], errno)
		}
	}
}

// extendedError reads sock_extended_err of ip(7).
func extendedError(oob []byte) (errno syscall.Errno, ok bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0, false
	}
	for _, m := range messages {
		v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if (v4 || v6) && len(m.Data) >= 16 {
			return syscall.Errno(binary.NativeEndian.Uint32(m.Data)), true
		}
	}
	return 0, false
}

func addrPort(sa unix.Sockaddr) (netip.AddrPort, bool) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), true
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)), true
	}
	return netip.AddrPort{}, false
}
