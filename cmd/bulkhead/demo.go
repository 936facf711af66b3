package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/dialog"
)

func demoCommand() *cobra.Command {
	var fast, stay bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show a call past a misbehaving carrier, on loopback",
		Long: "Run Bulkhead on loopback with a caller and two carriers. The first one, tc1, rings\n" +
			"and never answers; cancelled, it repeats its 487 and is deaf to every ACK. The\n" +
			"second one, tc2, answers under another number. Every message is printed, then the\n" +
			"call's record, then a verdict drawn from what each party received. Fails if a\n" +
			"promise broke.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			scale := time.Duration(1)
			if fast {
				scale = 10
			}
			return runDemo(cmd.OutOrStdout(), scale, stay)
		},
	}
	c.Flags().BoolVar(&fast, "fast", false, "all timers ten times as fast: a few seconds instead of minutes")
	c.Flags().BoolVar(&stay, "stay", false, "stay up after the verdict, for a softphone or SIPp of yours")
	return c
}

// demo is the cast of the founding failure.
type demo struct {
	out              io.Writer
	scale            time.Duration
	caller, tc1, tc2 *peer
	sbc              netip.AddrPort // where the caller calls
	live             runningLadder
	journal          b2bua.Journal
	records          demoRecords
	ended            chan struct{} // tc1 has repeated its last 487
	repeats          int           // 487s that tc1 has sent
}

// demoRecords keeps what a record file would.
type demoRecords struct {
	mu   sync.Mutex
	list []b2bua.Record
	told chan struct{}
}

// Write is b2bua.Records.
func (r *demoRecords) Write(rec b2bua.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, rec)
	close(r.told)
	r.told = make(chan struct{})
	return nil
}

// first waits for the first record.
func (r *demoRecords) first(limit time.Duration) (b2bua.Record, bool) {
	timeout := time.After(limit)
	for {
		r.mu.Lock()
		list, told := r.list, r.told
		r.mu.Unlock()
		if len(list) > 0 {
			return list[0], true
		}
		select {
		case <-told:
		case <-timeout:
			return b2bua.Record{}, false
		}
	}
}

// seconds is a time of the story, at the speed of this run.
func (d *demo) seconds(s float64) time.Duration {
	return time.Duration(s*float64(time.Second)) / d.scale
}

func runDemo(out io.Writer, scale time.Duration, stay bool) error {
	d := &demo{out: out, scale: scale, ended: make(chan struct{}), records: demoRecords{told: make(chan struct{})}}
	t1 := d.seconds(0.5)
	var err error
	for _, p := range []struct {
		peer          **peer
		name, address string
	}{{&d.caller, "caller", "127.0.11.5"}, {&d.tc1, "tc1", "127.0.21.1"}, {&d.tc2, "tc2", "127.0.22.1"}} {
		if *p.peer, err = newPeer(p.name, netip.AddrPortFrom(netip.MustParseAddr(p.address), 0), t1); err != nil {
			return err
		}
		defer (*p.peer).conn.Close()
	}
	config, err := d.config()
	if err != nil {
		return err
	}
	d.live.out, d.journal.Keep = out, time.Hour
	d.live.ladder = ops.Ladder{
		Trunk: ops.Party{Name: "caller", Number: "+33123456789"},
		Legs:  []ops.Party{{Name: "tc1", Number: "+33123456789"}, {Name: "tc2", Number: "+33789456"}},
	}
	var key [32]byte
	b, err := openBorder(config, key, &d.records, zap.NewNop(), b2bua.NewMetrics(prometheus.NewRegistry()), b2bua.Observers{&d.journal}, &d.live)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- b.run(ctx) }()
	defer func() {
		stop()
		if err := errors.Join(<-served, b.edge.Close()); err != nil {
			fmt.Fprintln(out, "demo:", err)
		}
	}()
	go d.tc1.serve(d.deaf)
	go d.tc2.serve(d.answering)
	go d.caller.serve(func(message) {})

	fmt.Fprintf(out, "Bulkhead listens for the caller at %s; timers at %d times the speed of RFC 3261.\n", d.sbc, scale)
	fmt.Fprintf(out, "✱ marks what was absorbed on its own leg.\n\n")
	d.live.ladder.Began = time.Now()
	fmt.Fprintln(out, d.live.ladder.Head())
	story := d.play()
	rec, ok := d.records.first(d.seconds(40))
	d.live.done()
	if story != nil {
		return story
	}
	if !ok {
		return errors.New("demo: the call left no record")
	}
	text, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nThe call's record:\n%s\n\n", text)
	d.tell(rec)
	broken := d.verdict(rec)
	if stay {
		fmt.Fprintf(out, "\nStill up. Call sip:+33123456789@%s from 127.0.11.0/24 (tc1 fails, tc2 answers); Ctrl-C ends.\n", d.sbc)
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		<-signals
	}
	if broken > 0 {
		return fmt.Errorf("demo: %d promises broke", broken)
	}
	return nil
}

