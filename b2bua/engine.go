package b2bua

import (
	"context"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
	"bulkhead/storage"
)

// Engine is the shell around the calls: it finds whose a message is, steps that
// call, and does what the call wants done. Nothing is decided here.
type Engine struct {
	config  Config
	wire    Wire
	records Records
	log     *zap.Logger
	metrics *Metrics
	seal    *dialog.Seal

	snapshots
	shards    [64]shard
	clock     clock
	idle      chan *strand // workers that have nothing to do receive from it
	active    atomic.Int64 // calls whose record is not written
	absorbed  atomic.Int64 // calls whose record is written and that are still kept
	draining  atomic.Bool
	muted     atomic.Bool
	loading   atomic.Pointer[loads] // while calls are being restored
	settled   chan struct{}         // capacity 1: a record has been written
	notices   notices
	nonces    *nonces
	registrar *registrar
	places    places
	tally     tally
	intake    intake
	overload  struct {
		sync.Mutex
		shedding
	}
	probes   probes
	nonce    string   // in the names of pings
	refusals refusals // of the latest new calls
	observer Observer
	between  func(*Call) *Call // tests: what becomes of a call between two events
}

// Config is what an Engine needs to know of its node.
type Config struct {
	Key    [32]byte // of the cluster
	Unit   string
	Agent  string // Server and User-Agent; empty: none
	Timers dialog.Timers
	Queue  int // messages that may wait for one call; default 256

	// Absorbing is how many ended calls are kept only to absorb what their
	// carriers still send; default 100,000. Beyond it that is answered from
	// what the messages themselves say (Afterwards).
	Absorbing int

	Overload Overload // beyond which new calls are shed

	// Keeper is where calls are kept for another node; nil: they end with this
	// one.
	Keeper Keeper

	// Speaks says before each message whether this node still owns its calls;
	// nil: it always does. It may take its time to find out.
	Speaks func() bool

	// Present says after a request could not be sent whether the addresses that
	// we send from are still here; nil: they always are. Without them it was no
	// fault of the peer's.
	Present func() bool

	// Standings are how carriers stand; nil: all are in service, for as long as the
	// engine is there.
	Standings *Standings

	// Starts are told of calls that have been answered; nil: nobody is.
	Starts Starts

	// Ask carries the questions of routes that ask; nil: the network does.
	Ask http.RoundTripper

	Media *Media // nil: none is anchored

	Captures *Captures // of calls that somebody wants whole; nil: none are made

	// Own are the addresses that each realm listens on: a node answers the
	// OPTIONS that it asks itself.
	Own map[string][]netip.Addr
}

// Wire is the network as the engine uses it: wire.Edge, or a simulated one.
type Wire interface {
	Send(h, fallback wire.Hop, data []byte, unsent func(error))
	Local(realm string, t wire.Transport) (sentBy string, ok bool)
}

// Book is who is at the border: a *carriers.Book.
type Book interface {
	Trunk(realm string, source netip.Addr) *carriers.Trunk
	Trunks() []string
	TrunkNamed(name string) *carriers.Trunk
	Carrier(name string) *carriers.Carrier
	Carriers() []string
	CarrierAt(realm string, source netip.Addr, name string) bool
	Known(realm string, source netip.Addr) bool
	Select(now time.Time, s dialog.Setup, j carriers.Judge) carriers.Choice
	Contact(carrier, uri, number string) (dialog.Target, bool)
	Gateways(carrier string) []dialog.Target
	PeerAt(realm string, t dialog.Transport, at netip.AddrPort) (carriers.Peer, bool)
	Ranges(number string) []carriers.Bound
	Bounds() []carriers.Bound
	Asks() []*carriers.Ask
	Decide(now time.Time, s dialog.Setup, ask *carriers.Ask, a carriers.Answer, err error, j carriers.Judge) carriers.Choice
}

// Records takes the calls' records. An error means that the record is not safe.
type Records interface{ Write(Record) error }

type shard struct {
	mu      sync.Mutex
	strands map[dialog.CallID]*strand
}

