package b2bua_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/simtest"
	"bulkhead/dialog"
)

// calls keeps the ids of calls, in the order in which they began.
type calls struct{ ids []dialog.CallID }

func (c *calls) Saw(s b2bua.Sight) {
	if !slices.Contains(c.ids, s.Call) {
		c.ids = append(c.ids, s.Call)
	}
}
func (*calls) Hunted(dialog.CallID, b2bua.Failover) {}
func (*calls) Ended(dialog.CallID, b2bua.Record)    {}
func (*calls) Left(dialog.CallID)                   {}

// captured plays a scenario in which calls can be captured.
func captured(t *testing.T, c *b2bua.Captures, do func(*simtest.Stage, *calls)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		seen := &calls{}
		s.Capture, s.Watch = c, seen
		do(s, seen)
	})
}

func call(number string) string {
	return "trunk INVITE " + number + " sdp\ntc1 100 ; +1s tc1 200 sdp\ntrunk ACK\n+5s trunk BYE\ntc1 200 BYE\n"
}

func start(t *testing.T, c *b2bua.Captures, f b2bua.Filter, most int) b2bua.Wanted {
	t.Helper()
	w, err := c.Start(f, "test", time.Now(), time.Now().Add(time.Hour), most)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// What no filter means is not kept, and what is goes when its time is over.
func TestCapturesOfWhatIsMeant(t *testing.T) {
	c := &b2bua.Captures{Keep: 10 * time.Minute}
	captured(t, c, func(s *simtest.Stage, seen *calls) {
		s.Do("carrier tc1\nroute * tc1\n" + call("+33100"))
		start(t, c, b2bua.Filter{Number: "+332"}, 2)
		start(t, c, b2bua.Filter{Carrier: "tc9"}, 0)
		for _, n := range []string{"+33200", "+33300", "+33201", "+33202"} {
			s.Do(call(n))
		}
		s.Do("settle")
		var have []bool
		for _, id := range seen.ids {
			have = append(have, c.Of(id, time.Now()) != nil)
		}
		if want := []bool{false, true, false, true, false}; !slices.Equal(have, want) {
			t.Errorf("captured: %v", have)
		}
		frames, lost := c.Of(seen.ids[1], time.Now()).Frames()
		if len(frames) != 12 || lost != 0 {
			t.Errorf("%d frames, %d lost", len(frames), lost)
		}
		s.Do("wait 11m\n" + call("+33400") + "settle")
		if c.Kept() != 0 { // the next call that ends lets go of them
			t.Errorf("%d calls are kept", c.Kept())
		}
		start(t, c, b2bua.Filter{Number: "+334"}, 1)
		s.Do(call("+33401") + "settle")
		if c.Of(seen.ids[1], time.Now()) != nil || c.Kept() != 1 {
			t.Errorf("%d calls are kept, %d bytes: %+v", c.Kept(), c.Bytes(), c.Filters(time.Now()))
		}
	})
}

// A filter ends by its time and by a word; what it has had captured is to its end.
func TestCapturesEndByTheirTime(t *testing.T) {
	c := &b2bua.Captures{Keep: time.Hour}
	captured(t, c, func(s *simtest.Stage, seen *calls) {
		s.Do("carrier tc1\nroute * tc1\n")
		w := start(t, c, b2bua.Filter{}, 0)
		s.Do("trunk INVITE +33100 sdp\ntc1 100 ; +1s tc1 200 sdp\ntrunk ACK")
		if !c.Stop(w.Name) || c.Stop(w.Name) {
			t.Error("a filter is stopped once")
		}
		s.Do("+5s trunk BYE\ntc1 200 BYE\n" + call("+33101") + "settle")
		if frames, _ := c.Of(seen.ids[0], time.Now()).Frames(); len(frames) != 12 {
			t.Errorf("%d frames", len(frames))
		}
		if c.Of(seen.ids[1], time.Now()) != nil {
			t.Error("a call was captured that no filter means")
		}
	})
}

// TestCapturesOfAnIdleNodeGoByTime: no call comes after them, and each is let go of when its own
// time is over, with its bytes.
func TestCapturesOfAnIdleNodeGoByTime(t *testing.T) {
	c := &b2bua.Captures{Keep: 10 * time.Minute}
	captured(t, c, func(s *simtest.Stage, seen *calls) {
		s.Do("carrier tc1\nroute * tc1")
		start(t, c, b2bua.Filter{}, 0)
		for _, n := range []string{"+33100", "+33200"} {
			<-time.After(5 * time.Minute)
			s.Do(call(n) + "settle")
		}
		kept := func(calls int) {
			t.Helper()
			synctest.Wait()
			if n, b := c.Kept(), c.Bytes(); n != calls || (b == 0) != (calls == 0) {
				t.Errorf("%d captures are kept, with %d bytes, want %d", n, b, calls)
			}
		}
		kept(2)
		<-time.After(6 * time.Minute)
		kept(1)
		<-time.After(5 * time.Minute)
		kept(0)
		s.Do(call("+33300") + "settle") // begins anew
		kept(1)
		<-time.After(10*time.Minute + time.Second)
		kept(0)
	})
}

// Bounds of one call and of all: what does not fit is counted, and calls that have ended make room.
func TestCapturesAreBounded(t *testing.T) {
	c := &b2bua.Captures{Keep: time.Hour, PerCall: 5000, InAll: 40000}
	captured(t, c, func(s *simtest.Stage, seen *calls) {
		s.Do("carrier tc1\nroute * tc1\n")
		start(t, c, b2bua.Filter{}, 0)
		for range 20 {
			s.Do(call("+33100"))
		}
		s.Do("settle")
		if c.Bytes() > 40000 || c.Bytes() == 0 {
			t.Errorf("%d bytes", c.Bytes())
		}
		kept := 0
		for _, id := range seen.ids {
			if one := c.Of(id, time.Now()); one != nil {
				kept++
				if _, lost := one.Frames(); lost == 0 {
					t.Error("a call of more than 5000 bytes has lost nothing")
				}
			}
		}
		if kept == 0 || kept == 20 || kept != c.Kept() {
			t.Errorf("%d of 20 calls are kept, %d said", kept, c.Kept())
		}
	})
}

// Who listens for a carrier hears calls whole once it is tried, also what came before, and nothing
// of others; once nobody listens, nothing is kept.
func TestListening(t *testing.T) {
	c := &b2bua.Captures{Keep: time.Hour}
	captured(t, c, func(s *simtest.Stage, seen *calls) {
		s.Do("carrier tc1\ncarrier tc2\nroute +331* tc1 tc2\nroute * tc1\n")
		live, err := c.Listen(b2bua.Filter{Carrier: "tc2"}, "test", time.Now(), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		s.Do(call("+33200"))
		s.Do(call("+33100")) // tc2 is never asked
		if n := len(live.Frames); n != 0 {
			t.Errorf("%d frames of calls that are not meant", n)
		}
		s.Do("trunk INVITE +33100 sdp\ntc1 100 ; +1s tc1 503\n")
		var got []string
		for len(live.Frames) > 0 {
			f := <-live.Frames
			got = append(got, f.Peer+" "+f.Method)
		}
		if want := []string{"trunk INVITE", "trunk INVITE", "tc1 INVITE", "tc1 INVITE", "tc1 INVITE", "tc1 ACK", "tc2 INVITE"}; !slices.Equal(got, want) {
			t.Errorf("shown: %q", got)
		}
		s.Do("tc2 486 ; trunk ACK ; settle")
		if c.Kept() != 0 || c.Bytes() != 0 {
			t.Errorf("%d calls are kept, %d bytes", c.Kept(), c.Bytes())
		}
		s.Do("trunk INVITE +33100 sdp\ntc1 503\ntc2 200 sdp\ntrunk ACK")
		live.Close()
		s.Do("+5s trunk BYE\ntc2 200 BYE\nsettle")
		if c.Kept() != 0 || c.Bytes() != 0 {
			t.Errorf("nobody listens: %d calls are kept, %d bytes", c.Kept(), c.Bytes())
		}
	})
}

// A call that somebody listens to already is kept once that is asked for, from where it was begun.
func TestCaptureOfWhatIsListenedTo(t *testing.T) {
	c := &b2bua.Captures{Keep: time.Hour}
	captured(t, c, func(s *simtest.Stage, seen *calls) {
		s.Do("carrier tc1\nroute * tc1\n")
		live, err := c.Listen(b2bua.Filter{}, "test", time.Now(), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		s.Do("trunk INVITE +33100 sdp\ntc1 100 ; +1s tc1 200 sdp\ntrunk ACK")
		if w := start(t, c, b2bua.Filter{Carrier: "tc1"}, 5); w.Calls != 1 {
			t.Errorf("it has %d calls", w.Calls)
		}
		live.Close()
		s.Do("+5s trunk BYE\ntc1 200 BYE\nsettle")
		one := c.Of(seen.ids[0], time.Now())
		if one == nil {
			t.Fatal("the call is not kept")
		}
		if frames, _ := one.Frames(); len(frames) != 12 {
			t.Errorf("%d frames", len(frames))
		}
	})
}

// Who does not take what is shown misses it, and no call waits.
func TestListeningTooSlowly(t *testing.T) {
	c := &b2bua.Captures{}
	captured(t, c, func(s *simtest.Stage, _ *calls) {
		s.Do("carrier tc1\nroute * tc1\n")
		live, err := c.Listen(b2bua.Filter{}, "test", time.Now(), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		defer live.Close()
		for range 400 {
			s.Do(call("+33100"))
		}
		if n := int(live.Missed.Load()); n != 400*12-cap(live.Frames) {
			t.Errorf("%d missed of %d", n, 400*12)
		}
	})
}
