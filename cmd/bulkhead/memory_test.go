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

// TestMemoryIsReleasedAtRest: not while collections come by themselves, nor for little.
func TestMemoryIsReleasedAtRest(t *testing.T) {
	var r rest
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		after        time.Duration
		cycles, idle uint64
		due          bool
	}{
		{0, 3, 60 << 20, false},
		{restsFor - 1, 3, 60 << 20, false},
		{1, 3, 60 << 20, true},             // nobody has collected for so long
		{time.Second, 4, 60 << 20, false},  // it was
		{restsFor, 4, worthIt - 1, false},  // too little
		{restsFor, 4, worthIt, true},       // it has grown
		{restsFor - 1, 5, 60 << 20, false}, // under load: a collection each time
		{restsFor - 1, 6, 60 << 20, false},
		{2 * restsFor, 7, 60 << 20, false},
	} {
		now = now.Add(step.after)
		if got := r.due(now, step.cycles, step.idle); got != step.due {
			t.Errorf("%v after %d collections, %d MiB idle: due is %t", step.after, step.cycles, step.idle>>20, got)
		}
	}
}
