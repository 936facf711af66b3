package ops_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestErrands: another node's request is good for one node, one path, one time and one key.
func TestErrands(t *testing.T) {
	a, b, _, _ := twoNodes(t)
	c, _ := a.node.cluster.(*neighbours)
	sealed := make(chan string, 10)
	listens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sealed <- r.Header.Get("Authorization")
		w.WriteHeader(http.StatusTeapot)
	}))
	defer listens.Close()
	real := c.peers[0].URL
	c.peers[0].URL = listens.URL
	try := func(s *served, method, path, authorization string) says {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", authorization)
		return b.sends(request)
	}
	if l := a.lists("?node=sbc-b"); len(l.Incomplete) != 1 || l.Incomplete[0].Reason != "it says 418 I'm a teapot" {
		t.Errorf("%+v", l.Incomplete)
	}
	get := <-sealed
	if said := try(b, "GET", "/v1/calls?limit=100", get); said.StatusCode != 200 {
		t.Errorf("as it is: %s %s", said.Status, said.text)
	}
	for what, of := range map[string]struct {
		s            *served
		method, path string
		sealed       string
		says         string
	}{
		"another path":   {b, "GET", "/v1/version", get, "not sealed with the key"},
		"another method": {b, "DELETE", "/v1/calls?limit=100", get, "not sealed with the key"},
		"another query":  {b, "GET", "/v1/calls?limit=101", get, "not sealed with the key"},
		"another node":   {a, "GET", "/v1/calls?limit=100", get, "it is for node sbc-b, and this is sbc-a"},
		"another key":    {serveAs(t, "sbc-b", "u2", "of others"), "GET", "/v1/calls?limit=100", get, "not sealed with the key"},
		"no key":         {serveAs(t, "sbc-b", "u2", ""), "GET", "/v1/calls?limit=100", get, "of no cluster"},
		"garbled":        {b, "GET", "/v1/calls?limit=100", get[:len(get)-2], "not sealed with the key"},
		"nothing":        {b, "GET", "/v1/calls?limit=100", "Bulkhead-Peer", "not sealed with the key"},
	} {
		if p := try(of.s, of.method, of.path, of.sealed).problem(t, 401); !strings.Contains(p.Detail, of.says) {
			t.Errorf("%s: %s", what, p.Detail)
		}
	}
	id := b.lists("?node=sbc-b&state=up").Calls[0].ID
	a.ask("operator", "DELETE", "/v1/calls/"+id)
	del := <-sealed
	if said := try(b, "DELETE", "/v1/calls/"+id+"?cause=16", del); said.StatusCode != 202 {
		t.Errorf("%s %s", said.Status, said.text)
	}
	if p := try(b, "DELETE", "/v1/calls/"+id+"?cause=16", del).problem(t, 401); !strings.Contains(p.Detail, "made before") {
		t.Error(p.Detail)
	}
	c.peers[0].URL = real
}

// sends sends a request.
func (s *served) sends(request *http.Request) says {
	s.t.Helper()
	response, err := http.DefaultClient.Do(request)
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
