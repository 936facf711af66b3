package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// at is what a figure was measured at: so many of something, or always the same.
type at struct {
	n  int
	of string
}

var always at

func perSecond(n int) at { return at{n, "calls/s"} }
func held(n int) at      { return at{n, "held"} }
func legs(n int) at      { return at{n, "stuck legs"} }

func (a at) String() string {
	if a.of == "" {
		return ""
	}
	return grouped(float64(a.n)) + " " + a.of
}

// figure is one value; rounds are values of the same name.
type figure struct {
	system, name, unit string
	at                 at
	value              float64
}

// figures are what a run has found. All methods may be called by several goroutines.
type figures struct {
	mu      sync.Mutex
	all     []figure
	remarks []string
}

// note adds a figure.
func (f *figures) note(s *system, name, unit string, at at, value float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, figure{s.name, name, unit, at, value})
	fmt.Fprintf(os.Stderr, "%-10s %-44s %-16s %10s %s\n", s.name, name, at, grouped(value), unit)
}

// remark adds why a figure is missing.
func (f *figures) remark(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	f.remarks = append(f.remarks, text)
	fmt.Fprintln(os.Stderr, text)
}

// median of all rounds of a system's figure; false: there is none.
func (f *figures) median(system, name string, at at) (float64, bool) {
	var values []float64
	for _, g := range f.all {
		if g.system == system && g.name == name && g.at == at {
			values = append(values, g.value)
		}
	}
	if len(values) == 0 {
		return 0, false
	}
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 0 {
		return (values[half-1] + values[half]) / 2, true
	}
	return values[half], true
}

// systems are those that have figures, in the order of kinds.
func (f *figures) systems() (names []string) {
	for _, k := range kinds {
		if slices.ContainsFunc(f.all, func(g figure) bool { return g.system == k.name }) {
			names = append(names, k.name)
		}
	}
	return names
}

// ats are what a figure was measured at, from few to many.
func (f *figures) ats(name string) (all []at) {
	for _, g := range f.all {
		if g.name == name && !slices.Contains(all, g.at) {
			all = append(all, g.at)
		}
	}
	slices.SortStableFunc(all, func(a, b at) int { return a.n - b.n })
	return all
}

// names are the figures in the order in which they were found.
func (f *figures) names() (all []string) {
	for _, g := range f.all {
		if !slices.Contains(all, g.name) {
			all = append(all, g.name)
		}
	}
	return all
}

// table prints medians in Markdown, each with its ratio to the first system's; what was measured beside something, to the
// same beside the fewest.
func (f *figures) table(w io.Writer) {
	systems := f.systems()
	fmt.Fprintf(w, "| | %s |\n|---|%s\n", strings.Join(systems, " | "), strings.Repeat("---|", len(systems)))
	for _, name := range f.names() {
		for _, at := range f.ats(name) {
			label := name
			if at != always {
				label += ", " + at.String()
			}
			fmt.Fprintf(w, "| %s, %s |", label, f.unit(name))
			for i, s := range systems {
				v, ok := f.median(s, name, at)
				first, compared := 0.0, false
				if beside := strings.Contains(name, " beside "); beside && at != f.ats(name)[0] {
					first, compared = f.median(s, name, f.ats(name)[0])
				} else if !beside && i > 0 {
					first, compared = f.median(systems[0], name, at)
				}
				switch {
				case !ok:
					fmt.Fprint(w, " - |")
				case compared && first > 0:
					fmt.Fprintf(w, " %s (%.2f) |", grouped(v), v/first)
				default:
					fmt.Fprintf(w, " %s |", grouped(v))
				}
			}
			fmt.Fprintln(w)
		}
	}
	if len(systems) > 1 {
		fmt.Fprintf(w, "\nIn brackets: the ratio to %s, or of what is measured beside something, to the same system beside the fewest.\n", systems[0])
	}
	for _, r := range f.remarks {
		fmt.Fprintf(w, "\n- %s", r)
	}
	if len(f.remarks) > 0 {
		fmt.Fprintln(w)
	}
}

func (f *figures) unit(name string) string {
	for _, g := range f.all {
		if g.name == name {
			return g.unit
		}
	}
	return ""
}

// write writes all values as CSV.
func (f *figures) write(file string) error {
	lines := [][]string{{"system", "figure", "at", "of", "unit", "value"}}
	for _, g := range f.all {
		lines = append(lines, []string{g.system, g.name, strconv.Itoa(g.at.n), g.at.of, g.unit, strconv.FormatFloat(g.value, 'f', 3, 64)})
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := csv.NewWriter(out).WriteAll(lines); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return out.Close()
}

// grouped is a number to be read: what is below a hundred with a digit after the point, thousands apart.
func grouped(v float64) string {
	if v < 100 && v != float64(int(v)) {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
