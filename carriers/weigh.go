package carriers

import (
	"hash/fnv"
	"math"

	"bulkhead/dialog"
)

// draw is the place of one candidate in the weighted order of a call: the
// candidates sorted by it, lowest first, are in the order that drawing without
// putting back, by weight, would give (Efraimidis and Spirakis, 2006).
//
// It depends on the call and on the candidate's own name and weight, not on the
// other candidates: one that is added or taken away leaves the order of the
// others as it was.
func draw(call dialog.CallID, weight int, name ...string) float64 {
	return -math.Log(Uniform(call, name...)) / float64(weight)
}

// Uniform is a number above 0 and below 1 that depends on the call and on a name, and
// is as good as drawn.
func Uniform(call dialog.CallID, name ...string) float64 {
	h := fnv.New64a()
	h.Write(call[:])
	for _, n := range name {
		h.Write([]byte(n))
		h.Write([]byte{0})
	}
	// FNV leaves its high bits poor after the last bytes; this finish
	// (splitmix64) spreads them.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return (float64(x>>11) + 0.5) / (1 << 53)
}
