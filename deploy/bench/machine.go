package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// widen lets the systems open as many files as ten thousand relayed calls need, two pairs of sockets each, if we may. Where
// not, who relays holds fewer calls.
func widen(kinds []kind) error {
	const each, beside = 4, 4000 // beside: of those that are up for a second meanwhile, and other files
	var is syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &is); err != nil {
		return fmt.Errorf("reading how many files may be open: %w", err)
	}
	for i, k := range kinds {
		need := uint64(each*k.most + beside)
		if k.media[0] == "" || is.Cur >= need {
			continue
		}
		wide := syscall.Rlimit{Cur: need, Max: max(is.Max, need)}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wide); err != nil {
			kinds[i].most = max(0, int(is.Cur)-beside) / each / 1000 * 1000
			kinds[i].why = fmt.Sprintf("only %d files may be open", is.Cur)
		}
	}
	return nil
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
