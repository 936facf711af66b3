package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/dialog"
)

// neighbours are what a test says that a node knows of the others.
type neighbours struct {
	mu     sync.Mutex
	peers  []ops.Peer
	err    error
	owners map[string]ops.Owner
	stored map[string][]*b2bua.Call
}

// Peers is ops.Cluster.
func (n *neighbours) Peers() ([]ops.Peer, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.peers, n.err
}

// Owner is ops.Cluster.
func (n *neighbours) Owner(_ context.Context, unit string) (ops.Owner, error) {
	return n.owners[unit], n.err
}

// Stored is ops.Cluster.
func (n *neighbours) Stored(_ context.Context, unit string, each func(*b2bua.Call)) error {
	for _, c := range n.stored[unit] {
		each(c)
	}
	return n.err
}

// StoredCall is ops.Cluster.
func (n *neighbours) StoredCall(_ context.Context, unit, id string) (*b2bua.Call, error) {
	for _, c := range n.stored[unit] {
		if c.ID.String() == id {
			return c, nil
		}
	}
	return nil, n.err
}

// plain gives a call no profiles.
type plain struct{}

func (plain) TrunkPolicy(string, string) *dialog.Policy   { return &dialog.Policy{} }
func (plain) CarrierPolicy(string, string) *dialog.Policy { return &dialog.Policy{} }
func (plain) Profile(string) b2bua.Profile                { return nil }
func (plain) Contacts(string) int                         { return 0 }
func (plain) Redirect(string, string, string) (b2bua.Target, bool) {
	return b2bua.Target{}, false
}

// keeps is the calls of a border as a store has them.
func (b *border) keeps() (calls []*b2bua.Call) {
	b.t.Helper()
	all, _ := b.engine.Overviews(b.t.Context())
	for _, o := range all {
		var record []byte
		b.engine.Inspect(b.t.Context(), o.ID, func(c *b2bua.Call) {
			c.Saved = time.Now().Add(-time.Minute)
			record = c.Encode(nil)
		})
		c, err := b2bua.Decode(record, plain{})
		if err != nil {
			b.t.Fatal(err)
		}
		if !c.Written {
			calls = append(calls, c)
		}
	}
	return calls
}

// twoNodes are nodes that know each other, with calls: of the first +410n, of the second +420n.
func twoNodes(t *testing.T) (a, b *served, of, at *border) {
	t.Helper()
	a, b = serveAs(t, "sbc-a", "u1", "of the cluster"), serveAs(t, "sbc-b", "u2", "of the cluster")
	of, at = newBorder(t), newBorder(t)
	for n := range 4 {
		of.invites(n, "127.0.11.5", fmt.Sprintf("+410%d", n), "+4401")
		at.invites(10+n, "127.0.12.5", fmt.Sprintf("+420%d", n), "+4402")
	}
	at.up(20, "127.0.12.5", "+4209", "+4402", "127.0.22.1")
	peer := func(s *served) ops.Peer {
		return ops.Peer{Node: s.node.name, Unit: s.node.unit, URL: "http://" + s.Addr()}
	}
	owners := map[string]ops.Owner{"u1": {Node: "sbc-a", Epoch: 3}, "u2": {Node: "sbc-b", Epoch: 7}}
	for _, n := range []struct {
		s, other *served
		b        *border
	}{{a, b, of}, {b, a, at}} {
		n.s.node.engine, n.s.node.journal, n.s.node.epoch = n.b.engine, &n.b.journal, owners[n.s.node.unit].Epoch
		n.s.node.cluster = &neighbours{peers: []ops.Peer{peer(n.other)}, owners: owners}
	}
	return a, b, of, at
}

func from(calls []ops.Call) string {
	var all []string
	for _, c := range calls {
		all = append(all, c.From)
	}
	return strings.Join(all, " ")
}

