package relay

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Config is what a relay needs to know. Zero values are the defaults.
type Config struct {
	First, Last uint16        // media ports, both included; default 30000 to 39999
	Quarantine  time.Duration // how long a port rests after its stream; default 10 s
	Threads     int           // at most so many readers; default 2, and one processor less than there are
	Full        int           // ends from which on there is another reader; default 1600, 800 streams
}

// Relay is all media of a process.
type Relay struct {
	config Config
	start  time.Time // now is counted from here
	pool   pool
	drops  drops

	joins sync.Mutex // held by who changes which end hears which; before any end's mu

	mu      sync.Mutex
	closed  bool
	ends    map[netip.AddrPort]*end // by their local address of RTP
	threads []*thread
}

// New makes a relay. It opens nothing yet.
func New(c Config) (*Relay, error) {
	if c.First == 0 && c.Last == 0 {
		c.First, c.Last = 30000, 39999
	}
	if err := CheckPorts(c.First, c.Last); err != nil {
		return nil, fmt.Errorf("media ports %w", err)
	}
	c.First += c.First & 1
	if c.Quarantine == 0 {
		c.Quarantine = 10 * time.Second
	}
	if c.Threads == 0 {
		c.Threads = min(2, max(1, runtime.NumCPU()-1)) // under a flood, one processor is left to signalling
	}
	if c.Full == 0 {
		c.Full = 1600
	}
	return &Relay{
		config: c, start: time.Now(), ends: map[netip.AddrPort]*end{},
		pool: pool{first: c.First, last: (c.Last - 1) &^ 1, start: rand.IntN, by: map[netip.Addr]*ports{}},
	}, nil
}

// CheckPorts says what is wrong with a range of media ports, both included: a pair of an even port and the odd one after it
// has to be in it, and none below 1024 but an odd one that it begins with.
func CheckPorts(first, last uint16) error {
	if even := first + first&1; even < 1024 || last < even+1 { // after 65535 it is 0
		return fmt.Errorf("%d to %d: want none below 1024, and an even port with the odd one after it", first, last)
	}
	return nil
}

// now is never 0.
func (r *Relay) now() time.Duration { return time.Since(r.start) + 1 }

// Open opens a pair of ports at an address, and says RTP's, the even one. The error is ErrExhausted where there is none,
// ErrClosed, or what the kernel says: then nothing is left behind.
func (r *Relay) Open(at netip.Addr) (netip.AddrPort, error) {
	at = at.Unmap()
	var err error
	for range tries {
		var port uint16
		if port, err = r.pool.take(r.now(), at); err != nil {
			break
		}
		local := netip.AddrPortFrom(at, port)
		if err = r.open(local); err == nil {
			return local, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			r.pool.give(0, at, port)
			break
		}
		r.pool.give(r.now()+r.config.Quarantine, at, port)
		err = fmt.Errorf("%w: %w", ErrExhausted, err)
	}
	return netip.AddrPort{}, fmt.Errorf("media ports on %v: %w", at, err)
}

// tries is how many pairs are looked at for one that no other process has.
const tries = 32

// Restore opens the very pair that an end has had in another process; the address need not be there yet. All
// that is restored is restored before the first Open: ErrInUse is a pair that another end or process has by now.
func (r *Relay) Restore(local netip.AddrPort) error {
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	if !local.IsValid() || local.Port()&1 != 0 || local.Port() == 0 {
		return fmt.Errorf("media port %v: no even port", local)
	}
	if err := r.pool.reserve(local.Addr(), local.Port()); err != nil {
		return fmt.Errorf("media port %v: %w", local, err)
	}
	err := r.open(local)
	if err != nil {
		r.pool.give(0, local.Addr(), local.Port())
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		err = fmt.Errorf("%w: %w", ErrInUse, err)
	}
	if err != nil {
		return fmt.Errorf("media port %v: %w", local, err)
	}
	return nil
}

