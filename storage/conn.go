package storage

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// conn is a TCP connection that is read and written by system calls of which Go's
// scheduler is not told. They do not block, so it has nothing to arrange; told of
// them, it wakes its monitor thread whenever the process was idle before, which is
// what it is before nearly every batch. To wait is left to Go's poller.
type conn struct {
	net.Conn
	raw syscall.RawConn
}

// dialer makes connections, with TLS where there is a configuration for it.
func dialer(timeout time.Duration, config *tls.Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	d := &net.Dialer{Timeout: timeout, KeepAlive: time.Minute}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		plain, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: plain}
		if c.raw, err = plain.(syscall.Conn).SyscallConn(); err != nil {
			_ = plain.Close()
			return nil, err
		}
		if config == nil {
			return c, nil
		}
		named := config
		if named.ServerName == "" {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				_ = plain.Close()
				return nil, err
			}
			named = config.Clone()
			named.ServerName = host
		}
		secure := tls.Client(c, named)
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = plain.Close()
			return nil, err
		}
		return secure, nil
	}
}

// Read is net.Conn.
func (c *conn) Read(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	var errno syscall.Errno
	err = c.raw.Read(func(fd uintptr) bool {
		for {
			n, errno = call(unix.SYS_READ, fd, b)
			if errno != syscall.EINTR {
				return errno != syscall.EAGAIN
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case errno != 0:
		return 0, c.failed("read", errno)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write is net.Conn.
func (c *conn) Write(b []byte) (n int, err error) {
	var errno syscall.Errno
	err = c.raw.Write(func(fd uintptr) bool {
		for n < len(b) {
			var some int
			if some, errno = call(unix.SYS_WRITE, fd, b[n:]); errno == syscall.EINTR {
				continue
			} else if errno != 0 {
				return errno != syscall.EAGAIN
			}
			n += some
		}
		return true
	})
	if err == nil && errno != 0 {
		err = c.failed("write", errno)
	}
	return n, err
}

func (c *conn) failed(what string, errno syscall.Errno) error {
	return &net.OpError{Op: what, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(what, errno)}
}

// SyscallConn is syscall.Conn. The client looks with it, before each use, whether the
// connection is still good.
func (c *conn) SyscallConn() (syscall.RawConn, error) { return silent{c.raw}, nil }

// silent is a RawConn of which nobody is called to read as long as there is nothing to
// be read: no data, no end.
type silent struct{ syscall.RawConn }

// Read is syscall.RawConn.
func (s silent) Read(f func(fd uintptr) bool) error {
	var errno syscall.Errno
	err := s.Control(func(fd uintptr) {
		var b [1]byte
		_, _, errno = syscall.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), 1,
			unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	})
	if err != nil || errno == syscall.EAGAIN {
		return err
	}
	return s.RawConn.Read(f)
}

// call is read(2) or write(2) with bytes, of which there are some.
func call(number, fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
