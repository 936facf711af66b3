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
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Call is a call in a list.
type Call struct {
	ID       string    `json:"id"`
	State    string    `json:"state,omitempty" enum:"hunting,ringing,up,ending,settling" doc:"Settling: its record is written, and what peers still say is absorbed."`
	Trunk    string    `json:"trunk,omitempty"`
	From     string    `json:"from,omitempty" doc:"Who calls."`
	To       string    `json:"to,omitempty" doc:"The number that was dialled."`
	Carrier  string    `json:"carrier,omitempty" doc:"Of the attempt that was answered, or of the last one."`
	Gateway  string    `json:"gateway,omitempty"`
	Number   string    `json:"number,omitempty" doc:"That the carrier was asked for."`
	Attempts int       `json:"attempts,omitempty"`
	Strays   int       `json:"strays,omitempty" doc:"Messages that came on one of its legs after they could matter, and were dealt with there."`
	Began    time.Time `json:"began,omitzero"`
	Answered time.Time `json:"answered,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Node     string    `json:"node,omitempty" doc:"That serves it or, where owner is said, that did last."`
	Unit     string    `json:"unit,omitempty" doc:"That it belongs to for life, whichever node serves the unit."`
	Owner    string    `json:"owner,omitempty" enum:"dead,unreachable,none" doc:"Said where no node has told of the call: it is as the store has it. Dead: its node has not been heard of; unreachable: it lives, but did not answer; none: no node has its unit at the moment."`
	Stored   time.Time `json:"stored,omitzero" doc:"When it was stored last, where owner is said."`
	Age      float64   `json:"stored_age,omitempty" doc:"Seconds since stored."`
}

// Calls is a page of a list.
type Calls struct {
	Calls   []Call `json:"calls" doc:"The newest first."`
	Next    string `json:"next,omitempty" doc:"The cursor of the page after this one; absent: this is the last."`
	Matched int    `json:"matched" doc:"How many calls the filters let through, on all pages."`
	Missing int    `json:"missing,omitempty" doc:"Calls that wait for the store and could not be looked at."`

	Incomplete []Gap `json:"incomplete,omitempty" doc:"Nodes that did not tell of their calls, so that these are as the store has them, or not here at all."`
}

// Gap is a node that has not told of its calls.
type Gap struct {
	Node   string `json:"node,omitempty" doc:"Absent: it is not known which nodes there are."`
	Unit   string `json:"unit,omitempty"`
	Reason string `json:"reason"`
}

// Filters are what a list is narrowed by; those that are not said let everything through.
type Filters struct {
	State      []string `query:"state" enum:"hunting,ringing,up,ending,settling"`
	Trunk      string   `query:"trunk"`
	Carrier    string   `query:"carrier" doc:"As Call.carrier."`
	Number     string   `query:"number" doc:"What the number dialled begins with, or the one that the carrier was asked for."`
	From       string   `query:"from" doc:"What the caller's number begins with."`
	LongerThan string   `query:"longer_than" example:"90s" doc:"How long it is since the call began, at least: 90s, 1h30m."`
	Attempts   int      `query:"attempts" minimum:"0" doc:"How many there were at least."`
	Strays     int      `query:"strays" minimum:"0" doc:"How many messages there were at least that came on one of its legs after they could matter."`

	longer time.Duration
}

// none says that everything is let through.
func (f *Filters) none() bool {
	return len(f.State) == 0 && f.Trunk == "" && f.Carrier == "" && f.Number == "" && f.From == "" && f.longer == 0 && f.Attempts == 0 && f.Strays == 0
}

// Resolve reads what is not a plain value.
func (f *Filters) Resolve(huma.Context) (faults []error) {
	if f.LongerThan != "" {
		var err error
		if f.longer, err = time.ParseDuration(f.LongerThan); err != nil || f.longer < 0 {
			faults = append(faults, &huma.ErrorDetail{Message: "want a duration, such as 90s or 1h30m", Location: "query.longer_than", Value: f.LongerThan})
		}
	}
	return faults
}

// values are the filters as they are asked of other nodes.
func (f *Filters) values() url.Values {
	q := url.Values{}
	for name, v := range map[string]string{
		"state": strings.Join(f.State, ","), "trunk": f.Trunk, "carrier": f.Carrier, "number": f.Number, "from": f.From, "longer_than": f.LongerThan,
	} {
		if v != "" {
			q.Set(name, v)
		}
	}
	for name, n := range map[string]int{"attempts": f.Attempts, "strays": f.Strays} {
		if n > 0 {
			q.Set(name, strconv.Itoa(n))
		}
	}
	return q
}

// match says that a call is let through.
func (f *Filters) match(o *b2bua.Overview, now time.Time) bool {
	return (len(f.State) == 0 || slices.Contains(f.State, o.State.String())) &&
		(f.Trunk == "" || f.Trunk == o.Trunk) && (f.Carrier == "" || f.Carrier == o.Carrier) &&
		(strings.HasPrefix(o.To, f.Number) || strings.HasPrefix(o.Number, f.Number)) && strings.HasPrefix(o.From, f.From) &&
		(f.longer == 0 || now.Sub(o.Began) >= f.longer) && o.Attempts >= f.Attempts && o.Strays >= f.Strays
}

func newCall(o *b2bua.Overview) Call {
	return Call{
		ID: o.ID.String(), State: o.State.String(), Trunk: o.Trunk, From: o.From, To: o.To, Carrier: o.Carrier, Gateway: o.Gateway,
		Number: o.Number, Attempts: o.Attempts, Strays: o.Strays, Began: utc(o.Began), Answered: utc(o.Answered), Ended: utc(o.Ended),
	}
}

// utc leaves the zero time zero.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC()
}

// lookFor is how long a list may wait for calls that wait for the store.
const lookFor = time.Second

// Wanted is a call that is named by a path.
type Wanted struct {
	ID string `path:"id"`
}

// path is where the call is.
func (w *Wanted) path() string { return "/v1/calls/" + url.PathEscape(w.ID) }

// engine is what has the calls, or why there is none.
func (s *Server) engine() (*b2bua.Engine, error) {
	if e := s.node.Engine(); e != nil {
		return e, nil
	}
	return nil, huma.Error503ServiceUnavailable("this node serves no calls: another one of its unit does")
}

// find shows a call that is here; nil: it is not.
func (s *Server) find(ctx context.Context, id string) (*b2bua.Engine, *CallDetail) {
	e := s.node.Engine()
	name, ok := dialog.ParseCallID(id)
	if !ok || e == nil {
		return nil, nil
	}
	var d CallDetail
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	if !e.Inspect(ctx, name, func(c *b2bua.Call) { d = newDetail(c, s.node.Media(), time.Now()) }) || d.ID == "" { // a defect shows in looking at it, which the log has
		return nil, nil
	}
	s.ours(&d.Call)
	_, d.Epoch = s.node.Serves()
	return e, &d
}

// detail is all of a call: of one that is here, or as the node tells that has it or, where its
// owner does not, as the store has it.
func (s *Server) detail(ctx context.Context, w Where, of *Wanted) (CallDetail, error) {
	in, err := s.scope(ctx, w)
	if err != nil {
		return CallDetail{}, err
	}
	if in.here {
		if _, d := s.find(ctx, of.ID); d != nil {
			return *d, nil
		}
	}
	d, _, err := elsewhere[CallDetail](ctx, s, in, peerWithin, http.MethodGet, of.path())
	if _, ok := errors.AsType[*absent](err); ok {
		kept, broken := s.findStored(ctx, in, of.ID)
		if kept == nil {
			return d, s.unknown(in, of.ID, cmp.Or(broken, err))
		}
		return kept.detail(time.Now()), nil
	}
	return d, err
}

// unknown says that there is no such call, or that nobody can tell.
func (s *Server) unknown(in scope, id string, why error) error {
	if in.here && in.store == nil && s.node.Engine() == nil {
		_, err := s.engine()
		return err
	}
	silent := ""
	if a, ok := errors.AsType[*absent](why); ok {
		silent = a.Error()
	} else if why != nil {
		silent = "; " + why.Error()
	}
	where := "here"
	if !in.one {
		where = "on any node"
	}
	return huma.Error404NotFound(fmt.Sprintf("there is no call %q %s%s", id, where, silent))
}

func (s *Server) calls(api huma.API) {
	register(api, Viewer, huma.Operation{
		OperationID: "calls", Method: http.MethodGet, Path: "/v1/calls", Tags: []string{"calls"}, Summary: "List the calls of the cluster",
		Description: "Calls whose owner does not answer are as the store has them, and say so.",
		Errors:      []int{http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *struct {
		Filters
		Page
		Where
	}) (*body[Calls], error) {
		scope, err := s.scope(ctx, in.Where)
		if err != nil {
			return nil, err
		}
		l, err := s.list(ctx, scope, &in.Filters, &in.Page)
		if err != nil {
			return nil, err
		}
		for i := range l.Calls {
			l.Calls[i] = in.only(l.Calls[i])
		}
		return &body[Calls]{l}, nil
	})
	register(api, Viewer, huma.Operation{
		OperationID: "call", Method: http.MethodGet, Path: "/v1/calls/{id}", Tags: []string{"calls"}, Summary: "All of one call",
		Errors: []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *struct {
		Wanted
		Where
	}) (*body[CallDetail], error) {
		d, err := s.detail(ctx, in.Where, &in.Wanted)
		if err != nil {
			return nil, err
		}
		return &body[CallDetail]{d}, nil
	})
}
