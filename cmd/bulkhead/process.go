package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/carriers/dns"
	"bulkhead/storage"
)

// process is what is operated: the configuration in force, and the border that it is in
// force for. It outlives the borders of a unit, which comes and goes.
type process struct {
	name    string // of the file; empty: there is none
	log     *zap.Logger
	level   zap.AtomicLevel
	began   time.Time
	pair    bool   // the node may stand by
	serves  string // the unit whose calls those are
	epoch   atomic.Uint64
	serving atomic.Bool // there is a border
	leaving atomic.Bool
	carries atomic.Pointer[b2bua.Media] // what carries media; nil: there is no border

	cluster *cluster // nil: there are no other nodes

	names *dns.Resolver // of the gateways; nil: nobody is asked

	registry *prometheus.Registry
	metrics  *b2bua.Metrics
	figures  figures
	unit     *unitFigures
	journal  *b2bua.Journal
	feed     ops.Feed
	media    ops.Media
	cards    *ops.Scorecards
	captures *b2bua.Captures

	shelf     *shelf       // where records wait; nil: there is a store, or no file
	starts    b2bua.Starts // nil: nobody is told of answered calls
	standings *b2bua.Standings
	ordersIn  atomic.Pointer[storage.Orders]   // where the unit's orders are; nil: there is no unit
	assembly  atomic.Pointer[storage.Assembly] // where its nodes meet; nil: there is no unit

	drain  atomic.Pointer[ops.Drain] // nil: nobody has drained the node
	ending *time.Timer               // of its deadline; nil: there is none

	mu         sync.Mutex // one reload at a time, and none while a border is raised
	config     *Config
	generation int
	taken      time.Time   // when config came into force
	border     *border     // nil: the node stands by
	api        *ops.Server // nil: there is none
}

// figures are what the metrics say of the configuration.
type figures struct {
	generation, loaded prometheus.Gauge
	reloads            *prometheus.CounterVec
}

func newFigures(r prometheus.Registerer) figures {
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "bulkhead", Name: name, Help: help})
		r.MustRegister(g)
		return g
	}
	f := figures{
		generation: gauge("config_generation", "Of the configuration in force: each that is taken counts, from those that are kept beside the file."),
		loaded:     gauge("config_loaded_timestamp_seconds", "When the configuration in force was taken, in Unix time."),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "bulkhead", Name: "config_reloads_total", Help: "Reloads of the configuration, by what came of them.",
		}, []string{"result"}),
	}
	r.MustRegister(f.reloads)
	for _, result := range []string{"taken", "refused"} {
		f.reloads.WithLabelValues(result) // shown as 0 from the start
	}
	return f
}

// newProcess begins with a configuration; the name is that of its file.
func newProcess(name string, c *Config, log *zap.Logger, level zap.AtomicLevel) *process {
	p := &process{name: name, log: log, level: level, began: time.Now(), taken: time.Now(), config: c, generation: newGenerations(name).first(), registry: prometheus.NewRegistry()}
	p.pair, p.serves = c.State != nil && c.State.Redis != nil, c.unitName()
	p.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	p.metrics, p.figures, p.unit = b2bua.NewMetrics(p.registry), newFigures(p.registry), newUnitFigures(p.registry)
	p.registry.MustRegister(standing{p})
	p.journal = &b2bua.Journal{Keep: c.keep()}
	p.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "bulkhead", Name: "node_drained", Help: "1 while an operator has the node take no new calls.",
	}, func() float64 {
		if p.drain.Load() != nil {
			return 1
		}
		return 0
	}))
	p.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: "bulkhead", Name: "events_missed_total", Help: "Events that listeners of this node were too slow for.",
	}, func() float64 { return float64(p.feed.Missed()) }))
	p.standings = &b2bua.Standings{}
	p.cards = &ops.Scorecards{Journal: p.journal, Now: time.Now, Standings: p.standings, Stands: p.scored}
	p.figures.generation.Set(float64(p.generation))
	p.captures = &b2bua.Captures{Keep: c.keep()}
	p.figures.loaded.SetToCurrentTime()
	return p
}