// tell shows the call once more as operators see it afterwards.
func (d *demo) tell(rec b2bua.Record) {
	id, _ := dialog.ParseCallID(rec.Call)
	if account, ok := d.journal.Call(id, rec.Ended); ok {
		fmt.Fprintf(d.out, "The same ladder, repeats folded:\n%s\n", ops.NewLadder(account, rec).Text())
	}
	fmt.Fprintln(d.out, "Why it went so:")
	for _, sentence := range ops.Why(rec) {
		fmt.Fprintln(d.out, "  "+sentence)
	}
	fmt.Fprintln(d.out)
}

// config is an operator's file, with free ports of this machine.
func (d *demo) config() (*Config, error) {
	var ports [2]uint16
	for i, address := range []string{"127.0.10.1", "127.0.20.1"} {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 0)))
		if err != nil {
			return nil, fmt.Errorf("demo: looking for a free port: %w", err)
		}
		ports[i] = conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		conn.Close()
	}
	d.sbc = netip.AddrPortFrom(netip.MustParseAddr("127.0.10.1"), ports[0])
	text := fmt.Sprintf(`
realms:
  core: {listen: [udp://127.0.10.1:%d]}
  peering: {listen: [udp://127.0.20.1:%d]}
trunks:
  pbx: {realm: core, from: [127.0.11.0/24]}
carriers:
  tc1: {realm: peering, gateways: [{address: "%s"}], timers: {no_answer: %s}, linger: 3m}
  tc2: {realm: peering, gateways: [{address: "%s"}]}
routes:
  - match: {number: "+33123*"}
    targets: [{carrier: tc1}, {carrier: tc2, number: "+33789456"}]
timers: {t1: %s, t2: %s, t4: %s}
media: {mode: bypass} # nobody speaks
`, ports[0], ports[1], d.tc1.address(), d.seconds(10), d.tc2.address(), d.seconds(0.5), d.seconds(4), d.seconds(5))
	config, _, err := parse("demo.yaml", []byte(text), "demo")
	return config, err
}

// deaf is tc1: it rings, and once cancelled says 487 again and again, whatever
// ACK it gets, for 90 s of the story.
func (d *demo) deaf(m message) {
	switch {
	case is("INVITE")(m):
		if d.tc1.count(func(o message) bool { return is("INVITE")(o) && o.line("Via") == m.line("Via") }) > 1 {
			return // a repeat
		}
		d.tc1.send(m.from, d.tc1.reply(m, 100, "Trying", ""))
		time.AfterFunc(d.seconds(0.3), func() { d.tc1.send(m.from, d.tc1.reply(m, 180, "Ringing", "")) })
	case is("CANCEL")(m):
		d.tc1.send(m.from, d.tc1.reply(m, 200, "OK", ""))
		invite, ok := d.tc1.await(0, func(o message) bool {
			return is("INVITE")(o) && o.line("Call-ID") == m.line("Call-ID")
		})
		if ok {
			go d.repeat(d.tc1.reply(invite, 487, "Request Terminated", ""), m.from)
		}
	}
}

// repeat sends a 487 at intervals of T1 doubling to T2.
func (d *demo) repeat(text string, to netip.AddrPort) {
	wait, began := d.tc1.t1, time.Now()
	n := 0
	for time.Since(began) < d.seconds(90) {
		d.tc1.send(to, text)
		n++
		<-time.After(wait)
		wait = min(2*wait, d.seconds(4))
	}
	d.tc1.mu.Lock()
	defer d.tc1.mu.Unlock()
	if d.repeats == 0 {
		d.repeats = n
		close(d.ended)
	}
}

