package ng

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const receiveBuffer = 1 << 20 // bytes; some 500 answers at once

// listen opens a node's socket. It is not connected: an rtpengine with several
// addresses that answers from another than it was asked at would be silent without
// a trace; so such answers are seen, counted and dropped.
func listen(c *Client, is Node) (*node, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		failed := raw.Control(func(fd uintptr) { err = askUnreachable(int(fd), is.Address.Addr().Is4()) })
		return errors.Join(failed, err)
	}}
	local := netip.IPv6Unspecified()
	if is.Address.Addr().Is4() {
		local = netip.IPv4Unspecified()
	}
	if c.config.Local.IsValid() {
		local = c.config.Local.Unmap()
	}
	network := "udp6"
	if local.Is4() {
		network = "udp4"
	}
	pc, err := lc.ListenPacket(context.Background(), network, netip.AddrPortFrom(local, 0).String())
	if err != nil {
		return nil, fmt.Errorf("rtpengine node %q: %w", is.Name, err)
	}
	udp := pc.(*net.UDPConn)
	_ = udp.SetReadBuffer(receiveBuffer) // what the kernel grants; what is dropped is asked for again
	return &node{name: is.Name, address: is.Address, client: c, udp: udp, waiting: map[uint64]*request{}}, nil
}

// read takes what arrives until Close.
func (n *node) read() {
	buf := make([]byte, 64<<10)
	for {
		size, from, err := n.udp.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil && netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) == n.address:
			n.answer(buf[:size])
		case err == nil:
			n.counts.foreign.Add(1)
		case n.client.ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		case !n.reported() && !errors.Is(err, syscall.ECONNREFUSED): // a writer may have taken the report
			n.pause()
		}
	}
}

// write sends the request. An error is not this request's for sure: the socket also
// reports what became of earlier ones, so it is written again once. What fails for
// good is lost like a datagram on its way, and ends with the timeout.
func (n *node) write(r *request) {
	for range 2 {
		_, err := n.udp.WriteToUDPAddrPort(r.out, n.address)
		if err == nil || errors.Is(err, net.ErrClosed) {
			return
		}
		n.reported()
	}
}

// reported looks at why the socket has an error. That nobody listens at the node's
// port is as sure as silence: rtpengine has ended. It says whether there was a report.
func (n *node) reported() bool {
	reports, closed := n.unreachable()
	if closed {
		n.refused()
	}
	return reports > 0
}

// pause keeps the reader from spinning on a socket that fails for good.
func (n *node) pause() {
	select {
	case <-time.After(10 * time.Millisecond):
	case <-n.client.ctx.Done():
	}
}

// askUnreachable has the kernel report ICMP messages to the socket (ip(7), IP_RECVERR).
func askUnreachable(fd int, v4 bool) error {
	if v4 {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_RECVERR, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
}

// unreachable empties the queue of ICMP messages, which would fill the socket's
// memory. closed says that one was a "port unreachable" for a request of ours: it must
// quote the cookie, which who has not seen the request cannot know.
func (n *node) unreachable() (reports int, closed bool) {
	raw, err := n.udp.SyscallConn()
	if err != nil {
		return 0, false
	}
	quoted, control := make([]byte, 64), make([]byte, 512)
	for {
		var size, of int
		failed := raw.Control(func(fd uintptr) {
			size, of, _, _, err = unix.Recvmsg(int(fd), quoted, control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		})
		if failed != nil || err != nil {
			return reports, closed
		}
		reports++
		cookie, _, ok := cookieOf(quoted[:size])
		closed = closed || ok && n.asked(cookie) && portClosed(control[:of])
	}
}

// asked says whether the cookie is one of lately.
func (n *node) asked(cookie uint64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.waiting[cookie] != nil || n.ended[cookie%lately].cookie == cookie
}

// portClosed reads sock_extended_err of ip(7).
func portClosed(control []byte) bool {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return false
	}
	for _, m := range messages {
		v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR
		v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
		if (v4 || v6) && len(m.Data) >= 16 && syscall.Errno(binary.NativeEndian.Uint32(m.Data)) == syscall.ECONNREFUSED {
			return true
		}
	}
	return false
}
