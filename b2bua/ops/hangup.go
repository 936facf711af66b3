package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Ended is what came of ending many calls.
type Ended struct {
	Matched int    `json:"matched" doc:"Calls that the filters let through and that had not ended."`
	Ending  int    `json:"ending" doc:"Those of them that are being ended now: none in a dry run."`
	Left    int    `json:"left" doc:"Those that a dry run would end, or for which there was no time: ask again."`
	DryRun  bool   `json:"dry_run"`
	Calls   []Call `json:"calls" doc:"Those that are being ended or, in a dry run, would be first: limit of them at most."`
	Missing int    `json:"missing,omitempty" doc:"Calls that wait for the store and could not be looked at."`

	Incomplete []Gap `json:"incomplete,omitempty" doc:"Nodes that did not answer, or refused: their calls go on."`
}

// Hanging is how many calls are to be ended.
type Hanging struct {
	All    bool `query:"all" doc:"Every call, which no filter says. Needed where there is no filter, and refused where there is one."`
	DryRun bool `query:"dry_run" doc:"Say which calls it would be, and end none."`
	AtMost int  `query:"at_most" minimum:"1" doc:"End none if more calls than this match, as a dry run has counted them. Not said: however many they are."`
	Cause  int  `query:"cause" minimum:"1" maximum:"127" default:"16" doc:"Of Q.850."`
	Rate   int  `query:"rate" minimum:"1" maximum:"1000" default:"100" doc:"How many are ended a second, on all nodes together: carriers, too, bound what they take."`
	Limit  int  `query:"limit" minimum:"1" maximum:"1000" default:"1000" doc:"How many are ended by this request at most, on all nodes together: the newest."`

	Newest string `query:"newest" doc:"No call that is newer than the one at this cursor: so nodes keep to the calls that were counted."`
	newest cursor
}

// hangFor is how long one request ends calls: who wants more ended asks again, and who
// wants no more ended does not.
const hangFor = 10 * time.Second

// Resolve reads what is not a plain value.
func (h *Hanging) Resolve(huma.Context) (faults []error) {
	if h.Newest != "" {
		var ok bool
		if h.newest, ok = parseCursor(h.Newest); !ok {
			faults = append(faults, &huma.ErrorDetail{Message: "want a cursor", Location: "query.newest", Value: h.Newest})
		}
	}
	return faults
}

// check refuses to end everything by an oversight.
func (h *Hanging) check(f *Filters) error {
	detail := &huma.ErrorDetail{Location: "query.all", Value: h.All}
	switch {
	case f.none() && !h.All:
		detail.Message = "no filter is given: all=true ends every call"
	case !f.none() && h.All:
		detail.Message = "all goes without filters"
	default:
		return nil
	}
	return huma.Error422UnprocessableEntity("no call is ended", detail)
}

// tooMany refuses to end more calls than were counted before.
func (h *Hanging) tooMany(matched int) error {
	if h.AtMost == 0 || matched <= h.AtMost {
		return nil
	}
	return huma.Error409Conflict(fmt.Sprintf("no call is ended: %d match, and at_most is %d", matched, h.AtMost))
}

// byOperator is the cause of a call's end that its peers are told.
func byOperator(q850 int) dialog.Cause {
	return dialog.Cause{
		Why: dialog.Operator, Code: 480, Q850: q850, Reasons: []string{fmt.Sprintf(`Q.850;cause=%d;text="Ended by an operator"`, q850)},
	}
}

