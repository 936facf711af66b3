package ops_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/b2bua/simtest"
	"bulkhead/dialog"
)

// scored plays calls and gives what the scorecards say of tc1.
func scored(t *testing.T, script string) (score ops.Score) {
	synctest.Test(t, func(t *testing.T) {
		journal := &b2bua.Journal{Keep: time.Hour}
		cards := &ops.Scorecards{Journal: journal, Now: time.Now}
		s := simtest.Open(t, nil)
		s.Watch = b2bua.Observers{journal, cards}
		defer s.Close()
		s.Do(script)
		var ok bool
		if score, _, ok = cards.Of("tc1"); !ok {
			t.Fatal("nothing is known of tc1")
		}
		score.From = time.Time{}
	})
	return score
}

func TestScorecards(t *testing.T) {
	const two = "carrier tc1 no_answer=10s linger=3m\ncarrier tc2\nroute * tc1 tc2\ntrunk auto ACK\ntc2 auto 486 INVITE\n"
	for name, c := range map[string]struct {
		script string
		want   ops.Score
	}{
		"answered": {answered + "trunk BYE\ntc1 200 BYE\nsettle", ops.Score{Attempts: 1, Answered: 1, ASR: 1, NER: 1, DelayCount: 1}},
		"slow, and never says 100": {`
carrier tc1
route * tc1
trunk INVITE +33123456789 sdp
+3s tc1 180 ; +1s tc1 200 sdp
trunk ACK
trunk BYE
tc1 200 BYE
settle`, ops.Score{Attempts: 1, Answered: 1, ASR: 1, NER: 1, DelayCount: 1, DelayMean: 3, DelayMost: 3, No100: 1}},
		"busy": {two + "trunk INVITE +33123456789 sdp\ntc1 486\nsettle", ops.Score{Attempts: 1, User: 1, NER: 1}},
		"ACKs ignored": {two + "trunk INVITE +33123456789 sdp\ntc1 100 ; tc1 503 every 500ms..4s for 20s\nsettle",
			ops.Score{Attempts: 1, Absorbed: 7, ACKIgnored: 7}},
		"answers what was given up": {two + "tc1 auto 200 CANCEL\ntc1 auto 200 BYE\ntrunk INVITE +33123456789 sdp\ntc1 100 ; tc1 180 ; +10s tc1 200 sdp\nsettle",
			ops.Score{Attempts: 1, Late: 1, User: 1, NER: 1, DelayCount: 1}},
		"no final after CANCEL": {two + "tc1 auto 200 CANCEL\ntrunk INVITE +33123456789 sdp\ntc1 100 ; tc1 180\nsettle",
			ops.Score{Attempts: 1, User: 1, NER: 1, NoFinal: 1, DelayCount: 1}},
		"cannot be reached": {"carrier tc1\ncarrier tc2\nroute * tc1 tc2\nnet to tc1 refuse\ntrunk auto ACK\ntc2 auto 486 INVITE\ntrunk INVITE +33123456789 sdp\nsettle",
			ops.Score{Attempts: 1, NotSent: 1}},
		"says nothing": {"carrier tc1 no_response=2s\ncarrier tc2\nroute * tc1 tc2\ntrunk auto ACK\ntc2 auto 486 INVITE\ntrunk INVITE +33123456789 sdp\nsettle",
			ops.Score{Attempts: 1, Silent: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			got := scored(t, c.script)
			// The sum of the delays is not shown.
			if want := c.want; !reflect.DeepEqual(shown(got), shown(want)) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// shown are the fields that others see.
func shown(s ops.Score) (all []any) {
	v := reflect.ValueOf(s)
	for i, f := range reflect.VisibleFields(v.Type()) {
		if f.IsExported() {
			all = append(all, v.Field(i).Interface())
		}
	}
	return all
}

// TestScorecardsForget: an hour is counted for a day; what is older is not.
func TestScorecardsForget(t *testing.T) {
	now := time.Date(2026, 11, 26, 10, 30, 0, 0, time.UTC)
	c := &ops.Scorecards{Journal: &b2bua.Journal{}, Now: func() time.Time { return now }}
	began := now
	end := func(code int, ringing time.Duration) {
		c.Ended(dialog.CallID{}, b2bua.Record{Answered: began, Attempts: []b2bua.Attempt{{
			Carrier: "tc1", Code: code, Cause: "rejected", Began: began, Trying: began, Ringing: began.Add(ringing), Final: began.Add(time.Minute),
		}}})
	}
	end(200, time.Second)
	end(503, 2*time.Second)
	now = now.Add(time.Hour)
	end(200, 6*time.Second)
	sum, each, _ := c.Of("tc1")
	if len(each) != 2 || each[0].Attempts != 1 || each[1].Attempts != 2 || each[1].ASR != 0.5 || sum.Attempts != 3 || math.Abs(sum.ASR-2./3) > 1e-9 || sum.DelayMean != 3 || sum.DelayMost != 6 {
		t.Errorf("%+v of %+v", sum, each)
	}
	now = now.Add(23 * time.Hour)
	if sum, each, _ := c.Of("tc1"); len(each) != 1 || sum.Attempts != 1 {
		t.Errorf("%+v of %+v", sum, each)
	}
	end(200, time.Second) // in the place of the hour of a day ago
	if sum, each, _ := c.Of("tc1"); sum.Attempts != 2 || len(each) != 2 {
		t.Errorf("%+v", sum)
	}
	if _, _, ok := c.Of("tc2"); ok || len(c.Carriers()) != 1 {
		t.Error("something is known of a carrier that was never called")
	}
}

func TestScorecardsAreServed(t *testing.T) {
	s := serve(t)
	now := time.Now()
	s.node.cards.Ended(dialog.CallID{}, b2bua.Record{Attempts: []b2bua.Attempt{{Carrier: "tc2", Code: 503, Cause: "rejected", Began: now, Trying: now, Final: now}}})
	var list []ops.Carrier
	if a := s.ask("viewer", "GET", "/v1/carriers"); json.Unmarshal([]byte(a.text), &list) != nil || len(list) != 2 || list[0].Name != "tc1" || list[0].Attempts != 0 || list[1].Attempts != 1 {
		t.Errorf("%s %s", a.Status, a.text)
	}
	for name, hours := range map[string]int{"tc1": 0, "tc2": 1} {
		var card ops.Scorecard
		if a := s.ask("viewer", "GET", "/v1/carriers/"+name+"/scorecard"); json.Unmarshal([]byte(a.text), &card) != nil || card.Carrier != name || len(card.Hours) != hours || card.Day.Attempts != hours {
			t.Errorf("%s %s", a.Status, a.text)
		}
	}
	s.ask("viewer", "GET", "/v1/carriers/tc9/scorecard").problem(t, 404)
}
