package ops

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// EvidenceAsked is whose evidence is wanted, and of when.
type EvidenceAsked struct {
	Name string `path:"name"`
	Hour string `query:"hour" example:"2026-11-27T01" doc:"In UTC; not said: all hours that are kept, 24."`

	hour time.Time
}

// hourForms are how an hour may be written.
var hourForms = []string{"2006-01-02T15", "2006-01-02T15:04Z", time.RFC3339}

// Resolve reads what is not a plain value.
func (e *EvidenceAsked) Resolve(huma.Context) []error {
	if e.Hour == "" {
		return nil
	}
	for _, form := range hourForms {
		if t, err := time.Parse(form, e.Hour); err == nil {
			e.hour = t
			return nil
		}
	}
	return []error{&huma.ErrorDetail{Message: "want an hour in UTC, such as 2026-11-27T01", Location: "query.hour", Value: e.Hour}}
}

func (s *Server) evidence(api huma.API) {
	register(api, Operator, huma.Operation{
		OperationID: "evidence", Method: http.MethodGet, Path: "/v1/carriers/{name}/evidence", Tags: []string{"carriers"}, Summary: "What a carrier does that SIP does not foresee, to be sent to it",
		Description: "A zip: a letter with each misbehaviour, how often it was and what the RFC says; the counts by the hour; ladders of calls that are still kept. Numbers are redacted as log.redact says, by their last four digits where it says none; the trunk and other carriers are not named.",
		Errors:      []int{http.StatusNotFound},
		Responses: map[string]*huma.Response{"200": {Description: "The zip.", Content: map[string]*huma.MediaType{
			"application/zip": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}},
	}, func(_ context.Context, in *EvidenceAsked) (*huma.StreamResponse, error) {
		_, _, ok := s.node.Scorecards().Of(in.Name)
		if !ok && !slices.Contains(s.node.Carriers(), in.Name) {
			return nil, huma.Error404NotFound(fmt.Sprintf("there is no carrier %q", in.Name))
		}
		redact := s.node.Redact()
		if redact.Numbers == "" || redact.Numbers == "none" {
			redact.Numbers = "last4" // it goes to others
		}
		e := s.node.Scorecards().Evidence(s.node.Version().Node, in.Name, in.hour, redact, time.Now())
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			ctx.SetHeader("Content-Type", "application/zip")
			ctx.SetHeader("Content-Disposition", fmt.Sprintf("attachment; filename=%q", in.Name+"-evidence.zip"))
			_ = e.Write(ctx.BodyWriter()) // the peer is gone if it fails
		}}, nil
	})
}