func (s *Server) hangups(api huma.API) {
	register(api, Operator, huma.Operation{
		OperationID: "hangup", Method: http.MethodDelete, Path: "/v1/calls/{id}", Tags: []string{"calls"}, Summary: "End a call",
		Description:   "Both sides are told, by BYE, CANCEL or a final response, with the cause.",
		DefaultStatus: http.StatusAccepted,
		Errors:        []int{http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *struct {
		Wanted
		Where
		Cause int `query:"cause" minimum:"1" maximum:"127" default:"16" doc:"Of Q.850."`
	}) (*body[Call], error) {
		scope, err := s.scope(ctx, in.Where)
		if err != nil {
			return nil, err
		}
		if scope.here {
			if e, d := s.find(ctx, in.ID); d != nil {
				id, _ := dialog.ParseCallID(in.ID)
				if !d.Ended.IsZero() || !e.HangupOf(id, byOperator(in.Cause)) {
					return nil, huma.Error409Conflict("the call has ended: " + d.Record.Cause)
				}
				return &body[Call]{d.Call}, nil
			}
		}
		was, _, err := elsewhere[Call](ctx, s, scope, peerWithin, http.MethodDelete, in.path()+"?cause="+strconv.Itoa(in.Cause))
		if _, ok := errors.AsType[*absent](err); ok {
			kept, broken := s.findStored(ctx, scope, in.ID)
			if kept == nil {
				return nil, s.unknown(scope, in.ID, cmp.Or(broken, err))
			}
			return nil, huma.Error409Conflict(kept.beyond() + ": it can be ended when a node serves it again" + err.Error())
		}
		if err != nil {
			return nil, err
		}
		return &body[Call]{was}, nil
	})
	register(api, Operator, huma.Operation{
		OperationID: "hangup-calls", Method: http.MethodDelete, Path: "/v1/calls", Tags: []string{"calls"}, Summary: "End many calls",
		Description: "Those that the filters of the list let through, unless they have ended. Each node ends its own, after those of all have been counted: together the newest limit at rate a second, for 10 s at most: " +
			"what is left then is ended by asking again, and what is asked for is not ended any more when who asks goes away.",
		DefaultStatus: http.StatusAccepted,
		Errors:        []int{http.StatusConflict, http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *struct {
		Filters
		Hanging
		Where
	}) (*body[Ended], error) {
		if err := in.check(&in.Filters); err != nil {
			return nil, err
		}
		scope, err := s.scope(ctx, in.Where)
		if err != nil {
			return nil, err
		}
		done, err := s.hangAgreed(ctx, scope, &in.Filters, &in.Hanging)
		if err != nil {
			return nil, err
		}
		return &body[Ended]{done}, nil
	})
}

// leave leaves nodes out that have not said how many calls of theirs match: none of those is
// among the number that who asks has agreed to.
func (in *scope) leave(silent []Gap) {
	in.peers = slices.DeleteFunc(slices.Clone(in.peers), func(p Peer) bool {
		return slices.ContainsFunc(silent, func(g Gap) bool { return g.Node == p.Node })
	})
	in.gaps = silent
}

// values are what is asked of other nodes.
func (h *Hanging) values(q url.Values) {
	q.Set("all", strconv.FormatBool(h.All))
	q.Set("dry_run", strconv.FormatBool(h.DryRun))
	if h.Newest != "" {
		q.Set("newest", h.Newest)
	}
	for name, n := range map[string]int{"cause": h.Cause, "rate": h.Rate, "limit": h.Limit} {
		q.Set(name, strconv.Itoa(n))
	}
}

// hangAgreed ends the calls that match in scope. Those of several nodes are counted first: which
// of them are to be ended, and how fast, is of all together, and each node has its share.
func (s *Server) hangAgreed(ctx context.Context, in scope, f *Filters, h *Hanging) (Ended, error) {
	if in.here && in.one {
		e, err := s.engine()
		if err != nil {
			return Ended{}, err
		}
		return s.hangMany(ctx, e, f, h)
	}
	count := *h
	count.DryRun, count.AtMost = true, 0
	seen := s.hangAll(ctx, in, f, func(string) *Hanging { return &count })
	if err := h.tooMany(seen.Matched); err != nil {
		return seen, err
	}
	if h.DryRun || len(seen.Calls) == 0 {
		seen.DryRun = h.DryRun
		return seen, nil
	}
	in.leave(seen.Incomplete)
	shares := h.shares(seen.Calls)
	done := s.hangAll(ctx, in, f, func(node string) *Hanging { return shares[node] })
	done.Left, done.Matched = seen.Matched-(done.Matched-done.Left), seen.Matched
	done.Missing = seen.Missing
	return done, nil
}

// shares are how each node is to have its part in ending calls, the newest first: of as many
// nodes as the rate has room for. The others' are left.
func (h *Hanging) shares(calls []Call) map[string]*Hanging {
	all, left := map[string]*Hanging{}, h.Rate
	for _, c := range calls {
		if all[c.Node] == nil && left > 0 {
			part := *h
			part.Limit, part.Rate, part.AtMost, part.Newest = 0, 1, 0, placeIn(calls[0]).String()
			part.newest = placeIn(calls[0])
			all[c.Node], left = &part, left-1
		}
		if part := all[c.Node]; part != nil {
			part.Limit++
		}
	}
	more := left // beyond one each
	for _, part := range all {
		part.Rate += more * part.Limit / len(calls)
	}
	return all
}

// hangAll has the nodes in scope end the calls that match, each its own, as each has to; nil: it
// ends none.
func (s *Server) hangAll(ctx context.Context, in scope, f *Filters, as func(node string) *Hanging) Ended {
	e := s.node.Engine()
	own, _ := s.node.Serves()
	var ask []Peer
	for _, p := range in.peers {
		if as(p.Node) != nil && (!in.here || e == nil || p.Unit != own) {
			ask = append(ask, p)
		}
	}
	var here Ended
	var gaps []Gap
	var ending sync.WaitGroup
	served, idle := map[string]bool{}, map[string]bool{}
	if mine := as(s.self()); in.here && e != nil && mine != nil {
		served[own] = true
		ending.Go(func() {
			var refused error
			if here, refused = s.hangMany(ctx, e, f, mine); refused != nil {
				gaps = append(gaps, Gap{s.self(), own, refused.Error()})
			}
		})
	}
	said := gatherEach[Ended](ctx, s, ask, hangFor+peerWithin, http.MethodDelete, func(p Peer) string {
		q := f.values()
		as(p.Node).values(q)
		return "/v1/calls?" + q.Encode()
	})
	ending.Wait()
	done, gaps := here, append(slices.Clip(in.gaps), gaps...)
	for _, t := range said {
		if t.err == nil {
			served[t.Unit] = true
			done.add(t.answer)
		}
		idle[t.Node] = t.idle()
	}
	for _, t := range said {
		if t.err != nil && !t.idle() && !served[t.Unit] {
			gaps = append(gaps, Gap{t.Node, t.Unit, t.err.Error()})
		}
	}
	slices.SortStableFunc(done.Calls, func(a, b Call) int { return placeIn(a).compare(placeIn(b)) })
	if most := as(""); most != nil {
		done.Calls = done.Calls[:min(len(done.Calls), most.Limit)]
	}
	if done.Calls == nil {
		done.Calls = []Call{}
	}
	done.DryRun, done.Incomplete = false, gaps
	return done
}

// add adds what another node has ended.
func (d *Ended) add(other Ended) {
	d.Matched += other.Matched
	d.Ending += other.Ending
	d.Left += other.Left
	d.Missing += other.Missing
	d.Calls = append(d.Calls, other.Calls...)
}

// hangMany ends the calls that match here.
func (s *Server) hangMany(ctx context.Context, e *b2bua.Engine, f *Filters, h *Hanging) (Ended, error) {
	if !h.DryRun {
		if !s.bulk.TryLock() { // else the rate would be of each, not of all
			return Ended{}, huma.Error409Conflict("no call is ended: many are being ended already, for somebody else")
		}
		defer s.bulk.Unlock()
	}
	look, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	all, missing := e.Overviews(look)
	now := time.Now()
	all = slices.DeleteFunc(all, func(o b2bua.Overview) bool {
		return !o.Ended.IsZero() || !f.match(&o, now) || h.Newest != "" && placeOf(&o).compare(h.newest) < 0
	})
	slices.SortFunc(all, func(a, b b2bua.Overview) int { return placeOf(&a).compare(placeOf(&b)) })
	done := Ended{Matched: len(all), Left: len(all), DryRun: h.DryRun, Calls: []Call{}, Missing: missing}
	if err := h.tooMany(len(all)); err != nil {
		return done, err
	}
	if h.DryRun {
		for _, o := range all[:min(h.Limit, len(all))] {
			done.Calls = append(done.Calls, newCall(&o))
			s.ours(&done.Calls[len(done.Calls)-1])
		}
		return done, nil
	}
	tick := time.NewTicker(time.Second / time.Duration(h.Rate))
	defer tick.Stop()
	over := time.NewTimer(hangFor)
	defer over.Stop()
	for _, o := range all[:min(h.Limit, len(all))] {
		if e.HangupOf(o.ID, byOperator(h.Cause)) {
			done.Ending++
			done.Calls = append(done.Calls, newCall(&o))
			s.ours(&done.Calls[len(done.Calls)-1])
		}
		done.Left-- // one that is not there any more has ended by itself
		select {
		case <-tick.C:
			continue
		case <-over.C:
		case <-ctx.Done():
		case <-s.ending:
		}
		break
	}
	return done, nil
}