// raise makes a border of the configuration in force, which the next ones reach. Its
// sockets may have been bound when there was another one.
func (p *process) raise(s *sockets, make func(*Config) (*border, error)) (*border, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	apply, faults := s.edge.Certify(p.config.certificates())
	for name, err := range faults {
		return nil, fmt.Errorf("%s: %w", whose(name), err)
	}
	p.config.standings, p.config.starts = p.standings, p.starts
	b, err := make(p.config)
	if err != nil {
		return nil, err
	}
	apply()
	b.engine.Refuse(p.drain.Load() != nil)
	p.border = b
	p.carries.Store(b.media)
	p.serving.Store(true)
	return b, nil
}

// lower says that there is no border any more.
func (p *process) lower() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.border = nil
	p.carries.Store(nil)
	p.epoch.Store(0)
	p.serving.Store(false)
	p.metrics.Forget()
}

// prepare does all that can fail: what it returns only has to be done.
func (p *process) prepare(f *file) (apply []func(), err error) {
	var faults Faults
	certificates := f.config.certificates()
	if p.border != nil {
		do, unusable := p.border.edge.Certify(certificates)
		for name, err := range unusable {
			faults = append(faults, f.fault(whose(name), err))
		}
		apply = append(apply, do)
	} else {
		for name, files := range certificates {
			if err := files.Check(); err != nil {
				faults = append(faults, f.fault(whose(name), err))
			}
		}
	}
	if p.api != nil {
		do, err := p.api.Renew()
		if err != nil {
			faults = append(faults, f.fault("api", err))
		}
		apply = append(apply, do)
	}
	f.config.names = p.config.names
	book, err := f.config.Book()
	if err != nil {
		faults = append(faults, Fault{File: p.name, Line: 1, Column: 1, Message: err.Error()})
	}
	level, err := zap.ParseAtomicLevel(f.config.Log.Level)
	if err != nil {
		faults = append(faults, f.fault("log.level", err))
	}
	if err := faults.sorted().orNil(); err != nil {
		return nil, err
	}
	if p.names != nil {
		apply = append(apply, func() { p.lead(book) })
	}
	if p.border != nil {
		apply = append(apply, func() { p.border.engine.Adopt(book) })
	}
	before := p.config.Log.Level
	return append(apply, func() {
		if f.config.Log.Level != before { // what an operator has set stays otherwise
			p.level.SetLevel(level.Level())
		}
		shows(p.log, f.config.redact())
	}), nil
}

// refused is an error in the words of the API.
func refused(err error) error {
	faults, ok := errors.AsType[Faults](err)
	if !ok {
		return err
	}
	r := &ops.Refused{}
	for _, f := range faults {
		r.Faults = append(r.Faults, ops.Fault{File: f.File, Line: f.Line, Column: f.Column, Key: f.Path, Message: f.Message})
	}
	return r
}

// fewNames is how many names the log tells.
const fewNames = 8

// summary tells for the log what has changed: of trunks, carriers and realms how many,
// and which if they are few, otherwise the keys.
func summary(changes []difference) (list []zap.Field) {
	type group struct{ section, how string }
	named := map[group]map[string]bool{}
	for _, c := range changes {
		g, name := group{c.path[0], "changed"}, ""
		if len(c.path) > 1 {
			name = c.path[1]
		}
		if len(c.path) == 2 {
			g.how = c.how
		}
		if named[g] == nil {
			named[g] = map[string]bool{}
		}
		named[g][name] = true
	}
	order := slices.SortedFunc(maps.Keys(named), func(a, b group) int {
		return cmp.Or(cmp.Compare(a.section, b.section), cmp.Compare(a.how, b.how))
	})
	for _, g := range order {
		names := slices.Sorted(maps.Keys(named[g]))
		if names[0] == "" {
			list = append(list, zap.String(g.section, g.how))
			continue
		}
		list = append(list, zap.Int(g.section+"_"+g.how, len(names)))
		if len(names) <= fewNames {
			list = append(list, zap.String(g.section+"_"+g.how+"_names", strings.Join(names, " ")))
		}
	}
	return list
}

