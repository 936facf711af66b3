package ops

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"reflect"
	"slices"
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
}

// Calls is a page of a list.
type Calls struct {
	Calls   []Call `json:"calls" doc:"The newest first."`
	Next    string `json:"next,omitempty" doc:"The cursor of the page after this one; absent: this is the last."`
	Matched int    `json:"matched" doc:"How many calls the filters let through, on all pages."`
	Missing int    `json:"missing,omitempty" doc:"Calls that wait for the store and could not be looked at."`
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

// match says that a call is let through.
func (f *Filters) match(o *b2bua.Overview, now time.Time) bool {
	return (len(f.State) == 0 || slices.Contains(f.State, o.State.String())) &&
		(f.Trunk == "" || f.Trunk == o.Trunk) && (f.Carrier == "" || f.Carrier == o.Carrier) &&
		(strings.HasPrefix(o.To, f.Number) || strings.HasPrefix(o.Number, f.Number)) && strings.HasPrefix(o.From, f.From) &&
		now.Sub(o.Began) >= f.longer && o.Attempts >= f.Attempts && o.Strays >= f.Strays
}

// Page says which part of a list is wanted, and what of each call.
type Page struct {
	Limit  int      `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many calls a page has at most."`
	Cursor string   `query:"cursor" doc:"Next of the page before."`
	Fields []string `query:"fields" doc:"Of each call; the id is always there. Not said: all."`

	after cursor
}

// callFields are the names of Call's fields in JSON.
var callFields = func() (names []string) {
	for f := range reflect.TypeFor[Call]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}()

// Resolve reads what is not a plain value.
func (p *Page) Resolve(huma.Context) (faults []error) {
	for _, f := range p.Fields {
		if !slices.Contains(callFields, f) {
			faults = append(faults, &huma.ErrorDetail{Message: "known fields: " + strings.Join(callFields, ", "), Location: "query.fields", Value: f})
		}
	}
	if p.Cursor != "" {
		var ok bool
		if p.after, ok = parseCursor(p.Cursor); !ok {
			faults = append(faults, &huma.ErrorDetail{Message: "want what a page says as next", Location: "query.cursor", Value: p.Cursor})
		}
	}
	return faults
}

// cursor is a call's place in a list: calls that begin or go do not move it.
type cursor struct {
	began time.Time
	id    dialog.CallID
}

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, uint64(c.began.UnixNano())), c.id[:]...))
}

func parseCursor(s string) (c cursor, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != 8+len(c.id) {
		return c, false
	}
	copy(c.id[:], b[8:])
	c.began = time.Unix(0, int64(binary.BigEndian.Uint64(b)))
	return c, true
}

// compare puts the newest first.
func (c cursor) compare(d cursor) int {
	return cmp.Or(d.began.Compare(c.began), slices.Compare(c.id[:], d.id[:]))
}

func placeOf(o b2bua.Overview) cursor { return cursor{o.Began.Round(0), o.ID} }

// pick makes the page of a list.
func (p *Page) pick(all []b2bua.Overview, f *Filters, now time.Time) Calls {
	l := Calls{Calls: []Call{}}
	fit := all[:0]
	for _, o := range all {
		if !f.match(&o, now) {
			continue
		}
		l.Matched++
		if p.Cursor == "" || placeOf(o).compare(p.after) > 0 {
			fit = append(fit, o)
		}
	}
	slices.SortFunc(fit, func(a, b b2bua.Overview) int { return placeOf(a).compare(placeOf(b)) })
	if len(fit) > p.Limit {
		fit = fit[:p.Limit]
		l.Next = placeOf(fit[p.Limit-1]).String()
	}
	for _, o := range fit {
		l.Calls = append(l.Calls, p.only(newCall(o)))
	}
	return l
}

func newCall(o b2bua.Overview) Call {
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

// only leaves out the fields that are not wanted.
func (p *Page) only(c Call) Call {
	if len(p.Fields) == 0 {
		return c
	}
	v := reflect.ValueOf(&c).Elem()
	for i, name := range callFields {
		if name != "id" && !slices.Contains(p.Fields, name) {
			v.Field(i).SetZero()
		}
	}
	return c
}

// lookFor is how long a list may wait for calls that wait for the store.
const lookFor = time.Second

// Wanted is a call that is named by a path.
type Wanted struct {
	ID string `path:"id"`
}

// engine is what has the calls, or why there is none.
func (s *Server) engine() (*b2bua.Engine, error) {
	if e := s.node.Engine(); e != nil {
		return e, nil
	}
	return nil, huma.Error503ServiceUnavailable("this node serves no calls: another one of its unit does")
}

// find shows a call.
func (s *Server) find(ctx context.Context, id string) (*b2bua.Engine, CallDetail, error) {
	e, err := s.engine()
	if err != nil {
		return nil, CallDetail{}, err
	}
	var d CallDetail
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	name, ok := dialog.ParseCallID(id)
	if !ok || !e.Inspect(ctx, name, func(c *b2bua.Call) { d = newDetail(c, time.Now()) }) {
		return nil, d, huma.Error404NotFound(fmt.Sprintf("there is no call %q here", id))
	}
	return e, d, nil
}

func (s *Server) calls(api huma.API) {
	register(api, Viewer, huma.Operation{
		OperationID: "calls", Method: http.MethodGet, Path: "/v1/calls", Tags: []string{"calls"}, Summary: "List the calls of this node",
		Errors: []int{http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *struct {
		Filters
		Page
	}) (*body[Calls], error) {
		e, err := s.engine()
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, lookFor)
		defer cancel()
		all, missing := e.Overviews(ctx)
		l := in.pick(all, &in.Filters, time.Now())
		l.Missing = missing
		return &body[Calls]{l}, nil
	})
	register(api, Viewer, huma.Operation{
		OperationID: "call", Method: http.MethodGet, Path: "/v1/calls/{id}", Tags: []string{"calls"}, Summary: "All of one call",
		Errors: []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *Wanted) (*body[CallDetail], error) {
		_, d, err := s.find(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &body[CallDetail]{d}, nil
	})
}
