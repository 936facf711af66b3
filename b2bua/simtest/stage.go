package simtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// The timers of RFC 3261 table 4, as every scenario has them.
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
	t4 = 5 * time.Second
)

// Stage is the engine, the network and the peers of one scenario.
type Stage struct {
	Engine  *b2bua.Engine
	Net     *Net
	Log     *zap.Logger                 // before the first statement; nil: none
	Wrap    func(b2bua.Book) b2bua.Book // before the first statement: a book that misbehaves
	Raised  func(*b2bua.Engine)         // if set, sees the engine before the first message
	Watch   b2bua.Observer              // before the first statement; nil: nobody else sees what crosses the wire
	Capture *b2bua.Captures             // before the first statement; nil: none
	Stands  *b2bua.Standings            // before the first statement; nil: all carriers are in service
	Starts  b2bua.Starts                // before the first statement; nil: nobody is told of answered calls
	Carry   func(*b2bua.Media)          // of what "media" has declared, to carry it by others; nil: it stays so
	Change  func(*carriers.Config)      // of what has been declared; nil: it stays so
	Faulty  bool                        // the scenario is about defects: violations and panics are its own business
	Settled bool                        // settle has been reached
	Quiet   time.Duration               // what it took

	t        testing.TB
	raw      map[string]string
	config   carriers.Config
	realms   carriers.Realms
	names    *names
	registry *prometheus.Registry
	detail   []string
	unfold   bool
	peers    map[string]*Peer
	decider  decider
	media    *b2bua.Media // nil: descriptions pass
	ports    *ports
	engines  *engines // nil: there are none
	stop     context.CancelFunc
	ended    chan struct{}
	drained  chan error

	mu      sync.Mutex
	records []b2bua.Record
}

// Open sets an empty stage; it must be called in a bubble of synctest, and
// Close before the bubble ends. raw holds the texts for "raw", by their names.
func Open(t testing.TB, raw map[string]string) *Stage {
	access, core := netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("198.51.100.1:5060")
	s := &Stage{
		t: t, raw: raw, registry: prometheus.NewRegistry(), peers: map[string]*Peer{},
		config: carriers.Config{Trunks: map[string]carriers.TrunkConfig{}, Carriers: map[string]carriers.CarrierConfig{}},
		realms: carriers.Realms{}, names: &names{answers: map[string]carriers.Lead{}},
	}
	s.Net = &Net{
		wake: make(chan struct{}, 1), rules: map[direction]*rule{}, counts: map[tally]int{}, broken: map[uint64]bool{},
		dice: rand.New(rand.NewPCG(1, 1)), begin: time.Now(),
		local: map[string]netip.AddrPort{"access": access, "core": core}, heard: s.hear,
	}
	for realm, a := range s.Net.local {
		s.realms[realm] = []carriers.Socket{{Transport: dialog.UDP, Address: a}, {Transport: dialog.TCP, Address: a}}
	}
	trunk := carriers.TrunkConfig{Realm: "access", From: []string{"192.0.2.10", "192.0.2.11"}}
	trunk.Default()
	s.config.Trunks["trunk"] = trunk
	s.peer("trunk", "access", wire.UDP, "192.0.2.10:5060", "192.0.2.11:5060")
	return s
}

func (s *Stage) peer(name, realm string, transport wire.Transport, at ...string) {
	p := &Peer{Name: name, realm: realm, transport: transport, ours: s.Net.local[realm].Addr().String(), byID: map[string]*talk{}}
	for _, a := range at {
		p.addresses = append(p.addresses, netip.MustParseAddrPort(a))
	}
	s.peers[name] = p
	s.Net.peers = append(s.Net.peers, p)
}

// Do plays statements.
func (s *Stage) Do(script string) {
	s.t.Helper()
	list, err := parse(script)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, st := range list {
		if st.after > 0 {
			s.raise()
			s.Net.pass(st.after)
		}
		if err := s.do(st.words); err != nil {
			s.t.Fatalf("line %d: %s: %v", st.line, strings.Join(st.words, " "), err)
		}
	}
}

// do plays one statement.
func (s *Stage) do(words []string) error {
	if s.Engine == nil {
		if done, err := s.declare(words); done || err != nil {
			return err
		}
	}
	if done, err := s.set(words); done || err != nil {
		return err
	}
	s.raise()
	defer s.Net.pass(0)
	rest := words[1:]
	switch words[0] {
	case "wait":
		d, err := time.ParseDuration(strings.Join(rest, ""))
		s.Net.pass(d)
		return err
	case "settle":
		return s.settle()
	case "hangup":
		s.Engine.Hangup(dialog.Cause{Why: dialog.Operator, Code: 503, Q850: 41})
		return nil
	case "drain":
		return s.drain(strings.Join(rest, ""))
	}
	if p := s.peers[words[0]]; p != nil && len(rest) > 0 {
		return s.act(p, rest)
	}
	return fmt.Errorf("nobody is called %s", words[0])
}

