package b2bua

import (
	"context"
	"math"
	"runtime/metrics"
	"strings"
	"time"

	"go.uber.org/zap"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Overload is how much a node takes on before it sheds new calls. Zero: no bound.
type Overload struct {
	Delay   time.Duration // by which the engine's clock runs late
	Backlog float64       // part of a socket's receive buffer that waits to be read
	Setups  int           // calls that are not answered yet
	Memory  uint64        // bytes of live and dead objects

	// Emergency are the numbers, as trunks dial them, that are shed last.
	Emergency []string
}

// sampleEach is how often the load is looked at.
const sampleEach = 100 * time.Millisecond

// Load is how much a node has to do, in the terms of Overload.
type Load struct {
	Delay   time.Duration
	Backlog float64
	Setups  int
	Memory  uint64
}

// of is the load as a part of its bound: of that which is nearest to it.
func (l Load) of(o Overload) (most float64, what string) {
	for _, x := range []struct {
		what      string
		is, bound float64
	}{
		{"delay", float64(l.Delay), float64(o.Delay)}, {"backlog", l.Backlog, o.Backlog},
		{"setups", float64(l.Setups), float64(o.Setups)}, {"memory", float64(l.Memory), float64(o.Memory)},
	} {
		if x.bound > 0 && x.is/x.bound > most {
			most, what = x.is/x.bound, x.what
		}
	}
	return most, what
}

// shedding is which share of new calls is refused: more while a bound is passed, less
// once the load is well below all of them, so that what is let in is what can be done.
type shedding struct {
	share float64
	full  int     // samples in a row in which everything is shed, and it does not help
	load  float64 // as a part of its bound, when it was looked at last
}

// When emergency calls are shed too: nothing else has been let in for so long.
const lastResort = int(5 * time.Second / sampleEach)

// step takes the load as a part of its bound.
func (s *shedding) step(load float64) {
	switch {
	case load > 1:
		s.share = min(1, s.share+0.1*min(load, 5))
	case load < 0.7:
		s.share = max(0, s.share-0.05)
		if s.share < 1e-9 {
			s.share = 0
		}
	}
	if s.share == 1 && load > 1 {
		s.full++
	} else {
		s.full = 0
	}
}

// sheds says whether a new call is refused; draw is a number of the call, from zero to
// below one, so that its repeats are refused as well.
func (s *shedding) sheds(draw float64, emergency bool) bool {
	if emergency {
		return s.full >= lastResort
	}
	return draw < s.share
}

// relieve looks at the load until the context ends.
func (e *Engine) relieve(ctx context.Context) {
	if o := e.config.Overload; o.Delay == 0 && o.Backlog == 0 && o.Setups == 0 && o.Memory == 0 {
		return
	}
	tick := time.NewTicker(sampleEach)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		e.weigh(Load{
			Delay: max(0, now.Sub(last)-sampleEach), Backlog: e.backlog(),
			Setups: e.Used(inSetup), Memory: objects(),
		})
		last = now
	}
}

// weigh takes the load, and logs when calls begin to be shed and are shed no longer.
func (e *Engine) weigh(l Load) {
	load, what := l.of(e.config.Overload)
	e.overload.Lock()
	was := e.overload.share
	e.overload.step(load)
	is := e.overload.share
	e.overload.load = load
	e.overload.Unlock()
	fields := []zap.Field{
		zap.String("by", what), zap.Duration("delay", l.Delay), zap.Float64("backlog", l.Backlog),
		zap.Int("setups", l.Setups), zap.Uint64("memory", l.Memory),
	}
	switch {
	case was == 0 && is > 0:
		e.log.Warn("overloaded: new calls are shed", fields...)
	case was > 0 && is == 0:
		e.log.Info("no longer overloaded", fields...)
	}
}

// backlog is how full the fullest receive buffer is.
func (e *Engine) backlog() float64 {
	if w, ok := e.wire.(interface{ Waiting() float64 }); ok {
		return w.Waiting()
	}
	return 0
}

func objects() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// inSetup is the place of calls that are not answered yet.
var inSetup = carriers.Place{Kind: carriers.OfNode, Name: "setups"}

// shed says whether a new call is refused for what the node has to do already, and when
// it may come again.
func (e *Engine) shed(id dialog.CallID, number string) (wait time.Duration, refused bool) {
	draw := carriers.Uniform(id, "overload")
	e.overload.Lock()
	defer e.overload.Unlock()
	if e.overload.share == 0 || !e.overload.sheds(draw, e.emergency(number)) {
		return 0, false
	}
	// Spread over some seconds, or they all come again at once.
	return time.Duration(1+math.Floor(5*carriers.Uniform(id, "again"))) * time.Second, true
}

// emergency says that a number, whatever stands before it in the way of plus signs, is
// one that is shed last.
func (e *Engine) emergency(number string) bool {
	for _, n := range e.config.Overload.Emergency {
		if strings.TrimPrefix(number, "+") == strings.TrimPrefix(n, "+") {
			return true
		}
	}
	return false
}
