package wire

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Waiting is how full the receive buffer of the fullest UDP socket is, 0 to 1: what peers
// have sent and nobody has read yet, of which the rest would be lost.
func (e *Edge) Waiting() (most float64) {
	for _, r := range e.realms {
		for _, s := range r.sockets {
			most = max(most, s.waiting())
		}
	}
	return most
}

// waiting asks for SO_MEMINFO (linux/sock_diag.h): what the queue takes and may take.
func (s *socket) waiting() (part float64) {
	_ = s.udp.Load().raw.Control(func(fd uintptr) {
		var info [9]uint32 // SK_MEMINFO_VARS
		size := uint32(unsafe.Sizeof(info))
		_, _, errno := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		if errno == 0 && info[1] > 0 { // SK_MEMINFO_RMEM_ALLOC, SK_MEMINFO_RCVBUF
			part = min(1, float64(info[0])/float64(info[1]))
		}
	})
	return part
}
