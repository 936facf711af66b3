package main

import (
	"testing"
	"time"
)

// TestHeadroomIsKept: whatever is alive, the heap grows by the headroom before it
// is collected, and by what is alive where that is more.
func TestHeadroomIsKept(t *testing.T) {
	for _, live := range []uint64{0, 1 << 20, 4 << 20, 10 << 20, 63 << 20, 64 << 20, 1 << 30} {
		base := max(live, 4<<20) // what the runtime counts from
		grows := base * uint64(percent(live)) / 100
		if want := max(uint64(headroom), live); grows > want || grows < want-want/50 {
			t.Errorf("with %d MiB alive: grows by %d MiB, want %d", live>>20, grows>>20, want>>20)
		}
	}
}

// TestMemoryIsReleasedAtRest: not under load, however far apart collections are, nor for little.
func TestMemoryIsReleasedAtRest(t *testing.T) {
	const held = 180 << 20 // alive with 50,000 calls
	var r rest
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var allocated uint64
	for i, step := range []struct {
		after                 time.Duration
		allocates, live, idle uint64
		due                   bool
	}{
		{0, 0, 6 << 20, 60 << 20, false},
		{restsFor - 1, little, 6 << 20, 60 << 20, false},
		{1, 0, 6 << 20, 60 << 20, true}, // nearly nothing was done for so long
		{lookEach, 0, 6 << 20, worthIt - 1, false},
		{lookEach, 0, 6 << 20, worthIt, true},
		{lookEach, little + 1, 6 << 20, 60 << 20, false}, // a call or two more
		{restsFor - 1, 0, 6 << 20, 60 << 20, false},
		{1, 0, 6 << 20, 60 << 20, true},
		// 500 calls/s beside many that are held: a collection each five seconds and more.
		{lookEach, 47 << 20, held, 50 << 20, false},
		{lookEach, 47 << 20, held, 97 << 20, false},
		{lookEach, 47 << 20, held, 144 << 20, false},
		{lookEach, 47 << 20, held, 170 << 20, false},
		{lookEach, 47 << 20, held, 179 << 20, false},
		{restsFor, 0, held, held/4 - 1, false}, // not worth looking at all of them
		{lookEach, 0, held, held / 4, true},
	} {
		now = now.Add(step.after)
		allocated += step.allocates
		if got := r.due(now, allocated, step.live, step.idle); got != step.due {
			t.Errorf("step %d: %v on, %d MiB allocated, %d alive, %d may go: due is %t", i, step.after, step.allocates>>20, step.live>>20, step.idle>>20, got)
		}
	}
}
