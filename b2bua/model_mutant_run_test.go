package b2bua

import (
	"context"
	"encoding/json"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// mutantDays is in how many days deploy/test, which runs under the race detector, comes
// round to every mutant: each costs a build, all of them some nine minutes of two cores. `go test
// ./b2bua -run Mutants` runs them all.
const mutantDays = 12

// TestModelFindsMutants puts each fault into a copy of its file, builds the
// model against it and expects the promise that the fault breaks to be named.
//
// Not in the table, because another guard makes them harmless: that close
// empties Targets (after the end no leg tells an End that control could hunt
// on); that what became of a change of our own is not told (no change of the other
// side's can be under way then); that progress looks at the leg's state (a leg that has its answer tells
// no Progress); that of several forks none is asked for a change before the answer (the
// caller has yet to be shown what the second describes); that move stops the repeats of the state it leaves (no row
// repeats in the next one). They stay as a second wall.
func TestModelFindsMutants(t *testing.T) {
	if os.Getenv("BULKHEAD_MUTANT") != "" {
		return // this is one
	}
	slots := make(chan struct{}, max(1, runtime.GOMAXPROCS(0)))
	for i, m := range mutants {
		if underRace && i%mutantDays != time.Now().YearDay()%mutantDays {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			overlay := m.overlay(t)
			slots <- struct{}{}
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			explore := "TestModel$"
			if m.in != "" {
				explore += "/^" + strings.ReplaceAll(m.in, " ", "_") + "$"
			}
			run := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-run", explore, "-failfast", "-vet=off", "-model.scale=0.2", "bulkhead/b2bua")
			run.Env = append(os.Environ(), "BULKHEAD_MUTANT=1", "GOGC=400", "GOMAXPROCS=1") // what is found first is always the same
			out, err := run.CombinedOutput()
			switch {
			case err == nil:
				t.Error("it lives: the model found nothing")
			case !strings.Contains(string(out), m.promise):
				t.Errorf("the model does not say %q:\n%.2000s", m.promise, out)
			}
		})
	}
}

// TestModelKnowsItsMutants says at once which fault the code has moved away from: to find
// all of them takes minutes.
func TestModelKnowsItsMutants(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutants {
		if names[m.name] {
			t.Errorf("two mutants are %q", m.name)
		}
		names[m.name] = true
		t.Run(m.name, func(t *testing.T) {
			_, patched := m.patch(t)
			if _, err := parser.ParseFile(token.NewFileSet(), m.file, patched, parser.SkipObjectResolution); err != nil {
				t.Error(err)
			}
		})
	}
}

// overlay writes the patched file, and what tells the go tool of it.
func (m mutant) overlay(t *testing.T) string {
	path, source := m.patch(t)
	dir := t.TempDir()
	patched := filepath.Join(dir, "patched.go")
	if err := os.WriteFile(patched, source, 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {path: patched}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// patch gives the absolute path of the file and its source with the fault.
func (m mutant) patch(t *testing.T) (path string, patched []byte) {
	path, err := filepath.Abs(filepath.Join("..", filepath.FromSlash(m.file)))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		t.Fatalf("%s holds %q %d times", m.file, m.old, n)
	}
	return path, []byte(strings.Replace(string(source), m.old, m.new, 1))
}
