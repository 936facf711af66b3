package storagetest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Monitor gives every command that the server runs, and that its scripts run, to a
// function, in the words and order of MONITOR. Where the server is started again, and
// so is empty, it gives an empty line first, and no command escapes it: the server has
// no port before it is monitored.
func (s *Server) Monitor(each func(line string)) {
	s.t.Helper()
	s.each = each
	s.follow("tcp", s.Address)
}

// follow reads what MONITOR prints until the server is gone. A replica that is promoted
// drops its clients: it is followed anew, before those whom it was promoted for come.
func (s *Server) follow(network, address string) {
	s.t.Helper()
	conn, lines, err := monitored(network, address)
	if err != nil {
		s.t.Fatalf("monitoring redis-server: %v", err)
	}
	var mu sync.Mutex // of conn and over
	over := false
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			line, err := lines.ReadString('\n')
			if err == nil {
				s.each(strings.TrimSuffix(strings.TrimPrefix(line, "+"), "\r\n"))
				continue
			}
			mu.Lock()
			conn.Close()
			if over {
				mu.Unlock()
				return
			}
			again, rest, err := monitored(network, address)
			if err != nil {
				mu.Unlock()
				return
			}
			conn, lines = again, rest
			mu.Unlock()
		}
	}()
	s.t.Cleanup(func() {
		mu.Lock()
		over = true
		conn.Close()
		mu.Unlock()
		<-ended
	})
	s.followed = ended
}

// monitored is a connection on which MONITOR has begun.
func monitored(network, address string) (net.Conn, *bufio.Reader, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, nil, err
	}
	lines := bufio.NewReader(conn)
	said := ""
	if _, err = conn.Write([]byte("MONITOR\r\n")); err == nil {
		if said, err = lines.ReadString('\n'); err == nil && !strings.HasPrefix(said, "+OK") {
			err = errors.New(said)
		}
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, lines, nil
}

// private is where a monitored server is reached before it has a port.
func (s *Server) private() string { return filepath.Join(s.dir, "redis.sock") }

// open monitors a server that was started again, and then gives it its port.
func (s *Server) open() {
	s.t.Helper()
	<-s.followed // what the server before it said comes first
	s.each("")
	Eventually(s.t, "redis-server has a socket", func() bool {
		conn, err := net.Dial("unix", s.private())
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	s.follow("unix", s.private())
	conn, err := net.Dial("unix", s.private())
	if err != nil {
		s.t.Fatalf("opening redis-server: %v", err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "CONFIG SET port %s\r\n", s.Port); err != nil {
		s.t.Fatalf("opening redis-server: %v", err)
	}
	if said, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(said, "+OK") {
		s.t.Fatalf("opening redis-server: %q, %v", said, err)
	}
}

// StartSentinels starts three sentinels that watch a master, of which two must agree
// that it has been silent for half a second. They know each other and the replicas
// when it returns.
func StartSentinels(t testing.TB, name string, master *Server, replicas ...*Server) []*Server {
	t.Helper()
	var all []*Server
	for range 3 {
		all = append(all, startSentinel(t, name, master, 2))
	}
	for _, s := range all {
		Eventually(t, "a sentinel knows the others and the replicas", func() bool {
			for _, r := range replicas {
				if !strings.Contains(s.Do("SENTINEL", "REPLICAS", name), r.Port) {
					return false
				}
			}
			others := s.Do("SENTINEL", "SENTINELS", name)
			for _, o := range all {
				if o != s && !strings.Contains(others, o.Port) {
					return false
				}
			}
			return true
		})
	}
	return all
}
