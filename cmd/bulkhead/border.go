package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/b2bua/wire"
	"bulkhead/dialog"
)

// border is a running Bulkhead: its sockets and its engine.
type border struct {
	edge   *wire.Edge
	engine *b2bua.Engine
	media  *b2bua.Media
	still  func()   // ends what carries media
	hep    *ops.HEP // nil: no mirror
}

// sockets are bound before there is an engine to take what comes in by them: so
// they have addresses, and what arrives waits.
type sockets struct {
	*b2bua.Engine
	edge *wire.Edge
}

// bind binds the sockets of a configuration. Nothing is read yet.
func (c *Config) bind(log *zap.Logger) (*sockets, error) {
	s := &sockets{}
	var err error
	w := c.wire()
	w.Peer = func(realm string, t wire.Transport, at netip.AddrPort) wire.Peer { return s.Peer(realm, t, at) }
	if s.edge, err = wire.New(w, s, log); err != nil {
		return nil, err
	}
	if err := s.edge.Listen(); err != nil {
		return nil, errors.Join(err, s.edge.Close())
	}
	return s, nil
}

// openBorder is a border whose calls live and die with it.
func openBorder(c *Config, key [32]byte, records b2bua.Records, log *zap.Logger, metrics *b2bua.Metrics, watch b2bua.Observers, o b2bua.Observer) (*border, error) {
	s, err := c.bind(log)
	if err != nil {
		return nil, err
	}
	b, err := newBorder(c, s, key, records, nil, nil, nil, log, metrics, watch, o)
	if err != nil {
		return nil, errors.Join(err, s.edge.Close())
	}
	return b, nil
}

// newBorder puts an engine behind sockets. Nothing is read before run.
func newBorder(c *Config, s *sockets, key [32]byte, records b2bua.Records, keeper b2bua.Keeper, speaks, present func() bool, log *zap.Logger, metrics *b2bua.Metrics, watch b2bua.Observers, o b2bua.Observer) (*border, error) {
	book, err := c.Book()
	if err != nil {
		return nil, err
	}
	unit := ""
	if c.Unit != nil {
		unit = c.Unit.Name
	}
	config := b2bua.Config{
		Key: key, Unit: unit, Agent: "Bulkhead",
		Timers: dialog.Timers{T1: c.Timers.T1, T2: c.Timers.T2, T4: c.Timers.T4},
		Own:    map[string][]netip.Addr{},
		Keeper: keeper, Speaks: speaks, Present: present, Standings: c.standings, Starts: c.starts,
	}
	if o := c.Overload; o != nil {
		config.Overload = b2bua.Overload{Delay: o.Delay, Backlog: float64(o.Backlog), Setups: o.Setups, Memory: uint64(o.Memory), Emergency: c.Emergency}
	}
	for realm, all := range c.Sockets() {
		for _, one := range all {
			own := one.Address.Addr()
			if own.IsUnspecified() {
				own = loopback(own)
			}
			config.Own[realm] = append(config.Own[realm], own)
		}
	}
	var network b2bua.Wire = s.edge
	if c, ok := o.(interface{ around(b2bua.Wire) b2bua.Wire }); ok { // in a build for tests
		network = c.around(s.edge)
	}
	observers := slices.Clone(watch)
	for _, o := range watch {
		if c, ok := o.(*b2bua.Captures); ok {
			config.Captures = c
		}
	}
	if o != nil {
		observers = append(observers, o)
	}
	var hep *ops.HEP
	if c.Trace != nil && c.Trace.HEP != "" {
		if hep, err = ops.DialHEP(strings.TrimPrefix(c.Trace.HEP, "udp://"), c.Node, s.localOf); err != nil {
			return nil, err
		}
		observers = append(observers, hep)
	}
	anchored, still, err := c.anchoring(log)
	if err != nil {
		return nil, err
	}
	config.Media = anchored
	s.Engine = b2bua.New(config, book, network, records, log, metrics, observers)
	return &border{edge: s.edge, engine: s.Engine, media: anchored, still: still, hep: hep}, nil
}

