package ops

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"

	"bulkhead/dialog"
)

// alive is how often something is said on a stream where nothing happens, so that both ends
// know that the other is there.
const alive = 15 * time.Second

// Idle says that nothing has happened for a while.
type Idle struct{}

func (s *Server) events(api huma.API) {
	types := map[string]any{"step": Step{}, "carrier": CarrierStands{}, "missed": Missed{}, "idle": Idle{}}
	sse.Register(api, operation(Viewer, huma.Operation{
		OperationID: "events", Method: http.MethodGet, Path: "/v1/events", Tags: []string{"calls"}, Summary: "What happens to the calls of this node, as it happens",
	}), types, func(ctx context.Context, _ *struct{}, send sse.Sender) {
		s.stream(ctx, nil, send)
	})
	types = map[string]any{"step": Step{}, "message": Message{}, "missed": Missed{}, "idle": Idle{}}
	sse.Register(api, operation(Viewer, huma.Operation{
		OperationID: "call-events", Method: http.MethodGet, Path: "/v1/calls/{id}/events", Tags: []string{"calls"}, Summary: "What happens to one call, with every message",
		Description: "Also of a call that is not here yet, or any more.",
	}), types, func(ctx context.Context, in *Named, send sse.Sender) {
		s.stream(ctx, &in.call, send)
	})
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

// stream sends events until the listener goes or the server ends.
func (s *Server) stream(ctx context.Context, call *dialog.CallID, send sse.Sender) {
	l := s.node.Feed().listen(call)
	defer s.node.Feed().leave(l)
	tick := time.NewTicker(alive)
	defer tick.Stop()
	var event any = Idle{} // at once: who listens knows that it does
	for {
		if send.Data(event) != nil {
			return
		}
		if n := l.missed.Swap(0); n > 0 && send.Data(Missed{n}) != nil {
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
