package carriers

import (
	"fmt"
	"strings"
	"time"
)

// Misdeed is something that a carrier does and RFC 3261 does not foresee.
type Misdeed uint8

// The misdeeds, as scorecards count them. Each counts once an attempt.
const (
	LateAnswer Misdeed = iota // a 200 for a call that was given up (§9.1)
	ACKIgnored                // a refusal that was repeated three times, though each copy had its ACK (§17.2.1)
	NoFinal                   // a CANCEL that was accepted, and no final response (§9.2)
	No100                     // a first response that was slower than 200 ms, and no 100 (§17.2.1)

	misdeeds = iota
)

// misdeedKeys are the keys of their thresholds.
var misdeedKeys = [misdeeds]string{"answered_after_cancel", "acks_ignored", "no_final", "no_100"}

// ConductRules are when a carrier is kept back for what it does.
type ConductRules struct {
	Window   time.Duration     // that is looked at; zero: no look is taken
	Attempts int               // so many at least, or nothing is said
	Most     [misdeeds]float64 // share of attempts that may have it; zero: any
	Delay    time.Duration     // longest mean post-dial delay; zero: any
	Then     Standing          // Deprioritised, Quarantined
	Well     float64           // part of each threshold below which it is well again
	Floor    float64           // share of calls that go there first all the same
}

// Deeds are what came to light of a carrier's attempts: of those that ended, or later.
type Deeds struct {
	Attempts int
	Misdeeds [misdeeds]int
	Delays   int           // attempts that rang or were answered
	Delay    time.Duration // the sum of theirs
}

func (d *Deeds) add(o Deeds) {
	d.Attempts += o.Attempts
	for i, n := range o.Misdeeds {
		d.Misdeeds[i] += n
	}
	d.Delays += o.Delays
	d.Delay += o.Delay
}

// Conduct counts what a carrier does, in a window that moves, and says how it stands for
// that. A verdict holds for a window at least, and until everything is well below what
// brought it about. It never bans: a share of the calls goes on, one in each part of the
// window at least, so that it can show that it is well again.
type Conduct struct {
	Rules ConductRules

	at     [parts]int64 // which part of all time each counts
	deeds  [parts]Deeds
	kept   bool
	since  time.Time // of the verdict that holds
	why    string
	passed int64 // the part of time in which a call was last let through
}

func (c *Conduct) part(now time.Time) int64 {
	return now.UnixNano() / max(int64(c.Rules.Window/parts), 1)
}

// Count adds deeds, and says whether the carrier stands otherwise for it.
func (c *Conduct) Count(now time.Time, d Deeds) (changed bool) {
	if c.Rules.Window <= 0 {
		return false
	}
	n := c.part(now)
	i := n % parts
	if c.at[i] != n {
		c.at[i], c.deeds[i] = n, Deeds{}
	}
	c.deeds[i].add(d)
	sum := c.sum(now)
	switch {
	case !c.kept && sum.Attempts >= c.Rules.Attempts:
		if c.why = c.beyond(sum, 1); c.why == "" {
			return false
		}
	case c.kept && now.Sub(c.since) >= c.Rules.Window && sum.Attempts >= min(c.Rules.Attempts, leastProbes):
		if c.beyond(sum, c.Rules.Well) != "" {
			return false
		}
		c.why = ""
	default:
		return false
	}
	c.kept, c.since = !c.kept, now
	c.at = [parts]int64{} // what comes now says whether it is so still
	c.passed = n
	return true
}

// sum is what is in the window.
func (c *Conduct) sum(now time.Time) (sum Deeds) {
	n := c.part(now)
	for i, at := range c.at {
		if at > n-parts {
			sum.add(c.deeds[i])
		}
	}
	return sum
}

// beyond says what is above a part of its threshold; empty: nothing is.
func (c *Conduct) beyond(d Deeds, part float64) string {
	var list []string
	for i, most := range c.Rules.Most {
		share := float64(d.Misdeeds[i]) / float64(max(d.Attempts, 1))
		if most > 0 && share > most*part {
			list = append(list, fmt.Sprintf("%s %.1f%% of %d attempts, above %.1f%%", misdeedKeys[i], 100*share, d.Attempts, 100*most))
		}
	}
	if mean := d.Delay / time.Duration(max(d.Delays, 1)); c.Rules.Delay > 0 && float64(mean) > float64(c.Rules.Delay)*part {
		list = append(list, fmt.Sprintf("post_dial_delay %.1fs, above %.1fs", mean.Seconds(), c.Rules.Delay.Seconds()))
	}
	return strings.Join(list, "; ")
}

// Standing is what the carrier's conduct makes of it, since when and for what.
func (c *Conduct) Standing() (s Standing, since time.Time, why string) {
	if !c.kept {
		return InService, c.since, ""
	}
	return c.Rules.Then, c.since, c.why
}

// Skip says whether a call is to go elsewhere first; draw is a number of the call, from
// zero to below one.
func (c *Conduct) Skip(now time.Time, draw float64) string {
	if c.kept && draw >= c.Rules.Floor && c.part(now) == c.passed {
		return because(c.Rules.Then.String(), "by its scorecard: "+c.why)
	}
	return ""
}

// Begin notes that a call goes there.
func (c *Conduct) Begin(now time.Time) { c.passed = c.part(now) }