// answering is tc2.
func (d *demo) answering(m message) {
	switch {
	case is("INVITE")(m):
		d.tc2.send(m.from, d.tc2.reply(m, 100, "Trying", ""))
		d.tc2.send(m.from, d.tc2.reply(m, 180, "Ringing", ""))
		time.AfterFunc(d.seconds(2), func() { d.tc2.send(m.from, d.tc2.reply(m, 200, "OK", d.tc2.describe(30000))) })
	case is("BYE")(m):
		d.tc2.send(m.from, d.tc2.reply(m, 200, "OK", ""))
	}
}

// play is the caller: it calls, acknowledges, and hangs up once tc1 has fallen
// silent.
func (d *demo) play() error {
	me := d.caller.address().String()
	const branch, tag, id = "z9hG4bKdemo", "caller", "demo-call@127.0.11.5"
	head := func(branch, to string, cseq string) []string {
		return []string{
			"Via: SIP/2.0/UDP " + me + ";branch=" + branch, "Max-Forwards: 70",
			"From: \"Alice\" <sip:+33612345678@" + me + ">;tag=" + tag, "To: " + to,
			"Call-ID: " + id, "CSeq: " + cseq, "Contact: <sip:alice@" + me + ">",
		}
	}
	called := "sip:+33123456789@" + d.sbc.String()
	d.caller.send(d.sbc, compose("INVITE "+called+" SIP/2.0", head(branch, "<"+called+">", "1 INVITE"), d.caller.describe(20000)))
	ok, found := d.caller.await(d.seconds(30), answers("INVITE", 200, 699))
	if !found {
		return errors.New("demo: the caller heard no final response")
	}
	if ok.code() != 200 {
		return fmt.Errorf("demo: the caller heard %d", ok.code())
	}
	target, err := netip.ParseAddrPort(strings.TrimPrefix(ok.uri("Contact"), "sip:"))
	if err != nil {
		return fmt.Errorf("demo: the 200 has a Contact that cannot be used: %w", err)
	}
	d.caller.send(target, compose("ACK "+ok.uri("Contact")+" SIP/2.0", head(branch+"ack", ok.line("To"), "1 ACK"), ""))
	<-d.ended
	<-time.After(d.seconds(1))
	d.caller.send(target, compose("BYE "+ok.uri("Contact")+" SIP/2.0", head(branch+"bye", ok.line("To"), "2 BYE"), ""))
	if _, found := d.caller.await(d.seconds(10), answers("BYE", 200, 200)); !found {
		return errors.New("demo: the caller's BYE was not answered")
	}
	return nil
}

// verdict holds each promise against what the parties received.
func (d *demo) verdict(rec b2bua.Record) (broken int) {
	check := func(good bool, format string, a ...any) {
		mark := "ok    "
		if !good {
			mark = "BROKEN"
			broken++
		}
		fmt.Fprintf(d.out, "%s  %s\n", mark, fmt.Sprintf(format, a...))
	}
	finals := d.caller.count(answers("INVITE", 200, 699))
	check(finals == 1, "the caller heard %d final response to its INVITE, and it is the 200 of tc2", finals)
	strange := d.tc2.count(func(m message) bool { return !is("INVITE")(m) && !is("ACK")(m) && !is("BYE")(m) })
	check(strange == 0, "tc2 received nothing but its own INVITE, ACK and BYE (%d other messages)", strange)
	acks := d.tc1.count(is("ACK"))
	check(acks == d.repeats, "tc1 repeated its 487 %d times and got %d ACKs", d.repeats, acks)
	cancels := d.tc1.count(is("CANCEL"))
	check(cancels == 1, "tc1 got %d CANCEL", cancels)
	check(d.tc2.count(is("BYE")) == 1 && rec.EndedBy == "trunk", "the call lasted until the caller hung up: %.1f s", rec.Duration)
	check(d.caller.count(is("BYE")) == 0, "the caller was not hung up on")
	check(len(rec.Attempts) == 2 && rec.Attempts[0].Carrier == "tc1" && rec.Attempts[0].Cause == "no_answer" &&
		rec.Attempts[1].Carrier == "tc2" && rec.Attempts[1].Number == "+33789456", "the record lists both attempts, with the number that each was asked for")
	check(len(rec.Attempts) > 0 && rec.Attempts[0].Absorbed == d.repeats-1,
		"it counts what tc1's leg absorbed: %d repeats of the 487", d.repeats-1)
	return broken
}
