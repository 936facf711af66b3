package ops_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/dialog"
)

// node is one that does what a test says.
type node struct {
	state   string
	ready   bool
	reloads int
	refuses error
	engine  *b2bua.Engine
	journal *b2bua.Journal
	feed    ops.Feed
	cards   ops.Scorecards
	media   ops.Media
	name    string
	unit    string
	epoch   uint64
	cluster ops.Cluster

	captures b2bua.Captures
	redact   ops.Redact
	level    zap.AtomicLevel
	loud     *zap.Logger

	standings b2bua.Standings
	drain     *ops.Drain
	given     string
	tried     []ops.RouteAsked
	trial     ops.RouteTrial
}

func (n *node) Level() zap.AtomicLevel { return n.level }
func (n *node) Loud() *zap.Logger      { return n.loud }

func (n *node) Captures() *b2bua.Captures { return &n.captures }

func (n *node) Redact() ops.Redact { return n.redact }

func (n *node) Local(dialog.Path) netip.AddrPort { return netip.MustParseAddrPort("192.0.2.1:5060") }

func (n *node) Described(b2bua.Book, string, []string) (json.RawMessage, error) {
	return json.RawMessage(`{"node":"sbc-a"}`), nil
}

func (n *node) Version() ops.Version {
	return ops.Version{Node: n.name, Unit: n.unit, Version: "1.2.3", State: n.state}
}
func (n *node) Engine() *b2bua.Engine    { return n.engine }
func (n *node) Journal() *b2bua.Journal  { return n.journal }
func (n *node) Feed() *ops.Feed          { return &n.feed }
func (n *node) Serves() (string, uint64) { return n.unit, n.epoch }
func (n *node) Media() *ops.Media        { return &n.media }
func (n *node) Cluster() ops.Cluster     { return n.cluster }
func (n *node) Carriers() []string       { return []string{"tc1", "tc2"} }
func (n *node) Scorecards() *ops.Scorecards {
	return &n.cards
}
func (n *node) State() (string, bool) { return n.state, n.ready }

func (n *node) Reload() (ops.Reloaded, error) {
	n.reloads++
	if n.refuses != nil {
		return ops.Reloaded{}, n.refuses
	}
	return ops.Reloaded{Generation: 2, File: "bulkhead.yaml", Changes: []ops.Change{{Key: "trunks.pbx", How: "added"}}}, nil
}

// served is a server, with a token for each role, and its log.
type served struct {
	*ops.Server
	t      testing.TB
	node   *node
	socket string
	tokens string // the file
	logs   *observer.ObservedLogs
}

func token(role string) string { return "the token of the " + role[:3] + "-012345678" }

func serve(t testing.TB) *served { return serveAs(t, "sbc-a", "", "of the cluster") }

// serveAs is a server of a node of some name and unit, which shares a key with others.
func serveAs(t testing.TB, name, unit, key string) *served {
	t.Helper()
	dir := t.TempDir()
	s := &served{t: t, node: &node{name: name, unit: unit, state: "serving", ready: true, cards: ops.Scorecards{Journal: &b2bua.Journal{}, Now: time.Now}}, socket: filepath.Join(dir, "run", "api.sock"), tokens: filepath.Join(dir, "tokens")}
	lines := []string{"# who may what", ""}
	for _, role := range []string{"viewer", "operator", "admin"} {
		lines = append(lines, fmt.Sprintf("%s-name %s %s", role, role, strings.ReplaceAll(token(role), " ", "-")))
	}
	s.write(strings.Join(lines, "\n"))
	core, logs := observer.New(zapcore.InfoLevel)
	s.logs = logs
	noisy, _ := observer.New(zapcore.DebugLevel)
	s.node.level, s.node.loud = zap.NewAtomicLevel(), zap.New(noisy)
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "bulkhead_something_total"}, func() float64 { return 7 }))
	var err error
	s.Server, err = ops.Listen(ops.Config{Socket: s.socket, Listen: "127.0.0.1:0", TokensFile: s.tokens, PeerKey: []byte(key)}, s.node, metrics, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-ended); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *served) write(tokens string) {
	s.t.Helper()
	if err := os.WriteFile(s.tokens, []byte(tokens), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// says is an answer that has been read.
type says struct {
	*http.Response
	text string
}

// ask asks by TCP as somebody of a role, or by the socket.
func (s *served) ask(as, method, path string) says {
	s.t.Helper()
	client, host := http.DefaultClient, s.Addr()
	if as == "socket" {
		client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", s.socket)
		}}}
	}
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+host+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.answer(client, as, request)
}

