package ops_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua/ops"
)

// ends ends calls as an operator.
func (s *served) ends(query string) ops.Ended {
	s.t.Helper()
	a := s.ask("operator", "DELETE", "/v1/calls"+query)
	var e ops.Ended
	if err := json.Unmarshal([]byte(a.text), &e); err != nil || a.StatusCode != 202 {
		s.t.Fatalf("%s: %s %s", query, a.Status, a.text)
	}
	return e
}

// callers are those who call, as busy numbers them.
func callers(calls []ops.Call) string {
	var all []string
	for _, c := range calls {
		all = append(all, strings.TrimLeft(c.From[4:], "0"))
	}
	return strings.Join(all, " ")
}

// TestR07_ManyAreEnded: those that the filters say, told the cause; a dry run ends none.
func TestR07_ManyAreEnded(t *testing.T) {
	s, b := busy(t)
	if e := s.ends("?trunk=pbx&dry_run=true"); e.Matched != 4 || e.Ending != 0 || e.Left != 4 || !e.DryRun || callers(e.Calls) != "5 3 2 1" {
		t.Errorf("dry run: %+v", e)
	}
	if got := callers(s.lists("?state=hunting,ringing,up").Calls); got != "5 4 3 2 1" {
		t.Fatalf("after a dry run: %s", got)
	}
	b.mu.Lock()
	b.sent = nil
	b.mu.Unlock()
	if e := s.ends("?state=up&trunk=pbx&cause=31"); e.Matched != 1 || e.Ending != 1 || e.Left != 0 || e.DryRun || callers(e.Calls) != "3" {
		t.Errorf("one: %+v", e)
	}
	b.mu.Lock()
	byes := slices.DeleteFunc(slices.Clone(b.sent), func(m string) bool {
		return !strings.HasPrefix(m, "BYE ") || !strings.Contains(m, "\r\nReason: Q.850;cause=31;text=\"Ended by an operator\"\r\n")
	})
	b.mu.Unlock()
	if len(byes) != 2 {
		t.Errorf("%d BYEs with the cause", len(byes))
	}
	if e := s.ends("?trunk=pbx&limit=1"); e.Matched != 3 || e.Ending != 1 || e.Left != 2 || callers(e.Calls) != "5" {
		t.Errorf("bounded: %+v", e)
	}
	if e := s.ends("?all=true&at_most=3&rate=1000"); e.Matched != 3 || e.Ending != 3 || e.Left != 0 || callers(e.Calls) != "4 2 1" {
		t.Errorf("all: %+v", e)
	}
	if e := s.ends("?all=true"); e.Matched != 0 || e.Ending != 0 { // not those that have ended
		t.Errorf("again: %+v", e)
	}
	if got := callers(s.lists("?state=hunting,ringing,up").Calls); got != "" {
		t.Errorf("left: %s", got)
	}
	if n := s.logs.FilterMessage("audit").Len(); n != 5 {
		t.Errorf("%d lines of audit", n)
	}
}

// TestManyAreNotEndedByAnOversight: no filter, a contradiction, more than were counted, no
// role.
func TestManyAreNotEndedByAnOversight(t *testing.T) {
	s, _ := busy(t)
	for query, where := range map[string]string{
		"":                         "query.all",
		"?longer_than=0s":          "query.all",
		"?attempts=0&number=":      "query.all",
		"?dry_run=true":            "query.all",
		"?all=true&trunk=pbx":      "query.all",
		"?trunk=pbx&cause=128":     "query.cause",
		"?trunk=pbx&rate=0":        "query.rate",
		"?trunk=pbx&limit=1001":    "query.limit",
		"?trunk=pbx&at_most=0":     "query.at_most",
		"?trunk=pbx&state=talking": "query.state[0]",
		"?trnk=pbx&all=true":       "query.trnk",
	} {
		p := s.ask("operator", "DELETE", "/v1/calls"+query).problem(t, 422)
		if len(p.Errors) != 1 || p.Errors[0].Location != where {
			t.Errorf("%s: %+v", query, p)
		}
	}
	if p := s.ask("operator", "DELETE", "/v1/calls?trunk=pbx&at_most=3").problem(t, 409); !strings.Contains(p.Detail, "4 match") {
		t.Error(p.Detail)
	}
	s.ask("viewer", "DELETE", "/v1/calls?all=true").problem(t, 403)
	s.ask("", "DELETE", "/v1/calls?all=true").problem(t, 401)
	if got := callers(s.lists("?state=hunting,ringing,up").Calls); got != "5 4 3 2 1" {
		t.Errorf("left: %s", got)
	}
	s.node.engine = nil
	s.ask("operator", "DELETE", "/v1/calls?all=true").problem(t, 503)
}

// TestManyAreEndedAtARate, one who asks at a time, and only while he waits.
func TestManyAreEndedAtARate(t *testing.T) {
	s, b := serve(t), newBorder(t)
	s.node.engine = b.engine
	for n := range 5 {
		b.invites(n, "127.0.11.5", fmt.Sprintf("+41%02d", n), "+44")
	}
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "DELETE", "http://"+s.Addr()+"/v1/calls?trunk=pbx&rate=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.ReplaceAll(token("operator"), " ", "-"))
	gone := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(request)
		gone <- err
	}()
	ended := func() int { return len(s.lists("?state=ending,settling").Calls) }
	for ended() == 0 {
		select {
		case <-t.Context().Done():
			t.Fatal("none is ended")
		case <-time.After(time.Millisecond):
		}
	}
	if p := s.ask("operator", "DELETE", "/v1/calls?trunk=pbx").problem(t, 409); !strings.Contains(p.Detail, "being ended already") {
		t.Error(p.Detail)
	}
	if e := s.ends("?trunk=pbx&dry_run=true"); e.Matched < 2 {
		t.Errorf("a dry run meanwhile: %+v", e)
	}
	cancel()
	if err := <-gone; err == nil {
		t.Error("all are ended at once")
	}
	for { // as soon as it is noticed that nobody waits
		if a := s.ask("operator", "DELETE", "/v1/calls?trunk=pbx&rate=1000"); a.StatusCode == 202 {
			if strings.Contains(a.text, `"matched":0,`) {
				t.Error("all were ended although nobody waited")
			}
			break
		}
	}
	if n := ended(); n != 5 {
		t.Errorf("%d are ended", n)
	}
}

// TestStraysAreFiltered: a refusal that its carrier repeats is counted, and found.
func TestStraysAreFiltered(t *testing.T) {
	s, b := busy(t)
	invite := b.invites(7, "127.0.11.5", "+4107", "+3307")
	for range 3 {
		b.answers(invite, "503 Service Unavailable", "127.0.21.1")
	}
	l := s.lists("?strays=1")
	if callers(l.Calls) != "7" || l.Calls[0].Strays != 2 {
		t.Errorf("%+v", l.Calls)
	}
	if l := s.lists("?strays=3"); len(l.Calls) != 0 {
		t.Errorf("%+v", l.Calls)
	}
}
