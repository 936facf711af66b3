//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The certification kit finds nothing to blame in a running border, suite by suite. (That
// each of its checks can fail is shown in cmd/bulkhead.)
func TestChaosSuitesPass(t *testing.T) {
	t.Parallel()
	b := open(t, 214, plan{tc1: "timers: {no_answer: 500ms}, linger: 1m"})
	targets := filepath.Join(b.dir, "chaos.yaml")
	text := fmt.Sprintf("targets:\n  e2e: {address: %q, from: [%q], caller: %q, carriers: [%q, %q], number: \"+33123*\", timers: {t1: 50ms, t2: 400ms, no_answer: 500ms}, linger: 1m}\n",
		b.at(coreSide), b.ip(peeringSide), b.at(caller), b.at(tc1), b.at(tc2))
	if err := os.WriteFile(targets, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, suite := range []string{"founding", "carrier-zoo", "rfc5407"} {
		out, err := exec.Command(built("race"), "chaos", "run", suite, "--config", targets, "--target", b.at(coreSide), "-o", "json").Output()
		var r struct {
			Failed    int
			Scenarios []struct {
				Name   string
				Failed *struct{ Name, Broken string }
				Ladder []string
			}
		}
		if json.Unmarshal(out, &r) != nil || err != nil || r.Failed != 0 || len(r.Scenarios) == 0 {
			t.Errorf("%s: %v\n%s", suite, err, out)
		}
		calls += len(r.Scenarios)
	}
	b.records(calls) // each was a call, and each has ended
}
