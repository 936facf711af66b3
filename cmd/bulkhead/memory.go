package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
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
	go release()
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

// A node with little to do is rid of what it needs no more: so long after the last
// collection it is looked for, where there may be so much of it, and what is free goes back to
// the system. Under load collections come sooner, and this never.
const (
	restsFor = 5 * time.Second
	worthIt  = 8 << 20
)

// rest tells when that is due, from what the runtime counts.
type rest struct {
	cycles uint64    // collections when last looked
	since  time.Time // when their number was first seen
}

// due says so, given how many collections there were and how many bytes may go: those that
// the heap has grown by since the last, and those that it has free.
func (r *rest) due(now time.Time, cycles, idle uint64) bool {
	if r.since.IsZero() || cycles != r.cycles {
		r.cycles, r.since = cycles, now
	}
	return now.Sub(r.since) >= restsFor && idle >= worthIt
}

// release gives memory back at rest, until the process ends.
func release() {
	var r rest
	s := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}}
	for now := range time.Tick(restsFor / 4) {
		metrics.Read(s)
		live, all := s[1].Value.Uint64(), s[2].Value.Uint64()
		if r.due(now, s[0].Value.Uint64(), max(all, live)-live+s[3].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}
