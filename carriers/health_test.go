package carriers

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var dawn = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func watchedGateway() *Health {
	return &Health{Rules: HealthRules{Options: 10 * time.Second, DownAfter: 3, UpAfter: 2}}
}

// TestR29_OptionsHaveHysteresis: three in a row without an answer are down, two with one
// are up, and calls that go well are no OPTIONS.
func TestR29_OptionsHaveHysteresis(t *testing.T) {
	h := watchedGateway()
	for i, step := range []struct {
		sign  Sign
		state GatewayState
	}{
		{OptionsUnanswered, Unknown}, {OptionsUnanswered, Unknown}, {OptionsAnswered, Up},
		{OptionsUnanswered, Up}, {OptionsUnanswered, Up}, {OptionsUnanswered, Down},
		{OptionsUnanswered, Down}, {OptionsAnswered, Down}, {OptionsUnanswered, Down},
		{OptionsAnswered, Down}, {CallAnswered, Down}, {OptionsAnswered, Up},
		{OptionsUnanswered, Up}, {OptionsUnanswered, Up}, {CallAnswered, Up}, {OptionsUnanswered, Up},
	} {
		h.Step(dawn, step.sign, 0)
		if got := h.State(dawn); got != step.state {
			t.Fatalf("step %d: %v, want %v", i, got, step.state)
		}
	}
	if watchedGateway().Skip(dawn) != "" {
		t.Error("a gateway that nothing is known of is skipped")
	}
}

// TestR29_TheCircuit opens at failures in a row, lets one call through at a time when
// the rest is over, and closes when enough of them went well.
func TestR29_TheCircuit(t *testing.T) {
	h, now := watchedGateway(), dawn
	fails := func(n int) {
		for range n {
			h.Step(now, CallFailed, 0)
		}
	}
	is := func(skip string) {
		t.Helper()
		if got := h.Skip(now); got != skip {
			t.Fatalf("after %s: %q, want %q", now.Sub(dawn), got, skip)
		}
	}
	fails(2)
	h.Step(now, CallAnswered, 0)
	fails(2)
	is("")
	fails(1)
	is(SkipResting)
	h.Step(now, OptionsAnswered, 0) // it is there, and loses INVITEs all the same
	is(SkipResting)
	now = now.Add(10 * time.Second)
	is("")
	h.Begin(now)
	is(SkipProbing)
	fails(1) // one is enough, and the rest is twice as long
	is(SkipResting)
	now = now.Add(19 * time.Second)
	is(SkipResting)
	now = now.Add(time.Second)
	h.Begin(now)
	h.Step(now, CallLeft, 0)
	is("")
	for range 2 {
		h.Begin(now)
		is(SkipProbing)
		h.Step(now, CallAnswered, 0)
		is("")
	}
	if h.State(now) != Up {
		t.Errorf("%v", h.State(now))
	}
	h.Begin(now)
	is("")
}

// TestR29_RetryAfterIsHonouredWithinReason (RFC 3261 §21.5.4).
func TestR29_RetryAfterIsHonouredWithinReason(t *testing.T) {
	for said, rests := range map[time.Duration]time.Duration{
		time.Millisecond: time.Second, 30 * time.Second: 30 * time.Second, 24 * time.Hour: 5 * time.Minute,
	} {
		h := watchedGateway()
		h.Step(dawn, CallFailed, said)
		if h.Skip(dawn.Add(rests-time.Millisecond)) != SkipResting || h.Skip(dawn.Add(rests)) != "" {
			t.Errorf("Retry-After %s is not %s of rest", said, rests)
		}
	}
}

// TestR30_NobodyIsBanned: whatever a gateway's peers see, one that calls begin to go to
// is tried again within the longest rest.
func TestR30_NobodyIsBanned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, now := watchedGateway(), dawn
		for range rapid.IntRange(0, 60).Draw(t, "signs") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "s")) * time.Second)
			if rapid.Bool().Draw(t, "begins") {
				h.Begin(now)
			}
			sign := Sign(rapid.IntRange(int(CallAnswered), int(CallLeft)).Draw(t, "sign"))
			h.Step(now, sign, time.Duration(rapid.IntRange(0, 1000).Draw(t, "retry"))*time.Second)
		}
		if why := h.Skip(now.Add(mostRest)); why != "" {
			t.Fatalf("still %s after %s", why, mostRest)
		}
	})
}

// TestR30_QualityCapsAndNeverBans: of a carrier that is capped the given share of the
// calls goes on, and one in each part of the window however few there are.
func TestR30_QualityCapsAndNeverBans(t *testing.T) {
	q := &Quality{Rules: QualityRules{Window: 5 * time.Minute, ASR: 0.3, NER: 0.9, Calls: 50, Probe: 0.05}}
	now := dawn
	for i := range 49 {
		q.Step(now, Failure)
		if q.Capped() {
			t.Fatalf("capped after %d calls", i+1)
		}
	}
	q.Step(now, Failure)
	if !q.Capped() || q.Skip(now, 0.5) != SkipCapped || q.Skip(now, 0.01) != "" {
		t.Errorf("capped %v; %q, %q", q.Capped(), q.Skip(now, 0.5), q.Skip(now, 0.01))
	}
	let := 0
	for range 10 {
		now = now.Add(30 * time.Second)
		for range 3 {
			if q.Skip(now, 0.9) == "" {
				let++
				q.Begin(now)
				q.Step(now, Failure)
			}
		}
	}
	if let != 10 || !q.Capped() {
		t.Errorf("%d of few calls in ten parts of the window; capped %v", let, q.Capped())
	}
	for range 10 {
		now = now.Add(40 * time.Second)
		q.Step(now, Success)
	}
	if calls, asr, ner := q.Ratios(now); q.Capped() {
		t.Errorf("still capped: %d calls, %v, %v", calls, asr, ner)
	}
	if q.Skip(now, 0.9) != "" {
		t.Error("skipped and not capped")
	}
}

// TestQualityForgets what is older than the window, and tells a callee that is busy from
// a carrier that fails.
func TestQualityForgets(t *testing.T) {
	q := &Quality{Rules: QualityRules{Window: time.Minute, NER: 0.5, Calls: 4}}
	for range 20 {
		q.Step(dawn, Effective)
	}
	if calls, asr, ner := q.Ratios(dawn); calls != 20 || asr != 0 || ner != 1 || q.Capped() {
		t.Errorf("%d %v %v %v", calls, asr, ner, q.Capped())
	}
	later := dawn.Add(2 * time.Minute)
	if calls, _, _ := q.Ratios(later); calls != 0 {
		t.Errorf("%d calls after the window", calls)
	}
	for range 4 {
		q.Step(later, Failure)
	}
	if !q.Capped() {
		t.Error("old calls count for it")
	}
}
