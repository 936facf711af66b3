package simtest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"bulkhead/b2bua/media"
	"bulkhead/b2bua/media/ng"
	"bulkhead/b2bua/media/sdp"
)

// engines are rtpengines without sockets: nodes a, b and so on, at addresses of their own, each with
// an account of its calls. What Debian's does the tests in deploy/e2e ask of it.
type engines struct {
	mu    sync.Mutex
	nodes []*engine
}

// engine is one of them.
type engine struct {
	name    string
	at      netip.Addr
	lost    bool
	refuses bool          // to take any call
	slow    time.Duration // it takes for each description
	heard   time.Time     // when it has last heard anybody
	calls   map[string]*anchored
	next    uint16
}

// anchored is a call of it: its ports, by the branch that has them; the trunk's has none.
type anchored struct{ ports map[string]uint16 }

const trunkBranch = ""

var errUnknown = fmt.Errorf("the node has it no more: %w", ng.ErrUnknownCall)

// engined reads "media rtpengine [nodes=1] [timeout=60s]"; the relay is there beside.
func (s *Stage) engined(nodes int, timeout time.Duration) {
	e := &engines{}
	for i := range nodes {
		e.nodes = append(e.nodes, &engine{
			name: string(rune('a' + i)), at: netip.AddrFrom4([4]byte{203, 0, 113, byte(i + 1)}), calls: map[string]*anchored{}, next: 20000,
		})
	}
	s.engines = e
	s.media.Mode, s.media.Engine = media.RTPEngine, media.NewEngined(e, nil, timeout)
}

// node reads "node a lost", "node a back", "node a heard", "node a refuses" or "node a slow=2s".
func (s *Stage) node(words []string) error {
	if s.engines == nil || len(words) != 2 {
		return fmt.Errorf("node NAME and what becomes of it, where there are rtpengines")
	}
	s.engines.mu.Lock()
	defer s.engines.mu.Unlock()
	n := s.engines.named(words[0])
	o, err := readOptions(words[1:])
	switch {
	case n == nil:
		err = fmt.Errorf("no node is called %s", words[0])
	case o.has("lost"):
		n.lost, n.calls = true, map[string]*anchored{} // it has been killed
	case o.has("back"):
		n.lost, n.refuses = false, false
	case o.has("heard"):
		n.heard = time.Now()
	case o.has("refuses"):
		n.refuses = true
	case o.or("slow", "") != "":
		n.slow, err = time.ParseDuration(o.or("slow", ""))
	default:
		err = fmt.Errorf("a node is lost, back, heard, refuses or is slow=TIME")
	}
	return err
}

func (e *engines) named(name string) *engine {
	for _, n := range e.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

// of is the node of a call; e.mu is held.
func (e *engines) of(node, call string) (*engine, *anchored, error) {
	n := e.named(node)
	if n == nil || n.lost {
		return nil, nil, fmt.Errorf("rtpengine %s is down: %w", node, ng.ErrNodeLost)
	}
	c := n.calls[call]
	if c == nil {
		return n, nil, errUnknown
	}
	return n, c, nil
}

// Offer is media.Engines.
func (e *engines) Offer(_ context.Context, x ng.Exchange) (ng.Result, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, err := e.offer(x)
	if x.Node != "" && x.Anew && (errors.Is(err, ng.ErrNodeLost) || errors.Is(err, ng.ErrUnknownCall)) {
		x.Node, x.To = "", ""
		r, err = e.offer(x)
		r.Anew = true
	}
	return r, err
}

// offer is one of them; e.mu is held.
func (e *engines) offer(x ng.Exchange) (ng.Result, error) {
	for _, n := range e.nodes {
		if x.Node != "" && n.name != x.Node {
			continue
		}
		if n.lost || n.refuses {
			if x.Node != "" {
				return ng.Result{}, fmt.Errorf("rtpengine %s is down: %w", n.name, ng.ErrNodeLost)
			}
			continue
		}
		if n.calls[x.Call] == nil {
			if x.To != "" {
				return ng.Result{}, errUnknown
			}
			n.calls[x.Call] = &anchored{map[string]uint16{}}
		}
		branch := x.Branch
		if x.From != "0" {
			branch = trunkBranch
		}
		return e.shows(n, x, branch)
	}
	return ng.Result{}, ng.ErrNoNode
}

// Answer is media.Engines.
func (e *engines) Answer(_ context.Context, x ng.Exchange) (ng.Result, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, c, err := e.of(x.Node, x.Call)
	if c == nil {
		return ng.Result{}, err
	}
	branch := x.Branch
	if x.From == "0" {
		branch = trunkBranch
	}
	return e.shows(n, x, branch)
}

// shows describes a side of a call with the node's ports; e.mu is held, but for as long as the node takes.
func (e *engines) shows(n *engine, x ng.Exchange, branch string) (ng.Result, error) {
	if n.slow > 0 {
		e.mu.Unlock()
		time.Sleep(n.slow)
		e.mu.Lock()
	}
	c := n.calls[x.Call]
	if c == nil {
		return ng.Result{}, errUnknown
	}
	if c.ports[branch] == 0 {
		c.ports[branch] = n.next
		n.next += 2 * sdp.MaxMedia
	}
	b, err := sdp.Parse(x.Body)
	if err != nil {
		return ng.Result{}, err
	}
	rules := sdp.Rules{Addr: n.at, Keep: sdp.KeepAll}
	for i := range b.Media() {
		rules.Media = append(rules.Media, sdp.MediaRules{Port: c.ports[branch] + 2*uint16(i)})
	}
	out, err := b.Rewrite(rules)
	return ng.Result{Node: n.name, Body: out}, err
}

// Release is media.Engines.
func (e *engines) Release(_ context.Context, x ng.Exchange) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, c, err := e.of(x.Node, x.Call)
	if c == nil {
		return err
	}
	if delete(c.ports, x.Branch); len(c.ports) == 0 {
		delete(n.calls, x.Call)
	}
	return nil
}

// Delete is media.Engines.
func (e *engines) Delete(ctx context.Context, node, call string) (ng.Stats, error) {
	s, err := e.Query(ctx, node, call)
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := e.named(node); n != nil {
		delete(n.calls, call)
	}
	return s, err
}

// Query is media.Engines: all legs of a node were heard at the same time.
func (e *engines) Query(_ context.Context, node, call string) (ng.Stats, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, c, err := e.of(node, call)
	if c == nil {
		return ng.Stats{}, err
	}
	var s ng.Stats
	for branch := range c.ports {
		leg := ng.LegStats{Leg: branch, Media: []ng.MediaStats{{Index: 1}}}
		if branch == trunkBranch {
			leg.Leg = "0"
		}
		if !n.heard.IsZero() {
			leg.Media[0].Streams = []ng.StreamStats{{Received: ng.Packets{Packets: 1}, Last: n.heard}}
		}
		s.Legs = append(s.Legs, leg)
	}
	return s, nil
}

// Poll is media.Engines.
func (e *engines) Poll(ctx context.Context, every time.Duration, calls func(node string) []string, told ng.Told) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, n := range e.nodes {
			for _, call := range calls(n.name) {
				stats, err := e.Query(ctx, n.name, call)
				told(call, n.name, stats, err)
			}
		}
	}
}

// Nodes is media.Engines.
func (e *engines) Nodes() (states []ng.State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range e.nodes {
		states = append(states, ng.State{Name: n.name, Up: !n.lost})
	}
	return states
}

// kept is how many calls the nodes have.
func (e *engines) kept() (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, node := range e.nodes {
		n += len(node.calls)
	}
	return n
}
