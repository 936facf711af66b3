package ops

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bulkhead/b2bua"
	"bulkhead/carriers"
)

// Live is what the nodes of a cluster do at the moment, or one of them.
type Live struct {
	Node     string        `json:"node" doc:"That tells, or the one that was asked for."`
	Unit     string        `json:"unit,omitempty"`
	State    string        `json:"state" enum:"starting,serving,standing by,draining,unreachable,dead"`
	Serves   bool          `json:"serves" doc:"Whether it has its unit's calls."`
	Version  string        `json:"version"`
	Started  time.Time     `json:"started,omitzero"`
	At       time.Time     `json:"at"`
	Nodes    []LiveNode    `json:"nodes" doc:"Those that the figures are of, the one that tells first."`
	Calls    []CallCount   `json:"calls" doc:"How many there are in each state."`
	Missing  int           `json:"missing,omitempty" doc:"Calls that wait for the store and could not be looked at."`
	Rate     float64       `json:"rate" doc:"Calls that ended in a second, of the last minute."`
	Carriers []LiveCarrier `json:"carriers"`
	Wrong    []Step        `json:"wrong" doc:"What went wrong last, the latest first."`

	Incomplete []Gap `json:"incomplete,omitempty" doc:"Nodes of which nothing is known, or only what the store has."`
}

// LiveNode is a node of the cluster at the moment.
type LiveNode struct {
	Node  string `json:"node,omitempty" doc:"Absent: no node has the unit."`
	Unit  string `json:"unit,omitempty"`
	State string `json:"state" enum:"starting,serving,standing by,draining,unreachable,dead,none"`
	Calls int    `json:"calls" doc:"But for those that settle. Of a node that does not tell, as the store has them."`
}

// CallCount is how many calls there are in a state.
type CallCount struct {
	State string `json:"state" enum:"hunting,ringing,up,ending,settling"`
	Calls int    `json:"calls"`
}

// LiveCarrier is a carrier at the moment.
type LiveCarrier struct {
	Name    string   `json:"name"`
	State   string   `json:"state" doc:"up; part: some of its gateways take no calls; down: none does; capped: tried last, since too few of its calls come to something; or how it stands by order or scorecard. Empty: it is not watched. Of several nodes, the worst."`
	At      []string `json:"at,omitempty" doc:"The nodes where it is so; absent: wherever calls are."`
	Stands  Stand    `json:"stands" doc:"By an operator's order, or by its scorecard."`
	Calls   int      `json:"calls" doc:"At it now: those that are answered, and those for which it is the last that was tried."`
	Lately  Score    `json:"lately" doc:"Of this hour and the one before."`
	Watched int      `json:"gateways_watched,omitempty"`
	Well    int      `json:"gateways_well,omitempty" doc:"Of those that are watched, how many take calls."`
	Resting int      `json:"gateways_resting,omitempty" doc:"Of those that take none, to how many the circuit is open: calls there failed in a row, or it has asked for rest."`
}

// worse are the states of a carrier, each worse than those before it.
var worse = []string{"", "up", "part", carriers.SkipCapped, "deprioritised", "quarantined", "drained", "down"}

// Standing says in words why calls are kept from a carrier, and where; empty: they are not.
func (c *LiveCarrier) Standing() (words string) {
	gateways := func() string {
		text := fmt.Sprintf("%d of %d gateways take calls", c.Well, c.Watched)
		if c.Watched == 1 {
			text = "its gateway takes no calls"
		}
		if c.Resting > 0 {
			text += fmt.Sprintf(", circuit open at %d", c.Resting)
		}
		return text
	}
	switch c.State {
	case "down", "part":
		words = gateways()
	case carriers.SkipCapped:
		words = "tried last: too few of its calls come to something"
	case carriers.Deprioritised.String():
		words = "tried after all others"
	case carriers.Quarantined.String():
		words = "tried where a call has nobody else"
	case carriers.Drained.String():
		words = "no new attempts"
	default:
		return ""
	}
	if s := c.Stands; s.By != "" {
		words += ", by " + s.By
		if !s.Until.IsZero() {
			words += " until " + s.Until.Format("2006-01-02 15:04:05Z")
		}
		if s.Reason != "" {
			words += ": " + s.Reason
		}
	}
	if len(c.At) > 0 {
		words += " (node " + strings.Join(c.At, ", ") + ")"
	}
	return words
}

