package ops

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"bulkhead/b2bua"
)

// Config is where a node is operated. Names of files are absolute or relative to the
// working directory.
type Config struct {
	Socket     string // path of the Unix socket; empty: none
	Listen     string // ip:port; empty: no TCP
	TokensFile string // of who may come by TCP
	TLS        Files  // of TCP; without a certificate tokens and answers travel in clear
	PeerKey    []byte // by which nodes of a cluster ask each other; empty: they do not
	PeerCA     string // PEM file of who vouches for their certificates beside the system's authorities; empty: nobody
}

// Files are PEM files of a certificate.
type Files struct {
	Certificate, Key string
	ClientCA         string // whoever connects must show a certificate of it; empty: none is asked for
}

// Node is what is operated.
type Node interface {
	// Version is what runs.
	Version() Version
	// State is what the node does, in a word; ready says that new calls may come to it.
	State() (state string, ready bool)
	// Reload puts the configuration of the file in force. The error is *Refused where
	// the file cannot be used; then nothing has changed.
	Reload() (Reloaded, error)
	// Engine has the calls; nil: they are another node's.
	Engine() *b2bua.Engine
	// Journal has what crossed the wire here, also of calls that ended not long ago.
	Journal() *b2bua.Journal
	// Feed tells what happens to calls.
	Feed() *Feed
	// Scorecards count how carriers behave.
	Scorecards() *Scorecards
	// Media remembers what has been described of it.
	Media() *Media
	// Carriers are the names of those in the configuration, in order.
	Carriers() []string
	// Try says where a call would go. It is *Misasked where there can be no such call, and
	// ErrConflict where this node serves no calls.
	Try(RouteAsked) (RouteTrial, error)
	// Serves is the unit of this node, and the epoch in which it has it; zero: it has
	// not, or there is no store that tells.
	Serves() (unit string, epoch uint64)
	// Cluster are the other nodes; nil: there are none.
	Cluster() Cluster

	Tracing
	Logging
	Controls
}

// Server serves the API.
type Server struct {
	config Config
	node   Node
	log    *zap.Logger
	access atomic.Pointer[access]
	bulk   sync.Mutex // held while many calls are being ended
	heard  heard

	strangers flood // requests that audit tells of

	streams atomic.Int32 // of events that are open

	listeners []net.Listener
	ending    chan struct{} // closed by Close: streams end
	ended     sync.Once
	http      *http.Server
}

// access is who may come in by TCP, and what we show them.
type access struct {
	tokens tokens
	tls    *tls.Config // nil: none
	peers  *http.Client
}

// Limits of a request: of its head, and of all; and of a connection without one.
const (
	headWithin = 5 * time.Second
	mostHead   = 16 << 10
)

var within, idle = 30 * time.Second, 10 * time.Second // tests are in a hurry

// Listen opens the socket and the port. Nothing is answered before Serve.
func Listen(c Config, node Node, metrics prometheus.Gatherer, log *zap.Logger) (*Server, error) {
	s := &Server{config: c, node: node, log: log, ending: make(chan struct{})}
	apply, err := s.Renew()
	if err != nil {
		return nil, err
	}
	apply()
	s.http = &http.Server{
		Handler: s.handler(metrics), ReadHeaderTimeout: headWithin, ReadTimeout: within, WriteTimeout: within, IdleTimeout: idle, MaxHeaderBytes: mostHead,
		ConnContext: local, ErrorLog: zap.NewStdLog(log.WithOptions(zap.IncreaseLevel(zap.FatalLevel))), // scanners are no news
	}
	if c.Socket != "" {
		if err := s.add(listenUnix(c.Socket)); err != nil {
			return nil, fmt.Errorf("opening the API's socket: %w", err)
		}
	}
	if c.Listen != "" {
		l, err := net.Listen("tcp", c.Listen)
		if err == nil {
			l = &bounded{Listener: l, log: log}
		}
		if err == nil && s.access.Load().tls != nil {
			l = tls.NewListener(l, &tls.Config{
				MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
				GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.access.Load().tls, nil },
			})
		}
		if err := s.add(l, err); err != nil {
			return nil, fmt.Errorf("opening the API's port: %w", err)
		}
	}
	return s, nil
}

// add keeps a listener; without it all are closed.
func (s *Server) add(l net.Listener, err error) error {
	if err != nil {
		return errors.Join(err, s.Close())
	}
	s.listeners = append(s.listeners, l)
	return nil
}

// Serve answers until Close.
func (s *Server) Serve() error {
	ended := make(chan error, len(s.listeners))
	for _, l := range s.listeners {
		go func() { ended <- s.http.Serve(l) }()
	}
	var all error
	for range s.listeners {
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			all = errors.Join(all, fmt.Errorf("serving the API: %w", err))
		}
	}
	return all
}

// Close lets what is being answered be answered, for a second, and ends.
func (s *Server) Close() error {
	s.ended.Do(func() { close(s.ending) })
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	for _, l := range s.listeners { // those that Serve never had
		if e := l.Close(); !errors.Is(e, net.ErrClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// Addr is where TCP is served, with the port that it got; empty: nowhere.
func (s *Server) Addr() string {
	for _, l := range s.listeners {
		if l.Addr().Network() == "tcp" {
			return l.Addr().String()
		}
	}
	return ""
}

// Renew reads the tokens and the certificate again; apply takes them into use. On an
// error nothing changes.
func (s *Server) Renew() (apply func(), err error) {
	a := &access{}
	if s.config.TokensFile != "" {
		if a.tokens, err = readTokens(s.config.TokensFile); err != nil {
			return nil, err
		}
	}
	if a.tls, err = s.config.TLS.read(); err != nil {
		return nil, err
	}
	if a.peers, err = s.config.peerClient(a.tls); err != nil {
		return nil, err
	}
	return func() {
		if before := s.access.Swap(a); before != nil {
			before.peers.CloseIdleConnections()
		}
	}, nil
}

// listenUnix opens a Unix socket that its owner and group may use. One that a process
// has left behind is taken away; one that is in use is not.
func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		c, err := net.Dial("unix", path)
		switch {
		case err == nil:
			c.Close()
			return nil, fmt.Errorf("%s: another process answers there", path)
		case errors.Is(err, syscall.ECONNREFUSED):
			if err := os.Remove(path); err != nil {
				return nil, err
			}
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

type peerKey struct{}

// local notes who is on the other end of the Unix socket.
func local(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	name := "local"
	if raw, err := u.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // without it the name says less
			if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
				name = "uid " + strconv.Itoa(int(cred.Uid))
			}
		})
	}
	return context.WithValue(ctx, peerKey{}, caller{Name: name, Role: Admin})
}