// TestR19_TheClusterIsListed by any node, in one order, a page at a time; or one node.
func TestR19_TheClusterIsListed(t *testing.T) {
	a, b, _, _ := twoNodes(t)
	for _, s := range []*served{a, b} { // what is served is not looked for in the store
		c, _ := s.node.cluster.(*neighbours)
		late := newBorder(t)
		late.invites(99, "127.0.11.5", "+4300", "+44")
		c.stored = map[string][]*b2bua.Call{"u1": late.keeps(), "u2": late.keeps()}
	}
	const all = "+4209 +4203 +4103 +4202 +4102 +4201 +4101 +4200 +4100"
	for _, s := range []*served{a, b} {
		l := s.lists("")
		if from(l.Calls) != all || l.Matched != 9 || l.Next != "" || len(l.Incomplete) != 0 {
			t.Errorf("%s: %s %+v", s.node.name, from(l.Calls), l)
		}
		for _, c := range l.Calls {
			if want := map[bool]string{true: "sbc-a u1", false: "sbc-b u2"}[c.Trunk == "pbx"]; c.Node+" "+c.Unit != want || c.Owner != "" || !c.Stored.IsZero() {
				t.Errorf("%+v", c)
			}
		}
		var seen []string
		for cursor := ""; ; {
			l := s.lists("?limit=2&fields=from&cursor=" + url.QueryEscape(cursor))
			if l.Matched != 9 || len(l.Calls) > 2 || l.Calls[0].Trunk != "" {
				t.Errorf("%+v", l)
			}
			seen = append(seen, from(l.Calls))
			if cursor = l.Next; cursor == "" {
				break
			}
		}
		if got := strings.Join(seen, " "); got != all {
			t.Errorf("paged: %s", got)
		}
		for query, want := range map[string]string{
			"?node=sbc-a": "+4103 +4102 +4101 +4100", "?node=sbc-b&state=hunting": "+4203 +4202 +4201 +4200", "?state=up": "+4209",
			"?trunk=other&from=%2B4202": "+4202", "?number=%2B4402&attempts=1&longer_than=0s&carrier=tc2&limit=1": "+4209", "?strays=1": "",
		} {
			if got := from(s.lists(query).Calls); got != want {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
		p := s.ask("viewer", "GET", "/v1/calls?node=sbc-c").problem(t, 422)
		if len(p.Errors) != 1 || p.Errors[0].Location != "query.node" || !strings.Contains(p.Errors[0].Message, "sbc-") {
			t.Errorf("%+v", p)
		}
	}
}

// TestR19_ACallOfAnotherNode is shown, told of, drawn and ended by any node; by one that is
// named only if it is that one's.
func TestR19_ACallOfAnotherNode(t *testing.T) {
	a, b, _, _ := twoNodes(t)
	up := a.lists("?state=up").Calls[0]
	path := "/v1/calls/" + up.ID
	var d ops.CallDetail
	if said := a.ask("viewer", "GET", path); json.Unmarshal([]byte(said.text), &d) != nil || d.ID != up.ID || d.Node != "sbc-b" || d.Unit != "u2" || d.Epoch != 7 || len(d.Legs) != 2 {
		t.Errorf("%+v", d)
	}
	for _, format := range []string{"text", "svg", "json"} {
		here, there := a.ask("viewer", "GET", path+"/ladder?format="+format), b.ask("viewer", "GET", path+"/ladder?format="+format)
		if here.StatusCode != 200 || here.text != there.text || here.Header.Get("Content-Type") != there.Header.Get("Content-Type") {
			t.Errorf("%s: %s %v\n%s", format, here.Status, here.Header, here.text)
		}
	}
	var r ops.Reasons
	if said := a.ask("viewer", "GET", path+"/why"); json.Unmarshal([]byte(said.text), &r) != nil || r.Call != up.ID || len(r.Why) == 0 {
		t.Error(said.text)
	}
	for _, more := range []string{"", "/ladder", "/why"} {
		p := a.ask("viewer", "GET", path+more+"?node=sbc-a").problem(t, 404)
		if !strings.Contains(p.Detail, "here") {
			t.Error(p.Detail)
		}
		if said := a.ask("viewer", "GET", path+more+"?node=sbc-b"); said.StatusCode != 200 {
			t.Error(said.text)
		}
		p = a.ask("viewer", "GET", "/v1/calls/"+strings.Repeat("a", len(up.ID))+more).problem(t, 404)
		if !strings.Contains(p.Detail, "on any node") {
			t.Error(p.Detail)
		}
	}
	a.ask("viewer", "DELETE", path).problem(t, 403)
	a.ask("operator", "DELETE", path+"?node=sbc-a").problem(t, 404)
	if said := a.ask("operator", "DELETE", path+"?cause=31"); said.StatusCode != 202 || !strings.Contains(said.text, up.ID) {
		t.Errorf("%s %s", said.Status, said.text)
	}
	if p := a.ask("operator", "DELETE", path).problem(t, 409); p.Detail != "node sbc-b: the call has ended: operator" {
		t.Error(p.Detail)
	}
	lines := b.logs.FilterMessage("audit").All()
	if len(lines) != 2 {
		t.Fatalf("%d lines of audit at the other node", len(lines))
	}
	if f := lines[0].ContextMap(); f["who"] != "operator-name" || f["role"] != "operator" || f["via"] != "sbc-a" || f["action"] != "hangup" || f["status"] != int64(202) {
		t.Errorf("%v", f)
	}
	if len(b.lists("?state=up").Calls) != 0 {
		t.Error("it is up")
	}
}

// TestR07_ManyAreEndedInTheCluster, counted first in all of it.
func TestR07_ManyAreEndedInTheCluster(t *testing.T) {
	a, b, _, _ := twoNodes(t)
	if e := a.ends("?state=hunting&dry_run=true"); e.Matched != 8 || e.Left != 8 || len(e.Calls) != 8 || e.Ending != 0 {
		t.Errorf("%+v", e)
	}
	if p := a.ask("operator", "DELETE", "/v1/calls?state=hunting&at_most=7").problem(t, 409); !strings.Contains(p.Detail, "8 match") {
		t.Error(p.Detail)
	}
	if n := len(b.lists("?state=hunting").Calls); n != 8 {
		t.Fatalf("%d are left", n)
	}
	if e := a.ends("?node=sbc-b&trunk=other&from=%2B4200"); e.Matched != 1 || e.Ending != 1 || e.Calls[0].Node != "sbc-b" {
		t.Errorf("%+v", e)
	}
	if e := a.ends("?state=hunting&at_most=7&rate=1000&cause=41"); e.Matched != 7 || e.Ending != 7 || e.Left != 0 || len(e.Incomplete) != 0 {
		t.Errorf("%+v", e)
	}
	if got := from(a.lists("?state=hunting,ringing,up").Calls); got != "+4209" {
		t.Errorf("left: %s", got)
	}
}

// TestTheRateAndTheLimitAreOfTheCluster: the newest of all nodes are ended, and no more than
// that in all, however they are spread; a second sees no more ends than were asked for.
func TestTheRateAndTheLimitAreOfTheCluster(t *testing.T) {
	t.Parallel()
	a, b, of, _ := twoNodes(t)
	of.invites(50, "127.0.11.5", "+4150", "+4401") // the newest
	if e := a.ends("?state=hunting&dry_run=true&limit=3"); e.Matched != 9 || e.Left != 9 || !e.DryRun || from(e.Calls) != "+4150 +4203 +4103" {
		t.Errorf("%+v", e)
	}
	for _, s := range []*served{a, b} { // one node alone has more than that, the other one not
		if p := s.ask("operator", "DELETE", "/v1/calls?state=hunting&at_most=4").problem(t, 409); !strings.Contains(p.Detail, "9 match, and at_most is 4") {
			t.Error(p.Detail)
		}
	}
	e := b.ends("?state=hunting&limit=3&rate=1000")
	if e.Matched != 9 || e.Ending != 3 || e.Left != 6 || from(e.Calls) != "+4150 +4203 +4103" || len(e.Incomplete) != 0 {
		t.Errorf("%+v", e)
	}
	if got := from(a.lists("?state=hunting").Calls); got != "+4202 +4102 +4201 +4101 +4200 +4100" {
		t.Errorf("left: %s", got)
	}
	began := time.Now()
	if e := a.ends("?state=hunting&rate=4&limit=4"); e.Matched != 6 || e.Ending != 4 || e.Left != 2 || from(e.Calls) != "+4202 +4102 +4201 +4101" {
		t.Errorf("%+v", e)
	}
	if took := time.Since(began); took < 700*time.Millisecond {
		t.Errorf("4 calls at 4 a second were ended within %v", took)
	}
	e = a.ends("?state=hunting&rate=1") // which is one node's
	if e.Matched != 2 || e.Ending != 1 || e.Left != 1 || from(e.Calls) != "+4200" {
		t.Errorf("%+v", e)
	}
	if e := a.ends("?state=hunting&node=sbc-b"); e.Matched != 0 || e.Ending != 0 {
		t.Errorf("%+v", e)
	}
	if p := a.ask("operator", "DELETE", "/v1/calls?state=hunting&newest=x").problem(t, 422); p.Errors[0].Location != "query.newest" {
		t.Errorf("%+v", p)
	}
}

// TestNoMoreAreEndedThanWereCounted: a node that did not answer while calls were counted, and
// does now, ends none by a number that it had no part in.
func TestNoMoreAreEndedThanWereCounted(t *testing.T) {
	a, b, _, _ := twoNodes(t)
	c, _ := a.node.cluster.(*neighbours)
	var counts, ends atomic.Int32
	target, err := url.Parse(c.peers[0].URL)
	if err != nil {
		t.Fatal(err)
	}
	on := httputil.NewSingleHostReverseProxy(target)
	flapping := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("dry_run") == "true" && counts.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		ends.Add(1)
		on.ServeHTTP(w, r)
	}))
	defer flapping.Close()
	c.peers[0].URL = flapping.URL
	e := a.ends("?state=hunting&at_most=4&rate=1000")
	if e.Matched != 4 || e.Ending != 4 || ends.Load() != 0 || len(e.Incomplete) != 1 || e.Incomplete[0].Node != "sbc-b" {
		t.Errorf("%d requests to end: %+v", ends.Load(), e)
	}
	if n := len(b.lists("?node=sbc-b&state=hunting").Calls); n != 4 {
		t.Errorf("%d are left at the other node", n)
	}
	if counts.Load() != 1 {
		t.Errorf("counted %d times", counts.Load())
	}
}