// New makes an Engine; nothing happens before Receive.
func New(c Config, book Book, w Wire, records Records, log *zap.Logger, m *Metrics, o Observer) *Engine {
	if c.Queue == 0 {
		c.Queue = 256
	}
	if c.Absorbing == 0 {
		c.Absorbing = 100_000
	}
	if c.Standings == nil {
		c.Standings = &Standings{}
	}
	e := &Engine{
		config: c, wire: w, records: records, log: log, metrics: m, observer: o,
		seal: dialog.NewSeal(c.Key, c.Unit), nonces: newNonces(c.Key, c.Unit), registrar: newRegistrar(),
		settled: make(chan struct{}, 1), idle: make(chan *strand),
	}
	for i := range e.shards {
		e.shards[i].strands = map[dialog.CallID]*strand{}
	}
	e.clock.wake = make(chan struct{}, 1)
	e.probes = probes{
		gates: map[gate]*watched{}, pinged: map[dialog.CallID]*watched{}, quality: map[string]*carriers.Quality{},
		wake: make(chan struct{}, 1),
	}
	e.nonce = strconv.FormatInt(time.Now().UnixNano(), 36)
	e.snapshots.kept = m.Snapshots
	e.snapshots.write(nil)
	e.Adopt(book)
	e.Adopted(m.adopted)
	e.Adopted(e.registrar.adopted)
	e.Adopted(e.adoptGateways)
	e.Adopted(c.Standings.adopted)
	m.gauges.engine.Store(e)
	if c.Media != nil && c.Media.Engine != nil {
		c.Media.Engine.Failed = e.engineFailed
	}
	return e
}

// Run fires the calls' deadlines, and keeps workers for their strands, until the
// context ends.
func (e *Engine) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		workers.Go(func() { e.work(ctx) })
	}
	workers.Go(func() { e.register(ctx) })
	workers.Go(func() { e.probe(ctx) })
	workers.Go(func() { e.relieve(ctx) })
	workers.Go(func() { e.listen(ctx) })
	e.clock.run(ctx)
	workers.Wait()
}

// Known says whose messages are read at all (wire.Receiver).
func (e *Engine) Known(realm string, source netip.Addr) bool {
	return e.heard(realm, source) || slices.Contains(e.config.Own[realm], source)
}

// KeysOf is the name of a carrier's own certificates among those of the realms.
func KeysOf(carrier string) string { return "carriers/" + carrier }

// Peer says what connections with who is at an address go by (wire.Config).
func (e *Engine) Peer(realm string, t wire.Transport, at netip.AddrPort) wire.Peer {
	p, ok := e.profiles().PeerAt(realm, dialog.Transport(t), at)
	if !ok {
		return wire.Peer{}
	}
	peer := wire.Peer{Host: p.Host, Name: p.Name, Keepalive: p.Keepalive}
	if p.OwnKeys {
		peer.Keys = KeysOf(p.Carrier)
	}
	return peer
}

// Dropped counts what the wire did not let in (wire.Receiver).
func (e *Engine) Dropped(realm, name string, source netip.Addr, _ int) {
	e.metrics.Dropped.WithLabelValues("wire", name).Inc()
	if n := e.notices.due(realm+" "+name, time.Now()); n > 0 {
		e.log.Warn("messages dropped", zap.String("realm", realm), zap.String("reason", name),
			zap.Int("messages", n), zap.Stringer("last_from", source))
	}
}

// Receive takes a message from the wire (wire.Receiver). It never blocks.
func (e *Engine) Receive(p wire.Packet) {
	defer e.contain(p)
	m := dialog.Read(p.Message)
	e.metrics.messages.came(m.Method, m.Code)
	from := pathOf(p.Hop)
	switch {
	case p.Fault != nil:
		e.refuse(m, from, dialog.Refusal{Code: p.Fault.Code, Phrase: p.Fault.Phrase}, p.Fault.Name)
	case m.Code != 0:
		e.response(m, from, p)
	default:
		e.request(m, from, p)
	}
}

// contain drops a message in which a defect shows before it has come to its call, so that no
// message ends all calls.
func (e *Engine) contain(p wire.Packet) {
	r := recover()
	if r == nil {
		return
	}
	e.metrics.Panics.Inc()
	e.metrics.Dropped.WithLabelValues("engine", "defect").Inc()
	if n := e.notices.due("defect", time.Now()); n > 0 {
		e.log.Error("panic before a call", zap.Any("panic", r), zap.Stringer("from", p.Remote), zap.Int("messages", n),
			zap.ByteString("stack", debug.Stack()))
	}
}

// contained deals with a message in a goroutine that is not the wire's, in which a defect
// drops it.
func (e *Engine) contained(what string, do func()) {
	if !e.guard(what, do) {
		e.metrics.Dropped.WithLabelValues("engine", "defect").Inc()
	}
}

// guard does something, of no call, that a defect must not lead out of; false: one has
// shown.
func (e *Engine) guard(what string, do func()) (done bool) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		e.metrics.Panics.Inc()
		if n := e.notices.due(what, time.Now()); n > 0 {
			e.log.Error(what, zap.Any("panic", r), zap.Int("times", n), zap.ByteString("stack", debug.Stack()))
		}
	}()
	do()
	return true
}

