package ops_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/zap"
)

// browse is a request of a browser, which keeps what it is given, and follows no redirection.
func (s *served) browse(method, path, cookie string, form url.Values) says {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.Addr()+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if cookie != "" {
		request.Header.Set("Cookie", cookie)
	}
	request.Close = true
	response, err := http.DefaultTransport.RoundTrip(request)
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

// TestPageTakesAToken, which then opens what only looks, and nothing else.
func TestPageTakesAToken(t *testing.T) {
	s, _ := busy(t)
	if a := s.browse("GET", "/", "", nil); a.StatusCode != 401 || !strings.Contains(a.text, `name="token"`) || strings.Contains(a.text, "<table") {
		t.Errorf("%s\n%s", a.Status, a.text)
	}
	if a := s.browse("POST", "/login", "", url.Values{"token": {"wrong"}}); a.StatusCode != 401 || !strings.Contains(a.text, "no token of this node") || len(a.Cookies()) > 0 {
		t.Errorf("%s\n%s", a.Status, a.text)
	}
	if n := s.logs.FilterMessage("audit").FilterField(zap.String("action", "login")).Len(); n != 1 {
		t.Errorf("a wrong token has %d lines of audit", n)
	}
	if a := s.browse("POST", "/login", "", url.Values{"more": {strings.Repeat("a", 20_000)}, "token": {strings.ReplaceAll(token("admin"), " ", "-")}}); a.StatusCode != 401 {
		t.Errorf("a form of 20 KB is read: %s", a.Status)
	}
	a := s.browse("POST", "/login", "", url.Values{"token": {strings.ReplaceAll(token("admin"), " ", "-")}})
	if a.StatusCode != 303 || a.Header.Get("Location") != "/" || len(a.Cookies()) != 1 {
		t.Fatalf("%s %v", a.Status, a.Header)
	}
	c := a.Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode {
		t.Errorf("%v", c)
	}
	cookie := c.Name + "=" + c.Value
	if a := s.browse("GET", "/", cookie, nil); a.StatusCode != 200 || !strings.Contains(a.text, "<h2>Calls</h2>") {
		t.Errorf("%s\n%s", a.Status, a.text)
	}
	if a := s.browse("GET", "/v1/calls", cookie, nil); a.StatusCode != 200 {
		t.Errorf("%s\n%s", a.Status, a.text)
	}
	// An admin's, and yet: somebody else's page may make the browser send this.
	if a := s.browse("POST", "/v1/reload", cookie, url.Values{}); a.StatusCode != 401 || s.node.reloads != 0 {
		t.Errorf("%s\n%s", a.Status, a.text)
	}
}

var link = regexp.MustCompile(`href="(/calls/[^"]+)"`)

// TestBoard: what the node does, what went wrong, and each call behind a link.
func TestBoard(t *testing.T) {
	s, b := serve(t), newBorder(t)
	s.node.engine, s.node.journal = b.engine, &b.journal
	b.watch.add(&s.node.feed)
	b.invites(1, "127.0.11.5", "+4101", "+33&lt")
	b.answers(b.invites(2, "127.0.11.5", "+4102", "+3302"), "503 Service Unavailable", "127.0.21.1")
	a := s.ask("viewer", "GET", "/")
	for _, want := range []string{"<dt>hunting</dt><dd>2</dd>", "3302", "tc1: rejected (503), now tc2", "33&amp;lt"} {
		if !strings.Contains(a.text, want) {
			t.Errorf("%q is not in\n%s", want, a.text)
		}
	}
	if policy := a.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'self'") {
		t.Errorf("policy %q", policy)
	}
	links := link.FindAllStringSubmatch(a.text, -1)
	if len(links) < 2 {
		t.Fatalf("%d links", len(links))
	}
	for _, l := range links {
		c := s.ask("viewer", "GET", l[1])
		if c.StatusCode != 200 || !strings.Contains(c.text, "<svg ") || !strings.Contains(c.text, "is tried, attempt") {
			t.Errorf("%s\n%s", c.Status, c.text)
		}
	}
	if a := s.ask("viewer", "GET", "/?state=up"); strings.Contains(a.text, "3302") {
		t.Error("a call that is hunting is listed among those that are up")
	}
	s.ask("viewer", "GET", "/calls/aaaaaaaaaaaaa").problem(t, 404)
	s.node.engine = nil
	if a := s.ask("viewer", "GET", "/"); a.StatusCode != 200 || !strings.Contains(a.text, "serves no calls") {
		t.Errorf("%s\n%s", a.Status, a.text)
	}
}
