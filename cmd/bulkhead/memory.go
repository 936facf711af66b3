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

// A node with nothing to do is rid of what it needs no more: garbage is collected, and what is
// free goes back to the system. That takes time for each call that is held, so it is worth it
// only for so much, and never under load, whose next calls want the memory back. How often
// collections come says nothing of load: with many calls held they are far apart.
const (
	restsFor = 5 * time.Second
	lookEach = restsFor / 4
	little   = 1 << 20 // allocated between two looks: a dozen calls
	worthIt  = 8 << 20
)

// rest tells when that is due, from what the runtime counts.
type rest struct {
	allocated uint64    // ever, when last looked
	since     time.Time // when more than little was allocated last
}

// due says so, given the bytes that were allocated ever, those that are alive, and those that may
// go: what the heap has grown by since the last collection, and what is free in it.
func (r *rest) due(now time.Time, allocated, live, idle uint64) bool {
	if r.since.IsZero() || allocated-r.allocated > little {
		r.since = now
	}
	r.allocated = allocated
	return now.Sub(r.since) >= restsFor && idle >= max(worthIt, live/4)
}

// release gives memory back at rest, until the process ends.
func release() {
	var r rest
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}}
	for now := range time.Tick(lookEach) {
		metrics.Read(s)
		live, all := s[1].Value.Uint64(), s[2].Value.Uint64()
		if r.due(now, s[0].Value.Uint64(), live, max(all, live)-live+s[3].Value.Uint64()) {
			debug.FreeOSMemory()
		}
	}
}
