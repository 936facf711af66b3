package ops_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// border is an engine between a trunk and two carriers that a test plays.
type border struct {
	t       testing.TB
	engine  *b2bua.Engine
	journal b2bua.Journal
	watch   watchers
	mu      sync.Mutex
	sent    []string
}

// watchers are observers that are added later.
type watchers struct{ b2bua.Observers }

func (w *watchers) add(o b2bua.Observer) { w.Observers = append(w.Observers, o) }

// Send is b2bua.Wire.
func (b *border) Send(_, _ wire.Hop, data []byte, _ func(error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, string(data))
}

// Local is b2bua.Wire.
func (*border) Local(realm string, _ wire.Transport) (string, bool) {
	return map[string]string{"core": "127.0.10.1:5060", "peering": "127.0.20.1:5060"}[realm], true
}

// Write is b2bua.Records.
func (*border) Write(b2bua.Record) error { return nil }

func newBorder(t testing.TB) *border {
	t.Helper()
	b := &border{t: t, journal: b2bua.Journal{Keep: time.Minute}}
	carrier := func(at string) carriers.CarrierConfig {
		return carriers.CarrierConfig{Realm: "peering", Gateways: []carriers.GatewayConfig{{Address: at, Weight: 1}}}
	}
	book, err := carriers.NewBook(carriers.Config{
		Trunks: map[string]carriers.TrunkConfig{
			"pbx": {Realm: "core", From: []string{"127.0.11.0/24"}}, "other": {Realm: "core", From: []string{"127.0.12.0/24"}},
		},
		Carriers: map[string]carriers.CarrierConfig{"tc1": carrier("127.0.21.1:5060"), "tc2": carrier("127.0.22.1:5060")},
		Routes: []carriers.RouteConfig{
			{Match: carriers.MatchConfig{Number: "+33*"}, Targets: []carriers.TargetConfig{{Carrier: "tc1"}, {Carrier: "tc2", Number: "+49555"}}},
			{Match: carriers.MatchConfig{Number: "*"}, Targets: []carriers.TargetConfig{{Carrier: "tc2"}}},
		},
	}, carriers.Realms{
		"core": {{Address: netip.MustParseAddrPort("127.0.10.1:5060")}}, "peering": {{Address: netip.MustParseAddrPort("127.0.20.1:5060")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	timers := dialog.Timers{T1: 500 * time.Millisecond, T2: 4 * time.Second, T4: 5 * time.Second}
	b.engine = b2bua.New(b2bua.Config{Timers: timers}, book, b, b, zap.NewNop(), b2bua.NewMetrics(prometheus.NewRegistry()), b2bua.Observers{&b.journal, &b.watch})
	return b
}

// says gives the engine a message, and returns what it sends for it.
func (b *border) says(realm, from, text string) []string {
	b.t.Helper()
	raw := []byte(text)
	m, fault, err := wire.Parse(raw, wire.Limits{})
	if err != nil || fault != nil {
		b.t.Fatal(err, fault)
	}
	b.mu.Lock()
	b.sent = nil
	b.mu.Unlock()
	b.engine.Receive(wire.Packet{Hop: wire.Hop{Realm: realm, Remote: netip.MustParseAddrPort(from)}, At: time.Now(), Message: m, Raw: raw})
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.sent)
}

// first is the first of some messages that begins so.
func (b *border) first(sent []string, start string) string {
	b.t.Helper()
	for _, m := range sent {
		if strings.HasPrefix(m, start) {
			return m
		}
	}
	b.t.Fatalf("no %s among %q", start, sent)
	return ""
}

func header(message, name string) string {
	_, rest, _ := strings.Cut(message, "\r\n"+name+": ")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// invites is an INVITE of call n; what goes out is the INVITE to the first carrier.
func (b *border) invites(n int, from, caller, number string) (invite string) {
	return b.first(b.says("core", from+":5060", request("INVITE", n, from, caller, number, "")), "INVITE ")
}

func request(method string, n int, from, caller, number, tag string) string {
	to := fmt.Sprintf("<sip:%s@127.0.10.1>%s", number, tag)
	return strings.Join([]string{
		fmt.Sprintf("%s sip:%s@127.0.10.1 SIP/2.0", method, number), fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%d", from, method, n),
		fmt.Sprintf("From: <sip:%s@%s>;tag=trunk", caller, from), "To: " + to, fmt.Sprintf("Call-ID: call-%d", n),
		"CSeq: 1 " + method, "Max-Forwards: 70", fmt.Sprintf("Contact: <sip:%s>", from), "Content-Length: 0", "", "",
	}, "\r\n")
}

// answers is a response of a carrier.
func (b *border) answers(invite, status, from string) []string {
	lines := []string{"SIP/2.0 " + status}
	for _, name := range []string{"Via", "From", "Call-ID", "CSeq"} {
		lines = append(lines, name+": "+header(invite, name))
	}
	lines = append(lines, "To: "+header(invite, "To")+";tag=carrier", "Contact: <sip:"+from+">", "Content-Length: 0", "", "")
	return b.says("peering", from+":5060", strings.Join(lines, "\r\n"))
}

// up makes call n be answered by the first carrier.
func (b *border) up(n int, from, caller, number, carrier string) {
	ok := b.first(b.answers(b.invites(n, from, caller, number), "200 OK", carrier), "SIP/2.0 200")
	_, tag, _ := strings.Cut(header(ok, "To"), ">")
	b.says("core", from+":5060", request("ACK", n, from, caller, number, tag))
}

// lists is a page of calls.
func (s *served) lists(query string) ops.Calls {
	s.t.Helper()
	a := s.ask("viewer", "GET", "/v1/calls"+query)
	var l ops.Calls
	if err := json.Unmarshal([]byte(a.text), &l); err != nil || a.StatusCode != 200 {
		s.t.Fatalf("%s: %s %s", query, a.Status, a.text)
	}
	return l
}

// busy is a server of a node with calls in every state.
func busy(t *testing.T) (*served, *border) {
	t.Helper()
	s, b := serve(t), newBorder(t)
	s.node.engine, s.node.journal = b.engine, &b.journal
	b.invites(1, "127.0.11.5", "+4101", "+3301")                                                                                   // hunting
	b.answers(b.invites(2, "127.0.11.5", "+4102", "+3302"), "180 Ringing", "127.0.21.1")                                           // ringing
	b.up(3, "127.0.11.5", "+4103", "+3303", "127.0.21.1")                                                                          // up
	b.up(4, "127.0.12.5", "+4204", "+4404", "127.0.22.1")                                                                          // up, of the other trunk
	second := b.first(b.answers(b.invites(5, "127.0.11.5", "+4105", "+3305"), "503 Service Unavailable", "127.0.21.1"), "INVITE ") // hunting at the second carrier
	b.answers(second, "100 Trying", "127.0.22.1")
	b.answers(b.invites(6, "127.0.11.5", "+4106", "+4406"), "486 Busy Here", "127.0.22.1") // settling
	return s, b
}

// TestR19_CallsAreListedAndFiltered: each filter lets through what it says.
func TestR19_CallsAreListedAndFiltered(t *testing.T) {
	s, _ := busy(t)
	for query, want := range map[string]string{
		"":                            "6 5 4 3 2 1",
		"?state=hunting":              "5 1",
		"?state=ringing":              "2",
		"?state=up":                   "4 3",
		"?state=settling":             "6",
		"?state=up,ringing":           "4 3 2",
		"?trunk=other":                "4",
		"?carrier=tc2":                "6 5 4",
		"?number=%2B33":               "5 3 2 1",
		"?number=%2B49":               "5",
		"?from=%2B42":                 "4",
		"?attempts=2":                 "5",
		"?longer_than=0s":             "6 5 4 3 2 1",
		"?longer_than=1h":             "",
		"?trunk=pbx&state=up":         "3",
		"?trunk=pbx&limit=2":          "6 5",
		"?carrier=nobody":             "",
		"?fields=trunk&state=ringing": "2",
	} {
		var got []string
		for _, c := range s.lists(query).Calls {
			if c.From != "" {
				got = append(got, strings.TrimLeft(c.From[4:], "0"))
			} else if query == "?fields=trunk&state=ringing" && c.Trunk == "pbx" && c.State == "" && c.Began.IsZero() && c.ID != "" {
				got = append(got, "2")
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", query, strings.Join(got, " "), want)
		}
	}
	one := s.lists("?attempts=2").Calls[0]
	if one.Trunk != "pbx" || one.Carrier != "tc2" || one.Gateway != "127.0.22.1:5060" || one.Number != "+49555" || one.To != "+3305" || one.Attempts != 2 || one.Began.IsZero() || !one.Answered.IsZero() {
		t.Errorf("%+v", one)
	}
}

// TestCallsAreRefused with the name of what cannot be read.
func TestCallsAreRefused(t *testing.T) {
	s, _ := busy(t)
	for query, where := range map[string]string{
		"?state=sleeping":   "query.state[0]",
		"?longer_than=soon": "query.longer_than",
		"?limit=0":          "query.limit",
		"?limit=1001":       "query.limit",
		"?cursor=abc":       "query.cursor",
		"?fields=weight":    "query.fields",
		"?attempts=-1":      "query.attempts",
		"?colour=red":       "query.colour",
	} {
		p := s.ask("viewer", "GET", "/v1/calls"+query).problem(t, 422)
		if len(p.Errors) != 1 || p.Errors[0].Location != where {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
	s.node.engine = nil
	s.ask("viewer", "GET", "/v1/calls").problem(t, 503)
}

// TestPagingIsStable: calls that begin and end between two pages neither repeat nor hide
// one that stays.
func TestPagingIsStable(t *testing.T) {
	s, b := serve(t), newBorder(t)
	s.node.engine = b.engine
	for n := range 25 {
		b.invites(n, "127.0.11.5", fmt.Sprintf("+41%02d", n), "+44")
	}
	var seen []string
	cursor := ""
	for n := 0; ; n++ {
		l := s.lists("?limit=4&cursor=" + url.QueryEscape(cursor))
		for _, c := range l.Calls {
			seen = append(seen, c.From[3:])
		}
		if len(l.Calls) > 4 || l.Next != "" && len(l.Calls) < 4 {
			t.Errorf("%d calls on a page", len(l.Calls))
		}
		if cursor = l.Next; cursor == "" {
			break
		}
		b.invites(100+n, "127.0.11.5", "+4199", "+44") // newer than every page to come
		if n == 1 {                                    // gone from where we are
			b.says("core", "127.0.11.5:5060", strings.Replace(request("CANCEL", 17, "127.0.11.5", "+4117", "+44", ""), "bKCANCEL", "bKINVITE", 1))
		}
	}
	var want []string
	for n := 24; n >= 0; n-- {
		want = append(want, fmt.Sprintf("%02d", n))
	}
	if !slices.Equal(seen, want) {
		t.Errorf("seen %v", seen)
	}
}

// TestHangup ends both sides, with the cause; who may only look may not.
func TestHangup(t *testing.T) {
	s, b := busy(t)
	id := s.lists("?state=up&trunk=pbx").Calls[0].ID
	s.ask("viewer", "DELETE", "/v1/calls/"+id).problem(t, 403)
	s.ask("operator", "DELETE", "/v1/calls/"+id+"?cause=128").problem(t, 422)
	s.ask("operator", "DELETE", "/v1/calls/nothing").problem(t, 404)
	if n := len(s.lists("?state=up").Calls); n != 2 {
		t.Fatalf("%d calls are up", n)
	}
	b.mu.Lock()
	b.sent = nil
	b.mu.Unlock()
	if a := s.ask("operator", "DELETE", "/v1/calls/"+id+"?cause=31"); a.StatusCode != 202 {
		t.Fatal(a.Status, a.text)
	}
	s.ask("operator", "DELETE", "/v1/calls/"+id).problem(t, 409)
	b.mu.Lock()
	defer b.mu.Unlock()
	byes := 0
	for _, m := range b.sent {
		if strings.HasPrefix(m, "BYE ") && strings.Contains(m, "\r\nReason: Q.850;cause=31;text=\"Ended by an operator\"\r\n") {
			byes++
		}
	}
	if byes != 2 {
		t.Errorf("%d BYEs with the cause: %q", byes, b.sent)
	}
	if n := s.logs.FilterMessage("audit").Len(); n != 5 {
		t.Errorf("%d lines of audit", n)
	}
}

// TestLadderAndWhy: in each form, of a call that is on and of one that has ended; of
// others nothing.
func TestLadderAndWhy(t *testing.T) {
	s, b := busy(t)
	journal := &b.journal
	hunting, settling := s.lists("?attempts=2").Calls[0].ID, s.lists("?state=settling").Calls[0].ID
	a := s.ask("viewer", "GET", "/v1/calls/"+hunting+"/ladder?format=text")
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "text/plain; charset=utf-8" || !strings.Contains(a.text, "503") || !strings.Contains(a.text, "tc2") {
		t.Errorf("%s %v\n%s", a.Status, a.Header, a.text)
	}
	a = s.ask("viewer", "GET", "/v1/calls/"+hunting+"/ladder?format=svg")
	if a.Header.Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(a.text, "<svg ") {
		t.Errorf("%v\n%s", a.Header, a.text)
	}
	var l ops.Ladder
	a = s.ask("viewer", "GET", "/v1/calls/"+hunting+"/ladder")
	if err := json.Unmarshal([]byte(a.text), &l); err != nil || a.Header.Get("Content-Type") != "application/json" || l.Call != hunting || len(l.Legs) != 2 || len(l.Rungs) < 5 {
		t.Errorf("%v %v\n%s", err, a.Header, a.text)
	}
	why := func(id string) string {
		var r ops.Reasons
		a := s.ask("viewer", "GET", "/v1/calls/"+id+"/why")
		if err := json.Unmarshal([]byte(a.text), &r); err != nil || r.Call != id || len(r.Why) == 0 {
			t.Fatal(err, a.text)
		}
		return strings.Join(r.Why, " ")
	}
	if got := why(hunting); !strings.Contains(got, "503") {
		t.Error(got)
	}
	if got := why(settling); !strings.Contains(got, "486") {
		t.Error(got)
	}
	s.ask("viewer", "GET", "/v1/calls/"+hunting+"/ladder?format=gif").problem(t, 422)
	for _, what := range []string{"ladder", "why"} {
		s.ask("viewer", "GET", "/v1/calls/nothing/"+what).problem(t, 404)
		s.ask("viewer", "GET", "/v1/calls/"+strings.Repeat("a", len(hunting))+"/"+what).problem(t, 404)
		s.ask("", "GET", "/v1/calls/"+hunting+"/"+what).problem(t, 401)
	}
	s.node.journal = &b2bua.Journal{} // as after a takeover
	if got := why(hunting); !strings.Contains(got, "503") {
		t.Error(got)
	}
	if a := s.ask("viewer", "GET", "/v1/calls/"+hunting+"/ladder?format=text"); a.StatusCode != 200 || !strings.Contains(a.text, "taken over") {
		t.Errorf("%s\n%s", a.Status, a.text)
	}
	s.node.journal = journal
	gone := newBorder(t) // the engine has let go of it, the journal has not
	s.node.engine = gone.engine
	if got := why(settling); !strings.Contains(got, "486") {
		t.Error(got)
	}
	s.ask("viewer", "GET", "/v1/calls/"+hunting+"/why").problem(t, 404)
}

// BenchmarkList asks for a page of 50,000 calls by HTTP, with filters and without.
func BenchmarkList(b *testing.B) {
	s, border := serve(b), newBorder(b)
	s.node.engine = border.engine
	for n := range 50_000 {
		border.invites(n, "127.0.11.5", fmt.Sprintf("+41%05d", n), "+44")
	}
	for _, query := range []string{"?limit=100", "?limit=1000", "?state=hunting&from=%2B41499", "?carrier=tc1"} {
		b.Run(query, func(b *testing.B) {
			began := processor(b)
			for b.Loop() {
				if a := s.ask("viewer", "GET", "/v1/calls"+query); a.StatusCode != 200 {
					b.Fatal(a.text)
				}
			}
			b.ReportMetric((processor(b)-began).Seconds()*1000/float64(b.N), "cpu-ms/op") // which other programs do not change much
		})
	}
}

// processor is the time of processors that this process has had.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