// set takes what can be said at any time and changes nothing by itself.
func (s *Stage) set(words []string) (bool, error) {
	rest := words[1:]
	switch words[0] {
	case "net":
		return true, s.rule(rest)
	case "dns":
		return true, s.change(rest)
	case "seed":
		n, err := strconv.ParseUint(strings.Join(rest, ""), 10, 64)
		s.Net.dice = rand.New(rand.NewPCG(n, n))
		return true, err
	case "detail":
		s.detail = append(s.detail, rest...)
	case "node":
		return true, s.node(rest)
	case "unfold":
		s.unfold = true
	case "decider":
		return true, s.decides(rest)
	default:
		return false, nil
	}
	return true, nil
}

// raise makes the engine of what has been declared, once.
func (s *Stage) raise() {
	if s.Engine != nil {
		return
	}
	if s.Change != nil {
		s.Change(&s.config)
	}
	if s.Carry != nil {
		s.Carry(s.media)
	}
	book, err := carriers.NewBook(s.config, s.realms)
	if err != nil {
		s.t.Fatal(err)
	}
	s.names.asked = book.Names()
	book.Resolve(s.names)
	var b b2bua.Book = book
	if s.Wrap != nil {
		b = s.Wrap(book)
	}
	if s.Log == nil {
		s.Log = zap.NewNop()
	}
	var observer b2bua.Observer = s.Net
	if s.Watch != nil {
		observer = b2bua.Observers{s.Net, s.Watch}
	}
	if s.Capture != nil {
		observer = b2bua.Observers{observer, s.Capture}
	}
	s.Engine = b2bua.New(b2bua.Config{
		Key: [32]byte{1}, Unit: "u1", Agent: "Bulkhead", Timers: dialog.Timers{T1: t1, T2: t2, T4: t4}, Ask: &s.decider, Standings: s.Stands, Starts: s.Starts, Captures: s.Capture, Media: s.media,
	}, b, s.Net, s, s.Log, b2bua.NewMetrics(s.registry), observer)
	if s.Raised != nil {
		s.Raised(s.Engine)
	}
	s.Net.receive, s.Net.known, s.Net.dropped = s.Engine.Receive, s.Engine.Known, s.Engine.Dropped
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.ended = cancel, make(chan struct{})
	go func() {
		s.Engine.Run(ctx)
		close(s.ended)
	}()
}

// Count is how many messages with this label ("487", "200 BYE", "INVITE sdp") a
// peer has sent to Bulkhead, or Bulkhead to it.
func (s *Stage) Count(peer, label string) (sent, received int) {
	s.Net.mu.Lock()
	defer s.Net.mu.Unlock()
	return s.Net.counts[tally{peer, label, true}], s.Net.counts[tally{peer, label, false}]
}

// Close stops the engine's clock; what is left of calls stays as it is.
func (s *Stage) Close() {
	if s.stop != nil {
		s.stop()
		<-s.ended
	}
}

// Write keeps a record (b2bua.Records).
func (s *Stage) Write(r b2bua.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, r)
	return nil
}

// Records are those written, in order.
func (s *Stage) Records() []b2bua.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]b2bua.Record(nil), s.records...)
}

// longest is how long a call may be kept after everything is over: 64·T1 for
// each of CANCEL, final and ACK, the longest linger, and room.
const longest = 30 * time.Minute

// settle waits until the engine keeps nothing and nothing is under way.
func (s *Stage) settle() error {
	begin := time.Now()
	for s.Engine.Strands() > 0 || !s.Net.idle() {
		if time.Since(begin) > longest {
			return fmt.Errorf("%d calls are kept, %d without a record, after %s of quiet", s.Engine.Strands(), s.Engine.Active(), longest)
		}
		s.Net.pass(time.Second)
	}
	if s.drained != nil {
		if err := <-s.drained; err != nil {
			return err
		}
		s.drained = nil
	}
	s.Settled, s.Quiet = true, time.Since(begin)
	return nil
}

// drain takes the node out of service, with so long for calls to end.
func (s *Stage) drain(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	s.drained = make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		defer cancel()
		s.drained <- s.Engine.Drain(ctx, context.Background())
	}()
	synctest.Wait()
	return nil
}

// Now is the time on the scenario's clock.
func (s *Stage) Now() time.Duration { return time.Since(s.Net.begin) }
