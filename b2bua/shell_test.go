package b2bua_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/storage"
)

// field is the value of a header field of a message.
func field(data []byte, name string) string {
	_, rest, _ := strings.Cut(string(data), "\r\n"+name+": ")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// sentFirst is the first message sent that begins so; nil: none.
func sentFirst(sent []sunk, start string) []byte {
	for _, out := range sent {
		if strings.HasPrefix(string(out.data), start) {
			return out.data
		}
	}
	return nil
}

// trunkSays is a request of the trunk's call number n.
func trunkSays(method string, n, cseq int, to string) []byte {
	branch := fmt.Sprintf("z9hG4bK%d-%d", n, cseq)
	if method == "ACK" {
		branch += "-ack"
	}
	return []byte(strings.Join([]string{
		method + " sip:123@127.0.10.1 SIP/2.0", "Via: SIP/2.0/UDP 127.0.11.5;branch=" + branch,
		"From: <sip:a@127.0.11.5>;tag=trunk", "To: " + to, fmt.Sprintf("Call-ID: %d", n),
		fmt.Sprintf("CSeq: %d %s", cseq, method), "Contact: <sip:127.0.11.5>", "Content-Length: 0", "", "",
	}, "\r\n"))
}

// talking puts call n up and returns its To.
func talking(t *testing.T, e *b2bua.Engine, s *sink, n int) string {
	t.Helper()
	say(t, e, "core", trunkSays("INVITE", n, 1, "<sip:123@127.0.10.1>"))
	say(t, e, "peering", respond(sentFirst(s.take(), "INVITE"), "200 OK", "carrier"))
	to := field(sentFirst(s.take(), "SIP/2.0 200"), "To")
	say(t, e, "core", trunkSays("ACK", n, 1, to))
	return to
}

func say(t *testing.T, e *b2bua.Engine, realm string, data []byte) {
	t.Helper()
	source := trunkSource
	if realm == "peering" {
		source = carrierSource
	}
	if err := feed(e, realm, source, data); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

func running(t *testing.T, c b2bua.Config, do func(*testing.T, *b2bua.Engine, *sink)) {
	synctest.Test(t, func(t *testing.T) {
		e, s, _ := benchWith(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go e.Run(ctx)
		do(t, e, s)
	})
}

// TestClockKeepsOneEntryACall: what has ended is not kept by a deadline that it
// no longer has, and a call that is busy has no more entries than one that is not.
func TestClockKeepsOneEntryACall(t *testing.T) {
	running(t, b2bua.Config{}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		const calls = 20
		var answers []string
		for n := range calls {
			answers = append(answers, talking(t, e, s, n))
		}
		for i := range 50 { // 40 s apart, so that nothing nearer than the longest duration is left between
			<-time.After(40 * time.Second)
			say(t, e, "core", trunkSays("OPTIONS", 0, 2+i, answers[0]))
		}
		if got := e.Waiting(); got != calls {
			t.Errorf("%d entries for %d calls", got, calls)
		}
		s.take()
		for n, to := range answers {
			say(t, e, "core", trunkSays("BYE", n, 100, to))
			say(t, e, "peering", respond(sentFirst(s.take(), "BYE"), "200 OK", "carrier"))
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if e.Strands() != 0 || e.Waiting() != 0 {
			t.Errorf("a minute after the last BYE: %d calls, %d entries", e.Strands(), e.Waiting())
		}
	})
}

// TestACallThatIsOverIsWokenOnce: when the last of what it still answers repeats of has ended,
// and for none of the timers before it, Timer K and those of the INVITE.
func TestACallThatIsOverIsWokenOnce(t *testing.T) {
	running(t, b2bua.Config{}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		to := talking(t, e, s, 0)
		s.take()
		<-time.After(time.Second)
		say(t, e, "core", trunkSays("BYE", 0, 2, to))
		bye := sentFirst(s.take(), "BYE")
		if wait := time.Until(e.Next()); wait > 500*time.Millisecond {
			t.Errorf("the BYE is repeated after %v, if at all", wait) // it is over for the trunk alone
		}
		say(t, e, "peering", respond(bye, "200 OK", "carrier"))
		const timerJ = 64 * 500 * time.Millisecond
		wait := time.Until(e.Next())
		if wait < timerJ || wait > timerJ+time.Second {
			t.Errorf("woken after %v", wait)
		}
		<-time.After(wait)
		synctest.Wait()
		if e.Strands() != 0 || e.Waiting() != 0 {
			t.Errorf("%d calls, %d entries", e.Strands(), e.Waiting())
		}
	})
}

// TestLiveWhileCallsBegin: asking for all calls never waits for one that is just
// being made.
func TestLiveWhileCallsBegin(t *testing.T) {
	e, _, _ := bench(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { e.Run(ctx) })
	all.Go(func() {
		for n := 0; n < 2000 && ctx.Err() == nil; n++ {
			if err := feed(e, "core", trunkSource, trunkSays("INVITE", n, 1, "<sip:123@127.0.10.1>")); err != nil {
				t.Error(err)
			}
		}
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			e.Live(func(storage.Item) {})
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("Live does not return")
	}
	cancel()
	all.Wait()
}

// TestAbsorbingNeverForgetsTheTrunk: a call whose end the trunk has not
// acknowledged is there for the trunk's repeats, however many absorb.
func TestAbsorbingNeverForgetsTheTrunk(t *testing.T) {
	running(t, b2bua.Config{Absorbing: 1}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		for n := range 3 {
			say(t, e, "core", trunkSays("INVITE", n, 1, "<sip:123@127.0.10.1>"))
			say(t, e, "peering", respond(sentFirst(s.take(), "INVITE"), "486 Busy Here", "carrier"))
		}
		s.take()
		say(t, e, "core", trunkSays("INVITE", 2, 1, "<sip:123@127.0.10.1>"))
		sent := s.take()
		if len(sent) != 1 || !strings.HasPrefix(string(sent[0].data), "SIP/2.0 486") {
			t.Errorf("the repeated INVITE got %d messages", len(sent))
		}
		if n := e.Active(); n != 0 {
			t.Errorf("%d calls without a record", n)
		}
	})
}

// TestProvisionalIsStored: a 100 stops the timer for no response, so the state
// from before it must not be what another node goes on with.
func TestProvisionalIsStored(t *testing.T) {
	k := &shelf{}
	running(t, b2bua.Config{Keeper: k}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		say(t, e, "core", trunkSays("INVITE", 1, 1, "<sip:123@127.0.10.1>"))
		before := k.puts()
		say(t, e, "peering", respond(sentFirst(s.take(), "INVITE"), "100 Trying", "carrier"))
		if k.puts() != before+1 {
			t.Errorf("%d states before the 100, %d after it", before, k.puts())
		}
	})
}

// TestUnsentWithoutOurAddress: a message that cannot be sent because our own address
// has just left is lost like any other, and no fault of the carrier's.
func TestUnsentWithoutOurAddress(t *testing.T) {
	var here atomic.Bool
	running(t, b2bua.Config{Present: here.Load}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		s.breaks(errors.New("network is unreachable"))
		say(t, e, "core", trunkSays("INVITE", 1, 1, "<sip:123@127.0.10.1>"))
		if final := sentFirst(s.take(), "SIP/2.0 5"); final != nil {
			t.Fatalf("the trunk was refused:\n%s", final)
		}
		s.breaks(nil)
		here.Store(true)
		<-time.After(time.Second)
		synctest.Wait()
		if sentFirst(s.take(), "INVITE") == nil {
			t.Error("the INVITE is not sent again")
		}
		s.breaks(errors.New("network is unreachable"))
		say(t, e, "core", trunkSays("INVITE", 2, 1, "<sip:123@127.0.10.1>"))
		if sentFirst(s.take(), "SIP/2.0 5") == nil {
			t.Error("with our address here, the carrier's fault is not seen")
		}
	})
}

