package storagetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
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

	each     func(line string) // nil: nobody monitors it
	followed chan struct{}
}

// StartRedis starts a redis-server on a free port of the loopback, with more
// arguments as on its command line. The test fails if the program is missing.
func StartRedis(t testing.TB, args ...string) *Server {
	t.Helper()
	s := newServer(t, args)
	s.Start()
	return s
}

// StartSentinel starts a sentinel that watches a master, alone: one is enough to switch
// after the master has been silent for half a second.
func StartSentinel(t testing.TB, name string, master *Server) *Server {
	t.Helper()
	return startSentinel(t, name, master, 1)
}

func startSentinel(t testing.TB, name string, master *Server, quorum int) *Server {
	t.Helper()
	s := newServer(t, nil)
	file := filepath.Join(s.dir, "sentinel.conf")
	conf := fmt.Sprintf(`port %s
bind 127.0.0.1
dir %s
sentinel monitor %[3]s 127.0.0.1 %[4]s %[5]d
sentinel down-after-milliseconds %[3]s 500
sentinel failover-timeout %[3]s 2000
`, s.Port, s.dir, name, master.Port, quorum)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{file, "--sentinel"}
	s.Start()
	return s
}

// StartRedisTLS is StartRedis for a server that speaks TLS only, with the certificate
// and key in the files and clients that must have one of the same authority.
func StartRedisTLS(t testing.TB, ca, cert, key string) *Server {
	t.Helper()
	s := newServer(t, nil)
	s.args = []string{"--port", "0", "--tls-port", s.Port, "--tls-ca-cert-file", ca,
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "yes"}
	s.cli = []string{"--tls", "--cacert", ca, "--cert", cert, "--key", key}
	s.Start()
	return s
}

func newServer(t testing.TB, args []string) *Server {
	t.Helper()
	port := FreePort(t)
	return &Server{Address: "127.0.0.1:" + port, Port: port, t: t, dir: t.TempDir(), args: args}
}

// FreePort is a TCP port of the loopback on which nobody listens, nor on the port
// 10000 above it, which is a cluster node's second one. Both are below those that the
// kernel gives away.
func FreePort(t testing.TB) string {
	t.Helper()
	free := func(port int) bool {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			l.Close()
		}
		return err == nil
	}
	for range 1000 {
		if port := 10000 + rand.IntN(10000); free(port) && free(port+10000) {
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
	args := append([]string{"--port", s.Port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"}, s.args...)
	if slices.Contains(s.args, "--sentinel") {
		args = s.args // it has all in its file
	}
	if s.each != nil {
		args = append(args, "--port", "0", "--unixsocket", s.private())
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
	if s.each != nil {
		s.open()
	}
	Eventually(s.t, "redis-server answers", func() bool {
		select {
		case <-s.exited:
			s.t.Fatalf("redis-server ended: %s", s.output.String())
		default:
		}
		out, err := s.Try("PING")
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
	out, err := s.Try(args...)
	if err != nil {
		s.t.Fatalf("redis-cli %q: %v: %s", args, err, out)
	}
	return out
}

// Try is Do for what may fail.
func (s *Server) Try(args ...string) (string, error) {
	all := append([]string{"-p", s.Port, "-e"}, s.cli...)
	out, err := exec.Command("redis-cli", append(all, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
