package carriers_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// naive says whether the pattern stands for the number, character by character.
func naive(pattern, number string) bool {
	switch {
	case pattern == "":
		return number == ""
	case pattern[0] == '*':
		return naive(pattern[1:], number) || number != "" && naive(pattern, number[1:])
	}
	return number != "" && number[0] == pattern[0] && naive(pattern[1:], number[1:])
}

func TestIndexFindsWhatAskingEachRouteFinds(t *testing.T) {
	letters := rapid.StringOfN(rapid.SampledFrom([]rune("12+")), 0, 5, -1)
	patterns := rapid.StringOfN(rapid.SampledFrom([]rune("12+**")), 0, 6, -1)
	trunks := rapid.SampledFrom([]string{"", "pbx", "wholesale"})
	all := realms(t)
	rapid.Check(t, func(t *rapid.T) {
		c := sample()
		c.Routes = nil
		for range rapid.IntRange(0, 30).Draw(t, "routes") {
			match := carriers.MatchConfig{Trunk: trunks.Draw(t, "trunk"), Number: patterns.Draw(t, "pattern")}
			switch rapid.IntRange(0, 5).Draw(t, "more") {
			case 0:
				match.Caller = patterns.Draw(t, "caller's pattern")
			case 1:
				match.Domain = rapid.SampledFrom([]string{"A", "*b", "ab"}).Draw(t, "domain")
			case 2:
				match.Hours = []carriers.Hours{{From: 0, To: 60}}
			}
			c.Routes = append(c.Routes, carriers.RouteConfig{
				Match: match,
				// The phrase tells which route it was.
				Reject: &carriers.RejectConfig{Code: 404, Reason: strconv.Itoa(len(c.Routes))},
			})
		}
		b, err := carriers.NewBook(c, all)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			s := dialog.Setup{Trunk: trunks.Draw(t, "trunk"), Number: letters.Draw(t, "number")}
			s.Caller.User, s.Domain = letters.Draw(t, "caller"), rapid.SampledFrom([]string{"a", "aB", "B", "c"}).Draw(t, "domain")
			now := time.Unix(rapid.Int64Range(0, 7200).Draw(t, "now"), 0)
			want := "No route"
			for i, r := range c.Routes {
				if (r.Match.Trunk == "" || r.Match.Trunk == s.Trunk) && (r.Match.Number == "" || naive(r.Match.Number, s.Number)) &&
					(r.Match.Caller == "" || naive(r.Match.Caller, s.Caller.User)) &&
					(r.Match.Domain == "" || naive(strings.ToLower(r.Match.Domain), strings.ToLower(s.Domain))) &&
					(r.Match.Hours == nil || now.Unix() < 3600) {
					want = strconv.Itoa(i)
					break
				}
			}
			if got := b.Select(now, s, nil).Refusal.Phrase; got != want {
				t.Fatalf("trunk %q number %q caller %q domain %q: %s, want route %s", s.Trunk, s.Number, s.Caller.User, s.Domain, got, want)
			}
		}
	})
}

func TestRerouteDefaults(t *testing.T) {
	c := book(t, sample()).Carrier("tc1")
	on := "300 302 380 401 407 408 480 487 500 501 502 503 504 505 513 580 599"
	stop := "400 402 403 404 410 433 482 484 485 486 488 491 600 603 604 606 607 608 699"
	for want, codes := range map[bool]string{true: on, false: stop} {
		for _, s := range strings.Fields(codes) {
			status, _ := strconv.Atoi(s)
			if got := c.Reroute(dialog.Cause{Why: dialog.Rejected, Code: status}); got != want {
				t.Errorf("%d: on %t, want %t", status, got, want)
			}
		}
	}
}

func TestRerouteByWhatWeFoundOurselves(t *testing.T) {
	config := sample()
	tc1 := config.Carriers["tc1"]
	tc1.Reroute.Stop = []string{"408", "503"} // speaks of the carrier's own answers
	config.Carriers["tc1"] = tc1
	c := book(t, config).Carrier("tc1")
	on := map[dialog.Why]bool{dialog.NoResponse: true, dialog.NoRinging: true, dialog.NoAnswer: true, dialog.NotSent: true}
	for why := dialog.NoResponse; why <= dialog.Elsewhere; why++ {
		if got := c.Reroute(dialog.Cause{Why: why, Code: 408}); got != on[why] {
			t.Errorf("%s: on %t, want %t", why, got, on[why])
		}
	}
}

func TestRerouteQ850BeforeSIPBeforeDefaults(t *testing.T) {
	config := sample()
	tc1 := config.Carriers["tc1"]
	tc1.Reroute = carriers.RerouteConfig{Stop: []string{"503", "q850:1"}, Continue: []string{"486", "403", "q850:34"}}
	config.Carriers["tc1"] = tc1
	c := book(t, config).Carrier("tc1")
	for _, s := range []struct {
		code, q850 int
		want       bool
	}{
		{486, 0, true}, {486, 17, true}, {486, 1, false},
		{503, 0, false}, {503, 34, true}, {503, 1, false},
		{403, 0, true}, {488, 0, false}, {500, 0, true}, {500, 1, false}, {404, 34, true},
	} {
		if got := c.Reroute(dialog.Cause{Code: s.code, Q850: s.q850}); got != s.want {
			t.Errorf("%d with cause %d: on %t, want %t", s.code, s.q850, got, s.want)
		}
	}
}
