package ops_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/dialog"
)

// FuzzAPI makes any request of anybody to a node with a call in memory: no panic; no 5xx, since
// nothing of the node is broken; what is refused is a problem of RFC 9457; who shows no token is
// told nothing, and who may only look changes nothing.
func FuzzAPI(f *testing.F) {
	s := serve(f)
	border := newBorder(f)
	s.node.engine, s.node.journal = border.engine, &border.journal
	border.watch.add(&s.node.feed)
	border.up(1, "127.0.11.5", "+33111", "+33222", "127.0.21.1")
	id := s.lists("").Calls[0].ID

	for _, seed := range [][4]string{
		{"GET", "/", "", ""}, {"GET", "/calls/" + id, "", ""}, {"GET", "/page/style.css", "", ""}, {"GET", "/page/nothing", "", ""},
		{"POST", "/login", "Content-Type: application/x-www-form-urlencoded", "token=%zz"}, {"GET", "/healthz", "", ""}, {"HEAD", "/readyz", "", ""},
		{"GET", "/metrics", "Accept-Encoding: gzip", ""}, {"GET", "/debug/pprof/heap?debug=1", "", ""}, {"GET", "/v1/openapi.yaml", "", ""},
		{"GET", "/v1/calls?state=up&longer_than=1s&fields=id,trunk&limit=1&cursor=x", "Accept: application/cbor", ""},
		{"GET", "/v1/calls/" + id + "/ladder?format=svg", "", ""}, {"GET", "/v1/calls/" + id + "/why?format=text", "", ""},
		{"DELETE", "/v1/calls?trunk=pbx&confirm=1&cause=17", "", ""}, {"DELETE", "/v1/calls/" + id + "?cause=999", "", ""},
		{"POST", "/v1/config/apply", "If-Match: \"2-ab\"\r\nContent-Type: application/yaml", "node: sbc-a"},
		{"POST", "/v1/captures", "Content-Type: application/json", `{"number":"+33*","for":"1h","calls":2}`},
		{"PUT", "/v1/log/level", "Content-Type: application/json", `{"level":"debug"}`},
		{"GET", "/v1/node", "Authorization: Bulkhead-Peer e30.e30", ""}, {"GET", "/v1/live", "Cookie: bulkhead-token=x", ""},
	} {
		for role := range byte(4) {
			f.Add(role, seed[0], seed[1], seed[2], seed[3])
		}
	}
	// And each operation, with a body of nothing in particular.
	var described struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal([]byte(s.ask("", "GET", "/v1/openapi.json").text), &described); err != nil || len(described.Paths) < 20 {
		f.Fatal(err, len(described.Paths))
	}
	for path, methods := range described.Paths {
		path = strings.NewReplacer("{id}", id, "{name}", "tc1").Replace(path)
		for method := range methods {
			f.Add(byte(3), strings.ToUpper(method), path, "Content-Type: application/json", `{"for":"1h","reason":"x","within":"1m","to":"b","generation":1}`)
		}
	}

	public := regexp.MustCompile(`^/(healthz|readyz|login|page/.*|v1/openapi(-3\.0)?\.(json|yaml))?$`)
	f.Fuzz(func(t *testing.T, role byte, method, target, head, body string) {
		request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: sbc\r\n" + head + "\r\n\r\n")))
		if err != nil || !strings.HasPrefix(request.URL.Path, "/") {
			return // net/http's own business
		}
		request.Body, request.ContentLength, request.RemoteAddr = http.NoBody, int64(len(body)), "192.0.2.1:999"
		if body != "" {
			request.Body = readAll{strings.NewReader(body)}
		}
		as := []string{"", "viewer", "operator", "admin"}[role%4]
		if as != "" {
			request.Header.Set("Authorization", "Bearer "+strings.ReplaceAll(token(as), " ", "-"))
		}
		// What streams does so for as long as somebody listens.
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		now := time.Now()
		was := standing(s, now)
		w := recorder{httptest.NewRecorder()}
		s.Handler().ServeHTTP(w, request.WithContext(ctx))

		if w.Code >= 500 {
			t.Errorf("as %q: %d %s", as, w.Code, w.Body)
		}
		// The page's own refusals are for a person to read.
		page := strings.HasPrefix(request.URL.Path, "/page/") || strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") && w.Code == http.StatusUnauthorized
		if w.Code >= 400 && !page {
			var p ops.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code || p.Title == "" || p.Detail == "" || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("as %q: %d is no problem: %v %v %s", as, w.Code, err, w.Header(), w.Body)
			}
		}
		if as == "" && w.Code < 300 && !public.MatchString(request.URL.Path) {
			t.Errorf("without a token: %d %s", w.Code, w.Body)
		}
		if is := standing(s, now); is != was && role%4 < 2 {
			t.Errorf("as %q it has changed %+v to %+v", as, was, is)
		}
		for _, of := range []string{"viewer", "operator", "admin"} {
			if secret := strings.ReplaceAll(token(of), " ", "-"); strings.Contains(w.Body.String(), secret) {
				t.Errorf("the token of the %s is told: %s", of, w.Body)
			}
		}
	})
}

