//go:build linux && !goroutines

package relay

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is one bound port. Its descriptor is closed by its thread alone: the next socket would get the
// same number, and with it what was still to be read or sent here.
type socket struct {
	place
	fd int
}

// address is an address of IPv4 or IPv6 as the kernel has it.
type address struct {
	size uint32 // of what the kernel is to look at; 0: none
	raw  unix.RawSockaddrInet6
}

// target is where packets go to.
type target = address

func addressOf(at netip.AddrPort) address { return targetOf(at) }

func targetOf(to netip.AddrPort) (a address) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&a.raw.Port))[:], to.Port())
	if to.Addr().Is4() {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw))
		v4.Family, v4.Addr, a.size = unix.AF_INET, to.Addr().As4(), unix.SizeofSockaddrInet4
	} else {
		a.raw.Family, a.raw.Addr, a.size = unix.AF_INET6, to.Addr().As16(), unix.SizeofSockaddrInet6
	}
	return a
}

func (a *address) valid() bool { return a.size != 0 }

func (a *address) addrPort() netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&a.raw.Port))[:])
	if a.raw.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw)).Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(a.raw.Addr), port)
}

// ef is DSCP Expedited Forwarding (RFC 3246), in the byte that the header has.
const ef = 46 << 2

// bind opens a socket. The address may come later (IP_FREEBIND): a node takes calls over before it has it.
func (a *address) bind() (fd int, err error) {
	fd, err = unix.Socket(int(a.raw.Family), unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	set := func(level, option, value int) {
		if err == nil {
			err = unix.SetsockoptInt(fd, level, option, value)
		}
	}
	if a.raw.Family == unix.AF_INET {
		set(unix.IPPROTO_IP, unix.IP_FREEBIND, 1)
		set(unix.IPPROTO_IP, unix.IP_TOS, ef)
	} else {
		set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
		set(unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1)
		set(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, ef)
	}
	if err == nil {
		if _, _, no := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), uintptr(a.size)); no != 0 {
			err = no
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// receive reads a packet, whose whole length it says (MSG_TRUNC). The calls are raw: they never wait, so
// Go's scheduler need not know of them.
func (s *socket) receive(b []byte, from *address) (int, bool) {
	from.size = unix.SizeofSockaddrInet6
	n, _, no := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_TRUNC|unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(&from.raw)), uintptr(unsafe.Pointer(&from.size)))
	return int(n), no == 0
}

// send says whether the kernel has taken the packet.
func (s *socket) send(to *target, b []byte) bool {
	_, _, no := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&to.raw)), uintptr(to.size))
	return no == 0
}

// pause sleeps for less than it is worth to tell Go's scheduler of. A signal ends it.
func pause(long *unix.Timespec) {
	_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(long)), 0, 0)
}

// ready says what there is to be read, and waits for some ms at most, unseen by Go's scheduler. A signal ends it: so the collector
// need not wait for us.
func ready(poll int, events []unix.EpollEvent, wait int) int {
	n, _, no := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(poll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(wait), 0, 0)
	if no != 0 {
		return 0
	}
	return int(n)
}