// open makes an end of a pair of ports that is taken.
func (r *Relay) open(local netip.AddrPort) error {
	e := &end{relay: r, local: local}
	var err error
	if e.thread, err = r.reader(); err != nil {
		return err
	}
	e.mu.Lock() // what arrives already waits until both are there
	for k := range e.sockets {
		at := netip.AddrPortFrom(local.Addr(), local.Port()+uint16(k))
		if e.sockets[k], err = e.thread.listen(place{e, kind(k)}, addressOf(at)); err != nil {
			break
		}
	}
	pair := e.sockets
	e.closed = err != nil
	e.mu.Unlock()
	r.mu.Lock()
	if err == nil && r.closed {
		err = ErrClosed
	}
	if err == nil {
		r.ends[local] = e
	} else {
		e.thread.ends--
	}
	r.mu.Unlock()
	if err != nil {
		e.thread.close(pair, nil)
	}
	return err
}

// reader finds a reader for one more end: the one with the fewest, of as many as the number of ends asks for.
func (r *Relay) reader() (*thread, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	if n := len(r.threads); n == 0 || n < r.config.Threads && len(r.ends) >= n*r.config.Full {
		t, err := newThread(r)
		if err != nil && n == 0 {
			return nil, err
		}
		if err == nil {
			r.threads = append(r.threads, t)
		}
	}
	least := r.threads[0]
	for _, t := range r.threads {
		if t.ends < least.ends {
			least = t
		}
	}
	least.ends++
	return least, nil
}

// ErrClosed means that an end is not open, or the relay is closed.
var ErrClosed = errors.New("not open")

func closedError(local netip.AddrPort) error {
	return fmt.Errorf("media port %v: %w", local, ErrClosed)
}

func (r *Relay) find(local netip.AddrPort) (*end, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.ends[local]; e != nil {
		return e, nil
	}
	return nil, closedError(local)
}

// place is what a socket is for.
type place struct {
	end  *end
	kind kind
}

// unbind closes the sockets of an end on their own thread, and gives their ports back after it.
func (r *Relay) unbind(e *end, pair [2]*socket) {
	e.thread.close(pair, func() { r.pool.give(r.now()+r.config.Quarantine, e.local.Addr(), e.local.Port()) })
}

// Haste is how a reader is run beside other threads.
type Haste uint8

// From the slowest on.
const (
	Fair     Haste = iota // as all others: where processors are busy, a packet waits for its turn
	Raised                // before others (nice -10)
	RealTime              // at once (SCHED_RR)
	hastes
)

var hasteNames = [hastes]string{"fair", "raised", "real_time"}

func (h Haste) String() string { return hasteNames[h] }

// Totals is what a relay has in use and what it has done.
type Totals struct {
	Ends, Sockets, Threads  int
	Readers                 [hastes]int     // of Threads, by Haste
	Used, Free, Quarantined int             // pairs of ports, on the addresses that have been used
	Packets, Octets         uint64          // sent on, RTCP among them
	Dropped                 [reasons]uint64 // by Reason
}

// Totals counts.
func (r *Relay) Totals() Totals {
	r.mu.Lock()
	c := Totals{Ends: len(r.ends), Threads: len(r.threads)}
	for _, t := range r.threads {
		c.Sockets += int(t.open.Load())
		c.Readers[t.haste.Load()]++
		c.Packets += t.packets.Load()
		c.Octets += t.octets.Load()
	}
	r.mu.Unlock()
	c.Used, c.Free, c.Quarantined = r.pool.count(r.now())
	for why := range r.drops {
		c.Dropped[why] = r.drops[why].Load()
	}
	return c
}

// Shut ends all ends and waits until every socket is closed.
func (r *Relay) Shut() {
	r.mu.Lock()
	r.closed = true
	threads := r.threads
	ends := slices.Collect(maps.Keys(r.ends))
	r.mu.Unlock()
	for _, local := range ends {
		r.Close(local)
	}
	for _, t := range threads {
		t.stop()
	}
}
