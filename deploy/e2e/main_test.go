//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// quiet is called by tests that want a machine to themselves. deploy/test runs them
// first, by names that it has listed, and then leaves them out.
func quiet(t *testing.T) {
	t.Helper()
	if list := os.Getenv("BULKHEAD_ALONE"); list != "" && !regexp.MustCompile(list).MatchString(t.Name()) {
		t.Fatalf("deploy/test does not know of it: its list is %s", list)
	}
	if os.Getenv("BULKHEAD_BESIDE") != "" {
		t.Skip("has run already, alone on the machine")
	}
}

// built is the path of the program as TestMain has built it.
func built(kind string) string { return filepath.Join(os.Getenv("BULKHEAD_BUILT"), kind) }
