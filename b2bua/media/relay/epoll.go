//go:build linux && !goroutines

package relay

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// thread reads the sockets of its ends, and nobody else does. It has an OS thread of its own, for
// which it asks the kernel for more than a fair share: media does not wait for signalling.
type thread struct {
	relay   *Relay
	ends    int           // under the relay's lock
	open    atomic.Int32  // sockets
	packets atomic.Uint64 // sent from its ends
	octets  atomic.Uint64
	haste   atomic.Int32 // Haste
	poll    int
	event   int // an eventfd: there is something in closing
	done    chan struct{}

	mu      sync.Mutex
	sockets atomic.Pointer[[]atomic.Pointer[socket]] // by descriptor; written under mu
	closing []closing
	ended   bool
}

// closing is sockets to be closed, and what is to be done when they are.
type closing struct {
	sockets [2]*socket
	then    func()
}

// hurry asks that this thread be run before others: in real time, as media servers do, or else before what is as nice as we are. What
// packets cost is little, but a codec waits for none. Who may is said by limits (rtprio 1, or nice 30: -10) or by CAP_SYS_NICE.
func hurry() Haste {
	soon := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}
	switch {
	case unix.SchedSetAttr(0, &soon, 0) == nil:
		return RealTime
	case unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -10) == nil:
		return Raised
	}
	return Fair // a container with its usual limits
}

func newThread(r *Relay) (*thread, error) {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	event, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(poll)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	if err := unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, event, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(event)}); err != nil {
		_, _ = unix.Close(poll), unix.Close(event)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	// A reader that rests keeps its place among those who run Go (GOMAXPROCS): so it brings its own, and never
	// waits for the one of signalling.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	t := &thread{relay: r, poll: poll, event: event, done: make(chan struct{})}
	none := make([]atomic.Pointer[socket], 256)
	t.sockets.Store(&none)
	go t.run()
	return t, nil
}

// run reads until stop. What is closed is closed between two rounds, so no event can be of a descriptor
// that is another socket's by now.
func (t *thread) run() {
	runtime.LockOSThread() // never unlocked: the thread ends with its priority
	defer close(t.done)
	t.haste.Store(int32(hurry()))
	events := make([]unix.EpollEvent, 128)
	b, from, w := make([]byte, MaxPacket), new(address), new(scratch)
	rest := unix.NsecToTimespec(int64(gathering))
	var asked time.Duration
	for n := 0; ; {
		if n == 0 {
			n = ready(t.poll, events, patience)
		}
		if n == 0 {
			var err error
			if n, err = unix.EpollWait(t.poll, events, -1); err != nil { // EINTR: no other is possible
				n = 0
				continue
			}
		}
		now := t.relay.now()
		sockets := *t.sockets.Load()
		rung, got := false, n
		for _, e := range events[:n] {
			if int(e.Fd) == t.event {
				rung = true
			} else if s := sockets[e.Fd].Load(); s != nil {
				s.read(now, b, from, w)
			}
		}
		if rung && !t.tidy(b, from) {
			return
		}
		n = 0
		if now-asked < dense {
			if got < len(events)/2 {
				pause(&rest)
			}
			n = ready(t.poll, events, 0)
		}
		asked = t.relay.now()
	}
}

// Where packets come close together, being woken for each costs as much as sending it. So the reader rests between two
// rounds, and finds some of them at once: a third less processor time a packet, for half a millisecond at most.
// A packet that comes alone does not wait.
const (
	dense     = 250 * time.Microsecond // from asking to the next packet
	gathering = 500 * time.Microsecond
)

// patience is how long a reader that has nothing to do keeps its place among those who run Go, in ms. Where it gave it up between
// two packets, it would wait in line for another behind signalling and the collector.
const patience = 40

// read takes one packet. Where there are more, the next round sees it: no end keeps the others waiting.
func (s *socket) read(now time.Duration, b []byte, from *address, w *scratch) {
	if n, ok := s.receive(b, from); ok {
		s.end.arrived(now, s, from.addrPort(), b[:min(n, len(b))], n, w)
	}
}

// listen opens a port and has it read.
func (t *thread) listen(at place, local address) (*socket, error) {
	fd, err := local.bind()
	if err != nil {
		return nil, err
	}
	s := &socket{at, fd}
	t.mu.Lock()
	all := *t.sockets.Load()
	if fd >= len(all) {
		more := make([]atomic.Pointer[socket], max(fd+1, 2*len(all)))
		for i := range all {
			more[i].Store(all[i].Load())
		}
		all = more
		t.sockets.Store(&all)
	}
	all[fd].Store(s)
	ended := t.ended
	t.open.Add(1)
	t.mu.Unlock()
	if ended {
		err = ErrClosed
	} else {
		err = unix.EpollCtl(t.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	}
	if err != nil {
		t.close([2]*socket{s}, nil)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return s, nil
}

// close has sockets closed, soon.
func (t *thread) close(sockets [2]*socket, then func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closing = append(t.closing, closing{sockets, then})
	if !t.ended {
		t.ring()
		return
	}
	t.mu.Unlock()
	<-t.done // nobody reads any more
	t.mu.Lock()
	t.shut()
}

func (t *thread) ring() {
	one := binary.NativeEndian.AppendUint64(nil, 1)
	_, _ = unix.Write(t.event, one) // full: it rings already
}

// tidy closes what is to be closed. false: the thread is to end.
func (t *thread) tidy(b []byte, from *address) bool {
	_, _ = unix.Read(t.event, b[:8])
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shut()
	if t.ended {
		_, _ = unix.Close(t.poll), unix.Close(t.event)
		t.poll, t.event = -1, -1
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) - 1)
	}
	return !t.ended
}

// shut closes the sockets. What has arrived for them and was not read is counted.
func (t *thread) shut() {
	all := *t.sockets.Load()
	var b [1]byte
	var from address
	for _, c := range t.closing {
		for _, s := range c.sockets {
			if s == nil {
				continue
			}
			for range 64 {
				if _, ok := s.receive(b[:], &from); !ok {
					break
				}
				t.relay.drops[Late].Add(1)
			}
			all[s.fd].Store(nil)
			_ = unix.Close(s.fd)
			t.open.Add(-1)
		}
		if c.then != nil {
			c.then()
		}
	}
	t.closing = nil
}

// stop ends the thread, when all that is to be closed is closed.
func (t *thread) stop() {
	t.mu.Lock()
	if !t.ended {
		t.ended = true
		t.ring()
	}
	t.mu.Unlock()
	<-t.done
}