// State is ops.Node. A node that stands by can take calls over, so it is ready.
func (p *process) State() (state string, ready bool) {
	switch {
	case p.leaving.Load(), p.drain.Load() != nil:
		return "draining", false
	case p.serving.Load():
		return "serving", true
	case p.pair:
		return "standing by", true
	}
	return "starting", false
}

// Engine is ops.Node.
func (p *process) Engine() *b2bua.Engine {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.border == nil {
		return nil
	}
	return p.border.engine
}

// Journal is ops.Node. It outlives the borders: who has handed its calls over still tells of
// those that ended here.
func (p *process) Journal() *b2bua.Journal { return p.journal }

// Feed is ops.Node.
func (p *process) Feed() *ops.Feed { return &p.feed }

// Media is ops.Node.
func (p *process) Media() *ops.Media { return &p.media }

// Scorecards is ops.Node.
func (p *process) Scorecards() *ops.Scorecards { return p.cards }

// Carriers is ops.Node.
func (p *process) Carriers() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.config.Carriers))
}

// watch are those who see what crosses the wire, whichever border it is.
func (p *process) watch() b2bua.Observers {
	return b2bua.Observers{p.journal, &p.feed, p.cards, &p.media, p.captures, &ops.Messages{Log: p.log, Redact: p.Redact}}
}

// Version is ops.Node.
func (p *process) Version() ops.Version {
	state, _ := p.State()
	p.mu.Lock()
	defer p.mu.Unlock()
	v := ops.Version{Node: p.config.Node, State: state, Go: runtime.Version(), Started: p.began.UTC(), Generation: p.generation}
	v.Version, v.Revision = built()
	if p.pair {
		v.Unit = p.config.unitName()
	}
	return v
}

// openAPI opens the socket and the port of the API, where one is configured. A default
// socket that cannot be had is no reason not to carry calls.
func (p *process) openAPI() error {
	c := p.config.API
	if c == nil {
		return nil
	}
	o := ops.Config{Socket: string(c.Socket), Listen: c.Listen, TokensFile: string(c.TokensFile)}
	if c.TLS != nil {
		o.TLS = ops.Files{Certificate: string(c.TLS.Certificate), Key: string(c.TLS.Key), ClientCA: string(c.TLS.ClientCA)}
	}
	if p.cluster != nil {
		o.PeerKey, o.PeerCA = p.cluster.key, string(c.PeerCA)
	}
	if c.Listen != "" && c.TLS == nil && !loopbackOnly(c.Listen) {
		p.log.Warn("the API's tokens travel in clear: give it tls", zap.String("listen", c.Listen))
	}
	api, err := ops.Listen(o, p, p.registry, p.log)
	if err != nil && c.Socket == defaultSocket(p.config.Node) {
		p.log.Warn("no socket for the API: api.socket says where else it may be", zap.Error(err))
		o.Socket = ""
		api, err = ops.Listen(o, p, p.registry, p.log)
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.api = api
	p.mu.Unlock()
	p.log.Info("operated by", zap.String("socket", o.Socket), zap.String("listen", api.Addr()))
	go func() {
		if err := api.Serve(); err != nil {
			p.log.Error("the API has ended", zap.Error(err))
		}
	}()
	return nil
}

// closeAPI ends it.
func (p *process) closeAPI() {
	p.mu.Lock()
	api := p.api
	p.mu.Unlock()
	if api == nil {
		return
	}
	if err := api.Close(); err != nil {
		p.log.Error("closing the API", zap.Error(err))
	}
}
