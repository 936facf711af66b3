package b2bua

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bulkhead/carriers"
	"bulkhead/dialog"
)

// TestSheddingFindsTheCapacity: a node that can do so many calls a second, of which twice
// as many come, ends up doing nearly as many as it can; what waits stays bounded.
func TestSheddingFindsTheCapacity(t *testing.T) {
	const capacity, offered = 100.0, 200.0 // a sample
	var s shedding
	queue, done, worst := 0.0, 0.0, 0.0
	const samples = 600
	for range samples {
		queue += offered * (1 - s.share)
		did := min(queue, capacity)
		queue -= did
		done += did
		worst = max(worst, queue)
		s.step(queue / (capacity / 2)) // the bound: half a sample's worth waits
	}
	if share := done / (samples * capacity); share < 0.9 {
		t.Errorf("%.0f %% of the capacity is used", 100*share)
	}
	if worst > 5*capacity {
		t.Errorf("%.0f calls wait", worst)
	}
	for range 100 {
		s.step(0)
	}
	if s.share != 0 {
		t.Errorf("%v is shed of no load", s.share)
	}
}

// TestEmergencyCallsAreShedLast: only when for seconds to shed everything else has not
// helped; and between the bounds nothing changes (hysteresis).
func TestEmergencyCallsAreShedLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s shedding
		above := 0
		for range rapid.IntRange(1, 200).Draw(t, "samples") {
			load := rapid.Float64Range(0, 3).Draw(t, "load")
			before := s.share
			s.step(load)
			if above++; load <= 1 {
				above = 0
			}
			switch {
			case s.share < 0 || s.share > 1:
				t.Fatalf("a share of %v", s.share)
			case load >= 0.7 && load <= 1 && s.share != before:
				t.Fatalf("a load of %v changes %v to %v", load, before, s.share)
			case s.sheds(0, true) && (above < lastResort || s.share < 1):
				t.Fatalf("an emergency call is shed after %d samples of overload, of a share of %v", above, s.share)
			}
		}
	})
}

// TestLoadIsOfTheNearestBound.
func TestLoadIsOfTheNearestBound(t *testing.T) {
	o := Overload{Delay: 100 * time.Millisecond, Backlog: 0.25, Setups: 1000, Memory: 1 << 30}
	for want, l := range map[string]Load{
		"delay 2":    {Delay: 200 * time.Millisecond, Setups: 500},
		"backlog 1":  {Backlog: 0.25},
		"setups 0.5": {Setups: 500, Memory: 1 << 20},
		"memory 1.5": {Memory: 3 << 29},
		" 0":         {},
	} {
		load, what := l.of(o)
		if got := fmt.Sprint(what, " ", load); got != want {
			t.Errorf("%+v: %s, want %s", l, got, want)
		}
	}
	if load, _ := (Load{Delay: time.Hour, Setups: 1e9}).of(Overload{}); load != 0 {
		t.Error("a load without bounds")
	}
}

// TestOfANodeThatShedsAll an INVITE is refused, and by its number one is not.
func TestEmergencyNumbers(t *testing.T) {
	e := &Engine{config: Config{Overload: Overload{Emergency: []string{"112", "+15"}}}}
	e.overload.share = 1
	for number, shed := range map[string]bool{"112": false, "+112": false, "15": false, "1123": true, "+33112": true} {
		wait, refused := e.shed(dialog.CallID{1}, number)
		if refused != shed || refused && (wait < time.Second || wait > 5*time.Second) {
			t.Errorf("%s: %v %v", number, wait, refused)
		}
	}
	_ = carriers.OfNode
}