// localOf is the socket that a message goes by where its path leaves it to the realm.
func (s *sockets) localOf(p dialog.Path) netip.AddrPort {
	for _, l := range s.edge.Addrs(p.Realm) {
		if l.Transport == wire.Transport(p.Transport) && l.Addr.Addr().Is4() == p.Remote.Addr().Unmap().Is4() {
			return l.Addr
		}
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
}

// loopback is how a node reaches a socket of its own that listens on all addresses
// of a family.
func loopback(any netip.Addr) netip.Addr {
	if any.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// wire is the configuration of the sockets.
func (c *Config) wire() wire.Config {
	w := wire.Config{
		Realms:           make(map[string]wire.Realm, len(c.Realms)),
		Keys:             map[string]wire.Certificates{},
		MaxMessage:       int(c.Security.MaxMessage),
		MaxRatePerSource: c.Security.MaxRatePerSource,
		FreeBind:         c.follows(),
	}
	certificates := c.certificates()
	for name, r := range c.Realms {
		realm := wire.Realm{Advertise: r.Advertise, Media: r.Media, TLS: certificates[name], Keepalive: r.Keepalive}
		for _, s := range r.sockets() {
			realm.Listen = append(realm.Listen, wire.Listener{Transport: wire.Transport(s.Transport), Addr: s.Address})
		}
		w.Realms[name] = realm
	}
	for name, files := range certificates {
		if _, realm := c.Realms[name]; !realm {
			w.Keys[name] = files
		}
	}
	return w
}

// run serves until the context ends, and carries media as long.
func (b *border) run(ctx context.Context) error {
	defer b.still()
	go b.engine.Run(ctx)
	if b.hep == nil {
		return b.edge.Serve(ctx)
	}
	done, over := make(chan struct{}), make(chan struct{})
	go func() { b.hep.Run(done); close(over) }()
	err := b.edge.Serve(ctx)
	close(done)
	<-over
	return err
}

// loopbackOnly says that an ip:port can be reached from this machine only.
func loopbackOnly(s string) bool {
	at, err := netip.ParseAddrPort(s)
	return err == nil && at.Addr().IsLoopback()
}

// key reads the cluster's key, or makes it on the first start. Without a file it
// lives and dies with the process.
func (c *Config) key() (key [32]byte, err error) {
	if c.KeyFile == "" {
		_, err = rand.Read(key[:])
		return key, err
	}
	key, err = readKey(string(c.KeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return makeKey(string(c.KeyFile))
	}
	return key, err
}

// readKey reads a key file.
func readKey(name string) (key [32]byte, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return key, fmt.Errorf("reading the key: %w", err)
	}
	b, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(b) != len(key) {
		return key, fmt.Errorf("key file %s: want 64 hexadecimal digits", name)
	}
	return [32]byte(b), nil
}

// makeKey writes a new key under another name and then gives it its own: the file
// is whole or not there, and of two nodes that start at the same moment both read
// the one that came first.
func makeKey(name string) (key [32]byte, err error) {
	if _, err := rand.Read(key[:]); err != nil {
		return key, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return key, fmt.Errorf("making the key file: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".*")
	if err != nil {
		return key, fmt.Errorf("making the key file: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(hex.EncodeToString(key[:]) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return key, fmt.Errorf("writing the key file: %w", err)
	}
	if err := os.Link(f.Name(), name); errors.Is(err, fs.ErrExist) {
		return readKey(name)
	} else if err != nil {
		return key, fmt.Errorf("making the key file: %w", err)
	}
	return key, nil
}

// logger is the process's log as configured, on standard error or where out says, how to
// change its level, and what writes it.
func (c *Config) logger(out ...string) (*zap.Logger, zap.AtomicLevel, *logLines, error) {
	level, err := zap.ParseAtomicLevel(c.Log.Level)
	if err != nil {
		return nil, level, nil, err
	}
	if len(out) == 0 {
		out = []string{"stderr"}
	}
	to, _, err := zap.Open(out...)
	if err != nil {
		return nil, level, nil, err
	}
	as, encoding := zap.NewProductionEncoderConfig(), zapcore.NewJSONEncoder
	if c.Log.Format == "console" {
		as, encoding = zap.NewDevelopmentEncoderConfig(), zapcore.NewConsoleEncoder
	}
	as.TimeKey = "time"
	as.EncodeTime = func(t time.Time, e zapcore.PrimitiveArrayEncoder) {
		e.AppendString(t.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	encoder, node := encoding(as), zap.String("node", c.Node)
	written := newLogLines(to, func(lost int) []byte {
		line, err := encoder.EncodeEntry(zapcore.Entry{Level: zapcore.ErrorLevel, Time: time.Now(), Message: "lines are missing here: the log took none"}, []zapcore.Field{node, zap.Int("lines", lost)})
		if err != nil {
			return nil // no field of these fails
		}
		return line.Bytes()
	})
	core := zapcore.NewCore(encoder, written, zapcore.DebugLevel) // the gate has the level
	return gated(zap.New(core).With(node), level, c.redact()), level, written, nil
}

// discard takes records that no file is configured for; the log has their line.
type discard struct{}

// Write is b2bua.Records.
func (discard) Write(b2bua.Record) error { return nil }
