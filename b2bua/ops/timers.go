package ops

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"bulkhead/b2bua"
	"bulkhead/dialog"
)

// Timer is one that is armed.
type Timer struct {
	Leg  int       `json:"leg" doc:"-1: the call's; 0: the trunk's; n: attempt n's."`
	Name string    `json:"name" doc:"What happens when it fires."`
	Due  time.Time `json:"due"`
}

// timersOf are those of a call.
func timersOf(c *b2bua.Call) (list []Timer) {
	list = []Timer{}
	add := func(leg int, name string, due time.Time) {
		if !due.IsZero() {
			list = append(list, Timer{leg, name, utc(due)})
		}
	}
	longest := "longest setup: the call fails"
	if c.Winner >= 0 {
		longest = "longest duration: the call ends"
	}
	add(-1, longest, c.Expires)
	add(-1, "the route has not been decided: the call fails", c.Choosing)
	add(-1, "the transfer fails", c.Moving.Until)
	for n := range 1 + len(c.Out) {
		l := c.In
		if n > 0 {
			l = c.Out[n-1]
		}
		for i, name := range [...]string{"no response", "no ringing", "no answer"} {
			add(n, name+": the next target is tried", l.Patience[i])
		}
		add(n, "the last provisional is repeated", l.Refresh)
		add(n, "a change is asked for again", l.Again)
		add(n, "the session is refreshed", l.Interval.Refresh)
		add(n, "the session expires: the call ends", l.Interval.Expires)
		add(n, "the peer is asked whether it is there", l.Audit.Next)
		add(n, "the peer's REFER is given up", l.Referred.Until)
		add(n, "our REFER is given up", l.Refers.Until)
		for _, t := range l.Tx {
			machine, state := t.At()
			add(n, fmt.Sprintf("%s is sent again", sentLast(t, machine)), t.Repeat)
			add(n, fmt.Sprintf("the %s transaction (%s, %s) ends", strings.Clone(t.Method), machine, state), t.End)
		}
	}
	slices.SortStableFunc(list, func(a, b Timer) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Leg, b.Leg)) })
	return list
}

// sentLast is what a transaction has sent last.
func sentLast(t *dialog.Tx, machine string) string {
	if strings.HasSuffix(machine, "client") {
		return strings.Clone(t.Method)
	}
	return fmt.Sprintf("%d to %s", t.Code, strings.Clone(t.Method))
}

// Altered is a fact of the call that a carrier is shown otherwise than the trunk has said it.
type Altered struct {
	Name string `json:"name" example:"asserted"`
	From string `json:"from,omitempty" doc:"As the trunk's profile has taken it; absent: it did not say."`
	To   string `json:"to,omitempty" doc:"As the carrier is shown it; absent: it is withheld."`
}

// altered compares what a trunk has asked for with what a carrier was shown of it.
func altered(from, to dialog.Setup) (list []Altered) {
	say := func(name, a, b string) {
		if a != b {
			list = append(list, Altered{name, strings.Clone(a), strings.Clone(b)})
		}
	}
	party := func(p dialog.Party) string {
		if p.Display == "" {
			return p.User
		}
		return fmt.Sprintf("%q %s", p.Display, p.User)
	}
	diversions := func(all []dialog.Diversion) string {
		var b []string
		for _, d := range all {
			b = append(b, strings.TrimSuffix(d.User+" "+d.Reason, " "))
		}
		return strings.Join(b, ", ")
	}
	say("number", from.Number+from.Params, to.Number+to.Params)
	say("caller", party(from.Caller), party(to.Caller))
	say("asserted", party(from.Asserted), party(to.Asserted))
	say("privacy", private(from.Privacy), private(to.Privacy))
	say("diversions", diversions(from.Diversions), diversions(to.Diversions))
	say("media", fromBody(from.Body), fromBody(to.Body))
	var names []string
	values := func(all []dialog.Header) map[string]string {
		m := map[string]string{}
		for _, h := range all {
			if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, h.Name) }) {
				names = append(names, h.Name)
			}
			key := strings.ToLower(h.Name)
			if m[key] != "" {
				m[key] += ", "
			}
			m[key] += h.Value
		}
		return m
	}
	before, after := values(from.Headers), values(to.Headers)
	for _, n := range names {
		say(strings.Clone(n), before[strings.ToLower(n)], after[strings.ToLower(n)])
	}
	return list
}

// fromBody is a description in short.
func fromBody(b dialog.Body) string {
	return strings.ReplaceAll(strings.TrimSpace(digest(b.Data)), "\n", "; ")
}

// private is what is to be withheld, in the tokens of RFC 3323.
func private(p dialog.Privacy) string {
	var all []string
	for i, name := range [...]string{"id", "user", "header", "session", "history", "none", "critical"} {
		if p&(1<<i) != 0 {
			all = append(all, name)
		}
	}
	return strings.Join(all, "; ")
}
