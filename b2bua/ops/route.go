package ops

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"bulkhead/carriers"
)

// RouteAsked is a call whose way is asked for.
type RouteAsked struct {
	Trunk   string            `json:"trunk" minLength:"1" doc:"Who calls."`
	To      string            `json:"to" minLength:"1" maxLength:"256" doc:"Number dialled: user part of the Request-URI."`
	From    string            `json:"from,omitempty" maxLength:"256" doc:"User part of From. Absent: none."`
	Domain  string            `json:"domain,omitempty" maxLength:"256" doc:"Host of the Request-URI. Absent: our own address."`
	Headers []string          `json:"headers,omitempty" maxItems:"64" example:"[\"P-Early-Media: supported\"]" doc:"Other header fields of the INVITE, each as Name: value."`
	At      time.Time         `json:"at,omitzero" doc:"For hours, days and prices. Absent: now. What the node knows of others is what it knows now in any case."`
	Assume  map[string]string `json:"assume,omitempty" maxProperties:"1000" example:"{\"tc1\":\"down\"}" doc:"Carriers and gateways that are to be skipped besides those that are, each with why, in a word of the record."`
	Call    string            `json:"call,omitempty" doc:"Id of a call, as in its record: the draws are those of that call. Absent: one is taken as a sample."`
}

// Misasked is what is wrong with a part of a question.
type Misasked struct {
	Field   string // of the JSON form: trunk, headers[0], assume.tc1
	Value   string
	Message string
}

// Error is the fault as a line.
func (m *Misasked) Error() string { return fmt.Sprintf("%s %q: %s", m.Field, m.Value, m.Message) }

// RouteTrial is where a call would go.
type RouteTrial struct {
	Call     string         `json:"call"`
	Sample   bool           `json:"sample" doc:"The id of the call is one that was taken: weights and percentages are drawn by it."`
	Trunk    string         `json:"trunk"`
	Number   string         `json:"number" doc:"That the routes have seen."`
	At       time.Time      `json:"at"`
	Barred   *Barred        `json:"barred,omitempty" doc:"A call would be refused now before a route is looked for, and why. The rest says where it would go otherwise."`
	Route    *int           `json:"route" doc:"From 0; null: none matches."`
	Match    map[string]any `json:"match,omitempty" doc:"What the route asks of its calls."`
	By       string         `json:"by,omitempty" enum:"targets,spread,least_cost,ask,reject"`
	Asked    *RouteQuestion `json:"asked,omitempty" doc:"Who decides about the route was asked."`
	Attempts []RouteAttempt `json:"attempts" doc:"Were every one to fail before it is answered."`
	Skipped  []RouteSkipped `json:"skipped"`
	Refusal  *RouteRefusal  `json:"refusal,omitempty" doc:"What the trunk is told, where there are no attempts."`
	Shares   []RouteShare   `json:"shares,omitempty" doc:"Of all calls like this one, where they do not all go to the same."`
}

// Barred is why a node refuses new calls.
type Barred struct {
	Code   int    `json:"code"`
	Reason string `json:"reason" example:"trunk_calls" doc:"As the metric of refusals names it."`
}

// RouteQuestion is what who decides has been asked.
type RouteQuestion struct {
	URL      string            `json:"url"`
	Question carriers.Question `json:"question"`
	Error    string            `json:"error,omitempty"`
	Fallback bool              `json:"fallback,omitempty" doc:"There was no answer, and the route says where to go then."`
}

// RouteAttempt is an attempt that would be made.
type RouteAttempt struct {
	Carrier   string        `json:"carrier"`
	Gateway   string        `json:"gateway"`
	Transport string        `json:"transport"`
	Number    string        `json:"number"`
	Price     string        `json:"price,omitempty"`
	Currency  string        `json:"currency,omitempty"`
	Timers    RouteTimers   `json:"timers"`
	URI       string        `json:"uri" doc:"Request-URI of its INVITE."`
	Headers   []RouteHeader `json:"headers" doc:"Of its INVITE."`
}

// RouteTimers are how long an attempt is given.
type RouteTimers struct {
	NoResponse string `json:"no_response" example:"2s"`
	NoRinging  string `json:"no_ringing" example:"8s"`
	NoAnswer   string `json:"no_answer" example:"30s"`
}

// RouteHeader is a header field.
type RouteHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// RouteSkipped is a target that would not be tried.
type RouteSkipped struct {
	Carrier string `json:"carrier"`
	Gateway string `json:"gateway,omitempty"`
	Number  string `json:"number,omitempty"`
	Reason  string `json:"reason"`
}

// RouteRefusal is an answer to the trunk.
type RouteRefusal struct {
	Code   int    `json:"code"`
	Reason string `json:"reason,omitempty"`
}

// RouteShare is where a share of the calls goes first.
type RouteShare struct {
	Route   int     `json:"route" doc:"From 0; -1: none matches."`
	Carrier string  `json:"carrier,omitempty" doc:"Tried first; absent: none is."`
	Gateway string  `json:"gateway,omitempty"`
	Percent float64 `json:"percent"`
	Asks    bool    `json:"asks,omitempty" doc:"It goes where who decides about the route says."`
}

// routes are the operations on routes. A viewer may try them: a trial changes nothing, sends
// nothing to a carrier, and tells what the configuration says, which viewers see. But it may
// ask who decides about a route, so there is one at a time: calls ask too.
func (s *Server) routes(api huma.API) {
	turn := make(chan struct{}, 1)
	register(api, Viewer, huma.Operation{
		OperationID: "test-route", Method: http.MethodPost, Path: "/v1/routes:test", Tags: []string{"routes"}, Summary: "Say where a call would go, with the code that calls take",
		Description: "By the routes in force, and with what this node knows now: who is down, drained or full, and whether it takes new calls at all. " +
			"Nothing changes and nothing is sent, but to who decides about a route that asks. Of a trunk that has to prove who it is, it is taken for granted that it has.",
		Errors: []int{http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
	}, func(ctx context.Context, in *struct{ Body RouteAsked }) (*body[RouteTrial], error) {
		if _, err := s.engine(); err != nil {
			return nil, err
		}
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		t, err := s.node.Try(in.Body)
		if wrong, ok := errors.AsType[*Misasked](err); ok {
			return nil, huma.Error422UnprocessableEntity("no such call can be tried", &huma.ErrorDetail{Message: wrong.Message, Location: "body." + wrong.Field, Value: wrong.Value})
		}
		if errors.Is(err, ErrConflict) { // the calls have gone to another node meanwhile
			return nil, huma.Error503ServiceUnavailable(err.Error())
		}
		if err != nil {
			return nil, err
		}
		return &body[RouteTrial]{t}, nil
	})
}