// shelf keeps what an engine stores.
type shelf struct {
	mu     sync.Mutex
	states []storage.Item
	ended  []storage.Item
}

func (k *shelf) puts() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.states)
}

// Put is b2bua.Keeper.
func (k *shelf) Put(it storage.Item, done func(error)) {
	k.mu.Lock()
	k.states = append(k.states, it)
	k.mu.Unlock()
	if done != nil {
		done(nil)
	}
}

// End is b2bua.Keeper.
func (k *shelf) End(it storage.Item, _ []byte, done func(error)) {
	k.mu.Lock()
	k.ended = append(k.ended, it)
	k.mu.Unlock()
	if done != nil {
		done(nil)
	}
}

// Degraded is b2bua.Keeper.
func (k *shelf) Degraded() bool { return false }

// TestTombstoneOutlastsRepeats: it stays for as long as the call's peers may repeat
// themselves, and not much longer: at 500 calls/s an hour of them would be gigabytes.
func TestTombstoneOutlastsRepeats(t *testing.T) {
	k := &shelf{}
	running(t, b2bua.Config{Keeper: k}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		say(t, e, "core", trunkSays("INVITE", 1, 1, "<sip:123@127.0.10.1>"))
		say(t, e, "peering", respond(sentFirst(s.take(), "INVITE"), "486 Busy Here", "carrier"))
		say(t, e, "core", trunkSays("ACK", 1, 1, "<sip:123@127.0.10.1>"))
		if len(k.ended) != 1 {
			t.Fatalf("%d ended", len(k.ended))
		}
		const repeats = 64 * 500 * time.Millisecond // Timer D
		left := time.Until(k.ended[0].Expires)
		if left < repeats || left > 3*repeats {
			t.Errorf("the tombstone stays for %v", left)
		}
	})
}

// TestDrainWaitsForWhatWaits: a trunk that is gone after its 200 has its BYE only
// after 64·T1, and that has 64·T1 of its own.
func TestDrainWaitsForWhatWaits(t *testing.T) {
	running(t, b2bua.Config{}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		say(t, e, "core", trunkSays("INVITE", 1, 1, "<sip:123@127.0.10.1>"))
		say(t, e, "peering", respond(sentFirst(s.take(), "INVITE"), "200 OK", "carrier"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.Drain(ctx, context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestADrainEndsCallsInBatches: their BYEs do not leave in one instant, and all have left soon.
func TestADrainEndsCallsInBatches(t *testing.T) {
	running(t, b2bua.Config{}, func(t *testing.T, e *b2bua.Engine, s *sink) {
		const calls = 600
		for n := range calls {
			talking(t, e, s, n)
		}
		s.take()
		now, cancel := context.WithCancel(t.Context())
		cancel()
		left, end := context.WithCancel(t.Context())
		drained := make(chan error, 1)
		go func() { drained <- e.Drain(now, left) }()
		told, most := 0, 0
		for range 16 { // of 10 ms, before any is repeated
			synctest.Wait()
			byes := 0
			for _, out := range s.take() {
				if strings.HasPrefix(string(out.data), "BYE ") {
					byes++
				}
			}
			told, most = told+byes, max(most, byes)
			<-time.After(10 * time.Millisecond)
		}
		if told != 2*calls || most > 2*calls/10 {
			t.Errorf("%d BYEs for %d calls, of them %d at once", told, calls, most)
		}
		end()
		if err := <-drained; err != nil {
			t.Error(err)
		}
	})
}
