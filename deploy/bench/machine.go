package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// descriptors are what a relay needs for ten thousand calls, and some more: two pairs of sockets each.
const descriptors = 60_000

// widen lets the systems open as many files as they need, if we may. Where not, who needs them says so.
func widen() {
	var is syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &is); err != nil || is.Cur >= descriptors {
		return
	}
	wide := syscall.Rlimit{Cur: descriptors, Max: max(is.Max, descriptors)}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wide); err != nil {
		fmt.Fprintf(os.Stderr, "no more than %d open files for each system: %v\n", is.Cur, err)
	}
}

// machine says what the figures were measured on.
func machine() string {
	model := "processors of an unknown make"
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	load, _ := os.ReadFile("/proc/loadavg")
	busy := strings.Fields(string(load))
	if len(busy) == 0 {
		busy = []string{"unknown"}
	}
	return fmt.Sprintf("%d × %s, load average %s at the end", runtime.NumCPU(), model, busy[0])
}
