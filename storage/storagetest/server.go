package storagetest

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a redis-server of a test's own, gone with the test.
type Server struct {
	Address string
	Port    string

	t      testing.TB
	cmd    *exec.Cmd
	exited chan struct{}
	output bytes.Buffer
	cli    []string
	dir    string
	args   []string
}

// StartRedis starts a redis-server on a free port of the loopback, with more
// arguments as on its command line. The test fails if the program is missing.
func StartRedis(t testing.TB, args ...string) *Server {
	t.Helper()
	s := newServer(t, args)
	s.Start()
	return s
}

// StartRedisWith is StartRedis for servers that redis-cli needs arguments to talk to.
func StartRedisWith(t testing.TB, cli []string, args ...string) *Server {
	t.Helper()
	s := newServer(t, args)
	s.cli = cli
	s.Start()
	return s
}

func newServer(t testing.TB, args []string) *Server {
	t.Helper()
	port := FreePort(t)
	return &Server{Address: "127.0.0.1:" + port, Port: port, t: t, dir: t.TempDir(), args: args}
}

// FreePort is a TCP port of the loopback on which nobody listens. It is below those
// that the kernel gives to others, and the port 10000 above it, a cluster's bus, is one.
func FreePort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := 10000 + int(time.Now().UnixNano()/1000%20000)
		if l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			l.Close()
			return fmt.Sprint(port)
		}
	}
	t.Fatal("no free port")
	return ""
}

// Start starts it, or starts it again after Kill.
func (s *Server) Start() {
	s.t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatalf("these tests need a real Redis (Debian: redis-server): %v", err)
	}
	args := append([]string{"--port", s.Port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no"}, s.args...)
	if len(s.args) > 0 && strings.HasSuffix(s.args[0], ".conf") {
		args = s.args // a sentinel has all in its file
	}
	s.cmd = exec.Command(program, args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.output, &s.output
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.exited = make(chan struct{})
	started := make(chan error)
	go func() {
		// The death signal comes when the thread that started the server ends.
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait() // killed: that is no news
		}
		close(s.exited)
	}()
	if err := <-started; err != nil {
		s.t.Fatalf("starting redis-server: %v", err)
	}
	s.t.Cleanup(s.Kill)
	Eventually(s.t, "redis-server answers", func() bool {
		select {
		case <-s.exited:
			s.t.Fatalf("redis-server ended: %s", s.output.String())
		default:
		}
		out, err := s.try("PING")
		return err == nil && strings.Contains(out, "PONG")
	})
}

// Kill kills it, if it runs.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // it may be dead
	<-s.exited
}

// Freeze stops it as it is: connections stay, nothing is answered, until Thaw.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets it go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("%v: %v", sig, err)
	}
}

// Do runs a command by redis-cli and returns what it prints.
func (s *Server) Do(args ...string) string {
	s.t.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("redis-cli %q: %v: %s", args, err, out)
	}
	return out
}

func (s *Server) try(args ...string) (string, error) {
	all := append([]string{"-p", s.Port, "-e"}, s.cli...)
	out, err := exec.Command("redis-cli", append(all, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