// add adds what another node says of the carrier; of is whether calls are there.
func (c *LiveCarrier) add(o LiveCarrier, node string, of bool) {
	c.Calls += o.Calls
	o.Lately.delays = time.Duration(o.Lately.DelayMean * float64(o.Lately.DelayCount) * float64(time.Second)) // which does not travel
	c.Lately.add(o.Lately)
	c.Lately.ratios()
	if !of {
		return
	}
	switch was, is := slices.Index(worse, c.State), slices.Index(worse, o.State); {
	case is > was:
		c.State, c.Stands, c.Watched, c.Well, c.Resting, c.At = o.State, o.Stands, o.Watched, o.Well, o.Resting, []string{node}
	case is == was:
		c.At = append(c.At, node)
	}
}

// liveHere is what this node does at the moment.
func (s *Server) liveHere(ctx context.Context) Live {
	l := s.nothing()
	now := l.At
	rate, wrong := s.node.Feed().lately(now)
	l.Rate, l.Wrong = rate, append(l.Wrong, wrong...)
	for i := range l.Wrong {
		l.Wrong[i].Node = l.Node
	}
	var all []b2bua.Overview
	var gateways map[string]b2bua.Gateways
	if e := s.node.Engine(); e != nil {
		l.Serves = true
		ctx, cancel := context.WithTimeout(ctx, lookFor)
		defer cancel()
		all, l.Missing = e.Overviews(ctx)
		gateways = e.Gateways(now)
	}
	at := l.count(all)
	for _, name := range s.node.Carriers() {
		g, stands := gateways[name], s.node.Standings().Of(now, name)
		c := LiveCarrier{
			Name: name, State: carrierState(stands.Standing, g), Stands: newStand(stands), Calls: at[name],
			Lately: s.node.Scorecards().since(name, now.Truncate(time.Hour).Add(-time.Hour)), Watched: g.Watched, Well: g.Well, Resting: g.Resting,
		}
		l.Carriers = append(l.Carriers, c)
	}
	l.Nodes = []LiveNode{{l.Node, l.Unit, l.State, l.live()}}
	return l
}

// nothing is this node without what it does.
func (s *Server) nothing() Live {
	v := s.node.Version()
	l := Live{Node: v.Node, Unit: v.Unit, State: v.State, Version: v.Version, Started: v.Started, At: time.Now().UTC(), Nodes: []LiveNode{}, Carriers: []LiveCarrier{}, Wrong: []Step{}}
	for _, name := range b2bua.CallStates {
		l.Calls = append(l.Calls, CallCount{State: name})
	}
	return l
}

// count counts calls by their states; at is how many there are at each carrier.
func (l *Live) count(all []b2bua.Overview) (at map[string]int) {
	at = map[string]int{}
	for _, o := range all {
		l.Calls[o.State].Calls++
		if o.State < b2bua.Settling {
			at[o.Carrier]++
		}
	}
	return at
}

// live is how many calls there are, but for those that settle.
func (l *Live) live() (n int) {
	for _, c := range l.Calls {
		if c.State != b2bua.Settling.String() {
			n += c.Calls
		}
	}
	return n
}

// live is what the nodes in scope do at the moment.
func (s *Server) live(ctx context.Context, in scope) Live {
	if in.here && in.one {
		return s.liveHere(ctx)
	}
	l := s.nothing()
	var here Live
	var asking sync.WaitGroup
	if in.here {
		asking.Go(func() { here = s.liveHere(ctx) })
	}
	said := gather[Live](ctx, s, in.peers, peerWithin, http.MethodGet, "/v1/live")
	asking.Wait()
	if in.here {
		said = slices.Insert(said, 0, heardOf[Live]{Peer: Peer{Node: l.Node}, answer: here})
	}
	served, idle, some := map[string]bool{}, map[string]bool{}, false
	for _, t := range said {
		served[t.answer.Unit] = served[t.answer.Unit] || t.err == nil && t.answer.Serves
		idle[t.Node] = t.err == nil && !t.answer.Serves
		some = some || t.answer.Serves
	}
	l.Incomplete = in.gaps
	for _, t := range said {
		if t.err == nil {
			l.add(t.answer, t.answer.Serves || !some)
			continue
		}
		node := LiveNode{Node: t.Node, Unit: t.Unit, State: "unreachable"}
		if t.Dead {
			node.State = "dead"
		}
		l.Nodes = append(l.Nodes, node)
		if !served[t.Unit] {
			l.Incomplete = append(l.Incomplete, Gap{t.Node, t.Unit, t.err.Error()})
		}
		if in.one {
			l.Node, l.Unit, l.State, l.Version, l.Started = t.Node, t.Unit, node.State, "", time.Time{}
		}
	}
	kept, gaps := s.kept(ctx, in, in.units(s, served), idle)
	l.Incomplete = append(l.Incomplete, gaps...)
	for _, k := range kept {
		l.keep(k)
	}
	if len(said) == 1 && said[0].err == nil {
		t := said[0].answer
		l.Node, l.Unit, l.State, l.Serves, l.Version, l.Started = t.Node, t.Unit, t.State, t.Serves, t.Version, t.Started
	}
	for i := range l.Carriers { // said where nodes differ
		n := 0
		for _, t := range said {
			if t.err == nil && (t.answer.Serves || !some) {
				n++
			}
		}
		if len(l.Carriers[i].At) == n {
			l.Carriers[i].At = nil
		}
	}
	return l
}

