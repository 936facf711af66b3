//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"testing"
)

// The compose file under faults, on images of the very Dockerfile, whose making takes as
// long as most of the other tests: deploy/test --pair asks for it.
func TestComposePair(t *testing.T) {
	quiet(t)
	if os.Getenv("BULKHEAD_PAIR") == "" {
		t.Skip("deploy/test --pair runs it")
	}
	if out, err := exec.Command("docker", "info").CombinedOutput(); err != nil {
		t.Skipf("no Docker engine answers: %v: %s", err, out)
	}
	if exec.Command("docker", "compose", "version").Run() != nil && exec.Command("docker-compose", "version").Run() != nil {
		t.Skip("docker has no compose (Debian: docker-compose)")
	}
	out, err := exec.Command("../pair").CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("deploy/pair: %v", err)
	}
}
