package main

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"time"
)

// With little to do one processor serves: where there are more, the runtime wakes another
// thread for nearly every message, only for it to find that the message is dealt with, which
// takes a sixth to a quarter of the CPU of a call. From busy on, all serve, at once; one alone does
// when less than calm has been used for so long. In fractions of one processor.
const (
	samples = 20 * time.Millisecond
	busy    = 0.5
	calm    = 0.35
	calms   = 5 * time.Second
)

// processors says how many are to serve.
type processors struct {
	all  bool
	last time.Time // when all were of use last
}

// fit takes what share of one processor the process has used since it was asked last, and
// whether anything wants all of them however little that is.
func (p *processors) fit(now time.Time, share float64, all bool) (change bool) {
	was := p.all
	switch {
	case all || share >= busy:
		p.all = true
		p.last = now
	case share >= calm:
		p.last = now
	case now.Sub(p.last) >= calms:
		p.all = false
	}
	return p.all != was
}

// fitProcessors does so until the context ends. GOMAXPROCS in the environment comes first.
// It returns at once where there is one processor anyhow.
func fitProcessors(ctx context.Context, all func() bool) {
	if os.Getenv("GOMAXPROCS") != "" || runtime.GOMAXPROCS(0) == 1 {
		return
	}
	p := processors{all: true, last: time.Now()}
	tick := time.NewTicker(samples)
	defer tick.Stop()
	used, before := processorTime(), time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now, is := time.Now(), processorTime()
		share := float64(is-used) / float64(max(now.Sub(before), 1))
		used, before = is, now
		if !p.fit(now, share, all()) {
			continue
		}
		if p.all {
			runtime.SetDefaultGOMAXPROCS()
		} else {
			runtime.GOMAXPROCS(1)
		}
	}
}

// relays says that media goes through the node: what forwards it is not to wait for a call's
// step, nor for a collection.
func (p *process) relays() bool {
	m := p.carries.Load()
	return m != nil && m.Counts().Ends > 0
}

// processorTime is what the process has used of the processors so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // it takes no other argument that could be wrong
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
