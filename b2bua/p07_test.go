package b2bua_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"bulkhead/b2bua/simtest"
)

// TestP7_Attempts has a carrier refer as often as it may, and each target ask for a longer
// session interval, which is another attempt: what bounds them is not the moment in which
// a transfer begins.
func TestP7_Attempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Do("carrier tc1 refer=follow")
		targets := []string{"tc2", "tc3", "tc4", "tc5", "tc6", "tc7", "tc8", "tc9"}
		for _, tc := range targets {
			s.Do("carrier " + tc + " continue=422")
		}
		s.Do(`
			route +33123* tc1
			route +33987* ` + strings.Join(targets, " ") + `
			trunk INVITE +33123456789 sdp
			tc1 200 sdp
			trunk ACK
			tc1 auto 200 NOTIFY ; tc1 auto 200 BYE`)
		for _, tc := range targets {
			s.Do(tc + ` auto 422 INVITE h="Min-SE: 1800"`)
		}
		for range 17 {
			s.Do("+10s tc1 REFER referto=sip:+33987654321@198.51.100.1")
		}
		s.Do("+1s trunk BYE ; settle")
		for _, fault := range s.Promises() {
			t.Error(fault)
		}
		for what, want := range map[string]int{"202 REFER": 16, "603 REFER": 1} {
			if _, n := s.Count("tc1", what); n != want {
				t.Errorf("%d times %s, not %d", n, what, want)
			}
		}
		if r := s.Records(); len(r) != 1 || len(r[0].Attempts) != 250 || r[0].EndedBy != "trunk" {
			t.Errorf("%d records, the first of %d attempts", len(r), len(r[0].Attempts))
		}
	})
}
