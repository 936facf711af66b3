package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bulkhead/b2bua"
)

func cdrReconcileCommand() *cobra.Command {
	v := invoice{columns: [3]string{"began", "number", "duration"}, zone: "UTC"}
	within, tolerance, rounding := 30*time.Second, 1.0, 1.0
	var carrier, zone string
	c := &cobra.Command{
		Use:   "reconcile --carrier NAME INVOICE.csv FILE...",
		Short: "Find the differences between a carrier's bill and the records",
		Long: "Compare a carrier's itemised bill with the answered calls of the records. INVOICE.csv has a\n" +
			"head line; three of its columns say when a call was answered, the number that was dialled,\n" +
			"and for how many seconds it is billed. A line of the bill and a call belong together when\n" +
			"their numbers are the same but for a leading + or 00, and their times are near; the nearest\n" +
			"ones are joined first. The exit status is 1 where something differs.",
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if carrier == "" {
				return errors.New("--carrier is needed: whose bill is it?")
			}
			v.zone = zone
			b := newBar(cmd.ErrOrStderr(), "reading the bill", sizeOf(args[0]), true)
			billed, err := v.read(args[0], b)
			b.done()
			if err != nil {
				return err
			}
			var calls []answered
			if err := eachRecord(cmd.ErrOrStderr(), true, args[1:], func(r b2bua.Record) error {
				calls = append(calls, answeredBy(r, carrier)...)
				return nil
			}); err != nil {
				return err
			}
			d := reconcile(billed, calls, within, tolerance, rounding)
			if d.print(cmd.OutOrStdout()) {
				return errors.New("the bill and the records differ")
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&carrier, "carrier", "", "whose bill it is")
	f.StringVar(&v.columns[0], "time-column", v.columns[0], "column of the time of the answer")
	f.StringVar(&v.columns[1], "number-column", v.columns[1], "column of the number dialled")
	f.StringVar(&v.columns[2], "duration-column", v.columns[2], "column of the seconds that are billed")
	f.StringVar(&zone, "zone", "UTC", "time zone of times that name none")
	f.DurationVar(&within, "within", within, "how far the two times may be apart")
	f.Float64Var(&tolerance, "tolerance", tolerance, "how many seconds the durations may differ")
	f.Float64Var(&rounding, "rounding", rounding, "the carrier bills full intervals of so many seconds")
	return c
}

// invoice is how to read a bill.
type invoice struct {
	columns [3]string // time, number, duration
	zone    string
}

// billedCall is a line of a bill.
type billedCall struct {
	line    int
	at      time.Time
	number  string
	seconds float64
}

// read reads a bill; the error names every line that cannot be read.
func (v invoice) read(name string, b *bar) ([]billedCall, error) {
	zone, err := time.LoadLocation(v.zone)
	if err != nil {
		return nil, fmt.Errorf("--zone: %w", err)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the bill: %w", err)
	}
	defer f.Close()
	rows := csv.NewReader(io.TeeReader(f, b))
	rows.TrimLeadingSpace = true
	head, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: no head line: %w", name, err)
	}
	head[0] = strings.TrimPrefix(head[0], "\ufeff") // as spreadsheets begin a file
	var at [3]int
	for i, column := range v.columns {
		at[i] = slices.IndexFunc(head, func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), column) })
		if at[i] < 0 {
			return nil, fmt.Errorf("%s:1: there is no column %q; there are: %s", name, column, strings.Join(head, ", "))
		}
	}
	var list []billedCall
	var faults []error
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return list, errors.Join(faults...)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		line, _ := rows.FieldPos(0)
		when, err := moment(row[at[0]], zone)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", name, line, err))
		}
		seconds, err := strconv.ParseFloat(strings.TrimSpace(row[at[2]]), 64)
		if err != nil || seconds < 0 || math.IsInf(seconds, 0) || math.IsNaN(seconds) {
			faults = append(faults, fmt.Errorf("%s:%d: %q is no number of seconds", name, line, row[at[2]]))
		}
		list = append(list, billedCall{line, when, dialled(row[at[1]]), seconds})
	}
}

// moment reads a time as bills write it.
func moment(s string, zone *time.Location) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "02.01.2006 15:04:05", "02/01/2006 15:04:05"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time, such as 2026-11-26 20:49:07 or 2026-11-26T20:49:07Z", s)
}

// dialled is a number without what is written in one of two ways.
func dialled(s string) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -./()", r) {
			return -1
		}
		return r
	}, s)
	if rest, plus := strings.CutPrefix(s, "+"); plus {
		return rest
	}
	return strings.TrimPrefix(s, "00")
}

