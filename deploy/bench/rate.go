package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"time"
)

// The highest rate is looked for between these.
const lowest, highest = 500, 8000

// climb halves the span, by its factor, in which each system's highest rate lies: the highest at which less than one call
// in a thousand fails and the calls come as fast as they are asked for. What the caller's own SIPp cannot do, nobody does.
func (b *bench) climb(ctx context.Context, up []*system) error {
	type span struct{ ok, not float64 }
	spans := make([]span, len(up))
	for i := range spans {
		spans[i] = span{lowest, highest}
	}
	passed := make([]bool, len(up))
	for range b.steps {
		for i, s := range up {
			if err := calm(ctx, up); err != nil {
				return err
			}
			at := &spans[i]
			rate := math.Round(math.Sqrt(at.ok*at.not)/10) * 10
			ok, err := b.carries(ctx, s, int(rate))
			if err != nil {
				return fmt.Errorf("%s at %.0f calls/s: %w", s.name, rate, err)
			}
			if ok {
				at.ok, passed[i] = rate, true
			} else {
				at.not = rate
			}
		}
	}
	for i, s := range up {
		if !passed[i] {
			b.remark("%s did not carry %.0f calls/s", s.name, spans[i].not)
			continue
		}
		b.note(s, "highest rate", "calls/s", always, spans[i].ok)
	}
	return nil
}

// carries says whether a system carries calls at a rate.
func (b *bench) carries(ctx context.Context, s *system, rate int) (bool, error) {
	const length, hold = 3 * time.Second, time.Second
	o, err := b.load(ctx, s, rate, int(length.Seconds())*rate, hold)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		b.remark("%s at %d calls/s counts as not carried: the caller's SIPp broke (%v)", s.name, rate, exit)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// SIPp begins, and looks for the last call, for less than half a second.
	ok := o.failed*1000 < o.calls && o.took < length*11/10+hold+500*time.Millisecond
	fmt.Fprintf(os.Stderr, "%-10s at %d calls/s: %s\n", s.name, rate, o)
	return ok, nil
}
