package ops_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// TestOpenAPI: every operation is described, with what it takes and how it fails.
func TestOpenAPI(t *testing.T) {
	s := serve(t)
	var d struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Security    []map[string][]string
			Description string
			Responses   map[string]struct{ Content map[string]any }
		}
		Components struct{ SecuritySchemes map[string]any }
	}
	a := s.ask("", "GET", "/v1/openapi.json")
	if err := json.Unmarshal([]byte(a.text), &d); err != nil {
		t.Fatal(err)
	}
	if d.OpenAPI != "3.1.0" || d.Components.SecuritySchemes["token"] == nil || len(d.Paths) < 2 {
		t.Errorf("%s", a.text)
	}
	for path, methods := range d.Paths {
		for method, op := range methods {
			if op.OperationID == "" || len(op.Security) != 1 {
				t.Errorf("%s %s: %+v", method, path, op)
			}
			// GET looks, and a viewer may; what changes something takes an operator, or an admin.
			takes := regexp.MustCompile(`Takes the role (viewer|operator|admin)\.$`).FindStringSubmatch(op.Description)
			if takes == nil || (takes[1] == "viewer") && method != "get" && !strings.HasSuffix(path, ":test") && !strings.HasSuffix(path, ":validate") && !strings.HasSuffix(path, ":diff") {
				t.Errorf("%s %s: which role? %q", method, path, op.Description)
			}
			good := 0
			for code, r := range op.Responses {
				if code[0] == '2' {
					good++
				} else if len(r.Content) != 1 || r.Content["application/problem+json"] == nil {
					t.Errorf("%s %s: %s is no problem: %v", method, path, code, r.Content)
				}
			}
			for _, code := range []string{"401", "403", "500"} {
				if _, ok := op.Responses[code]; !ok {
					t.Errorf("%s %s: %s is not described", method, path, code)
				}
			}
			if good != 1 {
				t.Errorf("%s %s: %d ways to succeed", method, path, good)
			}
		}
	}
	if _, ok := d.Paths["/v1/reload"]["post"].Responses["422"]; !ok {
		t.Error("a refused reload is not described")
	}
}
