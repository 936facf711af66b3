package ops_test

import (
	"net/http"
	"strings"
	"testing"
)

// Traces are for who may act: what is said in calls is in them.
func TestTracesAreForOperators(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/v1/trace", "/v1/captures", "/v1/calls/aaaaaaaaaaaaa/pcap", "/v1/calls/aaaaaaaaaaaaa/capture"} {
		if a := s.ask("viewer", http.MethodGet, path); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
}

func TestTraceRefusals(t *testing.T) {
	s := serve(t)
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/v1/trace?for=11m":                       {422, "query.for"},
		"/v1/trace?for=soon":                      {422, "query.for"},
		"/v1/trace?call=x":                        {422, "query.call"},
		"/v1/trace?bytes=1":                       {422, "query.bytes"},
		"/v1/trace?format=text":                   {422, "query.format"},
		"/v1/trace?trnk=a":                        {422, "trnk"},
		"/v1/trace":                               {503, "this node serves no calls"},
		"/v1/calls/aaaaaaaaaaaaa/pcap":            {404, "is not captured"},
		"/v1/calls/aaaaaaaaaaaaa/capture":         {404, "is not captured"},
		"/v1/calls/not-an-id/pcap":                {422, "path.id"},
		"/v1/calls/aaaaaaaaaaaaa/pcap?format=hex": {422, "query.format"},
	} {
		if a := s.ask("operator", http.MethodGet, path); a.StatusCode != want.code || !strings.Contains(a.text, want.text) {
			t.Errorf("%s: %s %s", path, a.Status, a.text)
		}
	}
	if a := s.ask("operator", http.MethodDelete, "/v1/captures/c7"); a.StatusCode != 404 {
		t.Errorf("%s %s", a.Status, a.text)
	}
}
