package ops

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bulkhead/b2bua"
	"bulkhead/carriers"
)

// Live is what a node does at the moment.
type Live struct {
	Node     string        `json:"node"`
	Unit     string        `json:"unit,omitempty"`
	State    string        `json:"state" enum:"starting,serving,standing by,draining"`
	Version  string        `json:"version"`
	Started  time.Time     `json:"started"`
	At       time.Time     `json:"at"`
	Calls    []CallCount   `json:"calls" doc:"How many there are in each state."`
	Missing  int           `json:"missing,omitempty" doc:"Calls that wait for the store and could not be looked at."`
	Rate     float64       `json:"rate" doc:"Calls that ended in a second, of the last minute."`
	Carriers []LiveCarrier `json:"carriers"`
	Wrong    []Step        `json:"wrong" doc:"What went wrong last, the latest first."`
}

// CallCount is how many calls there are in a state.
type CallCount struct {
	State string `json:"state" enum:"hunting,ringing,up,ending,settling"`
	Calls int    `json:"calls"`
}

// LiveCarrier is a carrier at the moment.
type LiveCarrier struct {
	Name    string `json:"name"`
	State   string `json:"state" doc:"up; part: some of its gateways do not answer; down: none does; capped: tried last, since too few of its calls come to something; or how it stands by order or scorecard. Empty: it is not watched."`
	Calls   int    `json:"calls" doc:"At it now: those that are answered, and those for which it is the last that was tried."`
	Lately  Score  `json:"lately" doc:"Of this hour and the one before."`
	Watched int    `json:"gateways_watched,omitempty"`
	Well    int    `json:"gateways_well,omitempty" doc:"Of those that are watched, how many take calls."`
}

// live is what the node does at the moment, and all its calls.
func (s *Server) live(ctx context.Context) (l Live, all []b2bua.Overview) {
	v, now := s.node.Version(), time.Now()
	l = Live{Node: v.Node, Unit: v.Unit, State: v.State, Version: v.Version, Started: v.Started, At: now.UTC(), Carriers: []LiveCarrier{}, Wrong: []Step{}}
	rate, wrong := s.node.Feed().lately(now)
	l.Rate, l.Wrong = rate, append(l.Wrong, wrong...)
	for _, name := range b2bua.CallStates {
		l.Calls = append(l.Calls, CallCount{State: name})
	}
	at := map[string]int{}
	var gateways map[string]b2bua.Gateways
	if e := s.node.Engine(); e != nil {
		ctx, cancel := context.WithTimeout(ctx, lookFor)
		defer cancel()
		all, l.Missing = e.Overviews(ctx)
		gateways = e.Gateways(now)
	}
	for _, o := range all {
		l.Calls[o.State].Calls++
		if o.State < b2bua.Settling {
			at[o.Carrier]++
		}
	}
	for _, name := range s.node.Carriers() {
		g := gateways[name]
		l.Carriers = append(l.Carriers, LiveCarrier{
			Name: name, State: carrierState(s.node.Standings().Of(now, name).Standing, g), Calls: at[name],
			Lately: s.node.Scorecards().since(name, now.Truncate(time.Hour).Add(-time.Hour)), Watched: g.Watched, Well: g.Well,
		})
	}
	return l, all
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
		OperationID: "live", Method: http.MethodGet, Path: "/v1/live", Tags: []string{"node"}, Summary: "What the node does at the moment",
		Description: "The figures of the board: also of a node that stands by, which has no calls.",
	}, func(ctx context.Context, _ *struct{}) (*body[Live], error) {
		l, _ := s.live(ctx)
		return &body[Live]{l}, nil
	})
}
