package ops_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua/ops"
)

// TestStrangersDoNotOwnTheLog: what somebody without a token tries is told once, and not whole.
func TestStrangersDoNotOwnTheLog(t *testing.T) {
	s := serve(t)
	long := "/v1/reload?x=" + strings.Repeat("a", 10_000)
	for range 50 {
		s.ask("", "POST", long).problem(t, 401)
		s.ask("wrong", "POST", long).problem(t, 401)
		s.ask("", "GET", "/debug/pprof/heap?"+long).problem(t, 401)
	}
	lines := s.logs.FilterMessage("audit").All()
	if len(lines) != 1 {
		t.Fatalf("%d lines of audit", len(lines))
	}
	if m := lines[0].ContextMap(); len(m["path"].(string)) != 200 || !strings.HasPrefix(long, m["path"].(string)) || m["count"] != int64(1) || m["status"] != int64(401) {
		t.Error(m)
	}
	// Who is somebody is told each time.
	s.ask("viewer", "POST", "/v1/reload").problem(t, 403)
	s.ask("admin", "POST", "/v1/reload")
	if n := s.logs.FilterMessage("audit").Len(); n != 3 {
		t.Errorf("%d lines of audit", n)
	}
	if s.reaches("127.0.0.5", "/healthz?"+strings.Repeat("a", 30_000)) {
		t.Error("a head of 30 KB is read")
	}
}

// TestFloodsAreToldSeldomAndWhole: every 10 s at most, with how many there were.
func TestFloodsAreToldSeldomAndWhole(t *testing.T) {
	var f ops.Flood
	told, counted := 0, 0
	for i := range 100_000 { // 1,000 a second
		if n := f.Due(time.Unix(1e9, 0).Add(time.Duration(i) * time.Millisecond)); n > 0 {
			told++
			counted += n
		}
	}
	if told != 10 || counted != 90_001 {
		t.Errorf("told %d times, %d counted", told, counted)
	}
}

// from connects to the API from an address.
func (s *served) from(address string) (net.Conn, error) {
	nc, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext(s.t.Context(), "tcp", s.Addr())
	if err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { nc.Close() })
	return nc, nc.SetDeadline(time.Now().Add(20 * time.Second))
}

// reaches says that a path is answered by a connection from an address, which stays.
func (s *served) reaches(address, path string) bool {
	_, err := s.get(address, path)
	return err == nil
}

// get asks by a connection from an address, which stays.
func (s *served) get(address, path string) (net.Conn, error) {
	nc, err := s.from(address)
	if err != nil {
		return nil, err // a refusal may come before the connection is there
	}
	_, _ = io.WriteString(nc, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
	a, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != http.StatusOK {
		return nil, errors.Join(errors.New(a.Status), err)
	}
	return nc, nil
}

// TestStrangersDoNotOwnTheDescriptors: one address has its bound of connections, and so have
// all; one that is closed makes room.
func TestStrangersDoNotOwnTheDescriptors(t *testing.T) {
	s := serve(t)
	open := func(address string, n int) (list []net.Conn) {
		for i := range n {
			nc, err := s.get(address, "/healthz")
			if err != nil {
				t.Fatalf("connection %d of %s: %v", i, address, err)
			}
			list = append(list, nc)
		}
		return list
	}
	first := open("127.0.0.5", ops.MostOfOne)
	if s.reaches("127.0.0.5", "/healthz") {
		t.Error("one address may have too many")
	}
	open("127.0.0.6", ops.MostConnections-ops.MostOfOne)
	if s.reaches("127.0.0.7", "/healthz") {
		t.Error("there may be too many in all")
	}
	refused := s.logs.FilterMessage("connections to the API refused")
	if refused.Len() != 1 || refused.All()[0].ContextMap()["last_from"] != "127.0.0.5" {
		t.Error(refused.All())
	}
	if s.ask("socket", "GET", "/v1/version").StatusCode != 200 {
		t.Error("the socket is not bounded")
	}
	first[0].Close()
	for end := time.Now().Add(20 * time.Second); !s.reaches("127.0.0.5", "/healthz"); {
		if time.Now().After(end) {
			t.Fatal("one that is closed makes no room")
		}
	}
}

// TestIdleConnectionsAreClosed, while a stream where little happens stays.
func TestIdleConnectionsAreClosed(t *testing.T) {
	defer ops.IdleFor(50 * time.Millisecond)()
	s := serve(t)
	stream, err := s.from("127.0.0.5")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(stream, "GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "+strings.ReplaceAll(token("viewer"), " ", "-")+"\r\n\r\n")
	a, err := http.ReadResponse(bufio.NewReader(stream), nil)
	if err != nil || a.StatusCode != 200 {
		t.Fatal(a, err)
	}
	events := bufio.NewReader(a.Body)
	if _, err := events.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	idle, err := s.get("127.0.0.5", "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := idle.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) || err == nil {
		t.Error("an idle connection stays:", err)
	}
	_ = stream.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := io.Copy(io.Discard, events); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the stream ended:", err)
	}
}
