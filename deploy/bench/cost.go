package main

import (
	"context"
	"fmt"
	"time"
)

// A call has left nothing behind so long after its end: the timers of its last transaction are over (64·T1), and its
// record is written.
const over = 34 * time.Second

// cost is the processor time that calls take, of a system and of its store: while they run, and what is left to do for
// them after their end, beyond what the system needs without calls.
type cost struct {
	rate, calls   int
	before, ended used
	outcome       outcome
}

// spend has a system carry a load.
func (b *bench) spend(ctx context.Context, s *system, rate int, length time.Duration) (c cost, err error) {
	c.rate, c.calls = rate, int(length.Seconds()*float64(rate))
	if c.before, err = s.used(); err != nil {
		return c, err
	}
	if c.outcome, err = b.load(ctx, s, rate, c.calls, time.Second); err != nil {
		return c, err
	}
	c.ended, err = s.used()
	return c, err
}

// taken is what a call has taken, in µs: of the system, how much of that after the load, and of the store.
type taken struct{ own, after, store float64 }

// each waits until nothing is left of the load, and says what a call has taken.
func (c cost) each(ctx context.Context, s *system) (taken, error) {
	if err := wait(ctx, time.Until(c.ended.at.Add(over))); err != nil {
		return taken{}, err
	}
	now, err := s.used()
	if err != nil {
		return taken{}, err
	}
	ownMeanwhile, storeMeanwhile, _ := c.ended.since(c.before)
	ownAfter, storeAfter, after := now.since(c.ended)
	share := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(c.calls) }
	ownAfter = max(0, ownAfter-time.Duration(s.idle*float64(after)))
	storeAfter = max(0, storeAfter-time.Duration(s.storeIdle*float64(after)))
	return taken{share(ownMeanwhile + ownAfter), share(ownAfter), share(storeMeanwhile + storeAfter)}, nil
}

// costs is the processor time of a call at each rate, each system in turn, round by round. What a load leaves to do is
// done, and counted, while others have their turn.
func (b *bench) costs(ctx context.Context, up []*system) error {
	for _, s := range up {
		b.note(s, "CPU at rest", "ms/s", held(0), s.idle*1000)
	}
	overloaded := map[string]bool{}
	last := map[*system]cost{}
	take := func(s *system) error {
		c, was := last[s]
		if !was {
			return nil
		}
		delete(last, s)
		call, err := c.each(ctx, s)
		if err != nil {
			return err
		}
		key := fmt.Sprint(s.name, c.rate)
		if !c.outcome.fine() {
			overloaded[key] = true
			b.remark("%s at %d calls/s: %s: what a call takes then is not measured", s.name, c.rate, c.outcome)
			return nil
		}
		b.note(s, "CPU a call", "µs", perSecond(c.rate), call.own)
		b.note(s, "of it after its end", "µs", perSecond(c.rate), call.after)
		if s.store != nil {
			b.note(s, "CPU a call of Redis", "µs", perSecond(c.rate), call.store)
		}
		return nil
	}
	for range b.rounds {
		for _, rate := range b.rates {
			for _, s := range up {
				if err := take(s); err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
				if overloaded[fmt.Sprint(s.name, rate)] {
					continue
				}
				c, err := b.spend(ctx, s, rate, b.length)
				if err != nil {
					return fmt.Errorf("%s at %d calls/s: %w", s.name, rate, err)
				}
				last[s] = c
			}
		}
	}
	for _, s := range up {
		if err := take(s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
