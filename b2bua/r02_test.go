package b2bua_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"

	"bulkhead/b2bua/simtest"
)

// TestR2 has ten thousand legs whose carrier repeats its 487, deaf to every ACK.
// Each copy is acknowledged at once, no goroutine waits for any of them, and a
// new call is set up as if there were none.
func TestR2(t *testing.T) {
	legs := 10_000
	if testing.Short() {
		legs = 500
	}
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Net.Forget = true
		s.Do(`
			carrier tc1 no_answer=10s
			carrier tc2
			route +331* tc1
			route +332* tc2
			trunk auto ACK
			tc1 auto 100 INVITE ; tc1 auto 200 CANCEL`)
		before := goroutines()
		for range legs {
			s.Do("trunk INVITE +33123456789 sdp")
		}
		s.Do("wait 10s")
		if n, _ := s.Count("tc1", "200 CANCEL"); n != legs {
			t.Fatalf("%d of %d legs were cancelled", n, legs)
		}
		for i := range legs {
			s.Do(fmt.Sprintf("tc1 487 call=%d every t1..t2 for 12s", i+1))
		}
		s.Do("wait 5s")
		// Other tests of the process have goroutines, too; a hundredth of the legs is far from one each.
		if got := goroutines(); got > before+legs/100 {
			t.Errorf("%d goroutines with %d stuck legs, %d before", got, legs, before)
		}
		s.Do(`
			trunk INVITE +33223456789 sdp
			tc2 180 ; +1s tc2 200 sdp
			+1s trunk BYE
			tc2 200 BYE
			wait 10s`)
		if copies, acks := s.Count("tc1", "487"); true {
			if _, got := s.Count("tc1", "ACK"); got != copies || acks != 0 || copies != 6*legs {
				t.Errorf("%d copies of 487 got %d ACKs", copies, got)
			}
		}
		if _, n := s.Count("trunk", "487"); n != 0 {
			t.Errorf("the trunk saw %d of the 487s", n)
		}
		if n := s.Counter("absorbed_total", "tc1"); int(n) != 5*legs {
			t.Errorf("absorbed_total{tc1} is %g, want %d", n, 5*legs)
		}
		s.Do("settle")
		if n := len(s.Records()); n != legs+1 {
			t.Errorf("%d records of %d calls", n, legs+1)
		}
	})
}

// goroutines is how many there are, with the world stopped: runtime.NumGoroutine counts up
// to 33 more, the ended ones that a processor is just passing on to the others.
func goroutines() int {
	n, _ := runtime.GoroutineProfile(make([]runtime.StackRecord, 1)) // too few for them: none is written
	return n
}
