package ops_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/b2bua/simtest"
)

// answered is a call that tc1 has answered after a second.
const answered = `
carrier tc1
route * tc1
trunk INVITE +33123456789 sdp
tc1 100 ; tc1 180 ; +1s tc1 200 sdp
trunk ACK
`

// faults are what can become of a call, and what its first sentence has to say.
var faults = []struct{ name, script, want string }{
	{"caller hangs up", answered + `
+60s trunk BYE
tc1 200 BYE
settle`, `The caller (trunk trunk) hung up, 1m0s after the answer.`},
	{"carrier hangs up", answered + `
+5s tc1 BYE
trunk 200 BYE
settle`, `The called side (tc1) hung up, 5.0 s after the answer.`},
	{"carrier hangs up for a cause", answered + `
+5s tc1 BYE h="Reason: Q.850;cause=38"
trunk 200 BYE
settle`, `The called side (tc1) hung up, 5.0 s after the answer (Q.850 38, network out of order).`},
	{"caller cancels while it rings", `
carrier tc1
route * tc1
trunk auto ACK
trunk INVITE +33123456789 sdp
tc1 100 ; tc1 180
tc1 auto 487
+7s trunk CANCEL
settle`, `The caller (trunk trunk) cancelled after 7.0 s, while tc1 was ringing.`},
	{"caller cancels before anything rings", `
carrier tc1 no_response=20s
route * tc1
trunk auto ACK
trunk INVITE +33123456789 sdp
tc1 100
tc1 auto 487
+3s trunk CANCEL
settle`, `The caller (trunk trunk) cancelled after 3.0 s, while tc1 had said 100 and nothing more.`},
	{"busy", `
carrier tc1
carrier tc2
route * tc1 tc2
trunk auto ACK
trunk INVITE +33123456789 sdp
tc1 486 h="Reason: Q.850;cause=17"
settle`, `tc1 refused the call with 486 Busy Here (Q.850 17, user busy), and nobody else was to be tried.`},
	{"all refuse", `
carrier tc1
carrier tc2
route * tc1 tc2
trunk auto ACK
trunk INVITE +33123456789 sdp
tc1 503
tc2 503
settle`, `All 2 attempts failed; the last: tc2 refused the call with 503 Service Unavailable. The trunk was told 500 Server Internal Error.`},
	{"nobody responds", `
carrier tc1 no_response=2s
route * tc1
trunk auto ACK
trunk INVITE +33123456789 sdp
settle`, `tc1 did not respond at all within no_response, and nobody else was to be tried. The trunk was told 408 Request Timeout.`},
	{"nobody rings", `
carrier tc1 no_ringing=5s
route * tc1
trunk auto ACK
trunk INVITE +33123456789 sdp
tc1 100
tc1 auto 487
settle`, `tc1 did not ring within no_ringing, and nobody else was to be tried. The trunk was told 408 Request Timeout.`},
	{"nobody answers", `
carrier tc1 no_answer=20s
route * tc1
trunk auto ACK
trunk INVITE +33123456789 sdp
tc1 100 ; tc1 180
tc1 auto 487
settle`, `tc1 did not answer within no_answer, and nobody else was to be tried. The trunk was told 480 Temporarily Unavailable.`},
	{"nothing can be sent", `
carrier tc1
route * tc1
net to tc1 refuse
trunk auto ACK
trunk INVITE +33123456789 sdp
settle`, `tc1 could not be reached: the INVITE was not sent (write udp: connection refused), and nobody else was to be tried. The trunk was told 500 Server Internal Error.`},
	{"a route refuses", `
carrier tc1
reject +33* 403 "Not from here"
route * tc1
trunk auto ACK
trunk INVITE +33123456789 sdp
settle`, `The route for +33123456789 from trunk trunk refused the call: answered 403 Forbidden.`},
	{"no route", `
carrier tc1
route +44* tc1
trunk auto ACK
trunk INVITE +33123456789 sdp
settle`, `The routes lead nowhere for +33123456789 from trunk trunk: answered 404.`},
	{"no ACK", `
carrier tc1
route * tc1
trunk INVITE +33123456789 sdp
trunk auto 200 BYE
tc1 auto 200 BYE
tc1 100 ; tc1 180 ; +1s tc1 200 sdp
settle`, `The caller (trunk trunk) never acknowledged the 200: its ACK did not come, so both sides got a BYE (RFC 3261 §13.3.1.4).`},
	{"too long", `
trunk max_duration=20m
carrier tc1
route * tc1
trunk INVITE +33123456789 sdp
trunk auto 200 BYE
tc1 auto 200 BYE
tc1 100 ; tc1 180 ; +1s tc1 200 sdp
trunk ACK
settle`, `Bulkhead ended the call at the trunk's max_duration, 20m0s after the answer.`},
	{"too long to be answered", `
trunk max_setup=30s
carrier tc1
route * tc1
trunk auto ACK
trunk INVITE +33123456789 sdp
tc1 100 ; tc1 180
tc1 auto 487
settle`, `Bulkhead gave up: nobody had answered within the trunk's max_setup, 30.0 s.`},
	{"an operator", answered + `
trunk auto 200 BYE
tc1 auto 200 BYE
+9s hangup
settle`, `An operator hung the call up, 9.0 s after the answer.`},
	{"a drain", answered + `
trunk auto 200 BYE
tc1 auto 200 BYE
+9s drain 10s
settle`, `Bulkhead ended the call, 19.0 s after the answer: the node was going out of service and the time for calls to end by themselves was over.`},
	{"a side is gone", `
carrier tc1 session_timer=10m,90s
route * tc1
trunk INVITE +33123456789 sdp
trunk auto 200 BYE
tc1 auto 200 BYE
tc1 100 ; +1s tc1 200 sdp h="Require: timer" h="Session-Expires: 600;refresher=uac" h="Allow: UPDATE"
trunk ACK
tc1 auto 481 UPDATE
settle`, `A side of the call was gone, 5m0s after the answer: its request within the dialog was answered with 481 Call/Transaction Does Not Exist.`},
	{"a redirection that leads nowhere", `
carrier tc1 redirect=3
route * tc1
trunk auto ACK
trunk INVITE +33123456789 sdp
tc1 302 contact=sip:+33999@192.0.2.99
settle`, `tc1 refused the call with 302 Moved Temporarily, and nobody else was to be tried. The trunk was told 480 Temporarily Unavailable.`},
	{"no codec is left", `
carrier tc1 allow=G729
route * tc1
trunk auto ACK
trunk INVITE +33123456789 sdp
settle`, `The carriers' codecs leave nothing of the caller's offer (trunk trunk): answered 488 Not Acceptable Here.`},
	{"a challenge", `
carrier tc1
route * tc1
trunk auto ACK
trunk INVITE +33123456789 sdp
tc1 407 h="Proxy-Authenticate: Digest realm=\"tc1\", nonce=\"1\""
settle`, `tc1 challenged us, and that was not met (challenged, and there are no credentials), and nobody else was to be tried. The trunk was told 500 Server Internal Error.`},
	{"the founding failure", `
carrier tc1 no_answer=10s linger=3m
carrier tc2
route +33123456789 tc1 tc2/+33789456
trunk INVITE +33123456789 sdp
tc1 100 ; tc1 180
+10s tc1 200 CANCEL ; tc1 487 every 500ms..4s for 60s
tc2 100 ; tc2 180 ; +2s tc2 200 sdp
trunk ACK
+90s trunk BYE
tc2 200 BYE
settle`, `The caller (trunk trunk) hung up, 1m30s after the answer.`},
}

func TestWhyNamesTheCauseFirst(t *testing.T) {
	if len(faults) < 20 {
		t.Errorf("%d faults, want 20 at least", len(faults))
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			_, r := play(t, f.script)
			got := ops.Why(r)
			if got[0] != f.want {
				t.Errorf("got  %s\nwant %s\n%+v", got[0], f.want, r)
			}
			for _, sentence := range got {
				if !strings.HasSuffix(sentence, ".") || strings.Contains(sentence, "  ") {
					t.Errorf("no sentence: %q", sentence)
				}
			}
		})
	}
}

// play plays one call and gives what the journal and the record say of it.
func play(t *testing.T, script string) (account b2bua.Account, r b2bua.Record) {
	synctest.Test(t, func(t *testing.T) {
		journal := &b2bua.Journal{Keep: time.Hour}
		watch := &last{Journal: journal}
		s := simtest.Open(t, nil)
		s.Watch = watch
		defer s.Close()
		s.Do(script)
		records := s.Records()
		if len(records) != 1 {
			t.Fatalf("%d records", len(records))
		}
		r = records[0]
		var ok bool
		if account, ok = journal.Call(watch.call(), r.Ended); !ok {
			t.Fatal("no journal")
		}
	})
	return account, r
}
