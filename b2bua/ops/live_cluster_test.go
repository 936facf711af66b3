package ops_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/carriers"
)

func (s *served) live(query string) (l ops.Live) {
	s.t.Helper()
	a := s.ask("viewer", "GET", "/v1/live"+query)
	if err := json.Unmarshal([]byte(a.text), &l); err != nil || a.StatusCode != 200 {
		s.t.Fatalf("%s: %v\n%s", a.Status, err, a.text)
	}
	return l
}

func counts(l ops.Live) map[string]int {
	n := map[string]int{}
	for _, c := range l.Calls {
		n[c.State] += c.Calls
	}
	for _, c := range l.Nodes {
		n["of "+c.Node+" "+c.Unit+" "+c.State] += c.Calls
	}
	for _, c := range l.Carriers {
		n["at "+c.Name] += c.Calls
	}
	return n
}

func wants(t *testing.T, l ops.Live, want map[string]int) {
	t.Helper()
	got := counts(l)
	for name, n := range want {
		if is, ok := got[name]; is != n || !ok {
			t.Errorf("%s: %d, want %d, of %v", name, is, n, got)
		}
	}
}

// TestR19_TheBoardIsTheClusters: its figures are those of all nodes, or of the one that is
// named; of a dead one as the store has its calls.
func TestR19_TheBoardIsTheClusters(t *testing.T) {
	t.Parallel()
	a, b, of, at := twoNodes(t)
	of.watch.add(&a.node.feed)
	at.watch.add(&b.node.feed)
	of.answers(of.invites(41, "127.0.11.5", "+4141", "+3341"), "503 Service Unavailable", "127.0.21.1") // and hunts on
	at.answers(at.invites(42, "127.0.12.5", "+4242", "+4442"), "486 Busy Here", "127.0.22.1")           // and settles
	for _, s := range []*served{a, b} {
		l := s.live("")
		wants(t, l, map[string]int{"hunting": 9, "up": 1, "settling": 1, "of sbc-a u1 serving": 5, "of sbc-b u2 serving": 5, "at tc2": 10, "at tc1": 0})
		if l.Node != s.node.name || len(l.Nodes) != 2 || len(l.Incomplete) != 0 || l.Rate == 0 || len(l.Wrong) != 2 || l.Wrong[0].Node != "sbc-b" || l.Wrong[1].Node != "sbc-a" {
			t.Errorf("%+v", l)
		}
		wants(t, s.live("?node=sbc-a"), map[string]int{"hunting": 5, "up": 0, "settling": 0, "of sbc-a u1 serving": 5})
		one := s.live("?node=sbc-b")
		wants(t, one, map[string]int{"hunting": 4, "up": 1, "settling": 1, "of sbc-b u2 serving": 5})
		if one.Node != "sbc-b" || len(one.Nodes) != 1 || len(one.Wrong) != 1 {
			t.Errorf("%+v", one)
		}
		s.ask("viewer", "GET", "/v1/live?node=sbc-c").problem(t, 422)
	}

	c, _ := a.node.cluster.(*neighbours)
	c.stored = map[string][]*b2bua.Call{"u2": at.keeps()}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	p := c.peers[0]
	for _, dead := range []bool{false, true} {
		p.Dead = dead
		a.knows(p)
		word := map[bool]string{false: "unreachable", true: "dead"}[dead]
		l := a.live("")
		wants(t, l, map[string]int{"hunting": 9, "up": 1, "settling": 0, "of sbc-a u1 serving": 5, "of sbc-b u2 " + word: 5, "at tc2": 10})
		if len(l.Incomplete) != 1 || l.Incomplete[0].Node != "sbc-b" || len(l.Nodes) != 2 {
			t.Errorf("%+v", l)
		}
	}
	l := a.live("?node=sbc-b")
	wants(t, l, map[string]int{"hunting": 4, "up": 1, "of sbc-b u2 dead": 5})
	if l.Node != "sbc-b" || l.State != "dead" || l.Serves || !l.Started.IsZero() {
		t.Errorf("%+v", l)
	}
	c.owners["u2"] = ops.Owner{}
	wants(t, a.live(""), map[string]int{"up": 1, "of sbc-b u2 dead": 0, "of  u2 none": 5})
	c.err = errors.New("no store")
	if l := a.live(""); len(l.Incomplete) != 3 {
		t.Errorf("%+v", l.Incomplete)
	}
}

