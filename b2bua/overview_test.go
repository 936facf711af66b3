package b2bua_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/dialog"
	"bulkhead/storage"
)

// TestOverviewsOfEveryState: as the peers say, also of calls that are packed.
func TestOverviewsOfEveryState(t *testing.T) {
	running(t, b2bua.Config{}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		states := func() (all []string) {
			list, missing := e.Overviews(t.Context())
			if missing != 0 {
				t.Errorf("%d missing", missing)
			}
			for _, o := range list {
				if o.Trunk != "pbx" || o.From != "a" || o.To != "123" || o.Began.IsZero() || o.Attempts != 1 || o.Carrier != "tc1" || o.Gateway != "127.0.21.1:5060" || o.Number != "123" {
					t.Errorf("%+v", o)
				}
				if o.Answered.IsZero() != (o.State < b2bua.Up) || o.Ended.IsZero() != (o.State < b2bua.Ending) {
					t.Errorf("%s: answered %v, ended %v", o.State, o.Answered, o.Ended)
				}
				all = append(all, o.State.String())
			}
			slices.Sort(all)
			return all
		}
		is := func(want string) {
			t.Helper()
			if got := strings.Join(states(), " "); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
		is("")
		to := talking(t, e, s, 1)
		is("up")
		<-time.After(40 * time.Second)
		synctest.Wait()
		if e.Packed() != 1 {
			t.Fatal("not packed")
		}
		is("up")
		if e.Packed() != 1 {
			t.Error("to be looked at unpacks it")
		}
		say(t, e, "core", trunkSays("INVITE", 2, 1, "<sip:123@127.0.10.1>"))
		invite := sentFirst(s.take(), "INVITE")
		is("hunting up")
		say(t, e, "peering", respond(invite, "180 Ringing", "carrier"))
		is("ringing up")
		s.take()
		say(t, e, "core", trunkSays("BYE", 1, 2, to))
		is("ending ringing")
		say(t, e, "peering", respond(sentFirst(s.take(), "BYE"), "200 OK", "carrier"))
		is("ringing settling")
	})
}

// late is a store that answers when it is told.
type late struct{ shelf }

// Put is b2bua.Keeper.
func (k *late) Put(_ storage.Item, done func(error)) {
	if done != nil {
		time.AfterFunc(time.Minute, func() { done(nil) })
	}
}

// TestOverviewsDoNotWaitForTheStore for longer than they may; what they could not see they
// count.
func TestOverviewsDoNotWaitForTheStore(t *testing.T) {
	running(t, b2bua.Config{Keeper: &late{}}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		say(t, e, "core", trunkSays("INVITE", 1, 1, "<sip:123@127.0.10.1>"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		list, missing := e.Overviews(ctx)
		if len(list) != 0 || missing != 1 {
			t.Errorf("%d calls, %d missing", len(list), missing)
		}
		ids := e.IDs()
		if e.Inspect(ctx, ids[0], func(*b2bua.Call) { t.Error("looked at after the time") }) {
			t.Error("seen")
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if list, missing := e.Overviews(t.Context()); len(list) != 1 || missing != 0 {
			t.Errorf("%d calls, %d missing", len(list), missing)
		}
		if !e.Inspect(t.Context(), ids[0], func(c *b2bua.Call) {
			if c.ID != ids[0] {
				t.Error(c.ID)
			}
		}) {
			t.Error("not seen")
		}
	})
}

// TestHangupOf ends one call and no other.
func TestHangupOf(t *testing.T) {
	running(t, b2bua.Config{}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		talking(t, e, s, 1)
		id := e.IDs()[0]
		talking(t, e, s, 2)
		s.take()
		if !e.HangupOf(id, wanted) || e.HangupOf(dialog.CallID{}, wanted) {
			t.Error("of one that is there, and of one that is not")
		}
		synctest.Wait()
		byes := 0
		for _, out := range s.take() {
			if strings.HasPrefix(string(out.data), "BYE") {
				byes++
				if out.to.Realm == "peering" {
					say(t, e, "peering", respond(out.data, "200 OK", "carrier"))
				}
			}
		}
		if byes != 2 {
			t.Errorf("%d BYEs", byes)
		}
	})
}

// BenchmarkOverviews lists 50,000 held calls that are packed.
func BenchmarkOverviews(b *testing.B) {
	k := &shelf{}
	p := newPipe(b, k, nil)
	p.setUp(b, 0)
	for k.puts() < 6 {
		runtime.Gosched()
	}
	const calls = 50_000
	e := newPipe(b, nil, nil).engine
	for i := range calls {
		if err := e.Restore(copied(b, p.engine, k.states[5], uint64(i))); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	began := processor(b)
	for b.Loop() {
		if all, missing := e.Overviews(b.Context()); len(all) != calls || missing != 0 {
			b.Fatal(len(all), missing)
		}
	}
	b.ReportMetric((processor(b)-began).Seconds()*1000/float64(b.N), "cpu-ms/op") // which other programs do not change much
}

// processor is the time of processors that this process has had.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
