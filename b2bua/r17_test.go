package b2bua_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"bulkhead/b2bua/simtest"
)

// TestR17 lets TC1 fail with every code that matters. What speaks of the one who
// is called stops the hunt and passes unchanged with its Reason; what speaks of
// the carrier leads on.
func TestR17(t *testing.T) {
	stop := []int{486, 600, 603, 604, 606, 607, 608, 433, 484, 404, 403, 488, 400, 410, 415, 416, 420, 421, 423, 481, 482, 483, 485, 491, 493}
	on := []int{401, 407, 408, 480, 500, 501, 502, 503, 504, 505, 513, 580, 599, 300, 301, 302, 305, 380}
	for _, code := range stop {
		t.Run(fmt.Sprint(code), func(t *testing.T) { fail(t, code, "", false) })
	}
	for _, code := range on {
		t.Run(fmt.Sprint(code), func(t *testing.T) { fail(t, code, "", true) })
	}
	t.Run("403 by configuration", func(t *testing.T) { fail(t, 403, "continue=403", true) })
	t.Run("488 by configuration", func(t *testing.T) { fail(t, 488, "continue=488", true) })
	t.Run("503 by configuration", func(t *testing.T) { fail(t, 503, "stop=503", false) })
	t.Run("404 by its Q.850 cause", func(t *testing.T) { fail(t, 404, "continue=q850:21", true) })
}

// fail plays a call that TC1 refuses with the code and Q.850 cause 21.
func fail(t *testing.T, code int, option string, on bool) {
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Do(`
			carrier tc1 ` + option + `
			carrier tc2
			route * tc1 tc2
			detail start Reason
			trunk auto ACK ; tc1 auto 100 INVITE
			trunk INVITE +33123456789 sdp`)
		s.Do(fmt.Sprintf(`tc1 %d phrase="In its own words" reason="Q.850;cause=21"`, code))
		_, tried := s.Count("tc2", "INVITE sdp")
		if tried != 0 != on {
			t.Errorf("tc2 got %d INVITEs", tried)
		}
		if on {
			s.Do("tc2 486")
		} else if code != 503 && !strings.Contains(s.Ladder(), fmt.Sprintf("|<------ %d -------|                   |                   |  start=SIP/2.0 %d In its own words Reason=Q.850;cause=21\n", code, code)) {
			t.Errorf("%d does not pass unchanged:\n%s", code, s.Ladder())
		}
		s.Do("settle")
		for _, fault := range s.Promises() {
			t.Error(fault)
		}
	})
}
