//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestMain builds the program thrice: with the race detector for all that is
// about behaviour, without it where its memory and speed are looked at, and so that
// it kills itself at a point of a call's life.
func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bulkhead-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	for name, flags := range map[string][]string{"race": {"-race"}, "plain": nil, "crash": {"-tags", "crash"}} {
		args := append([]string{"build"}, flags...)
		out, err := exec.Command("go", append(args, "-o", filepath.Join(dir, name), "bulkhead/cmd/bulkhead")...).CombinedOutput()
		if err != nil {
			fmt.Fprintf(os.Stderr, "building bulkhead: %v\n%s", err, out)
			return 1
		}
	}
	if err := os.Setenv("BULKHEAD_BUILT", dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// quiet is for what wants a machine to itself: a thousand calls through a fault, whose
// peers run out of patience on a processor that others use.
func quiet(t *testing.T) {
	t.Helper()
	if os.Getenv("BULKHEAD_PAIR") == "" {
		t.Skip("wants a machine to itself: deploy/test --pair")
	}
}

// built is the path of the program as TestMain has built it.
func built(kind string) string { return filepath.Join(os.Getenv("BULKHEAD_BUILT"), kind) }