// add adds what a node has told; of is whether how it sees its carriers counts.
func (l *Live) add(o Live, of bool) {
	l.Nodes = append(l.Nodes, LiveNode{o.Node, o.Unit, o.State, o.live()})
	l.Serves = l.Serves || o.Serves
	l.Missing += o.Missing
	l.Rate += o.Rate
	for _, c := range o.Calls {
		for i := range l.Calls {
			if l.Calls[i].State == c.State {
				l.Calls[i].Calls += c.Calls
			}
		}
	}
	for _, c := range o.Carriers {
		l.carrier(c.Name).add(c, o.Node, of)
	}
	l.Wrong = append(l.Wrong, o.Wrong...)
	slices.SortStableFunc(l.Wrong, func(a, b Step) int { return b.At.Compare(a.At) })
	l.Wrong = l.Wrong[:min(len(l.Wrong), wrongs)]
}

// carrier is the one of a name.
func (l *Live) carrier(name string) *LiveCarrier {
	for i := range l.Carriers {
		if l.Carriers[i].Name == name {
			return &l.Carriers[i]
		}
	}
	l.Carriers = append(l.Carriers, LiveCarrier{Name: name})
	return &l.Carriers[len(l.Carriers)-1]
}

// keep adds the calls of a unit that the store has.
func (l *Live) keep(k keptUnit) {
	before := l.live()
	for name, n := range l.count(k.all) {
		if name != "" {
			l.carrier(name).Calls += n
		}
	}
	n := l.live() - before
	if k.word == "none" {
		k.owner.Node = ""
		if n == 0 {
			return
		}
	}
	for i := range l.Nodes {
		if k.word != "none" && l.Nodes[i].Node == k.owner.Node {
			l.Nodes[i].Calls += n
			return
		}
	}
	l.Nodes = append(l.Nodes, LiveNode{k.owner.Node, k.unit, k.word, n})
}

// carrierState is how a carrier is, in a word; empty: nobody knows.
func carrierState(stands carriers.Standing, g b2bua.Gateways) string {
	switch {
	case stands != carriers.InService:
		return stands.String()
	case g.Watched > 0 && g.Well == 0:
		return "down"
	case g.Capped:
		return carriers.SkipCapped
	case g.Well < g.Watched:
		return "part"
	case g.Watched > 0:
		return "up"
	}
	return ""
}

// since is the sum of the hours of a carrier from one on.
func (c *Scorecards) since(carrier string, from time.Time) (sum Score) {
	_, each, _ := c.Of(carrier)
	for _, s := range each {
		if !s.From.Before(from) {
			sum.add(s)
		}
	}
	sum.ratios()
	return sum
}

func (s *Server) lives(api huma.API) {
	register(api, Viewer, huma.Operation{
		OperationID: "live", Method: http.MethodGet, Path: "/v1/live", Tags: []string{"node"}, Summary: "What the cluster does at the moment",
		Description: "The figures of the board, of all nodes together or of one. The calls of a node that does not answer are as the store has them.",
	}, func(ctx context.Context, in *struct{ Where }) (*body[Live], error) {
		scope, err := s.scope(ctx, in.Where)
		if err != nil {
			return nil, err
		}
		return &body[Live]{s.live(ctx, scope)}, nil
	})
}