// answer asks as somebody of a role.
func (s *served) answer(client *http.Client, as string, request *http.Request) says {
	s.t.Helper()
	if as != "" && as != "socket" {
		request.Header.Set("Authorization", "Bearer "+strings.ReplaceAll(token(as), " ", "-"))
	}
	request.Close = true
	response, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return says{response, string(text)}
}

// problem wants a problem of RFC 9457.
func (a says) problem(t *testing.T, code int) ops.Problem {
	t.Helper()
	var p ops.Problem
	if err := json.Unmarshal([]byte(a.text), &p); err != nil || a.StatusCode != code || p.Status != code || p.Title != http.StatusText(code) || p.Detail == "" {
		t.Errorf("want a problem %d: %s %s", code, a.Status, a.text)
	}
	if kind := a.Header.Get("Content-Type"); kind != "application/problem+json" {
		t.Errorf("Content-Type %s", kind)
	}
	return p
}

// TestRoles: each may what its role says; by the socket one may everything.
func TestRoles(t *testing.T) {
	s := serve(t)
	for _, try := range []struct {
		as, method, path string
		code             int
	}{
		{"", "GET", "/healthz", 200},
		{"", "GET", "/readyz", 200},
		{"", "GET", "/v1/openapi.json", 200},
		{"", "GET", "/metrics", 401},
		{"wrong", "GET", "/metrics", 401},
		{"viewer", "GET", "/metrics", 200},
		{"socket", "GET", "/metrics", 200},
		{"", "GET", "/v1/version", 401},
		{"viewer", "GET", "/v1/version", 200},
		{"socket", "GET", "/v1/version", 200},
		{"", "POST", "/v1/reload", 401},
		{"viewer", "POST", "/v1/reload", 403},
		{"operator", "POST", "/v1/reload", 403},
		{"admin", "POST", "/v1/reload", 200},
		{"socket", "POST", "/v1/reload", 200},
		{"", "GET", "/debug/pprof/", 401},
		{"operator", "GET", "/debug/pprof/", 403},
		{"operator", "GET", "/debug/pprof/heap", 403},
		{"operator", "GET", "/debug/pprof/profile?seconds=1", 403},
		{"operator", "GET", "/debug/pprof/trace", 403},
		{"operator", "GET", "/debug/pprof/cmdline", 403},
		{"admin", "GET", "/debug/pprof/", 200},
		{"admin", "GET", "/debug/pprof/heap", 200},
		{"socket", "GET", "/debug/pprof/goroutine?debug=1", 200},
		{"admin", "POST", "/debug/pprof/heap", 404},
		{"admin", "GET", "/v1/nothing", 404},
		{"admin", "GET", "/", 200},
		{"viewer", "GET", "/", 200},
		{"socket", "GET", "/", 200},
		{"", "GET", "/page/style.css", 200},
	} {
		a := s.ask(try.as, try.method, try.path)
		if a.StatusCode != try.code {
			t.Errorf("%s %s as %q: %s, want %d", try.method, try.path, try.as, a.Status, try.code)
		}
		if try.code >= 400 {
			a.problem(t, try.code)
		}
		if challenged := a.Header.Get("WWW-Authenticate") != ""; challenged != (try.code == 401) {
			t.Errorf("%s %s as %q: challenged %v", try.method, try.path, try.as, challenged)
		}
	}
	if s.node.reloads != 2 {
		t.Errorf("%d reloads", s.node.reloads)
	}
}