// TestR19_ADeadOwner: what the store has of its calls is listed, shown, told of, and marked;
// nothing can be done to it.
func TestR19_ADeadOwner(t *testing.T) {
	a, b, _, at := twoNodes(t)
	c, _ := a.node.cluster.(*neighbours)
	c.stored = map[string][]*b2bua.Call{"u2": at.keeps()}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for _, dead := range []bool{false, true} {
		c.peers[0].Dead = dead
		word := map[bool]string{false: "unreachable", true: "dead"}[dead]
		l := a.lists("")
		if len(l.Calls) != 9 || l.Matched != 9 || len(l.Incomplete) != 1 || l.Incomplete[0].Node != "sbc-b" || l.Incomplete[0].Unit != "u2" || !strings.Contains(l.Incomplete[0].Reason, "refused") {
			t.Errorf("%d calls, %+v", len(l.Calls), l.Incomplete)
		}
		for _, k := range l.Calls {
			if k.Trunk == "pbx" && (k.Owner != "" || k.Node != "sbc-a") ||
				k.Trunk == "other" && (k.Owner != word || k.Node != "sbc-b" || k.Unit != "u2" || k.Age < 59 || k.Age > 90 || k.Stored.IsZero()) {
				t.Errorf("%+v", k)
			}
		}
	}
	if got := from(a.lists("?node=sbc-b&limit=2").Calls); got != "+4209 +4203" {
		t.Error(got)
	}
	up := a.lists("?state=up").Calls[0]
	path := "/v1/calls/" + up.ID
	var d ops.CallDetail
	if said := a.ask("viewer", "GET", path); json.Unmarshal([]byte(said.text), &d) != nil || d.ID != up.ID || d.Owner != "dead" || d.Epoch != 7 || d.Age < 59 || len(d.Legs) != 2 {
		t.Errorf("%+v", d)
	}
	if said := a.ask("viewer", "GET", path+"/why"); said.StatusCode != 200 || !strings.Contains(said.text, "tc2") {
		t.Error(said.text)
	}
	if said := a.ask("viewer", "GET", path+"/ladder?format=text"); said.StatusCode != 200 || !strings.Contains(said.text, "tc2") {
		t.Error(said.text)
	}
	if p := a.ask("operator", "DELETE", path).problem(t, 409); !strings.Contains(p.Detail, "node sbc-b, which has it, is dead: it can be ended when a node serves it again") {
		t.Error(p.Detail)
	}
	if e := a.ends("?trunk=other"); e.Matched != 0 || len(e.Incomplete) != 1 || e.Incomplete[0].Node != "sbc-b" {
		t.Errorf("%+v", e)
	}
	c.owners["u2"] = ops.Owner{Node: "sbc-a", Epoch: 8} // taken, and given up
	if l := a.lists("?node=sbc-b"); len(l.Calls) != 0 || len(l.Incomplete) != 1 {
		t.Errorf("%+v", l)
	}
	if k := a.lists("?state=up").Calls[0]; k.Owner != "none" {
		t.Errorf("%+v", k)
	}
	c.err = errors.New("no store")
	l := a.lists("")
	if len(l.Calls) != 4 || len(l.Incomplete) != 3 || l.Incomplete[0].Node != "" || !strings.Contains(l.Incomplete[0].Reason, "no store") {
		t.Errorf("%d calls, %+v", len(l.Calls), l.Incomplete)
	}
	if p := a.ask("viewer", "GET", "/v1/calls/"+strings.Repeat("a", len(up.ID))).problem(t, 404); !strings.Contains(p.Detail, "no store") {
		t.Error(p.Detail)
	}
}

