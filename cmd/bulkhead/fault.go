package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// position is a place in the configuration file; lines and columns count from 1,
// columns in characters.
type position struct{ line, column int }

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.line, q.line), cmp.Compare(p.column, q.column))
}

// keyPath is the way to a key from the top of the file: {"trunks", "pbx",
// "from", "[0]"}.
type keyPath []string

// with never shares memory with another path.
func (p keyPath) with(key string) keyPath { return append(slices.Clip(p), key) }

func (p keyPath) item(i int) keyPath { return p.with("[" + strconv.Itoa(i) + "]") }

// String is how people and package carriers write the path: trunks.pbx.from[0].
func (p keyPath) String() string {
	var b strings.Builder
	for i, key := range p {
		if i > 0 && !strings.HasPrefix(key, "[") {
			b.WriteByte('.')
		}
		b.WriteString(key)
	}
	return b.String()
}

// Fault is something that cannot stand in the configuration.
type Fault struct {
	File         string
	Line, Column int
	Path         string // empty: the file as a whole
	Message      string
}

// String is one line for an operator and his editor.
func (f Fault) String() string {
	where := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Path != "" {
		where += f.Path + ": "
	}
	return where + f.Message
}

// Faults is why a configuration is refused: everything that is wrong with it, in
// the order of the file, and in the files that it names.
type Faults []Fault

// Error is a line for each fault.
func (f Faults) Error() string {
	lines := make([]string, 0, len(f))
	for _, fault := range f {
		lines = append(lines, fault.String())
	}
	return strings.Join(lines, "\n")
}

// orNil is no error where there is no fault.
func (f Faults) orNil() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

// sorted puts the faults into the order of the files, and leaves out what is said
// twice.
func (f Faults) sorted() Faults {
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			position{a.Line, a.Column}.compare(position{b.Line, b.Column}),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(f)
}

// Warning is something that may stand in the configuration, and yet is not as it should be:
// a key that does nothing yet, a secret that everybody can read.
type Warning struct {
	File         string
	Line, Column int
	Path         string
	Message      string
}

// String is one line for an operator and his editor.
func (w Warning) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s", w.File, w.Line, w.Column, w.Path, w.Message)
}
