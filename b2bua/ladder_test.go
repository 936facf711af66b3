package b2bua_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/tools/txtar"

	"bulkhead/b2bua"
	"bulkhead/b2bua/simtest"
)

var update = flag.Bool("update", false, "write the expected ladders, records and counters anew")

// TestLadders plays every scenario of testdata, each a call or a few as a voice
// engineer would tell them, and compares what came of it.
func TestLadders(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, archive, nil)
			if t.Failed() {
				return
			}
			if *update {
				write(t, file, archive, got)
				return
			}
			compare(t, archive, got)
		})
	}
}

// expected are the sections that a scenario ends with, in this order.
var expected = []string{"ladder", "record", "counters"}

// TestP9_LaddersWithRestores plays every scenario with the call's record written
// and read between any two events: nobody can tell the difference.
func TestP9_LaddersWithRestores(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			restores := func(e *b2bua.Engine) { e.RestoreEveryStep(func(err error) { t.Error(err) }) }
			if got := play(t, archive, restores); !t.Failed() {
				compare(t, archive, got)
			}
		})
	}
}

// play runs a scenario to its end and checks the promises.
func play(t *testing.T, archive *txtar.Archive, raised func(*b2bua.Engine)) map[string]string {
	got := map[string]string{}
	synctest.Test(t, func(t *testing.T) {
		raw := map[string]string{}
		for _, f := range archive.Files {
			raw[f.Name] = string(f.Data)
		}
		s := simtest.Open(t, raw)
		var engine *b2bua.Engine
		s.Raised = func(e *b2bua.Engine) {
			if engine = e; raised != nil {
				raised(e)
			}
		}
		defer s.Close()
		defer func() {
			if t.Failed() {
				t.Log("\n" + s.Ladder())
			}
		}()
		s.Do(raw["scenario"])
		for _, fault := range s.Promises() {
			t.Error(fault)
		}
		if engine != nil && engine.Strands() == 0 {
			for _, p := range engine.Taken() {
				t.Errorf("P7: no call is left, and one has a place of %s %s", p.Kind, p.Name)
			}
		}
		got["ladder"], got["record"], got["counters"] = s.Ladder(), s.Record(), s.Counters()
	})
	return got
}

func compare(t *testing.T, archive *txtar.Archive, got map[string]string) {
	want := map[string]string{}
	for _, f := range archive.Files {
		want[f.Name] = string(f.Data)
	}
	for _, name := range expected {
		if want[name] != got[name] {
			t.Errorf("%s:\n%s", name, lines(want[name], got[name]))
		}
	}
}

// lines shows two texts line by line where they differ.
func lines(want, got string) string {
	var b strings.Builder
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		var one, other string
		if i < len(w) {
			one = w[i]
		}
		if i < len(g) {
			other = g[i]
		}
		if one == other {
			b.WriteString("  " + one + "\n")
		} else {
			b.WriteString("- " + one + "\n+ " + other + "\n")
		}
	}
	return b.String()
}

func write(t *testing.T, file string, archive *txtar.Archive, got map[string]string) {
	kept := archive.Files[:0]
	for _, f := range archive.Files {
		if _, ours := got[f.Name]; !ours {
			kept = append(kept, f)
		}
	}
	archive.Files = kept
	for _, name := range expected {
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(got[name])})
	}
	if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
