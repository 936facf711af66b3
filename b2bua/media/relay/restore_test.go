package relay

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Another process goes on: same ports, same peers, the source that was found.
func TestTakeover(t *testing.T) {
	one := begin(t, testPorts)
	a, b := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	nat := sit(t, "127.0.236.3", 0) // A is behind it
	s := connect(t, one, a, b, SameIP)
	far := [2]Remote{{RTP: a.at, Source: nat.at.Addr()}, {RTP: b.at}}
	aim(t, s, A, far[A])
	for i := range uint16(10) {
		nat.say(s.Local(A), packet(1, i))
		b.hears(packet(1, i), s.Local(B))
	}
	st := s.Stats()
	if st[A].Heard != nat.at || st[A].SSRC != 1 || st[B].Heard.IsValid() {
		t.Fatalf("heard from %v with %d, and from %v; want %v with 1, and nobody", st[A].Heard, st[A].SSRC, st[B].Heard, nat.at)
	}
	one.Shut()

	two := begin(t, testPorts)
	for i := range far {
		if err := two.Restore(s.at[i]); err != nil {
			t.Fatal(err)
		}
		far[i].Heard, far[i].SSRC = st[i].Heard, st[i].SSRC
		if err := two.Aim(s.at[i], far[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := two.Join(s.at[A], s.at[B]); err != nil {
		t.Fatal(err)
	}
	b.say(s.at[B], packet(2, 1))
	nat.hears(packet(2, 1), s.at[A]) // without a word of A's
	nat.say(s.at[A], packet(1, 11))
	b.hears(packet(1, 11), s.at[B])
	if err := two.Restore(s.at[A]); !errors.Is(err, ErrInUse) {
		t.Errorf("restored twice: %v", err)
	}
	until(t, "four sockets", func() bool { return two.Totals().Sockets == 4 })
}

// What was heard is believed as far as the policy goes, and only before anything is heard.
func TestHeardIsBelievedOnce(t *testing.T) {
	r := begin(t, testPorts)
	a, other := netip.MustParseAddrPort(sdp), netip.MustParseAddrPort(sdp2)
	for name, c := range map[string]struct {
		first, then Remote
		want        netip.AddrPort
	}{
		"at first":         {Remote{RTP: a, Heard: other}, Remote{RTP: a}, other},
		"a stranger":       {Remote{RTP: a, Heard: netip.MustParseAddrPort(alien)}, Remote{RTP: a}, a},
		"strict":           {Remote{RTP: a, Heard: other, Latch: Strict}, Remote{RTP: a, Latch: Strict}, a},
		"later":            {Remote{RTP: a}, Remote{RTP: a, Heard: other}, a},
		"new description":  {Remote{RTP: a, Heard: other}, Remote{RTP: netip.MustParseAddrPort(alien)}, netip.MustParseAddrPort(alien)},
		"becomes stricter": {Remote{RTP: a, Heard: other}, Remote{RTP: a, Latch: Strict}, a},
	} {
		e := &end{relay: r, local: netip.MustParseAddrPort("192.0.2.9:30000")}
		if err := errors.Join(e.aim(1, c.first), e.aim(2, c.then)); err != nil {
			t.Error(err)
		}
		if e.to[media] != targetOf(c.want) {
			t.Errorf("%s: sent to %v, want %v", name, e.to[media], c.want)
		}
	}
}

// A node binds what it restores before it has the address.
func TestRestoredBeforeTheAddressIsThere(t *testing.T) {
	r := begin(t, testPorts)
	for _, at := range []string{"192.0.2.77:23600", "[2001:db8::77]:23600"} {
		if err := r.Restore(netip.MustParseAddrPort(at)); err != nil {
			if errors.Is(err, syscall.EADDRNOTAVAIL) && !freebind {
				t.Skip(err)
			}
			t.Error(err)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	r := begin(t, testPorts)
	for _, port := range []uint16{23601, 0} {
		if err := r.Restore(netip.AddrPortFrom(ip("127.0.236.10"), port)); err == nil {
			t.Errorf("restored on port %d", port)
		}
	}
	sit(t, "127.0.236.11", 23601)
	if err := r.Restore(netip.AddrPortFrom(ip("127.0.236.11"), 23600)); !errors.Is(err, ErrInUse) {
		t.Errorf("restored on a port that another process has: %v", err)
	}
	until(t, "no sockets", func() bool { c := r.Totals(); return c.Sockets == 0 && c.Used == 0 && c.Ends == 0 })
}

// descriptors are how many this process has open.
func descriptors(t *testing.T) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// limited lets this process have only so many descriptors.
func limited(t *testing.T, n int) {
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	now := was
	now.Cur = uint64(n)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was) })
}

// 10,000 streams come and go, many at once, with failures in between, and packets meanwhile: nothing is left.
func TestNothingIsLeftOfTenThousandStreams(t *testing.T) {
	const streams, workers, most = 10_000, 8, 12
	a, b := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	sit(t, "127.0.236.10", 23611) // somebody else's
	before := descriptors(t)
	limited(t, before+workers*most*3)
	// Few ports, so that they run out, and hardly a rest, so that they come back.
	r := begin(t, Config{First: 23600, Last: 23739, Quarantine: time.Nanosecond, Full: 20, Threads: 2})
	var opened, restored, exhausted, descriptorsOut, notRestored atomic.Int64
	var first []netip.AddrPort // ports run out for sure, once
	for exhausted.Load() == 0 {
		local, err := r.Open(ip("127.0.236.13"))
		if errors.Is(err, ErrExhausted) {
			exhausted.Add(1)
		} else if err != nil {
			t.Fatal(err)
		}
		first = append(first, local)
	}
	for _, local := range first {
		r.Close(local)
	}
	until(t, "ports again", func() bool { return r.Totals().Used+r.Totals().Quarantined == 0 })
	limited(t, 3) // and so do descriptors
	if _, err := r.Open(ip("127.0.236.13")); !errors.Is(err, syscall.EMFILE) {
		t.Fatalf("opened without a descriptor: %v", err)
	}
	descriptorsOut.Add(1)
	limited(t, before+workers*most*3)
	var work sync.WaitGroup
	for w := range workers {
		work.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			var ends []netip.AddrPort
			keep := func(n int) {
				for len(ends) > n {
					r.Close(ends[0])
					ends = ends[1:]
				}
			}
			failed := func(err error) {
				switch {
				case errors.Is(err, ErrExhausted):
					exhausted.Add(1)
				case errors.Is(err, syscall.EMFILE):
					descriptorsOut.Add(1)
				default:
					t.Error(err)
				}
				keep(len(ends) / 2)
			}
			open := func(at string) (netip.AddrPort, bool) {
				local, err := r.Open(ip(at))
				if err != nil {
					failed(err)
					return local, false
				}
				ends = append(ends, local)
				return local, true
			}
			for opened.Load() < streams && !t.Failed() {
				from, ok := open("127.0.236.10")
				if !ok {
					continue
				}
				to, ok := open("127.0.236.11")
				if !ok {
					continue // the call has failed between its two legs
				}
				opened.Add(1)
				if err := errors.Join(r.Aim(from, Remote{RTP: a.at}), r.Aim(to, Remote{RTP: b.at}), r.Join(from, to)); err != nil {
					t.Error(err)
				}
				_, _ = a.conn.WriteToUDPAddrPort(packet(1, 1), from)
				switch random.IntN(6) {
				case 0: // the next attempt
					if next, ok := open("127.0.236.12"); ok {
						_ = r.Join(ends[0], next)
					}
				case 1: // too early or not, it is all or nothing
					r.Close(ends[0])
					if err := r.Restore(ends[0]); err != nil {
						notRestored.Add(1)
						ends = ends[1:]
					} else {
						restored.Add(1)
					}
				}
				keep(random.IntN(most))
			}
			keep(0)
		})
	}
	work.Wait()
	t.Logf("%d opened, %d restored; ports ran out %d times, descriptors %d, not restored %d",
		opened.Load(), restored.Load(), exhausted.Load(), descriptorsOut.Load(), notRestored.Load())
	until(t, "baseline", func() bool {
		c := r.Totals()
		return c.Ends == 0 && c.Sockets == 0 && c.Used == 0 && c.Quarantined == 0
	})
	threads := r.Totals().Threads
	if threads != 2 {
		t.Errorf("%d readers; want a second one from 20 ends on", threads)
	}
	if got := descriptors(t); got > before+2*threads {
		t.Errorf("%d descriptors, %d before, and %d readers have two each", got, before, threads)
	}
	if descriptorsOut.Load() == 0 || notRestored.Load() == 0 {
		t.Error("not every failure has happened: this test is about them")
	}
	r.Shut()
	if got := descriptors(t); got != before {
		t.Errorf("%d descriptors, %d before", got, before)
	}
	if _, err := r.Open(ip("127.0.236.10")); !errors.Is(err, ErrClosed) {
		t.Errorf("opened after the end: %v", err)
	}
}
