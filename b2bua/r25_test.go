package b2bua_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"bulkhead/b2bua"
	"bulkhead/b2bua/simtest"
)

// TestR25 lets both sides of a call ask for a change at the same instant, a thousand
// times, now one first and now the other: both hear 491, both try again within the band
// that RFC 3261 §14.1 gives them (the trunk owns the Call-ID of its leg, the carrier
// does not own that of its), and every change is made in the end. The call's record is
// written and read between any two events.
func TestR25(t *testing.T) {
	const rounds = 1000
	dice := rand.New(rand.NewPCG(25, 25))
	var script strings.Builder
	script.WriteString("carrier tc1\nroute * tc1\ntrunk INVITE +33123456789 sdp\ntc1 100 ; tc1 200 sdp\ntrunk ACK\n")
	for i := range rounds {
		body := i%7 + 2
		owner, other := 2100+10*dice.IntN(191), 10*dice.IntN(201)
		script.WriteString("+10s ")
		if i%2 == 0 {
			fmt.Fprintf(&script, "trunk INVITE sdp=%d ; tc1 INVITE sdp=%d\n", body, body)
			script.WriteString("tc1 ACK ; tc1 491 ; trunk ACK\n")
		} else {
			fmt.Fprintf(&script, "tc1 INVITE sdp=%d ; trunk INVITE sdp=%d\n", body, body)
			script.WriteString("trunk ACK ; trunk 491 ; tc1 ACK\n")
		}
		fmt.Fprintf(&script, "+%dms tc1 INVITE sdp=%d ; trunk 200 sdp=%d ; tc1 ACK\n", other, body+1, body+1)
		fmt.Fprintf(&script, "+%dms trunk INVITE sdp=%d ; tc1 200 sdp=%d ; trunk ACK\n", owner-other, body+2, body+2)
	}
	script.WriteString("+1s trunk BYE\ntc1 200 BYE\nsettle\n")
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Raised = func(e *b2bua.Engine) { e.RestoreEveryStep(func(err error) { t.Error(err) }) }
		s.Do(script.String())
		for _, fault := range s.Promises() {
			t.Error(fault)
		}
		for _, peer := range []string{"trunk", "tc1"} {
			if _, refused := s.Count(peer, "491"); refused != rounds {
				t.Errorf("%s heard %d times 491, want %d", peer, refused, rounds)
			}
			// Each has made every change of its own, and has been asked for the other's.
			answered := rounds
			if peer == "trunk" {
				answered++ // the INVITE that made the call
			}
			if _, got := s.Count(peer, "200 sdp"); got != answered {
				t.Errorf("%s heard %d times 200, want %d", peer, got, answered)
			}
		}
		if r := s.Records(); len(r) != 1 || r[0].Result != "answered" || r[0].Cause != "hung_up" {
			t.Errorf("the records are %+v", r)
		}
	})
}
