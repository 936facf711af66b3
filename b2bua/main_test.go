package b2bua

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// TestMain lets tests that talk to peers in real time go first: what is played here is
// long, and its clock is its own.
func TestMain(m *testing.M) {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 15); err != nil {
		fmt.Fprintln(os.Stderr, "priority:", err)
	}
	os.Exit(m.Run())
}
