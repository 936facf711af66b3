package ops_test

import (
	"encoding/json"
	"testing"
	"time"

	"bulkhead/b2bua/ops"
)

// Try is ops.Node.
func (n *node) Try(asked ops.RouteAsked) (ops.RouteTrial, error) {
	n.tried = append(n.tried, asked)
	return n.trial, n.refuses
}

// TestRoutesTest: whoever may look may ask, what is asked comes as it was said, and what is
// wrong with it is named by its place in the body.
func TestRoutesTest(t *testing.T) {
	s := serve(t)
	b := newBorder(t)
	route := 3
	s.node.engine, s.node.trial = b.engine, ops.RouteTrial{Trunk: "pbx", Route: &route, Attempts: []ops.RouteAttempt{{Carrier: "tc1"}}, Skipped: []ops.RouteSkipped{}}
	const asks = `{"trunk":"pbx","to":"+331","at":"2026-01-31T08:00:00Z","headers":["Subject: x"],"assume":{"tc2":"down"}}`
	said := s.does("viewer", "POST", "/v1/routes:test", asks)
	var is ops.RouteTrial
	if err := json.Unmarshal([]byte(said.text), &is); err != nil || said.StatusCode != 200 || *is.Route != 3 || is.Attempts[0].Carrier != "tc1" {
		t.Errorf("%s %s", said.Status, said.text)
	}
	if got := s.node.tried[0]; got.Trunk != "pbx" || got.To != "+331" || !got.At.Equal(time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)) || got.Headers[0] != "Subject: x" || got.Assume["tc2"] != "down" {
		t.Errorf("%+v", got)
	}
	s.does("", "POST", "/v1/routes:test", asks).problem(t, 401)
	for text, where := range map[string]string{
		`{"to":"1"}`: "body", `{"trunk":"","to":"1"}`: "body.trunk", `{"trunk":"pbx","to":""}`: "body.to", `{"trunk":"pbx","to":"1","at":"noon"}`: "body.at",
		`{"trunk":"pbx","to":"1","form":"2"}`: "body.form", `{"trunk":"pbx","to":"1","headers":"x"}`: "body.headers",
	} {
		p := s.does("viewer", "POST", "/v1/routes:test", text).problem(t, 422)
		if len(p.Errors) != 1 || p.Errors[0].Location != where {
			t.Errorf("%s: %+v", text, p.Errors)
		}
	}
	if len(s.node.tried) != 1 {
		t.Errorf("tried %d times", len(s.node.tried))
	}
	s.node.refuses = &ops.Misasked{Field: "headers[1]", Value: "x", Message: "want Name: value"}
	p := s.does("viewer", "POST", "/v1/routes:test", asks).problem(t, 422)
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.headers[1]" || p.Errors[0].Message != "want Name: value" || p.Errors[0].Value != "x" {
		t.Errorf("%+v", p)
	}
	s.node.refuses = ops.Conflict("the calls are another node's")
	s.does("viewer", "POST", "/v1/routes:test", asks).problem(t, 503)
	s.node.engine = nil
	s.does("viewer", "POST", "/v1/routes:test", asks).problem(t, 503)
}
