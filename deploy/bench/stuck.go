package main

import (
	"context"
	"fmt"
	"time"
)

// All legs repeat their refusal each T2 so long after the last call was made, and Timer D of the first is not over at the
// end of the load.
const spread = 4 * time.Second

// stuck measures what the calls of a system notice of legs whose carrier repeats its 487 and is deaf to every ACK: the
// same load without and beside them, in turn.
func (b *bench) stuck(ctx context.Context, up []*system) error {
	for _, s := range up {
		if s.name != b.stuckIn {
			continue
		}
		var without, beside delays
		for range b.rounds {
			if err := calm(ctx, up); err != nil {
				return err
			}
			d, err := b.listened(ctx, s, b.length)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			without.add(d)
			if d, err = b.amid(ctx, s); err != nil {
				return fmt.Errorf("%s beside %d stuck legs: %w", s.name, b.legs, err)
			}
			beside.add(d)
		}
		for _, side := range []struct {
			name string
			of   func(delays) []time.Duration
		}{{"INVITE", func(d delays) []time.Duration { return d.invite }}, {"200", func(d delays) []time.Duration { return d.answer }}} {
			for _, q := range []float64{.5, .99} {
				figure := fmt.Sprintf("delay of %s beside stuck legs, p%.0f", side.name, q*100)
				b.note(s, figure, "µs", legs(0), quantile(side.of(without), q))
				b.note(s, figure, "µs", legs(b.legs), quantile(side.of(beside), q))
			}
		}
		return nil
	}
	b.remark("nothing was measured beside stuck legs: %s is not among the systems", b.stuckIn)
	return nil
}

// amid measures delays beside legs that are stuck.
func (b *bench) amid(ctx context.Context, s *system) (delays, error) {
	d, err := newDeaf(s, b.legs)
	if err != nil {
		return delays{}, err
	}
	defer d.close()
	if err := d.begin(ctx, b.legRate); err != nil {
		return delays{}, err
	}
	if err := wait(ctx, spread); err != nil {
		return delays{}, err
	}
	copies, acks := d.counts()
	begun := time.Now()
	found, err := b.listened(ctx, s, b.length)
	if err != nil {
		return delays{}, err
	}
	copiesNow, acksNow := d.counts()
	copies, acks = copiesNow-copies, acksNow-acks
	due := int64(time.Since(begun).Seconds() / t2.Seconds() * float64(b.legs))
	if copies < due*9/10 {
		return delays{}, fmt.Errorf("the carrier repeated its 487s %d times where %d were due", copies, due)
	}
	if acks < copies*99/100 {
		return delays{}, fmt.Errorf("of %d copies of 487s %d had an ACK: the legs are not there any more", copies, acks)
	}
	return found, nil
}
