//go:build e2e

package e2e

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestDemo runs the demo as the README has it, at its own speed: no promise breaks.
func TestDemo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, built("plain"), "demo").CombinedOutput()
	if text := string(out); err != nil || strings.Count(text, "\nok ") != 8 || strings.Contains(text, "BROKEN") {
		t.Errorf("%v\n%s", err, text[max(0, len(text)-3000):])
	}
}
