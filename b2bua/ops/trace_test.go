package ops_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"bulkhead/b2bua/ops"
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

// TestTraceOutlastsARequest: what a request may take is no bound of a trace in which nothing
// happens; it ends whole, and says what it was.
func TestTraceOutlastsARequest(t *testing.T) {
	t.Cleanup(ops.Hurry(200 * time.Millisecond))
	s, b := serve(t), newBorder(t)
	s.node.engine = b.engine
	a := s.ask("operator", http.MethodGet, "/v1/trace?for=700ms")
	if a.StatusCode != 200 || a.Trailer.Get(ops.TrailerEnd) != "its time is over" || a.Trailer.Get(ops.TrailerMessages) != "0" || a.Trailer.Get(ops.TrailerMissed) != "0" {
		t.Errorf("%s %v", a.Status, a.Trailer)
	}
	r, err := pcapgo.NewNgReader(bytes.NewReader([]byte(a.text)), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.ReadPacketData(); err == nil {
		t.Error("there is a packet")
	}
	if i, err := r.Interface(0); err != nil || i.Statistics.EndTime.IsZero() {
		t.Errorf("the file has no end: %+v %v", i.Statistics, err)
	}
}
