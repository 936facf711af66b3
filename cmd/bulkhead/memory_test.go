package main

import "testing"

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
