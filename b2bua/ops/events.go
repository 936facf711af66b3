package ops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"

	"bulkhead/dialog"
)

// How often something is said on a stream where nothing happens, so that both ends know that
// the other is there. A node wants to know sooner than who has asked it.
const (
	alive       = 15 * time.Second
	aliveToPeer = 2 * time.Second
)

// mostStreams is how many listen to a node at most, other nodes for somebody among them.
const mostStreams = 256

// Idle says that nothing has happened for a while.
type Idle struct{}

// scopeKey is where a request for a stream says of which nodes it is.
type scopeKey struct{}

func (s *Server) events(api huma.API) {
	const more = " Of the whole cluster, or of one node. Events of another node come while this one hears it, which event peer tells: " +
		"what happens there meanwhile is not told later. Who is too slow loses events, which event missed tells, and bulkhead_events_missed_total counts."
	types := map[string]any{"step": Step{}, "carrier": CarrierStands{}, "peer": PeerStands{}, "missed": Missed{}, "idle": Idle{}}
	sse.Register(api, s.streamed(api, huma.Operation{
		OperationID: "events", Method: http.MethodGet, Path: "/v1/events", Tags: []string{"calls"}, Summary: "What happens to the calls of the cluster, as it happens",
		Description: "The steps of calls, and how carriers stand." + more,
	}), types, func(ctx context.Context, _ *struct{ Where }, send sse.Sender) {
		s.stream(ctx, nil, "/v1/events", send)
	})
	types = map[string]any{"step": Step{}, "message": Message{}, "peer": PeerStands{}, "missed": Missed{}, "idle": Idle{}}
	sse.Register(api, s.streamed(api, huma.Operation{
		OperationID: "call-events", Method: http.MethodGet, Path: "/v1/calls/{id}/events", Tags: []string{"calls"}, Summary: "What happens to one call, with every message",
		Description: "Also of a call that is not there yet, or any more, and whichever node takes it over." + more,
	}), types, func(ctx context.Context, in *struct {
		Named
		Where
	}, send sse.Sender) {
		s.stream(ctx, &in.call, "/v1/calls/"+in.ID+"/events", send)
	})
}

// streamed is an operation that answers with a stream. What is wrong with the request is said
// before that begins.
func (s *Server) streamed(api huma.API, op huma.Operation) huma.Operation {
	op = operation(Viewer, op)
	op.Errors = append(op.Errors, http.StatusServiceUnavailable)
	op.Middlewares = huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
		in, err := s.scope(ctx.Context(), Where{ctx.Query("node")})
		defer s.streams.Add(-1)
		if s.streams.Add(1) > mostStreams && err == nil {
			err = huma.Error503ServiceUnavailable(fmt.Sprintf("%d listen already, which is as many as may", mostStreams))
		}
		if p, ok := errors.AsType[*Problem](err); ok {
			details := make([]error, 0, len(p.Errors))
			for _, d := range p.Errors {
				details = append(details, d)
			}
			_ = huma.WriteErr(api, ctx, p.Status, p.Detail, details...) // the peer is gone if it fails
			return
		}
		next(huma.WithValue(ctx, scopeKey{}, in))
	}}
	return op
}

// Named is a call that is named by a path, whether it is there or not.
type Named struct {
	ID   string `path:"id"`
	call dialog.CallID
}

// Resolve reads what is not a plain value.
func (n *Named) Resolve(huma.Context) []error {
	var ok bool
	if n.call, ok = dialog.ParseCallID(n.ID); !ok {
		return []error{&huma.ErrorDetail{Message: "want the id of a call", Location: "path.id", Value: n.ID}}
	}
	return nil
}

// stream sends events until the listener goes or the server ends: those that happen here, and
// those of other nodes, as uri asks them for.
func (s *Server) stream(ctx context.Context, call *dialog.CallID, uri string, send sse.Sender) {
	in, _ := ctx.Value(scopeKey{}).(scope)
	l := newListener(s.node.Feed(), call)
	if in.here {
		s.node.Feed().join(l)
		defer s.node.Feed().leave(l)
	}
	if in.store != nil {
		hearing, cancel := context.WithCancel(ctx)
		heard := make(chan struct{})
		go func() { defer close(heard); s.hear(hearing, in, uri, l) }()
		defer func() { cancel(); <-heard }()
	}
	each := alive
	if whoIn(ctx).Via != "" {
		each = aliveToPeer
	}
	tick := time.NewTicker(each)
	defer tick.Stop()
	var event any = Idle{} // at once: who listens knows that it does
	for {
		if send.Data(s.placed(event)) != nil {
			return
		}
		if n := l.missed.Swap(0); n > 0 && send.Data(Missed{s.self(), n}) != nil {
			return
		}
		select {
		case event = <-l.events:
		case <-tick.C:
			event = Idle{}
		case <-ctx.Done():
			return
		case <-s.ending:
			return
		}
	}
}

// placed is an event with the node where it has happened: this one, if none is said.
func (s *Server) placed(event any) any {
	switch e := event.(type) {
	case Step:
		e.Node = cmp.Or(e.Node, s.self())
		return e
	case Message:
		e.Node = cmp.Or(e.Node, s.self())
		return e
	case CarrierStands:
		e.Node = cmp.Or(e.Node, s.self())
		return e
	}
	return event
}
