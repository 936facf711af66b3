package carriers

import "time"

// QualityRules are when a carrier is capped because too few of its calls come to
// something.
type QualityRules struct {
	Window time.Duration // that is looked at; zero: no look is taken
	ASR    float64       // least share of attempts that are answered; zero: any
	NER    float64       // least share that the network has not failed (ITU-T E.425); zero: any
	Calls  int           // so many at least, or nothing is said
	Probe  float64       // share of calls that still go there first when it is capped
}

// parts is how many parts a window has: the oldest is forgotten at once.
const parts = 10

// leastProbes is how many calls say that a capped carrier is well again, where it takes
// more to cap one: no more than have to come to it within a window.
const leastProbes = parts / 2

// Quality counts what came of the attempts at a carrier, in a window that moves. It never
// bans: of a carrier that is capped a share of the calls goes on, one in each part of
// the window at least, and it is there for every call that nobody else takes.
type Quality struct {
	Rules QualityRules

	at     [parts]int64 // which part of all time each counts
	all    [parts]int
	up     [parts]int
	ok     [parts]int
	capped bool
	passed int64 // the part of time in which a call was last let through
}

// Outcome is what came of one attempt.
type Outcome uint8

// The outcomes. What could not be sent, and what the caller has left before anything was
// heard, says nothing of the carrier.
const (
	Failure   Outcome = iota // the network's, or the carrier's
	Effective                // the callee was reached: busy, declined, not at home, or the caller has left
	Success                  // answered
)

func (q *Quality) part(now time.Time) int64 {
	return now.UnixNano() / max(int64(q.Rules.Window/parts), 1)
}

// Step counts an attempt.
func (q *Quality) Step(now time.Time, o Outcome) {
	if q.Rules.Window <= 0 {
		return
	}
	n := q.part(now)
	i := n % parts
	if q.at[i] != n {
		q.at[i], q.all[i], q.up[i], q.ok[i] = n, 0, 0, 0
	}
	q.all[i]++
	if o == Success {
		q.up[i]++
	}
	if o != Failure {
		q.ok[i]++
	}
	calls, asr, ner := q.Ratios(now)
	enough := q.Rules.Calls
	if q.capped {
		enough = min(enough, leastProbes)
	}
	if calls < enough {
		return
	}
	was := q.capped
	q.capped = asr < q.Rules.ASR || ner < q.Rules.NER
	if q.capped != was { // what comes now says whether it is so still
		q.at = [parts]int64{}
		q.passed = n
	}
}

// Ratios are those of the window: answer-seizure and network effectiveness, of so many
// attempts.
func (q *Quality) Ratios(now time.Time) (calls int, asr, ner float64) {
	n, up, ok := q.part(now), 0, 0
	for i, at := range q.at {
		if at > n-parts {
			calls, up, ok = calls+q.all[i], up+q.up[i], ok+q.ok[i]
		}
	}
	if calls == 0 {
		return 0, 0, 0
	}
	return calls, float64(up) / float64(calls), float64(ok) / float64(calls)
}

// Capped says that too few of the carrier's calls come to something.
func (q *Quality) Capped() bool { return q.capped }

// Skip says whether a call is to go elsewhere first; draw is a number of the call, from
// zero to below one.
func (q *Quality) Skip(now time.Time, draw float64) string {
	if q.capped && draw >= q.Rules.Probe && q.part(now) == q.passed {
		return SkipCapped
	}
	return ""
}

// Begin notes that a call goes there.
func (q *Quality) Begin(now time.Time) { q.passed = q.part(now) }