// TestHowACarrierStandsIsSaid in words, on the board of any node: where nodes differ, the
// worst, and where it is so.
func TestHowACarrierStandsIsSaid(t *testing.T) {
	t.Parallel()
	a, b, _, _ := twoNodes(t)
	now := time.Now()
	until := now.Add(time.Hour).UTC()
	stands := func(s *served) string {
		t.Helper()
		c := s.live("").Carriers[0]
		return c.State + " | " + c.Standing()
	}
	if got := stands(a); got != " | " {
		t.Error(got)
	}
	b.node.standings.Order(carriers.Order{Carrier: "tc1", Standing: carriers.Quarantined, By: "alice", Reason: "one <way> audio", Since: now, Until: until})
	want := "quarantined | tried where a call has nobody else, by operator alice until " + until.Format("2006-01-02 15:04:05Z") + ": one <way> audio (node sbc-b)"
	for _, s := range []*served{a, b} {
		if got := stands(s); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if page := s.ask("viewer", "GET", "/"); !strings.Contains(page.text, "quarantined<small>tried where a call has nobody else, by operator alice until ") ||
			!strings.Contains(page.text, ": one &lt;way&gt; audio (node sbc-b)") {
			t.Error(page.text)
		}
	}
	a.node.standings.Order(carriers.Order{Carrier: "tc1", Standing: carriers.Drained, By: "bob", Since: now})
	if got, want := stands(b), "drained | no new attempts, by operator bob (node sbc-a)"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.node.standings.Order(carriers.Order{Carrier: "tc1", Standing: carriers.Drained, By: "bob", Since: now.Add(time.Second)})
	if got, want := stands(b), "drained | no new attempts, by operator bob"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, try := range []struct {
		ops.LiveCarrier
		want string
	}{
		{ops.LiveCarrier{State: "down", Watched: 1}, "its gateway takes no calls"},
		{ops.LiveCarrier{State: "down", Watched: 2, Resting: 2, At: []string{"a", "c"}}, "0 of 2 gateways take calls, circuit open at 2 (node a, c)"},
		{ops.LiveCarrier{State: "part", Watched: 3, Well: 2, Resting: 1}, "2 of 3 gateways take calls, circuit open at 1"},
		{ops.LiveCarrier{State: carriers.SkipCapped, Watched: 1, Well: 1}, "tried last: too few of its calls come to something"},
		{ops.LiveCarrier{State: "deprioritised", Stands: ops.Stand{By: "scorecard", Reason: "late 200"}}, "tried after all others, by scorecard: late 200"},
		{ops.LiveCarrier{State: "up", Watched: 1, Well: 1}, ""},
	} {
		if got := try.Standing(); got != try.want {
			t.Errorf("%q, want %q", got, try.want)
		}
	}
}

// TestR19_ThePageIsTheClusters: calls of all nodes with their node, or of one; those of a dead
// one are marked, and each is told of by any node.
func TestR19_ThePageIsTheClusters(t *testing.T) {
	t.Parallel()
	a, b, _, at := twoNodes(t)
	page := func(s *served, path string) string {
		t.Helper()
		said := s.ask("viewer", "GET", path)
		if said.StatusCode != 200 {
			t.Errorf("%s: %s", path, said.Status)
		}
		return said.text
	}
	has := func(text string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%q is not in\n%s", w, text)
			}
		}
	}
	has(page(a, "/"), "4200", "4100", "<td>sbc-a</td>", "<td>sbc-b</td>", `data-live="/v1/events"`, `href="/?node=sbc-b"`)
	one := page(a, "/?node=sbc-b")
	has(one, "4200", `data-live="/v1/events?node=sbc-b"`, `<a href="/?node=sbc-b" aria-current="page">`, `name="node" value="sbc-b"`)
	if strings.Contains(one, "4100") || strings.Contains(one, "<td>sbc-a</td>") {
		t.Error("of one node, and a call of the other is there")
	}
	a.ask("viewer", "GET", "/?node=sbc-c").problem(t, 422)
	up := a.lists("?state=up").Calls[0].ID
	here, there := page(b, "/calls/"+up), page(a, "/calls/"+up)
	for _, text := range []string{here, there} {
		has(text, "up, on node sbc-b", "answered 200", `data-live="/v1/calls/`+up+`/events"`)
	}
	drawing := func(text string) string {
		_, text, _ = strings.Cut(text, "<svg")
		text, _, _ = strings.Cut(text, "</svg>")
		return text
	}
	if drawing(here) == "" || drawing(here) != drawing(there) {
		t.Errorf("drawn at the other node:\n%s\nand here:\n%s", drawing(here), drawing(there))
	}

	c, _ := a.node.cluster.(*neighbours)
	c.stored = map[string][]*b2bua.Call{"u2": at.keeps()}
	p := c.peers[0]
	p.Dead = true
	a.knows(p)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	has(page(a, "/"), "4200", `<small class="bad">sbc-b dead, as stored 1m0s ago</small>`, `<span class="state dead">dead</span>, 5 calls as the store has them`, "node sbc-b: unit u2: ")
	has(page(a, "/calls/"+up), "up, on node sbc-b: <strong", "dead, as stored", "answered 200")
}
