package b2bua_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"bulkhead/b2bua"
	"bulkhead/b2bua/simtest"
	"bulkhead/carriers"
	"bulkhead/dialog"
	"bulkhead/storage"
)

// broken is a book that has lost its gateways: asked for one that a redirection names, the
// core panics. Without its index every call does, without its sources every message.
type broken struct {
	b2bua.Book
	lost    bool
	index   bool
	sources bool
	owners  bool
	ranges  atomic.Int32 // so many numbers have lost theirs
}

func (b *broken) CarrierAt(realm string, source netip.Addr, name string) bool {
	if b.owners {
		panic("no owners")
	}
	return b.Book.CarrierAt(realm, source, name)
}

func (b *broken) Ranges(number string) []carriers.Bound {
	if b.ranges.Add(-1) >= 0 {
		panic("no ranges")
	}
	return b.Book.Ranges(number)
}

func (b *broken) Trunk(realm string, source netip.Addr) *carriers.Trunk {
	if b.sources {
		panic("no sources")
	}
	return b.Book.Trunk(realm, source)
}

func (b *broken) Select(now time.Time, s dialog.Setup, j carriers.Judge) carriers.Choice {
	if b.index {
		panic("no index")
	}
	return b.Book.Select(now, s, j)
}

func (b *broken) Contact(carrier, uri, number string) (dialog.Target, bool) {
	if b.lost {
		panic("no gateways")
	}
	return b.Book.Contact(carrier, uri, number)
}

// TestPanicIsContained: a defect that shows in one call ends that call, 500 to the
// trunk and CANCEL or BYE to the carriers, and no other call notices.
func TestPanicIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Faulty = true
		defer func() {
			if t.Failed() {
				t.Log("\n" + s.Ladder() + s.Record() + s.Counters())
			}
		}()
		book := &broken{}
		s.Wrap = func(b b2bua.Book) b2bua.Book {
			book.Book = b
			return book
		}
		s.Do(`
			carrier tc1 redirect=3
			carrier tc2
			route +331* tc1 tc2
			route +332* tc2
			trunk INVITE +33223456789 sdp            # a call that is well
			tc2 100 ; +1s tc2 200 sdp
			trunk ACK`)
		book.lost = true
		s.Do(`
			trunk INVITE +33123456789 sdp            # one in which a defect will show
			tc1 100 ; +1s tc1 180`)
		s.Do("tc1 302 contact=sip:198.51.100.12")
		if _, n := s.Count("trunk", "500"); n != 1 {
			t.Errorf("the trunk got %d times 500", n)
		}
		s.Do("trunk ACK")
		book.index = true
		s.Do(`
			trunk INVITE +33123456789 sdp            # and one that cannot even begin
			trunk ACK`)
		book.index = false
		if _, n := s.Count("trunk", "500"); n != 2 {
			t.Errorf("the trunk got %d times 500", n)
		}
		book.sources = true
		s.Do("trunk INVITE +33123456789 sdp") // what no call has yet is dropped
		book.sources = false
		if s.Engine.Active() != 1 {
			t.Errorf("%d calls active, want the one that is well", s.Engine.Active())
		}
		s.Do(`
			+10s trunk BYE call=1
			tc2 200 BYE
			settle`)
		if n := s.Counter("panics_total"); n != 3 {
			t.Errorf("%g panics counted, want 3", n)
		}
		for _, fault := range s.Promises() {
			t.Error(fault)
		}
		var results []string
		for _, r := range s.Records() {
			results = append(results, r.Result+" "+r.Cause)
		}
		if !slices.Equal(results, []string{"failed fault", "failed fault", "answered hung_up"}) {
			t.Errorf("records: %q", results)
		}
	})
}

// stuck is a store in which no call is found for as long as it is stuck.
type stuck struct {
	storage.Store
	is atomic.Bool
}

func (s *stuck) Get(ctx context.Context, id string) (storage.Item, error) {
	if s.is.Load() {
		<-ctx.Done()
		return storage.Item{}, ctx.Err()
	}
	return s.Store.Get(ctx, id)
}

