//go:build linux && !goroutines

package relay

import (
	"testing"

	"golang.org/x/sys/unix"
)

const freebind = true

// Media goes out as Expedited Forwarding (RFC 3246), seen where it arrives.
func TestDSCP(t *testing.T) {
	for name, c := range map[string]struct {
		us, peer      string
		level, option int
	}{
		"IPv4": {"127.0.236.11", "127.0.236.2", unix.IPPROTO_IP, unix.IP_RECVTOS},
		"IPv6": {"::1", "::1", unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS},
	} {
		t.Run(name, func(t *testing.T) {
			r := begin(t, testPorts)
			a, b := sit(t, "127.0.236.1", 5000), sit(t, c.peer, 6000)
			s := open(t, r, ip("127.0.236.10"), ip(c.us))
			aim(t, s, A, Remote{RTP: a.at})
			aim(t, s, B, Remote{RTP: b.at})
			raw, err := b.conn.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), c.level, c.option, 1) })
			if err != nil {
				t.Fatal(err)
			}
			a.say(s.Local(A), packet(1, 1))
			about := make([]byte, 64)
			_, n, _, _, err := b.conn.ReadMsgUDPAddrPort(make([]byte, 2000), about)
			if err != nil {
				t.Fatal(err)
			}
			said, err := unix.ParseSocketControlMessage(about[:n])
			if err != nil || len(said) != 1 || said[0].Data[0] != 46<<2 {
				t.Errorf("%+v, %v; want the byte %#x", said, err, 46<<2)
			}
		})
	}
}
