package b2bua_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"bulkhead/b2bua/simtest"
)

// TestP6 fails over between three carriers with early media and changes the
// session from both sides: the trunk sees one To-tag and one o= line, whose
// version rises exactly when the rest changes. Promises holds every message
// against that; here it is made to see many.
func TestP6(t *testing.T) {
	for seed := range uint64(50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { describe(t, rand.New(rand.NewPCG(seed, 6))) })
		})
	}
}

// describe plays one call with random descriptions.
func describe(t *testing.T, dice *rand.Rand) {
	s := simtest.Open(t, nil)
	defer s.Close()
	s.Do(`
		carrier tc1
		carrier tc2
		carrier tc3
		route * tc1 tc2 tc3
		trunk auto ACK ; tc3 auto ACK
		trunk INVITE +33123456789 sdp`)
	sdp := func() string { return fmt.Sprint("sdp=", dice.IntN(3)+1) }
	for _, tc := range []string{"tc1", "tc2", "tc3"} {
		for range dice.IntN(4) {
			s.Do(fmt.Sprintf("+1s %s 183 %s tag=fork%d", tc, sdp(), dice.IntN(2)))
		}
		if tc != "tc3" {
			s.Do(tc + " 503")
		}
	}
	s.Do("tc3 200 " + sdp())
	for range 20 {
		from, to := "trunk", "tc3"
		if dice.IntN(2) == 0 {
			from, to = to, from
		}
		s.Do(fmt.Sprintf("+1s %s INVITE %s ; %s 200 %s", from, sdp(), to, sdp()))
	}
	s.Do("trunk BYE ; tc3 200 BYE ; settle")
	for _, fault := range s.Promises() {
		t.Error(fault)
	}
	if _, n := s.Count("trunk", "200 sdp"); n == 0 || len(s.Records()) != 1 || s.Records()[0].Result != "answered" {
		t.Error("the call was not answered")
	}
	if t.Failed() {
		t.Log(strings.Join([]string{"", s.Ladder(), s.Record()}, "\n"))
	}
}
