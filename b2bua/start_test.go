package b2bua_test

import (
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/simtest"
	"bulkhead/storage"
)

// told are the answered calls that somebody was told of.
type told []b2bua.Start

func (l *told) Start(s b2bua.Start) { *l = append(*l, s) }

// TestAnsweredCallsAreToldOnce: at the answer, with who answered; of a call that nobody answers
// nothing is told, and no repeat tells it again.
func TestAnsweredCallsAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := told{}
		s := simtest.Open(t, nil)
		s.Starts = &list
		defer s.Close()
		s.Do(`
carrier tc1
carrier tc2
route * tc1 tc2
trunk auto ACK
tc1 auto 503 INVITE
tc2 auto 200 BYE
trunk INVITE +33123456789 sdp
tc2 100 ; tc2 180
`)
		if len(list) > 0 {
			t.Fatalf("it rings: %+v", list)
		}
		s.Do("+4s tc2 200 sdp")
		if len(list) != 1 {
			t.Fatalf("answered: %+v", list)
		}
		s.Do("+1s tc2 200 sdp\n+60s trunk BYE\nsettle")
		got, r := list[0], s.Records()[0]
		if len(list) != 1 || got.Kind != "start" || got.Schema != 1 || got.Call != r.Call || got.Carrier != "tc2" || got.Attempts != 2 || got.To != "+33123456789" || got.Trunk != "trunk" ||
			!got.Answered.Equal(r.Answered) || !got.Began.Equal(r.Began) || got.Gateway != r.Attempts[1].Gateway || got.CallID != r.CallID {
			t.Errorf("%+v\n%+v", list, r)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		list := told{}
		s := simtest.Open(t, nil)
		s.Starts = &list
		defer s.Close()
		s.Do("carrier tc1\nroute * tc1\ntrunk auto ACK\ntrunk INVITE +33123456789 sdp\ntc1 100 ; tc1 486\nsettle")
		if len(list) > 0 {
			t.Errorf("nobody has answered: %+v", list)
		}
	})
}

// TestP8_ATakeoverTellsNoAnswerAgain.
func TestP8_ATakeoverTellsNoAnswerAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		first, second := told{}, told{}
		a := takes(t, store, "a", nil, func(c *b2bua.Config) { c.Starts = &first })
		die := a.serves()
		invite := find(t, a.trunk(invited...), "INVITE ")
		ok := find(t, a.carrier(respond(invite, "200 OK", "carrier")), "SIP/2.0 200")
		a.trunk(within("ACK", "ack", 1, ok)...)
		<-time.After(time.Minute)
		die()
		b := takes(t, store, "b", nil, func(c *b2bua.Config) { c.Starts = &second })
		defer b.serves()()
		b.restores()
		b.trunk(within("BYE", "bye", 2, ok)...)
		<-time.After(time.Minute)
		if len(first) != 1 || len(second) != 0 {
			t.Errorf("the first node told of %d, the second of %d", len(first), len(second))
		}
	})
}
