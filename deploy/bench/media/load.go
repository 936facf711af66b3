package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// Some sockets on either side share the calls, so that packets can be sent and read in batches: the load is to
// leave the machine to what is measured.
const (
	sockets = 4
	batch   = 64
	frame   = 20 * time.Millisecond
	size    = 172 // RTP with 20 ms of G.711
)

// load is the peers of both sides. Peer i of a side is who has call i.
type load struct {
	calls int
	conns [2][sockets]*net.UDPConn
	to    [2][]*net.UDPAddr // where peer i of a side sends to
	seq   uint16
}

func newLoad(calls int) (*load, error) {
	l := &load{calls: calls}
	for side, host := range [2]string{peerA, peerB} {
		l.to[side] = make([]*net.UDPAddr, calls)
		for i := range sockets {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(host)})
			if err != nil {
				return nil, err
			}
			raw, err := conn.SyscallConn()
			if err != nil {
				return nil, err
			}
			_ = raw.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
			})
			if err != nil {
				return nil, err
			}
			l.conns[side][i] = conn
		}
	}
	return l, nil
}

func (l *load) close() {
	for side := range l.conns {
		for _, c := range l.conns[side] {
			_ = c.Close()
		}
	}
}

// at is where a peer is.
func (l *load) at(side, call int) netip.AddrPort {
	return l.conns[side][call%sockets].LocalAddr().(*net.UDPAddr).AddrPort()
}

// send has all peers talk for a time. delays are those of the packets that came, in µs, from before the
// sending call to when the kernel had it for the other peer.
func (l *load) send(ctx context.Context, length time.Duration) (sent int, delays []int32, err error) {
	var mu sync.Mutex
	var readers, senders sync.WaitGroup
	for side := range l.conns {
		for _, c := range l.conns[side] {
			readers.Go(func() {
				heard := listen(c)
				mu.Lock()
				delays = append(delays, heard...)
				mu.Unlock()
			})
		}
	}
	frames := int(length / frame)
	for side := range l.conns {
		senders.Go(func() {
			n, fault := l.talk(ctx, side, frames)
			mu.Lock()
			defer mu.Unlock()
			sent += n
			if fault != nil {
				err = fault
			}
		})
	}
	senders.Wait()
	l.seq += uint16(frames)
	end := time.Now().Add(time.Second) // what is under way arrives
	for side := range l.conns {
		for _, c := range l.conns[side] {
			_ = c.SetReadDeadline(end)
		}
	}
	readers.Wait()
	for side := range l.conns {
		for _, c := range l.conns[side] {
			_ = c.SetReadDeadline(time.Time{})
		}
	}
	return sent, delays, err
}

// talk sends the packets of one side, spread over each frame as calls that know nothing of each other do.
func (l *load) talk(ctx context.Context, side, frames int) (int, error) {
	// In real time, where that is allowed: a sender that waits for its turn with a packet in hand would count as delay.
	runtime.LockOSThread() // never unlocked: the thread ends with its priority
	soon := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}
	_ = unix.SchedSetAttr(0, &soon, 0)
	var out [sockets]*ipv4.PacketConn
	var waiting [sockets][]ipv4.Message
	for i, c := range l.conns[side] {
		out[i] = ipv4.NewPacketConn(c)
	}
	flush := func(i int) error {
		now := uint64(time.Now().UnixNano())
		for _, m := range waiting[i] {
			binary.BigEndian.PutUint64(m.Buffers[0][12:], now)
		}
		for m := waiting[i]; len(m) > 0; {
			n, err := out[i].WriteBatch(m, 0)
			if err != nil {
				return fmt.Errorf("sending: %w", err)
			}
			m = m[n:]
		}
		waiting[i] = waiting[i][:0]
		return nil
	}
	buffers := make([][]byte, l.calls)
	for i := range buffers {
		buffers[i] = make([]byte, size)
	}
	total := frames * l.calls
	start, sent := time.Now(), 0
	gap := frame / time.Duration(l.calls)
	for sent < total {
		if ctx.Err() != nil {
			return sent, ctx.Err()
		}
		due := min(total, int(time.Since(start)/gap)+1)
		for ; sent < due; sent++ {
			call := sent % l.calls
			b := buffers[call]
			b[0], b[1] = 0x80, 8
			binary.BigEndian.PutUint16(b[2:], l.seq+uint16(sent/l.calls))
			binary.BigEndian.PutUint32(b[4:], uint32(l.seq+uint16(sent/l.calls))*160)
			binary.BigEndian.PutUint32(b[8:], uint32(side*100000+call+1))
			i := call % sockets
			waiting[i] = append(waiting[i], ipv4.Message{Buffers: [][]byte{b}, Addr: l.to[side][call]})
			if len(waiting[i]) == batch {
				if err := flush(i); err != nil {
					return sent, err
				}
			}
		}
		for i := range waiting {
			if err := flush(i); err != nil {
				return sent, err
			}
		}
		time.Sleep(time.Millisecond)
	}
	return sent, nil
}

// listen reads until the deadline.
func listen(c *net.UDPConn) (delays []int32) {
	in := ipv4.NewPacketConn(c)
	m := make([]ipv4.Message, batch)
	for i := range m {
		m[i].Buffers, m[i].OOB = [][]byte{make([]byte, 2048)}, make([]byte, 64)
	}
	for {
		n, err := in.ReadBatch(m, 0)
		if err != nil {
			return delays
		}
		for _, got := range m[:n] {
			if got.N != size || got.NN < 32 {
				continue
			}
			at := int64(binary.NativeEndian.Uint64(got.OOB[16:]))*1e9 + int64(binary.NativeEndian.Uint64(got.OOB[24:]))
			sent := int64(binary.BigEndian.Uint64(got.Buffers[0][12:]))
			delays = append(delays, int32((at-sent)/1000))
		}
	}
}
