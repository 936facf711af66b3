package ops_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/dialog"
)

// told reads a stream up to the next event of a name, and what it says.
func told[T any](t *testing.T, events <-chan [2]string, name string, is func(T) bool) (e T) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		select {
		case said, open := <-events:
			if !open {
				t.Fatalf("the stream has ended without %s", name)
			}
			if said[0] != name {
				continue
			}
			var e T
			if err := json.Unmarshal([]byte(said[1]), &e); err != nil {
				t.Fatal(err)
			}
			if is(e) {
				return e
			}
		case <-limit:
			t.Fatalf("no %s that is wanted", name)
		}
	}
}

// saysOf is whether a node is told of, in that state.
func saysOf(node, state string) func(ops.PeerStands) bool {
	return func(p ops.PeerStands) bool { return p.Node == node && p.State == state }
}

// knows has a node know of others anew.
func (s *served) knows(peers ...ops.Peer) {
	c, _ := s.node.cluster.(*neighbours)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers = peers
}

// TestR19_EventsOfTheCluster: what happens on one node comes to who listens at another one,
// with its name; of one node to who asks for one. No node asks for more than that of another.
func TestR19_EventsOfTheCluster(t *testing.T) {
	t.Parallel()
	a, b, of, at := twoNodes(t)
	of.watch.add(&a.node.feed)
	at.watch.add(&b.node.feed)
	all, one, own := a.hear("/v1/events"), a.hear("/v1/events?node=sbc-b"), a.hear("/v1/events?node=sbc-a")
	until(t, own, "idle")
	told(t, all, "peer", saysOf("sbc-b", "joined"))
	told(t, one, "peer", saysOf("sbc-b", "joined"))
	of.invites(31, "127.0.11.5", "+4131", "+4401")
	at.invites(32, "127.0.12.5", "+4232", "+4402")
	seen := map[string]string{}
	for len(seen) < 2 {
		s := told(t, all, "step", func(s ops.Step) bool { return s.What == "attempt" })
		if was, twice := seen[s.Node]; twice {
			t.Fatalf("told twice of node %s: %s, %s", s.Node, was, s.Call)
		}
		seen[s.Node] = s.Call
	}
	if seen["sbc-a"] == "" || seen["sbc-b"] == "" {
		t.Fatalf("%v", seen)
	}
	if s := told(t, one, "step", func(ops.Step) bool { return true }); s.Node != "sbc-b" || s.Call != seen["sbc-b"] {
		t.Errorf("of one node: %+v", s)
	}
	if s := told(t, own, "step", func(ops.Step) bool { return true }); s.Node != "sbc-a" || s.Call != seen["sbc-a"] {
		t.Errorf("of this node: %+v", s)
	}
	b.node.feed.Stands(time.Now(), "tc1", b2bua.Stand{})
	if c := told(t, all, "carrier", func(ops.CarrierStands) bool { return true }); c.Node != "sbc-b" || c.Carrier != "tc1" {
		t.Errorf("%+v", c)
	}

	call := a.hear("/v1/calls/" + seen["sbc-b"] + "/events") // which the other node has
	told(t, call, "peer", saysOf("sbc-b", "joined"))
	at.says("core", "127.0.12.5:5060", request("INVITE", 32, "127.0.12.5", "+4232", "+4402", "")) // again
	if m := told(t, call, "message", func(ops.Message) bool { return true }); m.Node != "sbc-b" || m.Call != seen["sbc-b"] || !m.In || m.Method != "INVITE" {
		t.Errorf("%+v", m)
	}
	for _, path := range []string{"/v1/events", "/v1/calls/" + seen["sbc-b"] + "/events"} {
		p := a.ask("viewer", "GET", path+"?node=sbc-c").problem(t, 422)
		if len(p.Errors) != 1 || p.Errors[0].Location != "query.node" || !strings.Contains(p.Errors[0].Message, "sbc-b") {
			t.Errorf("%+v", p)
		}
	}
	if err := a.Close(); err != nil { // does not wait for who listens
		t.Error(err)
	}
	for range all { // ends
	}
}

