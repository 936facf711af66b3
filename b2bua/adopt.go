package b2bua

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"bulkhead/dialog"
)

// snapshots are the profiles in force, and those of before that calls still have. Who
// was at the border when a call began is heard for as long as the call is there, so
// what is asked of an address is asked of the past as well.
type snapshots struct {
	now atomic.Pointer[profiles]

	mu   sync.Mutex // of who writes past
	past atomic.Pointer[[]*profiles]

	turn    sync.Mutex // one Adopt at a time
	adopted []func(Book)

	kept prometheus.Gauge // how many there are
}

// Adopt takes another book for the calls that begin from now on. Those that are there
// go on with what they began with.
func (e *Engine) Adopt(book Book) {
	all := &e.snapshots
	all.turn.Lock()
	defer all.turn.Unlock()
	before := all.now.Load()
	p := e.newProfiles(book, before)
	for _, f := range all.adopted {
		f(book)
	}
	all.mu.Lock()
	all.now.Store(p)
	if before != nil && before.strands.Load() > 0 {
		all.keep(before)
	}
	all.mu.Unlock()
	if before != nil && !slices.Equal(before.ranges, p.ranges) {
		e.regroup(p) // it asks for strands, and whoever has one may ask for the snapshots
	}
}

// Adopted has f called with the book in force, and then with every one that takes its
// place: each time before a call can begin with it, and never twice at once. What keeps
// account of trunks and gateways by name learns here who is there now. It must not
// call Adopt.
func (e *Engine) Adopted(f func(Book)) {
	e.snapshots.turn.Lock()
	defer e.snapshots.turn.Unlock()
	e.snapshots.adopted = append(e.snapshots.adopted, f)
	f(e.profiles().Book)
}

// profiles are those in force.
func (e *Engine) profiles() *profiles { return e.snapshots.now.Load() }

// earlier are the profiles of before that calls still have, the newest first.
func (s *snapshots) earlier() []*profiles {
	if past := s.past.Load(); past != nil {
		return *past
	}
	return nil
}

// hold says that one more call has these profiles. Adopt may have put others in their
// place since they were looked up: it looks at the count after it has done so, and this
// looks at what is in force after it has counted, so that one of the two sees the other.
func (s *snapshots) hold(p *profiles) {
	p.strands.Add(1)
	if s.now.Load() != p {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.keep(p)
	}
}

// release says that one call fewer has these profiles; the last lets go of them.
func (s *snapshots) release(p *profiles) {
	if p.strands.Add(-1) > 0 || s.now.Load() == p {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.strands.Load() > 0 {
		return
	}
	past := s.earlier()
	if i := slices.Index(past, p); i >= 0 {
		s.write(slices.Delete(slices.Clone(past), i, i+1))
	}
}

// keep enters profiles into the past. The lock is held.
func (s *snapshots) keep(p *profiles) {
	past := s.earlier()
	i, there := slices.BinarySearchFunc(past, p, func(a, b *profiles) int { return cmp.Compare(b.number, a.number) })
	if !there {
		s.write(slices.Insert(slices.Clone(past), i, p))
	}
}

// write puts a past in the place of the one that there is. The lock is held.
func (s *snapshots) write(past []*profiles) {
	s.past.Store(&past)
	s.kept.Set(float64(1 + len(past)))
}

// heard says that an address is, or was to a call that is still there, a trunk's or a
// gateway's.
func (e *Engine) heard(realm string, source netip.Addr) bool {
	return e.profiles().Known(realm, source) ||
		slices.ContainsFunc(e.earlier(), func(p *profiles) bool { return p.Known(realm, source) })
}

// audible are the engine's peers, for those whom a dialog names. We are none.
type audible struct{ *Engine }

// Known is dialog.Peers.
func (a audible) Known(realm string, at netip.Addr) bool { return a.heard(realm, at) }

// wasTrunk gives an INVITE's repeat or its CANCEL to a call that began when the source
// had another name, or had one at all. False: there is no such call.
func (e *Engine) wasTrunk(now string, realm string, source netip.Addr, it item) bool {
	m, last := it.message, now
	for _, p := range e.earlier() {
		t := p.Trunk(realm, source)
		if t == nil || t.Name == last {
			continue
		}
		last = t.Name
		if e.give(e.seal.Call(t.Name, m.CallID, m.FromTag, m.CSeq), it) {
			return true
		}
	}
	return false
}

// alike gives what is the same as before as the same value.
func alike(before map[string]*dialog.Policy, name string, d *dialog.Policy) *dialog.Policy {
	if was := before[name]; was != nil && reflect.DeepEqual(was, d) {
		return was
	}
	return d
}
