package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The addresses of the bench. Each system has its own, so that all can be up while they are measured in turn.
const (
	loadIP   = "127.0.1.1" // calls 1..., which sinkIP answers
	sinkIP   = "127.0.1.2"
	holderIP = "127.0.1.3" // calls 2..., which keeperIP answers, and holds them
	keeperIP = "127.0.1.4"
	deafIP   = "127.0.1.5" // refuses calls 3... of giverIP, and is deaf to every ACK
	giverIP  = "127.0.1.6"

	storePort = "6379"
)

// kind is a system that can be measured.
type kind struct {
	name, about string
	door, other string    // addresses; other is Bulkhead's other side
	storeIP     string    // empty: it has no Redis
	media       [2]string // addresses of its relay, to the caller and to the carrier; empty: it has none
	fill        int       // calls held are set up at so many a second at most; 0: as others
	most        int       // so many are held at most
	why         string    // they are
}

func (k kind) bulkhead() bool { return k.other != "" }

var kinds = []kind{
	{name: "kamailio", about: "Kamailio, record-routing and dialog", door: "127.0.1.10", most: 1e6},
	{name: "topos", about: "Kamailio, topos beside them, its state in Redis", door: "127.0.1.11", storeIP: "127.0.1.21", fill: 500, most: 10_000,
		why: "more take it too long to set up"},
	{name: "bulkhead", about: "Bulkhead, calls in memory", door: "127.0.1.12", other: "127.0.1.13", most: 1e6},
	{name: "stored", about: "Bulkhead, calls in Redis", door: "127.0.1.14", other: "127.0.1.15", storeIP: "127.0.1.22", most: 1e6},
	{name: "relayed", about: "Bulkhead, calls in Redis, media through its relay", door: "127.0.1.16", other: "127.0.1.17", storeIP: "127.0.1.23",
		media: [2]string{"127.0.1.18", "127.0.1.19"}, most: 10_000, why: "more have no ports at one address"},
}

// kindOf is the system of that name.
func kindOf(name string) (kind, error) {
	var names []string
	for _, k := range kinds {
		if k.name == name {
			return k, nil
		}
		names = append(names, k.name)
	}
	return kind{}, fmt.Errorf("no system is called %q: there are %s", name, strings.Join(names, ", "))
}

// system is what is measured, with all its processes.
type system struct {
	kind
	cmd   *exec.Cmd
	store *store // nil: it has none
	// What it and its store need of a processor while nothing is set up or ends, as a share of one.
	idle, storeIdle float64
}

// newcomer is how long a Bulkhead with a store looks for each new call there after it has taken its unit (64·T1): that
// belongs to a takeover.
const newcomer = 33 * time.Second

// raise starts systems, waits until they answer and what belongs to the start is over, and measures what they need
// at rest.
func (b *bench) raise(ctx context.Context, kinds []kind) (up []*system, err error) {
	defer func() {
		if err != nil {
			fell(up)
		}
	}()
	for _, k := range kinds {
		s, err := b.start(ctx, k)
		if err != nil {
			return up, fmt.Errorf("%s: %w", k.name, err)
		}
		up = append(up, s)
	}
	for _, s := range up {
		if err := b.first(ctx, s); err != nil {
			return up, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if err := wait(ctx, max(newcomer, over)); err != nil {
		return up, err
	}
	return up, rest(ctx, up)
}

// first has a system carry few calls, that everything has been used once: memory that they leave behind would be held
// calls' later.
func (b *bench) first(ctx context.Context, s *system) error {
	o, err := b.load(ctx, s, 50, 50, 0)
	if err == nil && o.failed > 0 {
		err = fmt.Errorf("its first calls: %s", o)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, b.said(s.kind))
	}
	return nil
}

// rest measures for a while what systems need at rest.
func rest(ctx context.Context, up []*system) error {
	var all sync.WaitGroup
	faults := make([]error, len(up))
	for i, s := range up {
		all.Go(func() { faults[i] = s.rests(ctx) })
	}
	all.Wait()
	return errors.Join(faults...)
}

// rests is rest for one.
func (s *system) rests(ctx context.Context) error {
	before, err := s.used()
	if err == nil {
		err = wait(ctx, rested)
	}
	if err != nil {
		return err
	}
	now, err := s.used()
	if err != nil {
		return err
	}
	own, store, length := now.since(before)
	s.idle, s.storeIdle = own.Seconds()/length.Seconds(), store.Seconds()/length.Seconds()
	return nil
}

// fell ends systems as they stand, with what they hold.
func fell(up []*system) {
	for _, s := range up {
		kill(s.cmd)
		s.store.stop()
	}
}

// start starts a system and returns when it answers.
func (b *bench) start(ctx context.Context, k kind) (*system, error) {
	var st *store
	if k.storeIP != "" {
		var err error
		if st, err = b.startStore(ctx, k.storeIP); err != nil {
			return nil, err
		}
	}
	s := &system{kind: k, store: st}
	if err := b.begin(ctx, s, "warn"); err != nil {
		st.stop()
		return nil, err
	}
	return s, nil
}

// begin starts a system's own process, beside a store that is there, and returns when it answers. level is of Bulkhead's log.
func (b *bench) begin(ctx context.Context, s *system, level string) error {
	if s.bulkhead() {
		// The records go beside the configuration, which must not be the repository.
		file := filepath.Join(b.work, s.name+".yaml")
		text, err := os.ReadFile(filepath.Join(b.here, "bulkhead.yaml"))
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(s.configured(string(text), level)), 0o600); err != nil {
			return err
		}
		s.cmd = exec.CommandContext(ctx, b.program, "serve", "--drain", "0s", file)
	} else {
		args := []string{"-DD", "-E", "-f", filepath.Join(b.here, "kamailio.cfg"), "-Y", b.work, "-P", filepath.Join(b.work, s.name+".pid"),
			"-m", "1024", "-M", "16"}
		if s.storeIP != "" {
			args = append(args, "-A", "WITH_TOPOS")
		}
		s.cmd = exec.CommandContext(ctx, "kamailio", args...)
	}
	log, err := os.Create(b.log(s.kind))
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = b.work, log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	if err := s.answers(ctx); err != nil {
		kill(s.cmd)
		return fmt.Errorf("%w\n%s", err, b.said(s.kind))
	}
	return nil
}

