package ops

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bulkhead/b2bua"
)

// CaptureAsked is which calls are to be captured, and for how long calls that begin are.
type CaptureAsked struct {
	Meant
	For   string `json:"for" example:"10m" doc:"For how long calls begin to be captured; those that have been are to their end. 24h at most."`
	Calls int    `json:"calls,omitempty" minimum:"1" maximum:"100000" default:"100" doc:"How many calls at most."`
}

// CaptureFilter is one that is in force.
type CaptureFilter struct {
	Name  string    `json:"name"`
	By    string    `json:"by" doc:"Who has asked for it."`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	Calls int       `json:"calls" doc:"That it has had captured so far."`
	Most  int       `json:"most,omitempty"`
	Meant
}

// CaptureList is what is captured on a node.
type CaptureList struct {
	Filters []CaptureFilter `json:"filters"`
	Calls   int             `json:"calls" doc:"Whose messages are kept with their bytes, whether they are up or have ended."`
	Bytes   int             `json:"bytes" doc:"That they take."`
}

func newFilter(w b2bua.Wanted) CaptureFilter {
	f := CaptureFilter{Name: w.Name, By: w.By, Since: w.Since.UTC(), Until: w.Until.UTC(), Calls: w.Calls, Most: w.Most,
		Meant: Meant{Trunk: w.Filter.Trunk, Carrier: w.Filter.Carrier, Number: w.Filter.Number, From: w.Filter.From}}
	if w.Filter.Call != (b2bua.Filter{}).Call {
		f.Call = w.Filter.Call.String()
	}
	return f
}

func (s *Server) captures(api huma.API) {
	register(api, Operator, huma.Operation{
		OperationID: "capture-start", Method: http.MethodPost, Path: "/v1/captures", Tags: []string{"traces"}, Summary: "Capture calls: keep every message of theirs with its bytes",
		Description: "Without this of each message only a line is kept, for ladders. Calls that are up are captured from their next message on.",
		Errors:      []int{http.StatusUnprocessableEntity, http.StatusTooManyRequests},
	}, func(ctx context.Context, in *struct{ Body CaptureAsked }) (*body[CaptureFilter], error) {
		f, fault := in.Body.filter("body")
		span, err := time.ParseDuration(in.Body.For)
		var faults []error
		if fault != nil {
			faults = append(faults, fault)
		}
		if err != nil || span <= 0 || span > longestCapture {
			faults = append(faults, &huma.ErrorDetail{Message: "want a duration of 24h at most, such as 10m", Location: "body.for", Value: in.Body.For})
		}
		if len(faults) > 0 {
			return nil, huma.Error422UnprocessableEntity("validation failed", faults...)
		}
		now := time.Now()
		w, err := s.node.Captures().Start(f, s.who(ctx), now, now.Add(span), in.Body.Calls)
		if err != nil {
			return nil, huma.Error429TooManyRequests(err.Error())
		}
		return &body[CaptureFilter]{newFilter(w)}, nil
	})
	register(api, Operator, huma.Operation{
		OperationID: "captures", Method: http.MethodGet, Path: "/v1/captures", Tags: []string{"traces"}, Summary: "Which calls are captured",
	}, func(context.Context, *struct{}) (*body[CaptureList], error) {
		c := s.node.Captures()
		l := CaptureList{Filters: []CaptureFilter{}, Calls: c.Kept(), Bytes: c.Bytes()}
		for _, w := range c.Filters(time.Now()) {
			l.Filters = append(l.Filters, newFilter(w))
		}
		return &body[CaptureList]{l}, nil
	})
	register(api, Operator, huma.Operation{
		OperationID: "capture-stop", Method: http.MethodDelete, Path: "/v1/captures/{name}", Tags: []string{"traces"}, Summary: "Capture no more calls for a filter, or end a trace",
		Description: "What has been captured stays, for as long as trace.keep says.", Errors: []int{http.StatusNotFound},
	}, func(_ context.Context, in *struct {
		Name string `path:"name"`
	}) (*body[CaptureFilter], error) {
		c := s.node.Captures()
		for _, w := range c.Filters(time.Now()) {
			if w.Name == in.Name && c.Stop(w.Name) {
				return &body[CaptureFilter]{newFilter(w)}, nil
			}
		}
		return nil, huma.Error404NotFound(fmt.Sprintf("no filter %q is in force", in.Name))
	})
}
