package main

import (
	"context"
	"fmt"
	"time"
)

// All legs repeat their refusal each T2 so long after the last call was made.
const spread = 4 * time.Second

// Two of the same: the legs of the second are stuck.
var twins = [2]kind{
	{name: "bulkhead", door: "127.0.1.30", other: "127.0.1.31"},
	{name: "stuck", door: "127.0.1.32", other: "127.0.1.33"},
}

// stuck measures what the calls of a Bulkhead notice of legs whose carrier repeats its 487 and is deaf to every ACK: the
// same load through one without such legs while the other's carrier is silent, through the same while the other's repeats,
// and through the other; in turn. The first against the third is what the legs cost, the second how much of that the
// machine would pay for the same datagrams beside it.
func (b *bench) stuck(ctx context.Context) error {
	var up []*system
	defer func() { fell(up) }()
	for _, k := range twins {
		s, err := b.start(ctx, k)
		if err != nil {
			return err
		}
		up = append(up, s)
		if err := b.first(ctx, s); err != nil {
			return err
		}
	}
	d, err := newDeaf(up[1], b.legs)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.begin(ctx, b.legRate); err != nil {
		return err
	}
	var found [3]delays
	for range b.rounds {
		for i := range found {
			more, err := b.amid(ctx, up, d, i)
			if more, err = b.counted(fmt.Sprintf("beside stuck legs (%d of 3)", i+1), more, err); err != nil {
				return fmt.Errorf("beside %d stuck legs: %w", b.legs, err)
			}
			found[i].add(more)
		}
	}
	for _, side := range []struct {
		name string
		of   func(delays) []time.Duration
	}{{"INVITE", func(d delays) []time.Duration { return d.invite }}, {"200", func(d delays) []time.Duration { return d.answer }}} {
		for _, q := range []float64{.5, .99} {
			figure := fmt.Sprintf("delay of %s beside stuck legs, p%.0f", side.name, q*100)
			for i, at := range []at{legs(0), {b.legs, "stuck elsewhere"}, legs(b.legs)} {
				if len(found[i].invite) == 0 {
					continue
				}
				b.note(up[0], figure, "µs", at, quantile(side.of(found[i]), q))
			}
		}
	}
	return nil
}

// amid measures delays: 0, nothing is repeated; 1, the legs of the other are stuck; 2, its own.
func (b *bench) amid(ctx context.Context, up []*system, d *deaf, state int) (delays, error) {
	s := up[0]
	if state == 2 {
		s = up[1]
	}
	d.silent.Store(state == 0)
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
	due := int64(0)
	if state != 0 {
		due = int64(time.Since(begun).Seconds() / t2.Seconds() * float64(b.legs))
	}
	if copies < due*9/10 || copies > due*11/10 {
		return delays{}, fmt.Errorf("the carrier repeated its 487s %d times where %d were due", copies, due)
	}
	if acks < copies*99/100 {
		return delays{}, fmt.Errorf("of %d copies of 487s %d had an ACK: the legs are not there any more", copies, acks)
	}
	return found, nil
}