func (b *bench) log(k kind) string { return filepath.Join(b.work, k.name+".log") }

// said is what a system has logged: the reason that it does not answer, if it gave one.
func (b *bench) said(k kind) []byte {
	text, _ := os.ReadFile(b.log(k))
	return text
}

// configured is Bulkhead's configuration.
func (s *system) configured(text, level string) string {
	media := "{mode: bypass}"
	if s.media[0] != "" {
		// Nobody talks in these calls: what media costs, deploy/bench/media measures.
		media = "{mode: relay, relay: {ports: 2000-65535, timeout: 1h}}"
	}
	for _, ip := range s.media {
		if ip == "" {
			break
		}
		text = strings.Replace(text, `:5060"]}`, fmt.Sprintf(`:5060"], media: %s}`, ip), 1)
	}
	text = os.Expand(text, func(key string) string {
		return map[string]string{"name": s.name, "door": s.door, "other": s.other, "media": media, "level": level}[key]
	})
	if s.storeIP != "" {
		text += fmt.Sprintf("state: {redis: {addresses: [%q]}}\n", net.JoinHostPort(s.storeIP, storePort))
	}
	return text
}

// answers asks with OPTIONS, as the load, until anything comes back.
func (s *system) answers(ctx context.Context) error {
	conn, err := net.ListenPacket("udp", loadIP+":0")
	if err != nil {
		return err
	}
	defer conn.Close()
	request := []byte(strings.Join([]string{
		"OPTIONS sip:" + s.door + " SIP/2.0",
		"Via: SIP/2.0/UDP " + conn.LocalAddr().String() + ";branch=z9hG4bKready",
		"Max-Forwards: 70", "From: <sip:ready@" + loadIP + ">;tag=ready", "To: <sip:" + s.door + ">",
		"Call-ID: ready", "CSeq: 1 OPTIONS", "Content-Length: 0", "", "",
	}, "\r\n"))
	door := net.UDPAddr{IP: net.ParseIP(s.door), Port: 5060}
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; {
		if _, err := conn.WriteTo(request, &door); err != nil {
			return err
		}
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			return err
		}
		if _, _, err := conn.ReadFrom(make([]byte, 4096)); err == nil {
			return nil
		}
	}
	return errors.New("it does not answer")
}

// calm waits until what loads have left to do is done: no system needs more than a twentieth of a processor, or
// 64·T1 are over.
func calm(ctx context.Context, up []*system) error {
	const look, most = 500 * time.Millisecond, .05
	for begun := time.Now(); ; {
		before := make([]used, len(up))
		var err error
		for i, s := range up {
			if before[i], err = s.used(); err != nil {
				return err
			}
		}
		if err := wait(ctx, look); err != nil {
			return err
		}
		busy := false
		for i, s := range up {
			now, err := s.used()
			if err != nil {
				return err
			}
			own, store, length := now.since(before[i])
			busy = busy || (own+store).Seconds()/length.Seconds() > most+s.idle+s.storeIdle
		}
		if !busy || time.Since(begun) > newcomer {
			return nil
		}
	}
}

// kill ends a process group at once.
func kill(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // ended already: nothing to end
	_ = cmd.Wait()                                      // how it ends is not measured
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
