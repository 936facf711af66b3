package b2bua_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"bulkhead/b2bua/simtest"
)

// shows compares some metrics with what they are to be.
func shows(t *testing.T, s *simtest.Stage, when, want string, names ...string) {
	t.Helper()
	for i, name := range names {
		names[i] = "bulkhead_" + name
	}
	if err := testutil.GatherAndCompare(s.Metrics(), strings.NewReader(want), names...); err != nil {
		t.Errorf("%s: %v", when, err)
	}
}

// states are the calls of the trunk by state.
func states(hunting, ringing, up, ending, settling string) string {
	return `
		# HELP bulkhead_calls Calls that are kept, by trunk and state: hunting, ringing, up, ending, settling (ended, and what peers still say is absorbed).
		# TYPE bulkhead_calls gauge
		bulkhead_calls{state="hunting",trunk="trunk"} ` + hunting + `
		bulkhead_calls{state="ringing",trunk="trunk"} ` + ringing + `
		bulkhead_calls{state="up",trunk="trunk"} ` + up + `
		bulkhead_calls{state="ending",trunk="trunk"} ` + ending + `
		bulkhead_calls{state="settling",trunk="trunk"} ` + settling + "\n"
}

// TestMetricsOfACall: a call is counted where it stands all the way, and what its attempts
// came to when they did.
func TestMetricsOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Do(`
			carrier tc1
			carrier tc2
			route * tc1 tc2
			trunk auto ACK
			trunk INVITE +33123456789 sdp
			tc1 100`)
		shows(t, s, "hunting", states("1", "0", "0", "0", "0"), "calls")
		s.Do(`
			+1s tc1 503
			+3s tc2 180`)
		shows(t, s, "ringing", states("0", "1", "0", "0", "0"), "calls")
		const head = `
			# HELP bulkhead_attempts_total Attempts that came to something, by carrier, result (answered, or why it failed, such as rejected, no_response, cancelled) and the class of the final response that failed it.
			# TYPE bulkhead_attempts_total counter
			bulkhead_attempts_total{carrier="tc1",class="",result="answered"} 0
			bulkhead_attempts_total{carrier="tc1",class="5xx",result="rejected"} 1
			bulkhead_attempts_total{carrier="tc2",class="",result="answered"} `
		shows(t, s, "one has failed", head+"0\n", "attempts_total")
		s.Do(`+4s tc2 200 sdp`)
		shows(t, s, "up", states("0", "0", "1", "0", "0"), "calls")
		shows(t, s, "answered", head+`1
			# HELP bulkhead_post_dial_delay_seconds From an attempt's INVITE to the first ringing, early media or answer, of those that had one.
			# TYPE bulkhead_post_dial_delay_seconds histogram
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="0.25"} 0
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="0.5"} 0
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="1"} 0
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="1.5"} 0
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="2"} 0
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="3"} 1
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="4"} 1
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="6"} 1
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="8"} 1
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="12"} 1
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="20"} 1
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="30"} 1
			bulkhead_post_dial_delay_seconds_bucket{carrier="tc2",le="+Inf"} 1
			bulkhead_post_dial_delay_seconds_sum{carrier="tc2"} 3
			bulkhead_post_dial_delay_seconds_count{carrier="tc2"} 1
		`, "attempts_total", "post_dial_delay_seconds")
		s.Do(`+200s trunk BYE`) // packed meanwhile
		shows(t, s, "ending", states("0", "0", "0", "1", "0"), "calls")
		s.Do(`tc2 200 BYE`)
		shows(t, s, "settling", states("0", "0", "0", "0", "1"), "calls")
		s.Do(`settle`)
		shows(t, s, "gone", states("0", "0", "0", "0", "0"), "calls")
		for name, want := range map[string]string{"setup_seconds": "sum 8, count 1", "call_duration_seconds": "sum 200, count 1"} {
			if got := s.Histogram(name, "trunk"); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	})
}

// TestMetricsOfWhatCarriersDo: a CANCEL that no final follows, a 200 after it, and every
// message of either side by what it is.
func TestMetricsOfWhatCarriersDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Do(`
			carrier tc1
			route * tc1
			trunk auto ACK
			trunk INVITE +33123456789 sdp
			tc1 180
			+1s trunk CANCEL
			tc1 200 CANCEL
			+10s tc1 200 sdp
			tc1 200 BYE
			settle
			trunk INVITE +33123456780 sdp
			tc1 183 sdp
			+1s trunk CANCEL
			tc1 200 CANCEL
			trunk OPTIONS new
			settle
			tc1 auto 487
			trunk INVITE +33123456782 sdp
			tc1 100 ; trunk CANCEL
			settle`)
		shows(t, s, "at the end", `
			# HELP bulkhead_late_answers_total 200s to INVITEs that had been given up: each was acknowledged and hung up (RFC 3261 §9.1).
			# TYPE bulkhead_late_answers_total counter
			bulkhead_late_answers_total{carrier="tc1"} 1
			# HELP bulkhead_unanswered_cancels_total CANCELs after which the INVITE never got its final response (RFC 3261 §9.2).
			# TYPE bulkhead_unanswered_cancels_total counter
			bulkhead_unanswered_cancels_total{carrier="tc1"} 1
		`, "late_answers_total", "unanswered_cancels_total")
		if got, want := s.Histogram("post_dial_delay_seconds", "tc1"), "sum 0, count 2"; got != want {
			t.Errorf("delay of what rang and was not answered: %s, want %s", got, want)
		}
		for what, want := range map[string]float64{
			"request,in,INVITE": 3, "1xx,in,INVITE": 3, "request,in,CANCEL": 3, "2xx,in,INVITE": 1, "4xx,in,INVITE": 1, "2xx,in,BYE": 1,
			"request,out,INVITE": 3, "4xx,out,INVITE": 3, "request,out,CANCEL": 3, "request,out,BYE": 1, "2xx,out,OPTIONS": 1,
		} {
			if got := s.Counter("sip_messages_total", strings.Split(what, ",")...); got != want {
				t.Errorf("%s: %g, want %g", what, got, want)
			}
		}
		if got := s.Counter("sip_retransmissions_total"); got != 0 {
			t.Errorf("%g retransmissions where all was answered at once", got)
		}
		s.Do(`trunk INVITE +33123456781 sdp ; wait 4s`) // INVITE again after 0.5, 1.5, 3.5 s
		if got := s.Counter("sip_retransmissions_total", "INVITE"); got != 3 {
			t.Errorf("%g retransmissions of an INVITE without an answer", got)
		}
	})
}

// TestMetricsAreNamedByTheBook: as the conventions of client_golang have it.
func TestMetricsAreNamedByTheBook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simtest.Open(t, nil)
		defer s.Close()
		s.Do(`carrier tc1 no_response=1s
			carrier tc2
			route * tc1 tc2
			trunk INVITE +33123456789 sdp
			+2s tc2 486
			settle`)
		problems, err := testutil.GatherAndLint(s.Metrics())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	})
}
