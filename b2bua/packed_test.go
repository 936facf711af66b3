package b2bua_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/dialog"
	"bulkhead/storage"
)

// TestCallsThatRestArePacked: held calls are kept as their records, and do what they
// would have done.
func TestCallsThatRestArePacked(t *testing.T) {
	running(t, b2bua.Config{}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		const calls = 10
		var answers []string
		for n := range calls {
			answers = append(answers, talking(t, e, s, n))
		}
		for range 2 { // deadlines that have moved on wake them meanwhile
			if got := e.Packed(); got != 0 {
				t.Fatalf("%d packed that may soon be over", got)
			}
			<-time.After(time.Second)
			synctest.Wait()
		}
		for range 20 { // Timers L and M are in it
			<-time.After(2 * time.Second)
			synctest.Wait()
			if got := e.Packed(); got != calls {
				t.Fatalf("%d of %d packed", got, calls)
			}
		}
		s.take()
		say(t, e, "core", trunkSays("OPTIONS", 0, 2, answers[0]))
		if sentFirst(s.take(), "SIP/2.0 200") == nil {
			t.Error("no answer within the dialog")
		}
		<-time.After(40 * time.Second)
		synctest.Wait()
		if got := e.Packed(); got != calls {
			t.Errorf("%d of %d packed again", got, calls)
		}
		if got := e.Borrowed(); got != 0 {
			t.Errorf("%d hold on to a record that they were made of once", got)
		}
		s.take()
		for n, to := range answers[:calls/2] {
			say(t, e, "core", trunkSays("BYE", n, 100, to))
			say(t, e, "peering", respond(sentFirst(s.take(), "BYE"), "200 OK", "carrier"))
		}
		if got := e.Active(); got != calls/2 {
			t.Errorf("%d calls", got)
		}
		e.Hangup(wanted)
		synctest.Wait()
		byes := 0
		for _, out := range s.take() {
			if string(out.data[:4]) == "BYE " {
				byes++
			}
		}
		if byes != calls {
			t.Errorf("%d BYEs for the two sides of %d calls", byes, calls/2)
		}
	})
}

var wanted = dialog.Cause{Why: dialog.Operator, Code: 480, Q850: 16}

// TestAPackedCallKeepsItsDeadline: its longest duration, here after it was packed.
func TestAPackedCallKeepsItsDeadline(t *testing.T) {
	running(t, b2bua.Config{}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		talking(t, e, s, 1)
		<-time.After(time.Minute)
		synctest.Wait()
		if got := e.Packed(); got != 1 {
			t.Fatalf("%d packed", got)
		}
		s.take()
		<-time.After(24 * time.Hour)
		synctest.Wait()
		if sentFirst(s.take(), "BYE") == nil || e.Active() != 0 {
			t.Errorf("no BYE at the longest duration; %d calls", e.Active())
		}
	})
}

// TestAPackedCallThatCannotBeRead: its peers hear 500, other calls nothing of it.
func TestAPackedCallThatCannotBeRead(t *testing.T) {
	running(t, b2bua.Config{}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		to := talking(t, e, s, 1)
		<-time.After(time.Minute)
		synctest.Wait()
		e.Spoil([]byte{2, 0, 1, 2, 3})
		to2 := talking(t, e, s, 2)
		s.take()
		say(t, e, "core", trunkSays("BYE", 1, 2, to))
		if sentFirst(s.take(), "SIP/2.0 500") == nil {
			t.Error("no 500 to a BYE of a call that cannot be read")
		}
		say(t, e, "core", trunkSays("BYE", 2, 2, to2))
		if sentFirst(s.take(), "BYE") == nil {
			t.Error("the other call does not end")
		}
		<-time.After(5 * time.Minute)
		synctest.Wait()
		if e.Strands() != 0 || e.Active() != 0 {
			t.Errorf("%d calls, %d active", e.Strands(), e.Active())
		}
	})
}

// TestATakeoverLaysDownWhatRests: confirmed calls are taken over as they are stored,
// those that are being set up go on at once.
func TestATakeoverLaysDownWhatRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		a := takes(t, store, "a", nil)
		die := a.serves()
		invite := find(t, a.trunk(invited...), "INVITE ")
		ok := find(t, a.carrier(respond(invite, "200 OK", "carrier")), "SIP/2.0 200")
		a.trunk(within("ACK", "ack", 1, ok)...)
		<-time.After(time.Second)
		die()

		b := takes(t, store, "b", nil)
		defer b.serves()()
		b.restores()
		if got := b.engine.Packed(); got != 1 {
			t.Errorf("%d packed", got)
		}
		if n, err := b.engine.Restoring(context.Background(), store, store.Scan); err != nil || n != 1 || b.engine.Active() != 1 {
			t.Errorf("taken twice: %d, %v; %d calls", n, err, b.engine.Active())
		}
		bye := within("BYE", "bye", 2, ok)
		b.carrier(respond(find(t, b.trunk(bye...), "BYE "), "200 OK", ""))
		synctest.Wait()
		<-time.After(time.Second)
		if ids := b.records(); len(ids) != 1 {
			t.Errorf("records: %q", ids)
		}
	})
}

// TestLookingUnpacksNothing: neither whoever writes all calls again nor who stops.
func TestLookingUnpacksNothing(t *testing.T) {
	k := &shelf{}
	running(t, b2bua.Config{Keeper: k}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		const calls = 5
		for n := range calls {
			talking(t, e, s, n)
		}
		<-time.After(40 * time.Second)
		synctest.Wait()
		talking(t, e, s, calls)
		stored := map[string]storage.Item{}
		for _, it := range k.states {
			stored[it.ID] = it
		}
		live := 0
		e.Live(func(it storage.Item) {
			live++
			if was := stored[it.ID]; it.Version != was.Version || string(it.Data) != string(was.Data) || it.Expires.Before(was.Expires) {
				t.Errorf("call %s: version %d, stored %d", it.ID, it.Version, was.Version)
			}
		})
		e.Stop(t.Context())
		if got := e.Packed(); got != calls || live != calls+1 {
			t.Errorf("%d of %d packed, %d live", got, calls, live)
		}
	})
}

// slowly is a store that answers a moment later.
type slowly struct{ shelf }

func (k *slowly) Put(it storage.Item, done func(error)) { k.shelf.Put(it, later(done)) }

func (k *slowly) End(it storage.Item, detail []byte, done func(error)) {
	k.shelf.End(it, detail, later(done))
}

func later(done func(error)) func(error) {
	if done == nil {
		return nil
	}
	return func(err error) { time.AfterFunc(10*time.Millisecond, func() { done(err) }) }
}

// TestADrainWaitsForTheLastWord: the record is given out before the refusal that rests
// on it goes out.
func TestADrainWaitsForTheLastWord(t *testing.T) {
	running(t, b2bua.Config{Keeper: &slowly{}}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		say(t, e, "core", trunkSays("INVITE", 1, 1, "<sip:123@127.0.10.1>"))
		<-time.After(20 * time.Millisecond)
		synctest.Wait()
		invite := sentFirst(s.take(), "INVITE")
		drained := make(chan error)
		go func() { drained <- e.Drain(t.Context(), t.Context()) }()
		say(t, e, "peering", respond(invite, "486 Busy Here", "carrier"))
		if err := <-drained; err != nil {
			t.Error(err)
		}
		e.Mute()
		if sentFirst(s.take(), "SIP/2.0 486") == nil {
			t.Error("the trunk has not heard how its call ended")
		}
	})
}
