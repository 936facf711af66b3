package ops

import "time"

// Hurry has the servers that are made from now on take so long for a request at most; undo ends
// that.
func Hurry(d time.Duration) (undo func()) {
	was := within
	within = d
	return func() { within = was }
}

// MostStreams is how many listeners a feed has at most.
const MostStreams = mostStreams