// answered is an attempt that a carrier may bill.
type answered struct {
	call    string
	at      time.Time
	number  string
	seconds float64
	late    bool // it answered after it had been given up, and was hung up on at once
}

// answeredBy lists what a carrier may bill of a call.
func answeredBy(r b2bua.Record, carrier string) (list []answered) {
	for i, a := range r.Attempts {
		if a.Carrier != carrier {
			continue
		}
		one := answered{call: r.Call, at: a.Final, number: dialled(a.Number), late: a.Late}
		switch {
		case a.Late:
		case a.Code/100 == 2 && !r.Answered.IsZero() && i == len(r.Attempts)-1:
			one.seconds = r.Duration
			if a.Final.IsZero() {
				one.at = r.Answered
			}
		default:
			continue
		}
		list = append(list, one)
	}
	return list
}

// discrepancies are what a bill and the records do not have in common.
type discrepancies struct {
	billed, ours int // lines, calls
	seconds      [2]float64
	unknown      []billedCall // billed, and no call of ours
	missing      []answered   // calls that are not billed
	other        []joined     // whose durations differ
	late         []joined     // billed, though we had given them up
}

// joined is a line and a call that belong together.
type joined struct {
	line billedCall
	call answered
}

// reconcile joins the lines of a bill and the calls of the records, the nearest in time
// first, and says where they differ.
func reconcile(billed []billedCall, calls []answered, within time.Duration, tolerance, rounding float64) discrepancies {
	d := discrepancies{billed: len(billed), ours: len(calls)}
	byNumber := map[string][]int{}
	for i, c := range calls {
		byNumber[c.number] = append(byNumber[c.number], i)
		d.seconds[1] += c.seconds
	}
	type pair struct {
		line, call int
		apart      time.Duration
	}
	var pairs []pair
	for i, b := range billed {
		d.seconds[0] += b.seconds
		for _, j := range byNumber[b.number] {
			if apart := b.at.Sub(calls[j].at).Abs(); apart <= within {
				pairs = append(pairs, pair{i, j, apart})
			}
		}
	}
	sort.SliceStable(pairs, func(i, j int) bool { return pairs[i].apart < pairs[j].apart })
	lineOf, callOf := map[int]int{}, map[int]int{}
	for _, p := range pairs {
		_, usedLine := callOf[p.line]
		_, usedCall := lineOf[p.call]
		if !usedLine && !usedCall {
			callOf[p.line], lineOf[p.call] = p.call, p.line
		}
	}
	for i, b := range billed {
		j, ok := callOf[i]
		switch {
		case !ok:
			d.unknown = append(d.unknown, b)
		case calls[j].late:
			d.late = append(d.late, joined{b, calls[j]})
		case math.Abs(b.seconds-math.Ceil(calls[j].seconds/rounding)*rounding) > tolerance && math.Abs(b.seconds-calls[j].seconds) > tolerance:
			d.other = append(d.other, joined{b, calls[j]})
		}
	}
	for j, c := range calls {
		if _, ok := lineOf[j]; !ok && !c.late { // that a late one is not billed is as it should be
			d.missing = append(d.missing, c)
		}
	}
	return d
}

// print writes them, and says whether there are any.
func (d discrepancies) print(w io.Writer) bool {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(t, strings.Join(cells, "\t")) }
	line := func(b billedCall) string { return strconv.Itoa(b.line) }
	row("WHAT", "LINE", "CALL", "NUMBER", "TIME", "BILLED", "OURS")
	for _, b := range d.unknown {
		row("billed, not ours", line(b), "", b.number, utc(b.at), seconds(b.seconds), "")
	}
	for _, j := range d.late {
		row("billed, given up before", line(j.line), j.call.call, j.line.number, utc(j.line.at), seconds(j.line.seconds), seconds(0))
	}
	for _, j := range d.other {
		row("duration differs", line(j.line), j.call.call, j.line.number, utc(j.line.at), seconds(j.line.seconds), seconds(j.call.seconds))
	}
	for _, c := range d.missing {
		row("ours, not billed", "", c.call, c.number, utc(c.at), "", seconds(c.seconds))
	}
	_ = t.Flush() // the writer tells at its next use
	fmt.Fprintf(w, "%d lines with %s s are billed, %d calls with %s s are ours\n", d.billed, seconds(d.seconds[0]), d.ours, seconds(d.seconds[1]))
	return len(d.unknown)+len(d.late)+len(d.other)+len(d.missing) > 0
}
