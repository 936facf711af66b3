package carriers_test

import (
	"testing"
	"time"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

func hours(t testing.TB, list ...string) (all []carriers.Hours) {
	t.Helper()
	for _, s := range list {
		var h carriers.Hours
		if err := h.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		if again, _ := h.MarshalText(); string(again) != s {
			t.Errorf("%s is written %s", s, again)
		}
		all = append(all, h)
	}
	return all
}

func TestPartsOfADayThatAreNone(t *testing.T) {
	for _, s := range []string{"", "8-18", "08:00", "08:00-08:00", "24:00-08:00", "08:60-09:00", "08:00-24:01", "8:00-18:00", "08:00 - 18:00", "-1:00-18:00", "08:00-25:00"} {
		var h carriers.Hours
		if err := h.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q is taken for %v", s, h)
		}
	}
}

// TestRoutesAreThereAtTheirTimes: Europe/Paris put its clocks forward on 29 March 2026,
// from 02:00 to 03:00, and back on 25 October, from 03:00 to 02:00; both are Sundays.
func TestRoutesAreThereAtTheirTimes(t *testing.T) {
	for _, c := range []struct {
		days  []string
		hours []string
		zone  string
		at    string
		want  bool
	}{
		{[]string{"mon", "fri"}, nil, "", "2026-03-06T23:59:59Z", true},
		{[]string{"mon", "fri"}, nil, "", "2026-03-07T00:00:00Z", false},
		{[]string{"fri"}, nil, "Europe/Paris", "2026-03-06T23:30:00Z", false}, // Saturday there
		{[]string{"fri"}, nil, "America/New_York", "2026-03-07T03:00:00Z", true},
		{nil, []string{"08:00-12:00", "13:00-18:00"}, "", "2026-03-06T07:59:59Z", false},
		{nil, []string{"08:00-12:00", "13:00-18:00"}, "", "2026-03-06T08:00:00Z", true},
		{nil, []string{"08:00-12:00", "13:00-18:00"}, "", "2026-03-06T12:00:00Z", false},
		{nil, []string{"08:00-12:00", "13:00-18:00"}, "", "2026-03-06T17:59:59Z", true},
		{nil, []string{"00:00-24:00"}, "", "2026-03-06T23:59:59Z", true},
		{[]string{"fri"}, []string{"22:00-06:00"}, "", "2026-03-06T22:00:00Z", true},
		{[]string{"fri"}, []string{"22:00-06:00"}, "", "2026-03-07T05:59:59Z", true}, // of Friday's night
		{[]string{"fri"}, []string{"22:00-06:00"}, "", "2026-03-07T06:00:00Z", false},
		{[]string{"fri"}, []string{"22:00-06:00"}, "", "2026-03-07T22:00:00Z", false},
		{[]string{"fri"}, []string{"22:00-06:00"}, "", "2026-03-06T05:00:00Z", false}, // of Thursday's
		{[]string{"sun"}, []string{"22:00-06:00"}, "", "2026-03-09T01:00:00Z", true},

		// In winter Paris is an hour ahead of UTC, in summer two.
		{nil, []string{"08:00-18:00"}, "Europe/Paris", "2026-03-28T07:00:00Z", true},
		{nil, []string{"08:00-18:00"}, "Europe/Paris", "2026-03-28T06:59:59Z", false},
		{nil, []string{"08:00-18:00"}, "Europe/Paris", "2026-03-29T06:00:00Z", true},
		{nil, []string{"08:00-18:00"}, "Europe/Paris", "2026-03-29T16:00:00Z", false},
		// 02:00 to 03:00 is left out in March: 01:59:59 is followed by 03:00.
		{nil, []string{"02:00-03:00"}, "Europe/Paris", "2026-03-29T00:59:59Z", false},
		{nil, []string{"02:00-03:00"}, "Europe/Paris", "2026-03-29T01:00:00Z", false},
		{nil, []string{"01:00-03:00"}, "Europe/Paris", "2026-03-29T00:59:59Z", true},
		{nil, []string{"22:00-03:00"}, "Europe/Paris", "2026-03-29T01:00:00Z", false}, // it is 03:00
		// It comes twice in October.
		{nil, []string{"02:00-03:00"}, "Europe/Paris", "2026-10-25T00:00:00Z", true},
		{nil, []string{"02:00-03:00"}, "Europe/Paris", "2026-10-25T01:59:59Z", true},
		{nil, []string{"02:00-03:00"}, "Europe/Paris", "2026-10-25T02:00:00Z", false},
		{[]string{"sat"}, []string{"22:00-03:00"}, "Europe/Paris", "2026-10-25T01:30:00Z", true},
	} {
		config := sample()
		config.Routes = []carriers.RouteConfig{{
			Match:  carriers.MatchConfig{Days: c.days, Hours: hours(t, c.hours...), Zone: c.zone},
			Reject: &carriers.RejectConfig{Code: 480},
		}}
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := book(t, config).Select(at, dialog.Setup{Number: "1"}, nil).Route == 0; got != c.want {
			t.Errorf("%v %v %s at %s: there %t", c.days, c.hours, c.zone, c.at, got)
		}
	}
}
