package ops

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Carrier is a carrier in a list: how it has behaved for a day.
type Carrier struct {
	Name   string `json:"name"`
	Stands Stand  `json:"stands" doc:"By an operator's order, or by its scorecard."`
	Score
}

// Scorecard is how a carrier behaves.
type Scorecard struct {
	Carrier string  `json:"carrier"`
	Day     Score   `json:"day" doc:"The sum of the hours."`
	Hours   []Score `json:"hours" doc:"Those in which something happened, the latest first, 24 at most."`
}

// carriers are the operations on carriers.
func (s *Server) carriers(api huma.API) {
	register(api, Viewer, huma.Operation{
		OperationID: "carriers", Method: http.MethodGet, Path: "/v1/carriers", Tags: []string{"carriers"}, Summary: "List the carriers, with what each has done for a day",
		Description: "What this node has seen: another one of its unit counts for itself.",
	}, func(context.Context, *struct{}) (*body[[]Carrier], error) {
		list := []Carrier{}
		for _, name := range s.node.Carriers() {
			sum, _, _ := s.node.Scorecards().Of(name)
			list = append(list, Carrier{name, newStand(s.node.Standings().Of(time.Now(), name)), sum})
		}
		return &body[[]Carrier]{list}, nil
	})
	register(api, Viewer, huma.Operation{
		OperationID: "scorecard", Method: http.MethodGet, Path: "/v1/carriers/{name}/scorecard", Tags: []string{"carriers"}, Summary: "How a carrier behaves, by the hour",
		Errors: []int{http.StatusNotFound},
	}, func(_ context.Context, in *struct {
		Name string `path:"name"`
	}) (*body[Scorecard], error) {
		sum, each, ok := s.node.Scorecards().Of(in.Name)
		if !ok && !slices.Contains(s.node.Carriers(), in.Name) {
			return nil, huma.Error404NotFound(fmt.Sprintf("there is no carrier %q", in.Name))
		}
		return &body[Scorecard]{Scorecard{Carrier: in.Name, Day: sum, Hours: append([]Score{}, each...)}}, nil
	})
}