// TestANodeThatGoesIsToldInTheStream, why, and once; so is its coming back, wherever it listens
// then, and its events come again.
func TestANodeThatGoesIsToldInTheStream(t *testing.T) {
	t.Parallel()
	a, b, _, at := twoNodes(t)
	at.watch.add(&b.node.feed)
	events := a.hear("/v1/events")
	told(t, events, "peer", saysOf("sbc-b", "joined"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if p := told(t, events, "peer", func(ops.PeerStands) bool { return true }); p.Node != "sbc-b" || p.Unit != "u2" || p.State != "lost" || p.Reason == "" {
		t.Errorf("%+v", p)
	}
	c, _ := a.node.cluster.(*neighbours)
	gone := c.peers[0]
	gone.Dead = true
	a.knows(gone)
	if p := told(t, events, "peer", func(ops.PeerStands) bool { return true }); p.State != "dead" || p.Node != "sbc-b" || p.Unit != "u2" {
		t.Errorf("%+v", p)
	}
	again := serveAs(t, "sbc-b", "u2", "of the cluster")
	at.watch.add(&again.node.feed)
	time.AfterFunc(1500*time.Millisecond, func() { // it has been tried in vain by then
		a.knows(ops.Peer{Node: "sbc-b", Unit: "u2", URL: "http://" + again.Addr()})
	})
	if p := told(t, events, "peer", func(ops.PeerStands) bool { return true }); p.State != "joined" {
		t.Errorf("after one that was lost: %+v", p)
	}
	at.invites(33, "127.0.12.5", "+4233", "+4402")
	told(t, events, "step", func(s ops.Step) bool { return s.Node == "sbc-b" && s.What == "attempt" })

	a.knows()
	told(t, events, "peer", saysOf("sbc-b", "left"))
	a.knows(ops.Peer{Node: "sbc-b", Unit: "u2", URL: "http://" + again.Addr()}, ops.Peer{Node: "sbc-c"})
	told(t, events, "peer", func(p ops.PeerStands) bool {
		return p.Node == "sbc-c" && p.State == "lost" && strings.Contains(p.Reason, "api.advertise")
	})
}

// TestASilentNodeIsLost: its connection stands, and nothing comes.
func TestASilentNodeIsLost(t *testing.T) {
	t.Parallel()
	a, _, _, _ := twoNodes(t)
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte("event: idle\ndata: {}\n\n"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer silent.Close()
	a.knows(ops.Peer{Node: "sbc-b", Unit: "u2", URL: silent.URL})
	events := a.hear("/v1/events")
	told(t, events, "peer", saysOf("sbc-b", "joined"))
	if p := told(t, events, "peer", saysOf("sbc-b", "lost")); !strings.Contains(p.Reason, "said nothing") {
		t.Errorf("%+v", p)
	}
}

// TestASlowListenerLosesAnothersEvents, is told so, and is counted; the other node goes on.
func TestASlowListenerLosesAnothersEvents(t *testing.T) {
	t.Parallel()
	a, b, _, _ := twoNodes(t)
	call := dialog.CallID{7: 1}
	events := a.hear("/v1/calls/" + call.String() + "/events")
	told(t, events, "peer", saysOf("sbc-b", "joined"))
	const sent = 200_000
	began := time.Now()
	for range sent { // nobody reads events meanwhile
		b.node.feed.Saw(b2bua.Sight{Call: call, Method: "INFO", In: true, Data: []byte("INFO")})
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("%d events held the call up for %v", sent, took)
	}
	m := told(t, events, "missed", func(ops.Missed) bool { return true })
	if m.Events == 0 || m.Node == "" {
		t.Errorf("%+v", m)
	}
	if lost := a.node.feed.Missed() + b.node.feed.Missed(); lost < m.Events || lost > sent {
		t.Errorf("%d counted, %d told", lost, m.Events)
	}
}

// TestStreamsAreBounded: beyond so many there is none, which is said.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for range ops.MostStreams {
		<-s.hear("/v1/events")
	}
	if p := s.ask("viewer", "GET", "/v1/events").problem(t, 503); !strings.Contains(p.Detail, "256") {
		t.Error(p.Detail)
	}
}
