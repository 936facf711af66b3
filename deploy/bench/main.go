// Command bench puts the same SIPp load on systems in turn, and compares what it costs them: on Kamailio, on Kamailio that
// hides topology with its state in Redis, on Bulkhead, on Bulkhead that stores its calls in a Redis on the same machine, and
// on one that relays media besides. deploy/bench/run builds what it needs and starts it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// bench is what a run is to do, and what it has found.
type bench struct {
	figures

	here    string // directory of the scenarios and configurations
	work    string // directory for what the run writes
	program string // the bulkhead binary

	rates     []int         // calls a second, of cpu
	rounds    int           // of cpu and stuck; of delay one less
	length    time.Duration // of a load
	beside    int           // calls a second, of delay, held and stuck
	held      []int         // calls held at once, from few to many
	fill      int           // held calls are set up at so many a second
	steps     int           // of rate
	legs      int           // that are stuck
	legRate   int           // they are begun at so many a second
	restarted int           // calls that are held through a restart

	files atomic.Int64
}

// part is something that can be measured of systems that are up.
type part struct {
	name, about string
	measure     func(*bench, context.Context, []*system) error
	fresh       bool // by systems that have carried nothing
}

var parts = []part{
	{name: "cpu", about: "processor time of a call", measure: (*bench).costs},
	{name: "held", about: "processor time of a call beside few held calls", measure: (*bench).few},
	{name: "delay", about: "what is added to INVITE and 200", measure: (*bench).added},
	// It leaves something behind, for minutes.
	{name: "rate", about: "highest rate", measure: (*bench).climb},
	{name: "held", about: "the same beside many, and their memory", measure: (*bench).many, fresh: true},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var b bench
	var systems, rates, held, chosen, out, plot, series string
	var within time.Duration
	flag.StringVar(&b.here, "here", ".", "directory of the scenarios and configurations")
	flag.StringVar(&b.work, "work", os.TempDir(), "directory to write in")
	flag.StringVar(&b.program, "program", "bulkhead", "the bulkhead binary")
	flag.StringVar(&out, "out", "bench.csv", "where the figures go")
	flag.StringVar(&plot, "plot", "bench.svg", "where the plot goes")
	flag.StringVar(&systems, "systems", "kamailio,topos,bulkhead,stored,relayed", "what to measure")
	flag.StringVar(&chosen, "parts", "cpu,delay,stuck,rate,held", "what of: these, and restart (start, restore and drain of Bulkhead)")
	flag.StringVar(&rates, "rates", "500,1500", "calls a second, of cpu")
	flag.IntVar(&b.rounds, "rounds", 3, "rounds of cpu, of which the median counts, and of stuck, which count together; of delay one less")
	flag.DurationVar(&b.length, "length", 5*time.Second, "of a load, but that beside held calls")
	flag.IntVar(&b.beside, "beside", 500, "calls a second, of delay, stuck and held")
	flag.StringVar(&held, "held", "100,10000,50000", "calls held at once")
	flag.IntVar(&b.fill, "fill", 1500, "held calls are set up at so many a second")
	flag.IntVar(&b.steps, "steps", 5, "loads by which the highest rate is found")
	flag.IntVar(&b.legs, "legs", 10000, "legs that are stuck")
	flag.IntVar(&b.legRate, "leg-rate", 2000, "they are begun at so many a second")
	flag.IntVar(&b.restarted, "restart", 100000, "calls held through a restart")
	flag.DurationVar(&within, "within", 20*time.Minute, "the run ends at the latest, with what it has")
	flag.StringVar(&series, "series", "", "measure nothing: draw this CSV of a long load")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("%q: only flags are taken", flag.Arg(0))
	}
	if series != "" {
		return drawSeries(series, plot)
	}
	var err error
	if b.rates, err = counts("-rates", rates); err != nil {
		return err
	}
	if b.held, err = counts("-held", held); err != nil {
		return err
	}
	slices.Sort(b.held)
	for name, n := range map[string]int{"-rounds": b.rounds, "-beside": b.beside, "-fill": b.fill, "-steps": b.steps, "-legs": b.legs,
		"-leg-rate": b.legRate, "-restart": b.restarted, "-length in seconds": int(b.length.Seconds())} {
		if n < 1 {
			return fmt.Errorf("%s: must be positive", name)
		}
	}
	if took := time.Duration(b.legs)*time.Second/time.Duration(b.legRate) + time.Duration(3*b.rounds)*(spread+b.length+3*time.Second); took > 3*time.Minute {
		return fmt.Errorf("-legs, -leg-rate, -length and -rounds: legs are not stuck for %v (a carrier's linger is 3 minutes)", took)
	}
	var todo []kind
	for name := range strings.SplitSeq(systems, ",") {
		k, err := kindOf(name)
		if err != nil {
			return fmt.Errorf("-systems: %w", err)
		}
		todo = append(todo, k)
	}
	names := strings.Split(chosen, ",")
	for _, name := range names {
		if name != "restart" && name != "stuck" && !slices.ContainsFunc(parts, func(p part) bool { return p.name == name }) {
			return fmt.Errorf("-parts: there is no %q", name)
		}
	}
	if err := widen(todo); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	begun := time.Now()
	err = b.measure(ctx, todo, names)
	fmt.Printf("%s, %s\n\n", begun.Format(time.DateOnly), machine())
	for _, k := range todo {
		fmt.Printf("- %s: %s\n", k.name, k.about)
	}
	fmt.Println()
	if len(b.all) > 0 {
		b.table(os.Stdout)
	}
	fmt.Printf("\ntook %s\n", time.Since(begun).Round(time.Second))
	return errors.Join(err, b.write(out), draw(plot, b.panels(b.beside)))
}

// measure does the parts that were chosen. One that fails keeps none of the others from being done.
func (b *bench) measure(ctx context.Context, kinds []kind, names []string) (err error) {
	var up []*system
	defer func() { fell(up) }()
	carried := false
	for _, p := range parts {
		if !slices.Contains(names, p.name) {
			continue
		}
		if up == nil || p.fresh && carried {
			fell(up)
			up = nil
			raised, fault := b.raise(ctx, kinds)
			if fault != nil {
				return errors.Join(err, fault)
			}
			up = raised
		}
		carried = true
		begun := time.Now()
		if fault := p.measure(b, ctx, up); fault != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", p.name, fault))
			fell(up) // nobody knows how they stand
			up = nil
		}
		fmt.Fprintf(os.Stderr, "%s: %s: %s\n", p.name, p.about, time.Since(begun).Round(time.Second))
	}
	fell(up)
	up = nil
	if slices.Contains(names, "stuck") {
		if fault := b.stuck(ctx); fault != nil {
			err = errors.Join(err, fmt.Errorf("stuck: %w", fault))
		}
	}
	if slices.Contains(names, "restart") {
		err = errors.Join(err, b.restarts(ctx, kinds))
	}
	return err
}

// counts are the numbers of a list.
func counts(key, text string) (all []int, err error) {
	for s := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(s)
		if err == nil && n < 1 {
			err = errors.New("must be positive")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", key, s, err)
		}
		all = append(all, n)
	}
	return all, nil
}
