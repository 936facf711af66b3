// Command bench puts the same SIPp load on systems in turn and compares processor time
// a call, memory a held call and added delay: on Kamailio, on Bulkhead, and on Bulkhead
// that stores its calls in a Redis on the same machine. deploy/bench/run builds what it
// needs and starts it.
package main

import (
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bench is what a run is to do.
type bench struct {
	here    string // directory of the scenarios and configurations
	work    string // directory for what the run writes
	program string // the bulkhead binary
	out     string // CSV file
	rates   []int  // calls a second
	calls   int    // at each rate
	held    int    // calls held at once for the memory figure
	rounds  int    // of which the median counts
	delays  bool   // capture, and measure what is added to each call's setup
}

// row is one figure.
type row struct {
	system, figure, unit string
	value                float64
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	var b bench
	var systems, rates string
	flag.StringVar(&b.here, "here", ".", "directory of the scenarios and configurations")
	flag.StringVar(&b.work, "work", os.TempDir(), "directory to write in")
	flag.StringVar(&b.program, "program", "bulkhead", "the bulkhead binary")
	flag.StringVar(&b.out, "out", "bench.csv", "where the figures go")
	flag.StringVar(&systems, "systems", "kamailio,bulkhead", "what to measure: kamailio, bulkhead, stored (bulkhead with Redis)")
	flag.StringVar(&rates, "rates", "500,1500", "calls a second")
	flag.IntVar(&b.calls, "calls", 20000, "calls at each rate")
	flag.IntVar(&b.held, "held", 10000, "calls held at once for the memory figure; 0: skip it")
	flag.IntVar(&b.rounds, "rounds", 1, "rounds of which the median counts")
	flag.BoolVar(&b.delays, "delays", true, "measure the delays too")
	flag.Parse()
	for text := range strings.SplitSeq(rates, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("-rates: %w", err)
		}
		b.rates = append(b.rates, n)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	names := strings.Split(systems, ",")
	var rows []row
	for _, name := range names {
		more, err := b.measure(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, more...)
	}
	printTable(names, rows)
	return b.write(rows)
}

// measure is every figure of one system.
func (b *bench) measure(ctx context.Context, name string) ([]row, error) {
	var rows []row
	for _, rate := range b.rates {
		var costs, stores []float64
		for range b.rounds {
			cost, stored, err := b.cost(ctx, name, rate)
			if err != nil {
				return nil, fmt.Errorf("at %d calls/s: %w", rate, err)
			}
			costs, stores = append(costs, cost), append(stores, stored)
		}
		rows = append(rows, row{name, fmt.Sprintf("CPU a call at %d/s", rate), "µs", median(costs)},
			row{name, fmt.Sprintf("CPU a call of Redis at %d/s", rate), "µs", median(stores)})
	}
	if b.held > 0 {
		kib, err := b.memory(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("holding %d calls: %w", b.held, err)
		}
		rows = append(rows, row{name, "memory a held call", "KiB", kib})
	}
	if !b.delays {
		return rows, nil
	}
	delays, err := b.delay(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("capturing: %w", err)
	}
	return append(rows, delays...), nil
}

// warm is how many calls a system sees before it is measured.
const warm = 1000

// cost is the processor time of a call in the system, and in its store, in µs.
func (b *bench) cost(ctx context.Context, name string, rate int) (own, stored float64, err error) {
	s, err := b.start(ctx, name)
	if err != nil {
		return 0, 0, err
	}
	defer s.stop()
	if err := b.load(ctx, rate, warm, time.Second); err != nil {
		return 0, 0, fmt.Errorf("warming up: %w", err)
	}
	groups := []*exec.Cmd{s.cmd}
	if s.store != nil {
		groups = append(groups, s.store.cmd)
	}
	var spent [2]time.Duration
	count := func(sign time.Duration) error {
		for i, g := range groups {
			t, err := processorTime(g)
			if err != nil {
				return err
			}
			spent[i] += sign * t
		}
		return nil
	}
	if err := count(-1); err != nil {
		return 0, 0, err
	}
	if err := b.load(ctx, rate, b.calls, time.Second); err != nil {
		return 0, 0, err
	}
	if err := count(1); err != nil {
		return 0, 0, err
	}
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(b.calls) }
	return each(spent[0]), each(spent[1]), nil
}

// memory is the growth of the proportional set size by a held call, in KiB. It is
// looked at when the transactions that set the calls up are over.
func (b *bench) memory(ctx context.Context, name string) (float64, error) {
	// Few calls before: memory that they leave behind would be held calls' later.
	const rate, few, settle = 500, 100, 40 * time.Second
	s, err := b.start(ctx, name)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	if err := b.load(ctx, rate, few, 0); err != nil {
		return 0, fmt.Errorf("warming up: %w", err)
	}
	if err := wait(ctx, settle); err != nil {
		return 0, err
	}
	before, err := s.proportional()
	if err != nil {
		return 0, err
	}
	setUp := time.Duration(b.held/rate) * time.Second
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- b.load(ctx, rate, b.held, setUp+settle+20*time.Second) }()
	if err := wait(ctx, setUp+settle); err != nil {
		return 0, err
	}
	after, err := s.proportional()
	if err != nil {
		return 0, err
	}
	if err := <-ended; err != nil {
		return 0, err
	}
	return float64(after-before) / 1024 / float64(b.held), nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

func printTable(systems []string, rows []row) {
	fmt.Printf("%-34s", "")
	for _, s := range systems {
		fmt.Printf("%12s", s)
	}
	if len(systems) == 2 {
		fmt.Printf("%12s", "ratio")
	}
	fmt.Println()
	var figures []row
	for _, r := range rows {
		if r.system == systems[0] {
			figures = append(figures, r)
		}
	}
	for _, f := range figures {
		fmt.Printf("%-34s", f.figure+", "+f.unit)
		var values []float64
		for _, s := range systems {
			for _, r := range rows {
				if r.system == s && r.figure == f.figure {
					values = append(values, r.value)
					fmt.Printf("%12.1f", r.value)
				}
			}
		}
		if len(values) == 2 && values[0] > 0 {
			fmt.Printf("%12.2f", values[1]/values[0])
		}
		fmt.Println()
	}
}

func (b *bench) write(rows []row) error {
	f, err := os.Create(b.out)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	lines := [][]string{{"system", "figure", "unit", "value"}}
	for _, r := range rows {
		lines = append(lines, []string{r.system, r.figure, r.unit, strconv.FormatFloat(r.value, 'f', 2, 64)})
	}
	if err := w.WriteAll(lines); err != nil {
		return fmt.Errorf("writing %s: %w", b.out, err)
	}
	return f.Close()
}
