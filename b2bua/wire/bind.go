package wire

import (
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// listening binds sockets after set has been done to them. With FreeBind an address
// need not be here yet.
func (c Config) listening(addr netip.Addr, set func(fd int) error) net.ListenConfig {
	return net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		failed := raw.Control(func(fd uintptr) {
			if c.FreeBind {
				err = freeBind(int(fd), addr)
			}
			if err == nil && set != nil {
				err = set(int(fd))
			}
		})
		if failed != nil {
			return failed
		}
		return err
	}}
}

// freeBind lets a socket be bound to an address that this host may get (ip(7)).
func freeBind(fd int, addr netip.Addr) error {
	if addr.Is4() {
		return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_FREEBIND, 1)
	}
	return unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
}

// network binds a socket to one family: "udp4", "tcp6".
func network(kind string, a netip.Addr) string {
	if a.Is4() {
		return kind + "4"
	}
	return kind + "6"
}
