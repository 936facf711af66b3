package b2bua_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"bulkhead/b2bua"
	"bulkhead/b2bua/simtest"
)

// TestR22 plays the eighteen ways in which a trunk and a carrier can go along with
// 100rel, each with a description in the 18x and without, and with the call's record
// written and read between any two events. Every one is answered with a description,
// and each side gets as much reliability as it has asked for.
func TestR22(t *testing.T) {
	trunks := map[string]string{"requires": `h="Require: 100rel"`, "supports": `h="Supported: 100rel"`, "lacks": ""}
	// What a carrier says before it answers: one that requires says all reliably,
	// one that supports some.
	carriers := map[string][2]string{"requires": {"rel=1", "rel=2"}, "supports": {"", "rel=9"}, "lacks": {"", ""}}
	for trunk, asks := range trunks {
		for carrier, says := range carriers {
			for _, body := range []string{"", "sdp"} {
				name := "trunk " + trunk + ", carrier " + carrier + ", 183 " + body
				t.Run(name, func(t *testing.T) {
					answer := "tc1 200 sdp"
					if body != "" && says[1] != "" {
						answer = "tc1 200" // the 183 has answered
					}
					synctest.Test(t, func(t *testing.T) {
						s := simtest.Open(t, nil)
						defer s.Close()
						s.Raised = func(e *b2bua.Engine) { e.RestoreEveryStep(func(err error) { t.Error(err) }) }
						s.Do("carrier tc1\nroute * tc1\ntrunk auto ACK ; trunk auto PRACK ; tc1 auto 200 PRACK ; tc1 auto 200 BYE\n" +
							"trunk INVITE +33123456789 sdp " + asks + "\ntc1 100\n+1s tc1 180 " + says[0] + "\n+1s tc1 183 " + body + " " + says[1] + "\n" +
							"+1s " + answer + "\n+1s trunk BYE\nsettle\n")
						for _, fault := range s.Promises() {
							t.Error(fault)
						}
						check22(t, s, trunk, says, body)
						if t.Failed() {
							t.Log("\n" + s.Ladder())
						}
					})
				})
			}
		}
	}
}

// check22 counts what each side was given and has acknowledged.
func check22(t *testing.T, s *simtest.Stage, trunk string, says [2]string, body string) {
	t.Helper()
	reliable := 0 // by the carrier
	for _, w := range says {
		if w != "" {
			reliable++
		}
	}
	want := map[string]int{"requires": 2, "supports": reliable, "lacks": 0}[trunk]
	if sent, _ := s.Count("trunk", "PRACK"); sent != want {
		t.Errorf("the trunk was given %d provisionals reliably, want %d", sent, want)
	}
	if _, got := s.Count("tc1", "PRACK"); got != reliable {
		t.Errorf("the carrier got %d PRACKs, want %d", got, reliable)
	}
	early := strings.TrimSpace("183 " + body)
	if _, got := s.Count("trunk", early); got != 1 {
		t.Errorf("the trunk has %d times %s", got, early)
	}
	if _, got := s.Count("trunk", "200 sdp"); got != 1 {
		t.Errorf("the trunk has %d times 200 with a description", got)
	}
	if r := s.Records(); len(r) != 1 || r[0].Result != "answered" {
		t.Errorf("the records are %+v", r)
	}
}