// TestAStandby lists what its unit's other node has, and by itself nothing.
func TestAStandby(t *testing.T) {
	a, b, _, at := twoNodes(t)
	b.node.unit, a.node.engine = "u1", nil
	c, _ := a.node.cluster.(*neighbours)
	c.peers[0].Unit, c.owners["u1"] = "u1", ops.Owner{Node: "sbc-b", Epoch: 4}
	c.stored = map[string][]*b2bua.Call{"u1": at.keeps()}
	l := a.lists("?trunk=other")
	if len(l.Calls) != 5 || l.Calls[0].Owner != "" || len(l.Incomplete) != 0 {
		t.Errorf("%+v", l)
	}
	a.ask("viewer", "GET", "/v1/calls?node=sbc-a").problem(t, 503)
	b.node.engine = nil // nobody serves
	l = a.lists("?trunk=other")
	if len(l.Calls) != 5 || l.Calls[0].Owner != "none" || len(l.Incomplete) != 0 {
		t.Errorf("%+v", l)
	}
}

// TestASlowNode holds nobody up, and is named.
func TestASlowNode(t *testing.T) {
	a, _, _, at := twoNodes(t)
	c, _ := a.node.cluster.(*neighbours)
	c.stored = map[string][]*b2bua.Call{"u2": at.keeps()}
	var asked atomic.Int32
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-r.Context().Done()
	}))
	defer slow.Close()
	c.peers = append(slices.Clone(c.peers), ops.Peer{Node: "sbc-c", Unit: "u3"}) // without an address
	c.peers[0].URL = slow.URL
	c.peers[0].Unit = "u1" // whose calls we have, so that it is not waited for
	if l := a.lists("?trunk=pbx"); len(l.Calls) != 4 || asked.Load() != 0 {
		t.Errorf("%+v", l)
	}
	c.peers[0].Unit = "u2"
	began := time.Now()
	l := a.lists("")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(l.Calls) != 9 || l.Calls[0].Owner != "unreachable" || len(l.Incomplete) != 2 || l.Incomplete[0].Node != "sbc-b" || l.Incomplete[0].Reason != "it did not answer in time" ||
		l.Incomplete[1].Node != "sbc-c" || !strings.Contains(l.Incomplete[1].Reason, "api.advertise") || asked.Load() != 1 {
		t.Errorf("%+v", l)
	}
}
