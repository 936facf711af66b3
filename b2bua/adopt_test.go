package b2bua_test

import (
	"context"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"bulkhead/b2bua"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// bookWith is a book of one trunk, called so and calling from this prefix, and one
// carrier, whose gateway is at this address.
func bookWith(t testing.TB, trunk, from, carrier, gateway string, limited ...string) *carriers.Book {
	t.Helper()
	var limits []carriers.RangeConfig
	for _, number := range limited {
		limits = append(limits, carriers.RangeConfig{Number: number, LimitsConfig: carriers.LimitsConfig{Calls: 1_000_000}})
	}
	book, err := carriers.NewBook(carriers.Config{
		Trunks:   map[string]carriers.TrunkConfig{trunk: {Realm: "core", From: []string{from}}},
		Carriers: map[string]carriers.CarrierConfig{carrier: {Realm: "peering", Gateways: []carriers.GatewayConfig{{Address: gateway, Weight: 1}}}},
		Routes:   []carriers.RouteConfig{{Match: carriers.MatchConfig{Number: "*"}, Targets: []carriers.TargetConfig{{Carrier: carrier}}}},
		Limits:   limits,
	}, carriers.Realms{
		"core":    {{Transport: dialog.UDP, Address: netip.MustParseAddrPort("127.0.10.1:5060")}},
		"peering": {{Transport: dialog.UDP, Address: netip.MustParseAddrPort("127.0.20.1:5060")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// strangers is a book in which nobody of benchWith's is left.
func strangers(t testing.TB) *carriers.Book {
	return bookWith(t, "other", "127.0.99.0/24", "other", "127.0.98.1:5060")
}

// as is bench's book, but for its trunk's name, and the numbers that have a limit.
func as(t testing.TB, trunk string, limited ...string) *carriers.Book {
	return bookWith(t, trunk, "127.0.11.0/24", "tc1", "127.0.21.1:5060", limited...)
}

// metric is the value of a gauge.
func metric(t *testing.T, g prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	if err := g.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetGauge().GetValue()
}

// known says who of the two peers of bench is let in.
func known(e *b2bua.Engine) (trunk, carrier bool) {
	return e.Known("core", trunkSource.Addr()), e.Known("peering", carrierSource.Addr())
}

// TestR27_CallsKeepTheirPeers: a trunk and a carrier that have left the configuration
// are listened to for as long as there are calls that began with them, and no longer.
func TestR27_CallsKeepTheirPeers(t *testing.T) {
	for name, age := range map[string]time.Duration{"fresh": 0, "packed": 40 * time.Second} {
		t.Run(name, func(t *testing.T) {
			running(t, b2bua.Config{}, func(t *testing.T, e *b2bua.Engine, s *sink) {
				to := talking(t, e, s, 1)
				<-time.After(age)
				synctest.Wait()
				s.take()
				e.Adopt(strangers(t))
				e.Adopt(strangers(t)) // the snapshot that goes is not the one before
				if trunk, carrier := known(e); !trunk || !carrier {
					t.Errorf("with a call there: trunk known %v, carrier known %v", trunk, carrier)
				}
				say(t, e, "core", trunkSays("BYE", 1, 2, to))
				sent := s.take()
				if sentFirst(sent, "SIP/2.0 200") == nil {
					t.Error("the trunk's BYE has no answer")
				}
				say(t, e, "peering", respond(sentFirst(sent, "BYE"), "200 OK", "carrier"))
				if e.Active() != 0 {
					t.Error("the call has not ended")
				}
				<-time.After(5 * time.Minute)
				synctest.Wait()
				if trunk, carrier := known(e); trunk || carrier {
					t.Errorf("with the call gone: trunk known %v, carrier known %v", trunk, carrier)
				}
				if n := e.Snapshots(); n != 1 {
					t.Errorf("%d snapshots", n)
				}
			})
		})
	}
}

// TestR27_ATrunkThatLeftBeginsNothing: though it is listened to.
func TestR27_ATrunkThatLeftBeginsNothing(t *testing.T) {
	running(t, b2bua.Config{}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		talking(t, e, s, 1)
		e.Adopt(strangers(t))
		s.take()
		say(t, e, "core", trunkSays("INVITE", 2, 1, "<sip:123@127.0.10.1>"))
		if sentFirst(s.take(), "SIP/2.0 403") == nil || e.Strands() != 1 {
			t.Errorf("%d calls", e.Strands())
		}
	})
}

// TestR27_ACallBeingSetUp: what an INVITE's repeats and its CANCEL share has the
// trunk's name in it, which the trunk has lost since.
func TestR27_ACallBeingSetUp(t *testing.T) {
	for name, book := range map[string]*carriers.Book{"left": strangers(t), "renamed": as(t, "pbx2")} {
		t.Run(name, func(t *testing.T) {
			running(t, b2bua.Config{}, func(t *testing.T, e *b2bua.Engine, s *sink) {
				say(t, e, "core", trunkSays("INVITE", 1, 1, "<sip:123@127.0.10.1>"))
				invite := sentFirst(s.take(), "INVITE")
				e.Adopt(book)
				say(t, e, "peering", respond(invite, "180 Ringing", "carrier"))
				if sentFirst(s.take(), "SIP/2.0 180") == nil {
					t.Error("the carrier is not heard")
				}
				say(t, e, "core", trunkSays("INVITE", 1, 1, "<sip:123@127.0.10.1>"))
				if sent := s.take(); sentFirst(sent, "INVITE") != nil || sentFirst(sent, "SIP/2.0 180") == nil || e.Strands() != 1 {
					t.Errorf("a repeat of the INVITE is not one: %d calls", e.Strands())
				}
				cancel := strings.Replace(string(trunkSays("CANCEL", 1, 1, "<sip:123@127.0.10.1>")), "Contact: <sip:127.0.11.5>\r\n", "", 1)
				say(t, e, "core", []byte(cancel))
				sent := s.take()
				if sentFirst(sent, "SIP/2.0 487") == nil || sentFirst(sent, "CANCEL") == nil {
					t.Error("the trunk's CANCEL does not end the call")
				}
			})
		})
	}
}

// TestR27_TheLateAnswerOfACarrierThatLeft gets its ACK and its BYE while anything of
// that time is there.
func TestR27_TheLateAnswerOfACarrierThatLeft(t *testing.T) {
	running(t, b2bua.Config{Absorbing: 1}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		say(t, e, "core", trunkSays("INVITE", 1, 1, "<sip:123@127.0.10.1>"))
		invite := sentFirst(s.take(), "INVITE")
		say(t, e, "peering", respond(invite, "486 Busy Here", "carrier"))
		say(t, e, "core", trunkSays("ACK", 1, 1, field(sentFirst(s.take(), "SIP/2.0 486"), "To")))
		<-time.After(5 * time.Minute)
		talking(t, e, s, 2)
		if e.Strands() != 1 {
			t.Fatalf("%d calls", e.Strands())
		}
		e.Adopt(strangers(t))
		s.take()
		say(t, e, "peering", respond(invite, "200 OK", "carrier"))
		if sent := s.take(); sentFirst(sent, "ACK") == nil || sentFirst(sent, "BYE") == nil {
			t.Errorf("%d messages", len(sent))
		}
	})
}

// TestR27_SnapshotsAreLetGo: of a thousand books none is kept but the last, once the
// calls that began with them have gone.
func TestR27_SnapshotsAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s, m := bench(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go e.Run(ctx)
		const reloads = 1000
		var books []weak.Pointer[carriers.Book]
		var answers []string
		for n := range reloads {
			book := as(t, "pbx")
			books = append(books, weak.Make(book))
			e.Adopt(book)
			answers = append(answers, talking(t, e, s, n))
			if n%2 == 1 { // half of them go at once, in an order of their own
				for _, i := range []int{n, n - 1}[:1+n/2%2] {
					say(t, e, "core", trunkSays("BYE", i, 2, answers[i]))
					say(t, e, "peering", respond(sentFirst(s.take(), "BYE"), "200 OK", "carrier"))
				}
			}
		}
		if n := e.Snapshots(); n < reloads/4 || n > reloads {
			t.Errorf("%d snapshots while calls have them", n)
		} else if said := metric(t, m.Snapshots); said != float64(n) {
			t.Errorf("%d snapshots, and the metric says %v", n, said)
		}
		e.Hangup(dialog.Cause{Why: dialog.Operator, Code: 480, Q850: 16})
		synctest.Wait()
		for _, out := range s.take() {
			if strings.HasPrefix(string(out.data), "BYE") && out.to.Realm == "peering" {
				say(t, e, "peering", respond(out.data, "200 OK", "carrier"))
			}
		}
		<-time.After(10 * time.Minute)
		synctest.Wait()
		s.take()
		if n := metric(t, m.Snapshots); n != 1 {
			t.Errorf("the metric says %v", n)
		}
		if e.Strands() != 0 || e.Snapshots() != 1 {
			t.Errorf("%d calls, %d snapshots", e.Strands(), e.Snapshots())
		}
		runtime.GC()
		alive := 0
		for _, book := range books {
			if book.Value() != nil {
				alive++
			}
		}
		if alive != 1 {
			t.Errorf("%d books are in memory", alive)
		}
	})
}

// TestR27_AdoptWhileCallsBegin: no call begins with a snapshot that has been let go, and
// none is kept for ever because two things happened at once.
func TestR27_AdoptWhileCallsBegin(t *testing.T) {
	e, _, _ := bench(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var run, all sync.WaitGroup
	run.Go(func() { e.Run(ctx) })
	for lane := range 4 {
		all.Go(func() {
			for n := range 500 {
				id := lane*1000 + n
				for _, method := range []string{"INVITE", "CANCEL"} {
					if err := feed(e, "core", trunkSource, trunkSays(method, id, 1, "<sip:123@127.0.10.1>")); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	books := []*carriers.Book{as(t, "pbx", "12*"), as(t, "pbx2", "13*"), strangers(t)}
	all.Go(func() {
		for n := range 3000 {
			e.Adopt(books[n%3])
		}
	})
	all.Wait()
	if n := e.Unheld(); n != 0 {
		t.Errorf("%d calls have a snapshot that is let go", n)
	}
	e.Forget()
	if n := e.Snapshots(); n != 1 || e.Strands() != 0 {
		t.Errorf("%d snapshots of %d calls", n, e.Strands())
	}
	cancel()
	run.Wait()
}

// TestAdoptedIsToldOfEveryBook: of the one that is there, and of each that follows,
// before a call can begin with it.
func TestAdoptedIsToldOfEveryBook(t *testing.T) {
	e, _, _ := bench(t)
	var heard []string
	e.Adopted(func(b b2bua.Book) {
		heard = append(heard, strings.Join(b.Trunks(), ","))
		if now := e.Known("core", netip.MustParseAddr("127.0.99.1")); now {
			t.Error("told after the fact")
		}
	})
	e.Adopt(as(t, "pbx2"))
	e.Adopt(strangers(t))
	if want := []string{"pbx", "pbx2", "other"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
}

// TestAdoptKeepsWhatIsTheSame: a policy that has not changed is the same value, so that
// a thousand trunks in two snapshots are not two thousand.
func TestAdoptKeepsWhatIsTheSame(t *testing.T) {
	e, _, _ := bench(t)
	before, gone := e.Profiles().TrunkPolicy("pbx", "core"), e.Profiles().CarrierPolicy("tc1", "peering")
	e.Adopt(bookWith(t, "pbx", "127.0.12.0/24", "tc2", "127.0.21.1:5060"))
	if e.Profiles().TrunkPolicy("pbx", "core") != before {
		t.Error("the trunk's policy is another one")
	}
	if e.Profiles().CarrierPolicy("tc1", "peering") == gone {
		t.Error("the carrier that left still has its policy")
	}
}
