package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// processes are the ids of a process group.
func processes(leader int) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var ids []int
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if group, err := syscall.Getpgid(id); err == nil && group == leader {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// processorTime is what a process group has had of the processors, user and system, by the kernel's own clock of each
// process (clock_getcpuclockid(3)): exact, where /proc/PID/stat counts hundredths of a second.
func processorTime(cmd *exec.Cmd) (time.Duration, error) {
	ids, err := processes(cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return 0, fmt.Errorf("processor time: %s has ended", cmd.Path)
	}
	var all time.Duration
	for _, id := range ids {
		var at unix.Timespec
		clock := int32(^id)<<3 | 2 // CPUCLOCK_SCHED of the process
		if err := unix.ClockGettime(clock, &at); err != nil {
			return 0, fmt.Errorf("processor clock of %d: %w", id, err)
		}
		all += time.Duration(at.Nano())
	}
	return all, nil
}

// proportional is the proportional set size of a process group in bytes, from /proc/PID/smaps_rollup: what processes
// share counts once.
func proportional(cmd *exec.Cmd) (int64, error) {
	ids, err := processes(cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	var kib int64
	for _, id := range ids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", id))
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(string(text)) {
			var n int64
			if _, err := fmt.Sscanf(line, "Pss: %d kB", &n); err == nil {
				kib += n
			}
		}
	}
	if kib == 0 {
		return 0, fmt.Errorf("memory: %s has none", cmd.Path)
	}
	return kib * 1024, nil
}

// used is the processor time of a system and of its store until a moment.
type used struct {
	own, store time.Duration
	at         time.Time
}

func (s *system) used() (used, error) {
	own, err := processorTime(s.cmd)
	if err != nil {
		return used{}, err
	}
	u := used{own: own, at: time.Now()}
	if s.store != nil {
		u.store, err = processorTime(s.store.cmd)
	}
	return u, err
}

// since is what was used after an earlier moment, and how long that was.
func (u used) since(earlier used) (own, store, length time.Duration) {
	return u.own - earlier.own, u.store - earlier.store, u.at.Sub(earlier.at)
}
