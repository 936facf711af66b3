package ops

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Drain is how a node is out of service at an operator's word.
type Drain struct {
	By     string    `json:"by" example:"alice"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
	Ends   time.Time `json:"ends,omitzero" doc:"When calls that are left then are ended by BYE. Absent: they end in their own time."`
}

// NodeState is what a node does.
type NodeState struct {
	Node  string `json:"node"`
	Unit  string `json:"unit,omitempty"`
	State string `json:"state" enum:"starting,serving,standing by,draining"`
	Ready bool   `json:"ready" doc:"New calls may come to it, as /readyz says."`
	Calls int    `json:"calls" doc:"That have no record yet."`
	Drain *Drain `json:"drain,omitempty" doc:"Absent: nobody has drained it."`
}

// Handover is what has come of handing a unit over.
type Handover struct {
	Unit    string  `json:"unit"`
	From    string  `json:"from" doc:"The node that served it."`
	To      string  `json:"to" doc:"The one that does now."`
	Seconds float64 `json:"seconds" doc:"How long it took, from the wish until the other one owned it."`
}

// ErrConflict is wrapped by why something cannot be done as things stand.
var ErrConflict = errors.New("as things stand")

// conflict is why something cannot be done.
type conflict struct{ why string }

func (c conflict) Error() string { return c.why }
func (conflict) Unwrap() error   { return ErrConflict }

// Conflict is an error that says why something cannot be done as things stand.
func Conflict(why string) error { return conflict{why} }

// refusal is an error in the API's words: 409 for a conflict, 503 for everything else.
func refusal(err error) error {
	if errors.Is(err, ErrConflict) {
		return huma.Error409Conflict(err.Error())
	}
	return huma.Error503ServiceUnavailable(err.Error())
}

// drains are the operations that take a node out of service.
func (s *Server) drains(api huma.API) {
	who := func(ctx context.Context) string {
		who, _ := ctx.Value(whoKey{}).(caller)
		return who.Name
	}
	register(api, Viewer, huma.Operation{
		OperationID: "node", Method: http.MethodGet, Path: "/v1/node", Tags: []string{"node"}, Summary: "What this node does",
	}, func(context.Context, *struct{}) (*body[NodeState], error) {
		return &body[NodeState]{s.node.Now()}, nil
	})
	register(api, Operator, huma.Operation{
		OperationID: "drain-node", Method: http.MethodPost, Path: "/v1/node/drain", Tags: []string{"node"}, Summary: "Take this node out of service",
		Description: "New calls get 503 with Retry-After, so do OPTIONS of trunks and carriers, and /readyz says 503 while /healthz stays 200. Calls that are there end in their own time or, with within, by BYE when it is over. It holds until it is resumed or the process ends. Asked again, it takes the new deadline.",
		Errors:      []int{http.StatusConflict},
	}, func(ctx context.Context, in *struct {
		Body *struct {
			Within string `json:"within,omitempty" example:"10m" doc:"After which the calls that are left are ended by BYE. Absent: never."`
			Reason string `json:"reason,omitempty" maxLength:"200"`
		} `required:"false"`
	}) (*body[NodeState], error) {
		d := Drain{By: who(ctx), Since: time.Now().UTC()}
		if in.Body != nil {
			d.Reason = in.Body.Reason
		}
		if in.Body != nil && in.Body.Within != "" {
			within, err := time.ParseDuration(in.Body.Within)
			if err != nil || within < 0 {
				return nil, huma.Error422UnprocessableEntity("the deadline cannot be read", &huma.ErrorDetail{Message: "want a duration, such as 90s or 1h30m", Location: "body.within", Value: in.Body.Within})
			}
			d.Ends = d.Since.Add(within)
		}
		if err := s.node.Drain(&d); err != nil {
			return nil, refusal(err)
		}
		return &body[NodeState]{s.node.Now()}, nil
	})
	register(api, Operator, huma.Operation{
		OperationID: "resume-node", Method: http.MethodPost, Path: "/v1/node/resume", Tags: []string{"node"}, Summary: "Put this node into service again",
		Description: "New calls are taken again, and what is left of those that were to be ended at a deadline goes on.",
		Errors:      []int{http.StatusConflict},
	}, func(context.Context, *struct{}) (*body[NodeState], error) {
		if err := s.node.Drain(nil); err != nil {
			return nil, refusal(err)
		}
		return &body[NodeState]{s.node.Now()}, nil
	})
	register(api, Operator, huma.Operation{
		OperationID: "handover", Method: http.MethodPost, Path: "/v1/node/handover", Tags: []string{"node"}, Summary: "Hand the unit's calls over to another node",
		Description: "Any node of the unit can be asked. The answer comes when another node owns the unit; no call notices. A unit that follows an address is handed over by the end of the process that serves it: whoever keeps that running starts it again, as a standby.",
		Errors:      []int{http.StatusConflict, http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *struct {
		Body *struct {
			To string `json:"to,omitempty" doc:"The node. Absent: the one heard last."`
		} `required:"false"`
	}) (*body[Handover], error) {
		to := ""
		if in.Body != nil {
			to = in.Body.To
		}
		ctx, cancel := context.WithTimeout(ctx, handoverWithin)
		defer cancel()
		done, err := s.node.Handover(ctx, to)
		if err != nil {
			return nil, refusal(err)
		}
		return &body[Handover]{done}, nil
	})
}

// handoverWithin is how long it is waited until another node owns a unit.
const handoverWithin = 10 * time.Second
