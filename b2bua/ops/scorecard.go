package ops

import (
	"maps"
	"slices"
	"sync"
	"time"

	"bulkhead/b2bua"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// Scorecards count how carriers behave, by the hour, for a day: how many calls they answer
// and how fast, and what they do that RFC 3261 does not foresee.
//
// It is a b2bua.Observer, and stands behind the Journal in Observers: what it says of
// messages it has from there, once nothing more comes for a call.
type Scorecards struct {
	Journal *b2bua.Journal
	Now     func() time.Time

	tags    toTags
	origins origins

	Standings *b2bua.Standings                    // that carriers' thresholds are held against; nil: they are only counted
	Stands    func(carrier string, s b2bua.Stand) // told when a carrier stands otherwise for its scorecard; nil: nobody

	mu       sync.Mutex
	carriers map[string]*[hours]Score
}

// hours are kept of each carrier.
const hours = 24

// Score is how a carrier behaved in a span of time.
type Score struct {
	From time.Time `json:"from" doc:"Begin of the hour, or of the span."`

	Attempts int `json:"attempts" doc:"INVITEs that ended: answered, refused or given up."`
	Answered int `json:"answered"`
	NotSent  int `json:"not_sent" doc:"That could not be sent; they count in no ratio."`
	Silent   int `json:"silent" doc:"Without any response."`
	User     int `json:"user" doc:"That the one who was called decided: busy, no answer, declined, number unknown, cancelled by the caller while it rang."`

	ASR float64 `json:"asr" doc:"Answer-seizure ratio (ITU-T E.411): of the attempts that were sent, those answered, 0 to 1."`
	NER float64 `json:"ner" doc:"Network effectiveness ratio (ITU-T E.425): those answered or ended by who was called, 0 to 1."`

	DelayCount int     `json:"delay_count" doc:"Attempts that rang or were answered."`
	DelayMean  float64 `json:"post_dial_delay" doc:"Mean time from the INVITE to the first ringing, early media or answer, in seconds."`
	DelayMost  float64 `json:"post_dial_delay_max" doc:"The longest of them, in seconds."`

	Absorbed   int `json:"absorbed" doc:"Messages that came when they could change nothing any more."`
	ACKIgnored int `json:"ack_ignored" doc:"Refusals repeated although each copy had its ACK (RFC 3261 §17.2.1)."`
	Late       int `json:"answered_after_cancel" doc:"200s for calls that had been given up: each was acknowledged and hung up (RFC 3261 §9.1)."`
	NoFinal    int `json:"no_final_after_cancel" doc:"CANCELs that were accepted, while the INVITE never got its final response (RFC 3261 §9.2)."`
	No100      int `json:"no_100" doc:"First responses that were slower than 200 ms and no 100 (RFC 3261 §17.2.1)."`

	ToTags int `json:"to_tag_changes" doc:"INVITEs whose final refusals had different To-tags (RFC 3261 §8.2.6.2)."`

	Origins int `json:"bad_origins" doc:"Attempts with descriptions whose o= line is none, names another session within a dialog, or has a version that falls or stays while the rest changes (RFC 4566 §5.2, RFC 3264 §8)."`

	delays time.Duration
}

// Hunted is b2bua.Observer: the record has it.
func (c *Scorecards) Hunted(dialog.CallID, b2bua.Failover) {}

// Saw is b2bua.Observer: the Journal has it, but for tags and descriptions.
func (c *Scorecards) Saw(s b2bua.Sight) {
	c.tags.saw(s)
	c.origins.saw(s)
}

// Ended is b2bua.Observer.
func (c *Scorecards) Ended(_ dialog.CallID, r b2bua.Record) {
	deeds := make([]deed, len(r.Attempts))
	defer c.judge(deeds)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, a := range r.Attempts {
		s, d := c.hour(a.Carrier), &deeds[i]
		d.carrier = a.Carrier
		if !a.NotSent {
			d.Attempts = 1
		}
		s.Attempts++
		answered := a.Code/100 == 2 && !a.Late && !r.Answered.IsZero()
		switch {
		case a.NotSent:
			s.NotSent++
		case answered:
			s.Answered++
		case a.Cause == "no_response":
			s.Silent++
		case ofUser(a) || a.Cause == "cancelled" && !a.Ringing.IsZero():
			s.User++
		}
		if a.Late {
			s.Late++
			d.Misdeeds[carriers.LateAnswer] = 1
		}
		first := a.Ringing
		if first.IsZero() || !a.EarlyMedia.IsZero() && a.EarlyMedia.Before(first) {
			first = a.EarlyMedia
		}
		if first.IsZero() && answered && i == len(r.Attempts)-1 {
			first = a.Final
		}
		if !first.IsZero() {
			d.Delays, d.Delay = 1, first.Sub(a.Began)
			s.delays += d.Delay
			s.DelayCount++
			s.DelayMost = max(s.DelayMost, d.Delay.Seconds())
		}
		if late100(a) {
			s.No100++
			d.Misdeeds[carriers.No100] = 1
		}
	}
}

// late100 says that the first response was slower than 200 ms, and no 100.
func late100(a b2bua.Attempt) bool {
	response := firstOf(a.Ringing, a.EarlyMedia, a.Final)
	return a.Trying.IsZero() && !response.IsZero() && response.Sub(a.Began) > 200*time.Millisecond
}

// ofUser says that an attempt was ended by who was called, or by the number, not by the
// network (ITU-T E.425 counts them as effective).
func ofUser(a b2bua.Attempt) bool {
	switch a.Code {
	case 404, 410, 433, 480, 484, 486, 600, 603, 604, 606, 607, 608:
		return true
	}
	return a.Cause == "no_answer" && !a.Ringing.IsZero()
}

// firstOf is the earliest instant; zero: none has come.
func firstOf(all ...time.Time) (first time.Time) {
	for _, t := range all {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// Left is b2bua.Observer: what crossed the wire for the call is all there now.
func (c *Scorecards) Left(id dialog.CallID) {
	changed, origins := c.tags.left(id), c.origins.left(id)
	a, ok := c.Journal.Call(id, c.Now())
	if !ok || a.Record == nil {
		return
	}
	type leg struct{ cancelled, final, repeats, absorbed int }
	legs := make([]leg, len(a.Record.Attempts))
	for _, r := range a.Rungs {
		if r.Leg == 0 || int(r.Leg) > len(legs) {
			continue
		}
		l := &legs[r.Leg-1]
		l.absorbed += r.Absorbed
		switch {
		case r.In && r.Method == "CANCEL" && r.Code/100 == 2:
			l.cancelled++
		case r.In && r.Method == "INVITE" && r.Code >= 200:
			l.final++
			if r.Code >= 300 {
				l.repeats += r.Count - 1
			}
		}
	}
	deeds := make([]deed, len(legs))
	defer c.judge(deeds)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, l := range legs {
		d := &deeds[i]
		d.carrier = a.Record.Attempts[i].Carrier
		s := c.hour(d.carrier)
		s.Absorbed += l.absorbed
		s.ACKIgnored += l.repeats
		if l.repeats >= ignores {
			d.Misdeeds[carriers.ACKIgnored] = 1
		}
		if l.cancelled > 0 && l.final == 0 {
			s.NoFinal++
			d.Misdeeds[carriers.NoFinal] = 1
		}
		if slices.Contains(changed, i) {
			s.ToTags++
		}
		if slices.Contains(origins, i) {
			s.Origins++
		}
	}
}

// ignores is how often a refusal is repeated by who ignores its ACKs: fewer copies may have
// crossed them, or the ACKs were lost.
const ignores = 3

// deed is what has come to light of one attempt.
type deed struct {
	carrier string
	carriers.Deeds
}

// judge holds what has come to light against the carriers' thresholds. The lock is not held.
func (c *Scorecards) judge(list []deed) {
	if c.Standings == nil {
		return
	}
	now := c.Now()
	for _, d := range list {
		if c.Standings.Count(now, d.carrier, d.Deeds) && c.Stands != nil {
			c.Stands(d.carrier, c.Standings.Of(now, d.carrier))
		}
	}
}

// hour is the count of a carrier in the hour that it is. The lock is held.
func (c *Scorecards) hour(carrier string) *Score {
	if c.carriers == nil {
		c.carriers = map[string]*[hours]Score{}
	}
	all := c.carriers[carrier]
	if all == nil {
		all = &[hours]Score{}
		c.carriers[carrier] = all
	}
	from := c.Now().UTC().Truncate(time.Hour)
	s := &all[from.Unix()/3600%hours]
	if !s.From.Equal(from) {
		*s = Score{From: from}
	}
	return s
}

// Of gives the hours of a carrier in which something happened, the latest first, and their
// sum; false: nothing has.
func (c *Scorecards) Of(carrier string) (sum Score, each []Score, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.carriers[carrier]
	if all == nil {
		return sum, nil, false
	}
	since := c.Now().Add(-hours * time.Hour)
	for _, s := range all {
		if s.From.IsZero() || s.From.Before(since) {
			continue
		}
		sum.add(s)
		s.ratios()
		each = append(each, s)
	}
	sum.ratios()
	slices.SortFunc(each, func(a, b Score) int { return b.From.Compare(a.From) })
	return sum, each, len(each) > 0
}

// Carriers are those of which something is known, in order.
func (c *Scorecards) Carriers() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.carriers))
}

func (s *Score) add(o Score) {
	if s.From.IsZero() || o.From.Before(s.From) {
		s.From = o.From
	}
	s.Attempts += o.Attempts
	s.Answered += o.Answered
	s.NotSent += o.NotSent
	s.Silent += o.Silent
	s.User += o.User
	s.DelayCount += o.DelayCount
	s.delays += o.delays
	s.DelayMost = max(s.DelayMost, o.DelayMost)
	s.Absorbed += o.Absorbed
	s.ACKIgnored += o.ACKIgnored
	s.Late += o.Late
	s.NoFinal += o.NoFinal
	s.No100 += o.No100
	s.ToTags += o.ToTags
	s.Origins += o.Origins
}

// ratios fills in what follows from the counts.
func (s *Score) ratios() {
	if sent := s.Attempts - s.NotSent; sent > 0 {
		s.ASR = float64(s.Answered) / float64(sent)
		s.NER = float64(s.Answered+s.User) / float64(sent)
	}
	if s.DelayCount > 0 {
		s.DelayMean = (s.delays / time.Duration(s.DelayCount)).Seconds()
	}
}