// readAll is a body.
type readAll struct{ *strings.Reader }

func (readAll) Close() error { return nil }

// recorder is a writer that can be told to hurry, as the network's is.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) SetWriteDeadline(time.Time) error { return nil }

// stands is what a request can change of the node of these tests.
type stands struct {
	reloads, calls, captures int
	drained                  bool
	tc1, level               string
}

func standing(s *served, now time.Time) stands {
	return stands{
		reloads: s.node.reloads, calls: s.node.engine.Active(), captures: len(s.node.captures.Filters(now)),
		drained: s.node.drain != nil, tc1: fmt.Sprint(s.node.standings.Of(now, "tc1")), level: s.node.level.String(),
	}
}

// FuzzHEP: whatever a message is, the packet that tells of it can be taken apart again, and says
// the same; and nothing that is no packet is taken for one.
func FuzzHEP(f *testing.F) {
	f.Add([]byte("BYE sip:a SIP/2.0\r\n\r\n"), "sbc-a", []byte{192, 0, 2, 9}, uint16(5062), int64(1_700_000_000_123_456), true)
	f.Add([]byte("HEP3\x00\x06"), "", []byte("0123456789abcdef"), uint16(0), int64(-1), false)
	f.Add([]byte("HEP3\x00\x0d\x00\x00\x00\x0f\x00\xffx"), "", []byte{}, uint16(1), int64(0), false)
	ours := netip.MustParseAddrPort("192.0.2.1:5060")
	f.Fuzz(func(t *testing.T, data []byte, node string, address []byte, port uint16, micros int64, in bool) {
		if all, err := chunks(data); err == nil && len(all) > (len(data)-6)/6 {
			t.Errorf("%d chunks in %d bytes", len(all), len(data))
		}
		remote, _ := netip.AddrFromSlice(address) // of no length that one has: none
		at := time.UnixMicro(micros)
		packet := ops.Packet(ours, node, b2bua.Sight{Call: dialog.CallID{7: 9}, In: in, At: at, Path: dialog.Path{Remote: netip.AddrPortFrom(remote, port)}, Data: data})
		if len(packet) > 65507 {
			return // no datagram carries it: Run counts it as lost
		}
		all, err := chunks(packet)
		if err != nil {
			t.Fatal(err)
		}
		want := map[uint16]string{hepPayload: string(data), hepCorrelation: (dialog.CallID{7: 9}).String()}
		if node != "" {
			want[hepNode] = node
		}
		far, near := uint16(hepTarget), uint16(hepSource)
		if in {
			far, near = near, far
		}
		want[far], want[near] = string(binary.BigEndian.AppendUint16(nil, port)), "\x13\xc4"
		for kind, value := range want {
			if string(all[kind]) != value {
				t.Errorf("chunk %d: %q, want %q", kind, all[kind], value)
			}
		}
	})
}

// Chunks of HEP3 rev. 12.
const (
	hepSource, hepTarget                = 7, 8 // ports
	hepPayload, hepCorrelation, hepNode = 15, 17, 19
)