// TestAudit: what changes something is logged, also where it is refused; what every viewer
// may look at is not.
func TestAudit(t *testing.T) {
	s := serve(t)
	s.ask("viewer", "GET", "/v1/version")
	s.ask("admin", "POST", "/v1/reload")
	s.ask("viewer", "POST", "/v1/reload")
	s.ask("socket", "POST", "/v1/reload")
	var lines []string
	for _, line := range s.logs.FilterMessage("audit").All() {
		f := line.ContextMap()
		lines = append(lines, fmt.Sprint(f["who"], " ", f["role"], " ", f["action"], " ", f["path"], " ", f["status"]))
		if from := f["from"].(string); from != "unix socket" && !strings.HasPrefix(from, "127.0.0.1:") {
			t.Errorf("from %s", from)
		}
	}
	want := []string{
		"admin-name admin reload /v1/reload 200", "viewer-name viewer reload /v1/reload 403",
		fmt.Sprintf("uid %d admin reload /v1/reload 200", os.Getuid()),
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("logged:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// TestAuditOfWhatIsSecret: what takes more than a viewer is logged also where it only looks:
// somebody has seen messages, secrets or memory, or has tried to.
func TestAuditOfWhatIsSecret(t *testing.T) {
	s := serve(t)
	for _, try := range [][2]string{
		{"operator", "/v1/captures"}, {"viewer", "/v1/captures"}, {"admin", "/v1/config/generations/9"}, {"operator", "/v1/trace?for=1h"},
		{"operator", "/v1/calls/aeaaaaaaaaaaa/pcap"}, {"admin", "/debug/pprof/cmdline"}, {"operator", "/debug/pprof/heap"}, {"", "/v1/captures"},
		{"viewer", "/v1/config"}, {"viewer", "/metrics"}, {"viewer", "/v1/carriers"}, {"", "/v1/carriers"},
	} {
		s.ask(try[0], "GET", try[1])
	}
	var lines []string
	for _, line := range s.logs.FilterMessage("audit").All() {
		f := line.ContextMap()
		lines = append(lines, fmt.Sprint(f["who"], " ", f["action"], " ", f["path"], " ", f["status"]))
	}
	want := []string{
		"operator-name captures /v1/captures 200", "viewer-name captures /v1/captures 403", "admin-name generation /v1/config/generations/9 404",
		"operator-name trace /v1/trace?for=1h 422", "operator-name call-pcap /v1/calls/aeaaaaaaaaaaa/pcap 404",
		"admin-name profile /debug/pprof/cmdline 200", "operator-name profile /debug/pprof/heap 403", " captures /v1/captures 401",
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("logged:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
}

// TestReload tells what has changed, or every fault with where it stands.
func TestReload(t *testing.T) {
	s := serve(t)
	var done ops.Reloaded
	a := s.ask("admin", "POST", "/v1/reload")
	if err := json.Unmarshal([]byte(a.text), &done); err != nil || done.Generation != 2 || len(done.Changes) != 1 || done.Changes[0] != (ops.Change{Key: "trunks.pbx", How: "added"}) {
		t.Errorf("%v: %s", err, a.text)
	}
	s.node.refuses = &ops.Refused{Faults: []ops.Fault{
		{File: "bulkhead.yaml", Line: 3, Column: 5, Key: "trunks.pbx.from", Message: "unknown key"},
		{File: "bulkhead.yaml", Line: 9, Column: 1, Message: "a second document"},
	}}
	p := s.ask("admin", "POST", "/v1/reload").problem(t, 422)
	if len(p.Errors) != 2 || p.Errors[0].Location != "bulkhead.yaml:3:5" || p.Errors[0].Message != "trunks.pbx.from: unknown key" ||
		p.Errors[1].Location != "bulkhead.yaml:9:1" || p.Errors[1].Message != "a second document" {
		t.Errorf("%+v", p.Errors)
	}
	if at, ok := p.Errors[0].Value.(map[string]any); !ok || at["line"] != 3.0 || at["column"] != 5.0 || at["key"] != "trunks.pbx.from" {
		t.Errorf("%v", p.Errors[0].Value)
	}
	s.node.refuses = errors.New("no such file")
	if p := s.ask("admin", "POST", "/v1/reload").problem(t, 422); !strings.Contains(p.Detail, "no such file") {
		t.Error(p.Detail)
	}
}

// TestR28_Readiness: a node that drains takes no new calls, and lives.
func TestR28_Readiness(t *testing.T) {
	s := serve(t)
	s.node.state, s.node.ready = "draining", false
	if a := s.ask("", "GET", "/readyz"); a.StatusCode != 503 || a.text != "draining\n" {
		t.Errorf("%s %q", a.Status, a.text)
	}
	if a := s.ask("", "GET", "/healthz"); a.StatusCode != 200 {
		t.Error(a.Status)
	}
	if a := s.ask("viewer", "GET", "/metrics"); !strings.Contains(a.text, "bulkhead_something_total 7") {
		t.Error(a.text)
	}
}

// TestTokensAreReadAgain by Renew, and not before; a file with faults changes nothing.
func TestTokensAreReadAgain(t *testing.T) {
	s := serve(t)
	hash := sha256.Sum256([]byte("another-token-0123456789"))
	s.write(fmt.Sprintf("other viewer sha256:%x\n", hash))
	ask := func(token string) int {
		request, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.Addr()+"/v1/version", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if got := ask("another-token-0123456789"); got != 401 {
		t.Errorf("before: %d", got)
	}
	apply, err := s.Renew()
	if err != nil {
		t.Fatal(err)
	}
	apply()
	if got := ask("another-token-0123456789"); got != 200 {
		t.Errorf("the new one: %d", got)
	}
	if got := s.ask("viewer", "GET", "/v1/version"); got.StatusCode != 401 {
		t.Errorf("the old one: %d", got.StatusCode)
	}
	if got := ask(fmt.Sprintf("sha256:%x", hash)); got != 401 {
		t.Errorf("its hash: %d", got)
	}
	s.write("a viewer short\nb king long-enough-0123456789\nc viewer\nd viewer sha256:12\na admin long-enough-9876543210\ne viewer long-enough-9876543210\n")
	_, err = s.Renew()
	for n, want := range []string{"shorter than 16", "role is none of", "want a name", "64 hexadecimal", "stands here twice", "another name has"} {
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s:%d: ", s.tokens, n+1)) || !strings.Contains(err.Error(), want) {
			t.Errorf("line %d, %q: %v", n+1, want, err)
		}
	}
	if got := ask("another-token-0123456789"); got != 200 {
		t.Errorf("after the faults: %d", got)
	}
}

// TestTheSocket is its owner's and group's; one that a process left behind is taken,
// one that is in use is not.
func TestTheSocket(t *testing.T) {
	s := serve(t)
	info, err := os.Stat(s.socket)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	listen := func(socket string) (*ops.Server, error) {
		return ops.Listen(ops.Config{Socket: socket}, s.node, prometheus.NewRegistry(), zap.NewNop())
	}
	if second, err := listen(s.socket); err == nil {
		second.Close()
		t.Error("two on one socket")
	}
	if got := s.ask("socket", "GET", "/v1/version"); got.StatusCode != 200 {
		t.Error(got.Status)
	}
	left := filepath.Join(t.TempDir(), "left.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: left, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := listen(left)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(file); err == nil {
		t.Error("a file is taken for a socket")
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("%q %v", text, err)
	}
}
