package b2bua

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
)

// TestMain lets tests that talk to peers in real time go first: what is played here is
// long, and its clock is its own. Threads to come are as their makers (setpriority(2)).
func TestMain(m *testing.M) {
	threads, err := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		id, _ := strconv.Atoi(t.Name()) // a number by proc(5)
		err = syscall.Setpriority(syscall.PRIO_PROCESS, id, 15)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "priority:", err)
	}
	os.Exit(m.Run())
}
