package ops_test

import (
	"encoding/json"
	"testing"

	"bulkhead/b2bua/ops"
)

// TestLive: what the node does at the moment, also where it does nothing.
func TestLive(t *testing.T) {
	s, b := busy(t)
	b.watch.add(&s.node.feed)
	b.answers(b.invites(7, "127.0.11.5", "+4107", "+3307"), "503 Service Unavailable", "127.0.21.1")
	ask := func() (l ops.Live) {
		a := s.ask("viewer", "GET", "/v1/live")
		if err := json.Unmarshal([]byte(a.text), &l); err != nil || a.StatusCode != 200 {
			t.Fatalf("%s: %v\n%s", a.Status, err, a.text)
		}
		return l
	}
	l := ask()
	want := map[string]int{"hunting": 3, "ringing": 1, "up": 2, "ending": 0, "settling": 1}
	for _, c := range l.Calls {
		if c.Calls != want[c.State] {
			t.Errorf("%d calls are %s, want %d", c.Calls, c.State, want[c.State])
		}
	}
	if len(l.Calls) != len(want) || len(l.Wrong) != 1 || l.Wrong[0].Peer != "tc1" || l.Wrong[0].Next != "tc2" || l.State == "" || l.Node == "" {
		t.Errorf("%+v", l)
	}
	at := map[string]int{}
	for _, c := range l.Carriers {
		at[c.Name] = c.Calls
		if c.State != "" {
			t.Errorf("%s is %q, and nobody watches it", c.Name, c.State)
		}
	}
	if at["tc1"] != 3 || at["tc2"] != 3 {
		t.Errorf("calls at carriers: %v", at)
	}
	s.node.engine = nil
	for _, c := range ask().Calls {
		if c.Calls != 0 {
			t.Errorf("a node that stands by has %d calls that are %s", c.Calls, c.State)
		}
	}
	s.ask("nobody", "GET", "/v1/live").problem(t, 401)
}
