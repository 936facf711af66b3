package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// headroom is what the heap may grow by between two collections however little
// is alive. With Go's default a node with few calls collects many times a second,
// which took a third of its CPU.
const headroom = 64 << 20

// collectLess keeps the distance between collections at headroom or more, and
// at what is alive where that is more: Go's default for a large heap. GOGC and
// GOMEMLIMIT in the environment come first.
func collectLess() {
	if os.Getenv("GOGC") != "" {
		return
	}
	var after func(*byte)
	watch := func() {
		// An object that nobody holds: the next collection finds it.
		sentinel := new([16]byte)
		runtime.AddCleanup(sentinel, after, new(byte))
	}
	after = func(*byte) {
		debug.SetGCPercent(percent(live()))
		watch()
	}
	debug.SetGCPercent(percent(live()))
	watch()
}

// percent is the GOGC value that leaves the headroom above so many bytes. Below
// 4 MiB the runtime itself reckons with that much.
func percent(live uint64) int { return int(max(100, headroom*100/max(live, 4<<20))) }

// live is what the last collection found alive.
func live() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
