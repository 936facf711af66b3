package main

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// One processor serves after seconds of little load, all at once when there is more, and media
// has all of them.
func TestProcessorsFitTheLoad(t *testing.T) {
	began := time.Now()
	p := processors{all: true, last: began}
	for _, s := range []struct {
		after time.Duration
		share float64
		media bool
		all   bool
	}{
		{0, 0.1, false, true},
		{calms - time.Millisecond, 0.1, false, true},
		{calms, 0.1, false, false},
		{calms + samples, 0.45, false, false}, // neither much nor little: as it is
		{calms + 2*samples, busy, false, true},
		{2 * calms, 0.1, false, true},
		{2*calms + time.Second, 0.4, false, true}, // not little: the time begins anew
		{3*calms + time.Second - samples, 0.1, false, true},
		{3*calms + time.Second, 0.1, false, false},
		{3*calms + time.Second + samples, 0, true, true},
		{5 * calms, 0, true, true},
		{6*calms - samples, 0, false, true},
		{6 * calms, 0, false, false},
	} {
		was := p.all
		if change := p.fit(began.Add(s.after), s.share, s.media); p.all != s.all || change != (was != s.all) {
			t.Errorf("after %v, at %.2f, media %v: all %v, changed %v", s.after, s.share, s.media, p.all, change)
		}
	}
}

// What the environment says stays.
func TestProcessorsOfTheEnvironmentStay(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	was := runtime.GOMAXPROCS(0)
	synctest.Test(t, func(t *testing.T) {
		fitProcessors(t.Context(), func() bool { return false }) // returns
	})
	if n := runtime.GOMAXPROCS(0); n != was {
		t.Errorf("%d, not %d", n, was)
	}
}
