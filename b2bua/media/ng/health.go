package ng

import "time"

// health says whether new calls may go to a node. It goes down after so many pings
// without answer, at once where its host says that nobody listens, and comes back up
// after so many answers in a row. Before the first ping it is taken for up: the
// first offer finds out as soon as a ping does.
type health struct {
	down   bool
	missed int // pings in a row without an answer
	heard  int // answers in a row since it went down
	since  time.Time
}

// pong is an answer; changed says that it made the node come up.
func (h *health) pong(now time.Time, upAfter int) (changed bool) {
	h.missed = 0
	if !h.down {
		return false
	}
	if h.heard++; h.heard < upAfter {
		return false
	}
	*h = health{since: now}
	return true
}

// miss is a ping without answer; changed says that it made the node go down.
func (h *health) miss(now time.Time, downAfter int) (changed bool) {
	h.missed++
	h.heard = 0
	if h.down || h.missed < downAfter {
		return false
	}
	h.down, h.since = true, now
	return true
}

// lost says that asking the node is in vain: it is down and has said nothing since.
func (h *health) lost() bool { return h.down && h.heard == 0 }
