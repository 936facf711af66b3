package ng

import "sync/atomic"

// Counts are a node's since New. What is dropped has a count of its own.
type Counts struct {
	Sent     uint64 // requests, pings among them
	Repeated uint64 // sent again for want of an answer
	Answered uint64 // requests that were answered, with an error or not
	Refused  uint64 // those of them that were answered with an error
	Lost     uint64 // requests that were not answered in time, or not sent

	Late      uint64 // answers to a request that was given up
	Duplicate uint64 // answers to a request that was answered
	Stray     uint64 // answers to no request of late
	Foreign   uint64 // datagrams from another address than the node's
	Garbled   uint64 // datagrams from the node that cannot be read
}

type counters struct {
	sent, repeated, answered, refused, lost  atomic.Uint64
	late, duplicate, stray, foreign, garbled atomic.Uint64
}

func (c *counters) read() Counts {
	return Counts{
		Sent: c.sent.Load(), Repeated: c.repeated.Load(), Answered: c.answered.Load(), Refused: c.refused.Load(), Lost: c.lost.Load(),
		Late: c.late.Load(), Duplicate: c.duplicate.Load(), Stray: c.stray.Load(), Foreign: c.foreign.Load(), Garbled: c.garbled.Load(),
	}
}