// TestPanicWhileACallIsLookedForIsContained, also where new calls are let in after a
// takeover: the others are made.
func TestPanicWhileACallIsLookedForIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &stuck{Store: storage.NewMemory(time.Now)}
		book := &broken{}
		n := takes(t, store, "a", func(b2bua.Book) b2bua.Book {
			book.Book = limited(t, nil)
			return book
		})
		defer n.serves()()
		n.engine.Load(store)
		seal := dialog.NewSeal([32]byte{}, "u")
		bye := func(call byte) []byte {
			return trunkSays("BYE", 1, 2, "<sip:123@127.0.10.1>;tag="+seal.Tag(dialog.ID{Call: dialog.CallID{call}}))
		}
		book.sources = true
		sends(t, "a defect", n.fed("core", trunkSource, bye(1)))
		book.sources = false
		sends(t, "BYE of no call", n.fed("core", trunkSource, bye(1)), "481 BYE")

		sends(t, "new calls while calls are restored", append(n.invites(1), append(n.invites(2), n.invites(3)...)...))
		<-time.After(4900 * time.Millisecond)
		store.is.Store(true)
		for call := range byte(63) { // all but one that may look
			sends(t, "BYE", n.fed("core", trunkSource, bye(call)))
		}
		book.ranges.Store(2)
		<-time.After(150 * time.Millisecond)
		store.is.Store(false)
		<-time.After(time.Second)
		synctest.Wait()
		if left := book.ranges.Load(); left > 0 || n.engine.Active() != 1 {
			t.Errorf("%d defects to come, %d calls", left, n.engine.Active())
		}
	})
}

// defective is an engine with a carrier that is watched and registered with, whose log
// panics when it is told of a gateway, so many times.
func defective(t *testing.T, book *broken, times *atomic.Int32) (*b2bua.Engine, *sink, *observer.ObservedLogs) {
	t.Helper()
	is, err := carriers.NewBook(carriers.Config{
		Carriers: map[string]carriers.CarrierConfig{"tc1": {
			Realm: "peering", Gateways: []carriers.GatewayConfig{{Address: "127.0.21.1:5060", Weight: 1}},
			Health:   &carriers.HealthConfig{Options: 10 * time.Second, DownAfter: 1, UpAfter: 1},
			Register: &carriers.RegisterConfig{AOR: "sip:us@127.0.21.1", Expires: time.Hour},
		}},
	}, carriers.Realms{"peering": {{Transport: dialog.UDP, Address: netip.MustParseAddrPort("127.0.20.1:5060")}}})
	if err != nil {
		t.Fatal(err)
	}
	book.Book = is
	core, logs := observer.New(zap.InfoLevel)
	log := zap.New(core, zap.Hooks(func(e zapcore.Entry) error {
		if e.Message == "gateway" && times.Add(-1) >= 0 {
			panic("no log")
		}
		return nil
	}))
	s := &sink{}
	timers := dialog.Timers{T1: 500 * time.Millisecond, T2: 4 * time.Second, T4: 5 * time.Second}
	return b2bua.New(b2bua.Config{Timers: timers}, book, s, unrecorded{}, log, b2bua.NewMetrics(prometheus.NewRegistry()), nil), s, logs
}

// TestPanicOverAREGISTERIsContained: its next answer counts.
func TestPanicOverAREGISTERIsContained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := &broken{}
		e, s, logs := defective(t, book, &atomic.Int32{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go e.Run(ctx)
		synctest.Wait()
		ok := with(respond(sentFirst(s.take(), "REGISTER"), "200 OK", "registrar"), "Expires: 3600")
		book.owners = true
		say(t, e, "peering", ok)
		book.owners = false
		say(t, e, "peering", ok)
		if logs.FilterMessage("registered").Len() != 1 {
			t.Errorf("%v", logs.All())
		}
	})
}

// TestPanicOverAPingIsContained: whether it is with its answer that a defect shows, where it
// cannot be sent, or where nothing answers, the gateway is asked again.
func TestPanicOverAPingIsContained(t *testing.T) {
	for _, what := range []string{"answered", "not sent", "not answered"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var times atomic.Int32
				times.Store(1)
				e, s, _ := defective(t, &broken{}, &times)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if what == "not sent" {
					s.breaks(errors.New("no way"))
				}
				go e.Run(ctx)
				for waited := 0; times.Load() > 0 && waited < 600; waited++ {
					<-time.After(100 * time.Millisecond)
					synctest.Wait()
					if ping := sentFirst(s.take(), "OPTIONS"); ping != nil && what == "answered" {
						say(t, e, "peering", respond(ping, "200 OK", "x"))
					}
				}
				s.breaks(nil)
				s.take()
				<-time.After(30 * time.Second)
				synctest.Wait()
				if sentFirst(s.take(), "OPTIONS") == nil || times.Load() > 0 {
					t.Errorf("not asked again; %d defects to come", times.Load())
				}
			})
		})
	}
}
