// Command media puts the same RTP through the relay of this program and through rtpengine in user space, in turn, and
// compares processor time a packet, packets lost, added delay and memory a call. Each runs as a process of its own; the
// time is that process's (what the kernel does for it included), not that of the load.
//
//	go build -o /tmp/media ./deploy/bench/media && /tmp/media -calls 200,500 -rounds 3
//
// With -program, a whole Bulkhead is a system too, its calls made by SIP; with -sip, SIPp makes so many calls a second through
// it meanwhile. Where others are measured, a Bulkhead that relays nothing has these calls beside them.
//
//	go build -o /tmp/bulkhead ./cmd/bulkhead && /tmp/media -program /tmp/bulkhead -systems bulkhead,rtpengine -sip 300
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The addresses of the two peers and of what is between them.
const (
	peerA  = "127.0.237.1"
	peerB  = "127.0.237.2"
	middle = "127.0.237.10"
)

// options are what else a round is told.
type options struct {
	burn               int
	program, scenarios string
	work               string // a directory for files
	sip                int    // calls a second; 0: none
	sipMedia           string
}

// run is what one round has measured.
type run struct {
	sent, heard int
	cpu         time.Duration
	delays      []int32 // µs, sorted
	memory      memory  // what all calls have added
}

func (r run) perPacket() float64 { return float64(r.cpu.Nanoseconds()) / 1000 / float64(r.heard) }

func (r run) delay(share float64) float64 {
	return float64(r.delays[int(share*float64(len(r.delays)-1))]) / 1000
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "relay" {
		relayed(os.Args[2:])
		return
	}
	calls := flag.String("calls", "200,500", "calls at once")
	systems := flag.String("systems", "relay,rtpengine", "who is measured")
	length := flag.Duration("for", 10*time.Second, "length of a round")
	rounds := flag.Int("rounds", 3, "of which the median counts")
	var o options
	flag.IntVar(&o.burn, "burn", 0, "goroutines beside the relay, in its process, that are never done")
	flag.StringVar(&o.program, "program", "bulkhead", "the program that system bulkhead is, and that has SIPp's calls")
	flag.StringVar(&o.scenarios, "scenarios", "deploy/bench", "where SIPp's scenarios are")
	flag.IntVar(&o.sip, "sip", 0, "calls a second that SIPp makes meanwhile")
	flag.StringVar(&o.sipMedia, "sip-media", "bypass", "what becomes of their media, which is none: bypass or relay")
	flag.IntVar(&nice, "nice", 0, "nice value of what is measured, and of SIPp")
	flag.Parse()
	debug.SetGCPercent(-1) // the load must not stand still; a round leaves some 100 MB
	var err error
	if o.work, err = os.MkdirTemp("", "media-"); err == nil {
		defer func() { _ = os.RemoveAll(o.work) }()
		o.program, err = exec.LookPath(o.program)
		if err != nil && o.sip == 0 && !strings.Contains(*systems, "bulkhead") {
			err = nil // it is not needed
		}
	}
	if err == nil {
		o.scenarios, err = filepath.Abs(o.scenarios)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "media:", err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for _, c := range strings.Split(*calls, ",") {
		n, err := strconv.Atoi(c)
		if err == nil {
			err = compare(ctx, n, strings.Split(*systems, ","), *rounds, *length, o)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "media:", err)
			_ = os.RemoveAll(o.work)
			os.Exit(1)
		}
	}
}

// compare runs the systems in turn and prints what each has cost.
func compare(ctx context.Context, calls int, systems []string, rounds int, length time.Duration, o options) error {
	fmt.Printf("%d calls, 50 packets a second and direction, %v, burning %d, %d calls a second of SIP (%s)\n", calls, length, o.burn, o.sip, o.sipMedia)
	fmt.Printf("%-10s %12s %9s %8s %9s %9s %9s %12s %12s\n", "system", "µs/packet", "packets", "lost", "p50 ms", "p99 ms", "max ms", "user KB/call", "kernel KB/call")
	costs := map[string][]float64{}
	for range rounds {
		for _, name := range systems {
			r, err := round(ctx, name, calls, length, o)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			costs[name] = append(costs[name], r.perPacket())
			fmt.Printf("%-10s %12.2f %9d %8d %9.2f %9.2f %9.2f %12.1f %12.1f\n", name, r.perPacket(), r.heard, r.sent-r.heard,
				r.delay(.5), r.delay(.99), r.delay(1), float64(r.memory.user)/1024/float64(calls), float64(r.memory.kernel)/1024/float64(calls))
		}
	}
	for _, name := range systems {
		slices.Sort(costs[name])
		fmt.Printf("%-10s median %.2f µs a packet\n", name, costs[name][rounds/2])
	}
	if len(systems) == 2 {
		fmt.Printf("ratio of medians: %.2f\n", costs[systems[0]][rounds/2]/costs[systems[1]][rounds/2])
	}
	return nil
}

// round measures one system once.
func round(ctx context.Context, name string, calls int, length time.Duration, o options) (run, error) {
	l, err := newLoad(calls)
	if err != nil {
		return run{}, err
	}
	defer l.close()
	begin := map[string]func(context.Context, *load, options) (*system, error){"relay": beginRelay, "rtpengine": beginRTPEngine, "bulkhead": beginBulkhead}[name]
	if begin == nil {
		return run{}, fmt.Errorf("no such system")
	}
	runtime.GC()
	s, err := begin(ctx, l, o)
	if err != nil {
		return run{}, err
	}
	defer s.end()
	if o.sip > 0 {
		if name != "bulkhead" {
			beside, err := serve(ctx, o)
			if err != nil {
				return run{}, err
			}
			defer beside.end()
		}
		calls, err := call(ctx, o)
		if err != nil {
			return run{}, err
		}
		defer func() {
			calls.end()
			done, failed := o.figures()
			fmt.Printf("           SIPp: %s calls ended well, %s failed\n", done, failed)
		}()
	}
	if _, _, err := l.send(ctx, time.Second); err != nil { // latched, warm
		return run{}, err
	}
	before, err := s.cpu()
	if err != nil {
		return run{}, err
	}
	sent, delays, err := l.send(ctx, length)
	if err != nil {
		return run{}, err
	}
	after, err := s.cpu()
	if err != nil {
		return run{}, err
	}
	if len(delays) == 0 {
		return run{}, fmt.Errorf("nothing came through")
	}
	slices.Sort(delays)
	return run{sent: sent, heard: len(delays), cpu: after - before, delays: delays, memory: s.memory}, nil
}
