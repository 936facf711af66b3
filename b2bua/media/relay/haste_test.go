//go:build linux && !goroutines

package relay

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// allowed is how far a thread of this process may be hurried; the one that tries is of no more use.
func allowed() Haste {
	got := make(chan Haste)
	go func() {
		runtime.LockOSThread()
		got <- hurry()
	}()
	return <-got
}

// policies counts the threads of this process that are run in real time, and with another nice value than the process.
func policies(t *testing.T) (n [hastes]int) {
	t.Helper()
	own, err := unix.Getpriority(unix.PRIO_PROCESS, os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range all {
		text, err := os.ReadFile("/proc/self/task/" + task.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		nice, policy := f[16], f[38] // fields 19 and 41 of proc(5)
		switch {
		case policy == fmt.Sprint(unix.SCHED_RR):
			n[RealTime]++
		case nice != fmt.Sprint(20-own):
			n[Raised]++
		default:
			n[Fair]++
		}
	}
	return n
}

// A reader takes what haste it may, says which, and no other thread is given it.
func TestReadersHaste(t *testing.T) {
	want := allowed()
	r := begin(t, Config{First: 23600, Last: 23699, Full: 2, Threads: 2})
	for range 4 {
		if _, err := r.Open(ip("127.0.236.10")); err != nil {
			t.Fatal(err)
		}
	}
	until(t, fmt.Sprint("two readers to be ", want), func() bool { return r.Totals().Readers[want] == 2 })
	// The thread that has tried may be the first of the process, which stays.
	if is := policies(t); want != Fair && (is[want] < 2 || is[want] > 3) {
		t.Errorf("the kernel runs so many threads as fair, raised and in real time: %v; want two that are %v", is, want)
	}
}
