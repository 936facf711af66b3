package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"bulkhead/storage"
)

// staleFor is how old an INVITE may be that is still worth a call: its sender has not
// yet repeated it three times.
const staleFor = 3 * time.Second

// follower is a claim by address: the unit is this node's while all its virtual
// addresses are here. Whatever moves them decides.
type follower struct {
	node  string
	want  []netip.Addr
	store storage.Store
	log   *zap.Logger

	mu      sync.Mutex
	here    map[netip.Addr]map[int]bool // on which links
	arrived uint64                      // how often all have come together
	taken   uint64                      // the arrival for which the unit was taken
	spent   uint64                      // the one that another node has ended
	came    time.Time                   // the last arrival
	waited  bool                        // the addresses were here, and the unit another's
	listed  bool                        // what was here at the start is known
	changed chan struct{}               // closed at each change
}

func newFollower(node string, want []netip.Addr, store storage.Store, log *zap.Logger) *follower {
	return &follower{node: node, want: want, store: store, log: log,
		here: map[netip.Addr]map[int]bool{}, changed: make(chan struct{})}
}

// take waits for the addresses, then takes the unit. Who was fenced waits until they
// have left and come back: two nodes that have them both do not fight.
func (f *follower) take(ctx context.Context) (uint64, error) {
	warned := false
	for {
		err := f.until(ctx, func() bool {
			f.taken = f.arrived
			f.waited = f.waited || f.all() && f.arrived <= f.spent
			return f.all() && f.arrived > f.spent
		})
		if err != nil {
			return 0, err
		}
		epoch, err := f.store.Own(ctx, f.node)
		if err == nil {
			return epoch, nil
		}
		if !warned && ctx.Err() == nil {
			f.log.Warn("the addresses are here, the store does not answer", zap.Error(err))
			warned = true
		}
		select {
		case <-time.After(leaseAsk):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// left is claim: an address has gone, and perhaps come back.
func (f *follower) left(ctx context.Context) {
	f.mu.Lock()
	f.waited = false
	f.mu.Unlock()
	_ = f.until(ctx, func() bool { return !f.all() || f.arrived != f.taken }) // or the context has ended
}

// present is claim: it asks the kernel, whose news may be on their way.
func (f *follower) present() bool {
	list, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return true // nothing is known against it
	}
	return !slices.ContainsFunc(f.want, func(want netip.Addr) bool {
		return !slices.ContainsFunc(list, func(a netlink.Addr) bool {
			ip, _ := netip.AddrFromSlice(a.IP)
			return ip.Unmap() == want && usable(a.Flags)
		})
	})
}

// fenced is claim.
func (f *follower) fenced() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spent = f.taken
	if f.waited = f.all(); f.waited {
		f.log.Error("another node has taken the unit while its addresses are here: they are on two nodes",
			zap.Stringers("addresses", f.want))
	}
}

// forgive makes the addresses that are here count again.
func (f *follower) forgive() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spent = 0
	f.tellChange()
}

// late says that the addresses had been here for long when the unit was taken, or while
// it was another's: what waits in the sockets is older than what peers still repeat.
func (f *follower) late() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waited || time.Since(f.came) > staleFor
}

// barred says that the addresses are here, and the unit was another's since they came.
func (f *follower) barred() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all() && f.arrived <= f.spent
}

// until waits for what is asked with the lock held.
func (f *follower) until(ctx context.Context, is func() bool) error {
	for {
		f.mu.Lock()
		ok, changed := is(), f.changed
		f.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// all says that every address is here. The lock is held.
func (f *follower) all() bool {
	for _, a := range f.want {
		if len(f.here[a]) == 0 {
			return false
		}
	}
	return true
}

// follow hears of addresses until the context ends. When the kernel has dropped news,
// it begins anew.
func (f *follower) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := f.hear(ctx); err != nil {
			f.log.Error("following the addresses", zap.Error(err))
		}
		select {
		case <-time.After(leaseAsk):
		case <-ctx.Done():
		}
	}
}

// hear takes the news of one subscription. It begins before the addresses are listed,
// so that no change is missed between the two.
func (f *follower) hear(ctx context.Context) error {
	news, done := make(chan netlink.AddrUpdate, 64), make(chan struct{})
	var failed error // read after news is closed
	err := netlink.AddrSubscribeWithOptions(news, done, netlink.AddrSubscribeOptions{
		ErrorCallback: func(err error) { failed = err },
	})
	if err != nil {
		return fmt.Errorf("subscribing to addresses: %w", err)
	}
	defer func() {
		close(done)
		go func() { // what still comes, so that who brings it ends
			for range news {
			}
		}()
	}()
	list, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("listing addresses: %w", err)
	}
	f.set(list)
	for {
		select {
		case u, ok := <-news:
			if !ok {
				return fmt.Errorf("news of addresses: %w", failed)
			}
			ip, _ := netip.AddrFromSlice(u.LinkAddress.IP)
			f.change(ip.Unmap(), u.LinkIndex, u.NewAddr && usable(u.Flags))
		case <-ctx.Done():
			return nil
		}
	}
}

// usable says that an address can be sent from: it is nobody else's (RFC 4862 §5.4).
func usable(flags int) bool { return flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 }

// set is what is here now.
func (f *follower) set(list []netlink.Addr) {
	f.update(func() {
		if f.listed && f.all() {
			f.arrived++ // who listens anew does not know what happened meanwhile
		}
		f.listed = true
		clear(f.here)
		for _, a := range list {
			if ip, ok := netip.AddrFromSlice(a.IP); ok && usable(a.Flags) {
				f.put(ip.Unmap(), a.LinkIndex, true)
			}
		}
	})
}

func (f *follower) change(ip netip.Addr, link int, is bool) {
	f.update(func() { f.put(ip, link, is) })
}

// update changes what is here, and counts arrivals.
func (f *follower) update(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.all()
	do()
	if !before && f.all() {
		f.arrived++
		f.came = time.Now()
	}
	f.tellChange()
}

// tellChange wakes who waits. The lock is held.
func (f *follower) tellChange() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *follower) put(ip netip.Addr, link int, is bool) {
	if !is {
		delete(f.here[ip], link)
		return
	}
	if f.here[ip] == nil {
		f.here[ip] = map[int]bool{}
	}
	f.here[ip][link] = true
}

// follows says whether the unit's addresses decide who serves it.
func (c *Config) follows() bool { return c.Unit != nil && c.Unit.Mode == "address" }

// addresses are the unit's, as validate has found them.
func (u *UnitConfig) addresses() (all []netip.Addr) {
	for _, s := range u.Address {
		if a, err := netip.ParseAddr(s); err == nil {
			all = append(all, a.Unmap())
		}
	}
	return all
}
