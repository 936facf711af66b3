package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Reasons is why a call went as it did.
type Reasons struct {
	Call  string    `json:"call"`
	Why   []string  `json:"why" doc:"Sentences: first the cause of its end, or what it is at, then each attempt."`
	Ended time.Time `json:"ended,omitzero" doc:"Absent: it has not."`
}

// story is what crossed the wire of a call, and its record as it stands. Of a call that
// has gone, for as long as it is kept.
func (s *Server) story(ctx context.Context, id string) (a b2bua.Account, r b2bua.Record, err error) {
	name, ok := dialog.ParseCallID(id)
	if ok {
		a, _ = s.node.Journal().Call(name, time.Now())
		ctx, cancel := context.WithTimeout(ctx, lookFor)
		defer cancel()
		if e := s.node.Engine(); e != nil && e.Inspect(ctx, name, func(c *b2bua.Call) { r = c.Record(time.Now()) }) {
			if a.Began.IsZero() { // nothing has been seen of it since it was taken over
				a.Began = r.Began
			}
			return a, r, nil
		}
	}
	if a.Record == nil {
		return a, r, huma.Error404NotFound(fmt.Sprintf("of a call %q nothing is known here", id))
	}
	return a, *a.Record, nil
}

// tale is the story of a call here or, where it is not known here, what the node says that
// knows it; of a call whose owner is dead, what the store tells.
func tale[T any](ctx context.Context, s *Server, w Where, of *Wanted, more string) (a b2bua.Account, r b2bua.Record, there *T, err error) {
	in, err := s.scope(ctx, w)
	if err != nil {
		return a, r, nil, err
	}
	if in.here {
		if a, r, err = s.story(ctx, of.ID); err == nil {
			return a, r, nil, nil
		}
	}
	answer, _, missed := elsewhere[T](ctx, s, in, peerWithin, http.MethodGet, of.path()+more)
	silent, ok := errors.AsType[*absent](missed)
	switch {
	case missed == nil:
		return a, r, &answer, nil
	case !ok:
		return a, r, nil, missed
	}
	if kept, broken := s.findStored(ctx, in, of.ID); kept != nil {
		r = kept.call.Record(time.Now())
		return b2bua.Account{Began: r.Began}, r, nil, nil
	} else if broken != nil {
		silent.silent = append(silent.silent, Gap{Reason: broken.Error()})
	}
	where := "here"
	if !in.one {
		where = "on any node"
	}
	return a, r, nil, huma.Error404NotFound(fmt.Sprintf("of a call %q nothing is known %s%s", of.ID, where, silent))
}

// drawn is a ladder in some form.
type drawn struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (s *Server) stories(api huma.API) {
	ladder := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Ladder](), true, "Ladder")
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	register(api, Viewer, huma.Operation{
		OperationID: "ladder", Method: http.MethodGet, Path: "/v1/calls/{id}/ladder", Tags: []string{"calls"},
		Summary: "What crossed the wire, a column a party", Description: "Also of calls that have ended, for as long as trace.keep says.",
		Errors: []int{http.StatusNotFound, http.StatusServiceUnavailable},
		Responses: map[string]*huma.Response{"200": {Description: "The ladder.", Content: map[string]*huma.MediaType{
			"application/json": {Schema: ladder}, "text/plain": text, "image/svg+xml": text,
		}}},
	}, func(ctx context.Context, in *struct {
		Wanted
		Where
		Format string `query:"format" enum:"json,text,svg" default:"json"`
	}) (*drawn, error) {
		a, r, there, err := tale[carried](ctx, s, in.Where, &in.Wanted, "/ladder?format="+in.Format)
		if err != nil {
			return nil, err
		}
		if there != nil {
			return &drawn{there.kind, there.text}, nil
		}
		l := NewLadder(a, r)
		switch in.Format {
		case "text":
			return &drawn{"text/plain; charset=utf-8", []byte(l.Text())}, nil
		case "svg":
			return &drawn{"image/svg+xml", []byte(l.SVG())}, nil
		}
		data, err := json.Marshal(l)
		return &drawn{"application/json", data}, err
	})
	register(api, Viewer, huma.Operation{
		OperationID: "why", Method: http.MethodGet, Path: "/v1/calls/{id}/why", Tags: []string{"calls"},
		Summary: "Why it went so, in sentences", Description: "Also of calls that have ended, for as long as trace.keep says.",
		Errors: []int{http.StatusNotFound, http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *struct {
		Wanted
		Where
	}) (*body[Reasons], error) {
		_, r, there, err := tale[Reasons](ctx, s, in.Where, &in.Wanted, "/why")
		if err != nil {
			return nil, err
		}
		if there != nil {
			return &body[Reasons]{*there}, nil
		}
		return &body[Reasons]{Reasons{in.ID, Why(r), utc(r.Ended)}}, nil
	})
}
