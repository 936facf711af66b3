package dialog

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// figuresDrawn are the figures as the RFC names them, in the order of tables.go.
var figuresDrawn = []struct {
	name   string
	arrows []arrow
	inputs []input
}{
	{"INVITE client (RFC 3261 figure 5, RFC 6026 §7.2)", inviteClientFigure, []input{got1xx, got2xx, got3to6, timerRepeat, timerEnd, unsent}},
	{"Client (RFC 3261 figure 6)", clientFigure, []input{got1xx, gotFinal, timerRepeat, timerEnd, unsent, moot}},
	{"INVITE server (RFC 3261 figure 7, RFC 6026 §7.1)", inviteServerFigure, []input{gotRequest, gotACK, tell1xx, tell2xx, tell3to6, timerRepeat, timerEnd}},
	{"Server (RFC 3261 figure 8)", serverFigure, []input{gotRequest, tellFinal, timerEnd}},
	{"Reliable provisional (RFC 3262 §3)", reliableFigure, []input{gotPRACK, tellFinal, timerRepeat, timerEnd}},
}

var inputNames = [inputs]string{
	"1xx", "2xx", "300-699", "final", "the request", "ACK", "we say 1xx", "we say 2xx", "we say 300-699", "we say final",
	"time to repeat", "time is over", "not sent", "INVITE is over", "PRACK",
}

// tables prints each figure as states against inputs: what is done, and where it
// leads where that is another state. A dot is an input that changes nothing and is
// counted.
func tables() string {
	var b strings.Builder
	for _, f := range figuresDrawn {
		fmt.Fprintf(&b, "%s\n\n| |", f.name)
		for _, on := range f.inputs {
			fmt.Fprintf(&b, " %s |", inputNames[on])
		}
		b.WriteString("\n|---|" + strings.Repeat("---|", len(f.inputs)) + "\n")
		var seen [states]bool
		for _, a := range f.arrows {
			if seen[a.in] {
				continue
			}
			seen[a.in] = true
			fmt.Fprintf(&b, "| **%s** |", a.in)
			for _, on := range f.inputs {
				fmt.Fprintf(&b, " %s |", cell(f.arrows, a.in, on))
			}
			b.WriteString("\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func cell(arrows []arrow, in state, on input) string {
	for _, a := range arrows {
		if a.in != in || a.on != on {
			continue
		}
		var s []string
		if a.do != nil {
			name := runtime.FuncForPC(reflect.ValueOf(a.do).Pointer()).Name()
			s = append(s, name[strings.LastIndexByte(name, '.')+1:])
		}
		if a.next != a.in {
			s = append(s, "→ "+a.next.String())
		}
		if s == nil {
			return "stay"
		}
		return strings.Join(s, " ")
	}
	return "·"
}

// TestTables holds the printed tables, and those in DESIGN.md, to the code.
func TestTables(t *testing.T) {
	const begin, end = "<!-- tables: printed by go test ./dialog -run TestTables -update -->\n", "<!-- end of tables -->\n"
	design, err := os.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(design), begin)
	_, after, whole := strings.Cut(rest, end)
	if !ok || !whole {
		t.Fatal("DESIGN.md has no place for the tables")
	}
	for name, want := range map[string]string{
		"testdata/tables.golden": tables(),
		"DESIGN.md":              before + begin + "\n" + tables() + end + after,
	} {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s (%v) does not say what the tables are: run with -update\n%s", name, err, want)
		}
	}
}

// TestFigures holds the figures to what every state machine must have.
func TestFigures(t *testing.T) {
	for _, f := range figuresDrawn {
		var in, reached, left [states]bool
		known := map[input]bool{}
		for _, on := range f.inputs {
			known[on] = true
		}
		for _, a := range f.arrows {
			in[a.in], reached[a.next] = true, true
			if a.on == timerEnd {
				left[a.in] = a.next != a.in
			}
			if !known[a.on] {
				t.Errorf("%s: %s has an arrow on %q", f.name, a.in, inputNames[a.on])
			}
		}
		for s := range states {
			if reached[s] && !in[s] && s != terminated {
				t.Errorf("%s: nothing leaves %s", f.name, s)
			}
			// A transaction that waits for its user alone is ended by its user.
			waits := f.arrows[0].in == s && !known[unsent]
			if in[s] && !left[s] && !waits {
				t.Errorf("%s: %s has no end in time (P7)", f.name, s)
			}
		}
		if !reached[terminated] {
			t.Errorf("%s: it never terminates", f.name)
		}
	}
}