// response gives a response to the leg whose branch it carries.
func (e *Engine) response(m *dialog.Message, from dialog.Path, p wire.Packet) {
	a, ok := e.seal.OpenBranch(m.Branch)
	if !ok {
		e.stray(m, "foreign_response")
		return
	}
	if a.Leg == dialog.Registering {
		if !e.registrar.give(registerEvent{call: a.ID.Call, from: from, ev: dialog.Received{Message: m, Path: from}}) {
			e.metrics.Dropped.WithLabelValues("registration", "queue_full").Inc()
		}
		return
	}
	if a.Leg == dialog.Outside {
		if !e.pong(a.ID.Call, time.Now(), dialog.Received{Message: m, Path: from}) {
			e.stray(m, "late_response")
		}
		return
	}
	e.deliver(a.ID.Call, item{leg: a.Leg, message: m, path: from, raw: p.Raw, at: p.At}, func() { e.late(m, from, a) })
}

// request gives a request to the leg that it is for: by the To-tag that we gave
// its dialog, or by what the repeats of an INVITE and its CANCEL share.
func (e *Engine) request(m *dialog.Message, from dialog.Path, packet wire.Packet) {
	it := item{message: m, path: from, raw: packet.Raw, at: packet.At}
	if m.ToTag != "" {
		a, ok := e.seal.OpenTag(m.ToTag)
		it.leg = a.Leg
		if !ok || a.Leg == dialog.Stateless {
			e.outside(m, from)
			return
		}
		give := func() { e.deliver(a.ID.Call, it, func() { e.outside(m, from) }) }
		if m.Method == "REFER" {
			e.naming(&it, give)
			return
		}
		give()
		return
	}
	if m.Method != "INVITE" && m.Method != "CANCEL" {
		e.outside(m, from)
		return
	}
	p, source := e.profiles(), from.Remote.Addr().Unmap()
	trunk := p.Trunk(from.Realm, source)
	name := ""
	if trunk != nil {
		name = trunk.Name
	}
	if e.wasTrunk(name, from.Realm, source, it) {
		return
	}
	if trunk == nil {
		e.refuse(m, from, dialog.Refusal{Code: 403}, "not_a_trunk")
		return
	}
	id := e.seal.Call(trunk.Name, m.CallID, m.FromTag, m.CSeq)
	e.deliver(id, it, func() {
		if m.Method == "CANCEL" {
			if !e.cancelled(id, it) {
				e.outside(m, from)
			}
			return
		}
		e.admit(id, p, trunk, it)
	})
}

// Active is how many calls have no record yet.
func (e *Engine) Active() int { return int(e.active.Load()) }

// Strands is how many calls are kept, those that only absorb among them.
func (e *Engine) Strands() (n int) {
	for i := range e.shards {
		e.shards[i].mu.Lock()
		n += len(e.shards[i].strands)
		e.shards[i].mu.Unlock()
	}
	return n
}

// Hangup ends every call, for the given cause.
func (e *Engine) Hangup(cause dialog.Cause) {
	for _, s := range e.strands() {
		s.put(item{command: Hangup{Cause: cause}})
	}
}

// strands are those that there are now.
func (e *Engine) strands() []*strand {
	all := make([]*strand, 0, e.Strands()+16) // some that come meanwhile
	for i := range e.shards {
		e.shards[i].mu.Lock()
		for _, s := range e.shards[i].strands {
			all = append(all, s)
		}
		e.shards[i].mu.Unlock()
	}
	return all
}

// Stop waits until what has come in has been stepped, and has gone out or is on its way
// to the store; with the sockets closed and the clock stopped, nothing comes after it.
func (e *Engine) Stop(ctx context.Context) {
	stepped := make(chan struct{})
	go func() {
		e.visit(func(storage.Item) {}, nil)
		close(stepped)
	}()
	select {
	case <-stepped:
	case <-ctx.Done():
	}
}

// pathOf and hopOf are the same place in the words of the core and of the wire.
func pathOf(h wire.Hop) dialog.Path {
	return dialog.Path{Realm: h.Realm, Transport: dialog.Transport(h.Transport), Local: h.Local, Remote: h.Remote, Conn: h.Conn}
}

func hopOf(p dialog.Path) wire.Hop {
	return wire.Hop{Realm: p.Realm, Transport: wire.Transport(p.Transport), Local: p.Local, Remote: p.Remote, Conn: p.Conn}
}
