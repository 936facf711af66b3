package carriers

import (
	"strings"
	"testing"
	"time"
)

func deeds(attempts, late int) Deeds {
	d := Deeds{Attempts: attempts}
	d.Misdeeds[LateAnswer] = late
	return d
}

func conduct() *Conduct {
	s := &ScorecardConfig{Late: 0.1}
	s.Default()
	return &Conduct{Rules: s.rules()}
}

// TestConductHasHysteresis: a verdict holds for a window at least, and then until what
// brought it about is well below its threshold.
func TestConductHasHysteresis(t *testing.T) {
	c, now := conduct(), time.Unix(1_000_000, 0)
	stands := func() Standing { s, _, _ := c.Standing(); return s }
	if c.Count(now, deeds(49, 20)) || stands() != InService {
		t.Fatal("49 attempts are too few to say anything")
	}
	if !c.Count(now, deeds(1, 0)) || stands() != Deprioritised {
		t.Fatal("40% of 50 attempts, where 10% are allowed")
	}
	if _, _, why := c.Standing(); why != "answered_after_cancel 40.0% of 50 attempts, above 10.0%" {
		t.Error(why)
	}
	now = now.Add(10 * time.Minute)
	if c.Count(now, deeds(100, 0)) {
		t.Error("well again before a window is over")
	}
	now = now.Add(20 * time.Minute)
	if c.Count(now, deeds(100, 7)) {
		t.Error("7% is below the threshold, and above half of it")
	}
	now = now.Add(20 * time.Minute)
	if !c.Count(now, deeds(100, 4)) || stands() != InService {
		t.Error("4% is well below the threshold")
	}
	if c.Count(now, deeds(20, 2)) {
		t.Error("what was counted before the verdict counts after it")
	}
	if c.Count(now, deeds(30, 3)) {
		t.Error("10% is not above 10%")
	}
}

// TestConductNeverBans: a share of the calls goes on, and one in each part of the window.
func TestConductNeverBans(t *testing.T) {
	c, now := conduct(), time.Unix(1_000_000, 0)
	c.Count(now, deeds(50, 50))
	if why := c.Skip(now, 0.5); !strings.HasPrefix(why, "deprioritised: by its scorecard: answered_after_cancel 100.0%") || !Last(why) || Firm(why) {
		t.Errorf("%q", why)
	}
	if why := c.Skip(now, 0.04); why != "" {
		t.Errorf("a call of the floor: %q", why)
	}
	now = now.Add(90 * time.Second)
	if why := c.Skip(now, 0.5); why != "" {
		t.Errorf("the first call of a part of the window: %q", why)
	}
	c.Begin(now)
	if c.Skip(now, 0.5) == "" {
		t.Error("the second call of that part")
	}
}

// TestConductMeasuresDelay as a mean, and forgets what has left the window.
func TestConductMeasuresDelay(t *testing.T) {
	s := &ScorecardConfig{Delay: 4 * time.Second, Then: thenQuarantine}
	s.Default()
	s.Then = thenQuarantine
	c, now := &Conduct{Rules: s.rules()}, time.Unix(1_000_000, 0)
	c.Count(now, Deeds{Attempts: 40, Delays: 40, Delay: 400 * time.Second})
	now = now.Add(20 * time.Minute)
	if c.Count(now, Deeds{Attempts: 50, Delays: 50, Delay: 150 * time.Second}) {
		t.Error("what has left the window is counted")
	}
	if !c.Count(now, Deeds{Attempts: 10, Delays: 10, Delay: 100 * time.Second}) {
		t.Error("a mean of 4.2 s, where 4 s are allowed")
	}
	if s, _, why := c.Standing(); s != Quarantined || why != "post_dial_delay 4.2s, above 4.0s" {
		t.Errorf("%v %q", s, why)
	}
}

// TestOfTwoOrdersTheLaterHolds on every node, in whatever order they come; and none for
// longer than it says.
func TestOfTwoOrdersTheLaterHolds(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	a := Order{Carrier: "tc1", Standing: Drained, By: "alice", Reason: "new trunk", Since: now, Until: now.Add(time.Hour)}
	b := Order{Carrier: "tc1", Standing: InService, By: "bob", Since: now.Add(time.Second)}
	if !a.Before(b) || b.Before(a) || a.Before(a) {
		t.Error("the later one does not take the place of the one before")
	}
	b.Since = now
	if a.Before(b) == b.Before(a) {
		t.Error("of two of one instant each holds somewhere")
	}
	if a.At(now) != Drained || a.At(now.Add(time.Hour)) != InService {
		t.Error("it holds for longer than it says")
	}
	if got := a.Besides(); got != "by operator alice: new trunk" {
		t.Error(got)
	}
}
