package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// tour is where a call would go, to be told.
type tour struct {
	b2bua.Trial
	asked  ops.RouteAsked
	id     dialog.CallID
	routes []carriers.RouteConfig
	judge  func(dialog.CallID) carriers.Judge
}

// told is the tour in its JSON form.
func (t *tour) told() ops.RouteTrial {
	j := ops.RouteTrial{
		Call: t.id.String(), Sample: t.asked.Call == "", Trunk: t.asked.Trunk, Number: t.Setup.Number, At: t.asked.At,
		Attempts: []ops.RouteAttempt{}, Skipped: []ops.RouteSkipped{}, Shares: t.shares(),
	}
	if t.Barred != "" {
		j.Barred = &ops.Barred{Code: t.Bar.Code, Reason: t.Barred}
	}
	if t.Route != carriers.NoRoute {
		j.Route, j.Match, j.By = &t.Route, matched(t.routes[t.Route].Match), way(t.routes[t.Route])
	}
	if t.Question != nil {
		j.Asked = &ops.RouteQuestion{URL: t.routes[t.Route].Ask.URL, Question: *t.Question}
		if t.Unanswered != nil {
			j.Asked.Error, j.Asked.Fallback = t.Unanswered.Error(), len(t.routes[t.Route].Ask.Fallback) > 0
		}
	}
	for _, a := range t.Attempts {
		x := ops.RouteAttempt{
			Carrier: a.Carrier, Gateway: a.Gateway, Transport: strings.ToLower(a.Path.Transport.String()), Number: a.Number,
			Timers: ops.RouteTimers{NoResponse: patience(a.Timers.NoResponse), NoRinging: patience(a.Timers.NoRinging), NoAnswer: patience(a.Timers.NoAnswer)},
		}
		if rates := t.Book.Carrier(a.Carrier).Rates; j.By == "least_cost" {
			if price, ok := rates.Price(t.asked.At, t.Setup.Number); ok {
				x.Price, x.Currency = price.String(), rates.Currency
			}
		}
		x.URI, x.Headers = headersOf(a.Invite)
		j.Attempts = append(j.Attempts, x)
	}
	for _, s := range t.Skipped {
		j.Skipped = append(j.Skipped, ops.RouteSkipped{Carrier: s.Carrier, Gateway: s.Gateway, Number: s.Number, Reason: s.Why})
	}
	if len(j.Attempts) == 0 {
		j.Refusal = &ops.RouteRefusal{Code: t.Refusal.Code, Reason: t.Refusal.Phrase}
	}
	return j
}

// patience is how long something is waited for; zero is as long as for the answer.
func patience(d time.Duration) string {
	if d == 0 {
		return "as no_answer"
	}
	return brief(d)
}

// way is what a route leads by.
func way(r carriers.RouteConfig) string {
	switch {
	case len(r.Targets) > 0:
		return "targets"
	case len(r.Spread) > 0:
		return "spread"
	case r.LeastCost != nil:
		return "least_cost"
	case r.Ask != nil:
		return "ask"
	}
	return "reject"
}

// matched is what a route asks of its calls.
func matched(m carriers.MatchConfig) map[string]any {
	all := map[string]any{"trunk": m.Trunk, "number": m.Number, "caller": m.Caller, "domain": m.Domain, "zone": m.Zone}
	for key, value := range all {
		if value == "" {
			delete(all, key)
		}
	}
	if m.Percent > 0 {
		all["percent"] = m.Percent
	}
	if len(m.Days) > 0 {
		all["days"] = m.Days
	}
	if len(m.Hours) > 0 {
		var hours []string
		for _, h := range m.Hours {
			text, _ := h.MarshalText() // never fails
			hours = append(hours, string(text))
		}
		all["hours"] = hours
	}
	return all
}

// headersOf are the Request-URI and the header fields of an INVITE.
func headersOf(invite []byte) (uri string, list []ops.RouteHeader) {
	head, _, _ := bytes.Cut(invite, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	uri = strings.TrimSuffix(strings.TrimPrefix(lines[0], "INVITE "), " SIP/2.0")
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		list = append(list, ops.RouteHeader{Name: name, Value: value})
	}
	return uri, list
}

// drawn is how many calls are drawn to tell the shares of all.
const drawn = 10_000

// shares are where calls like this one go first, if not all of them to the same.
func (t *tour) shares() (list []ops.RouteShare) {
	setup, count := t.Setup, map[ops.RouteShare]int{}
	for i := range uint64(drawn) {
		binary.BigEndian.PutUint64(setup.Call[:], i*0x9e3779b97f4a7c15)
		c := t.Book.Select(t.asked.At, setup, t.judge(setup.Call))
		to := ops.RouteShare{Route: c.Route}
		to.Asks = c.Ask != nil
		if len(c.Targets) > 0 {
			to.Carrier, to.Gateway = c.Targets[0].Carrier, c.Targets[0].Gateway
		}
		count[to]++
	}
	if len(count) < 2 {
		return nil
	}
	for to, n := range count {
		to.Percent = float64(n) * 100 / drawn
		list = append(list, to)
	}
	slices.SortFunc(list, func(a, b ops.RouteShare) int {
		return cmp.Or(cmp.Compare(a.Route, b.Route), -cmp.Compare(a.Percent, b.Percent), cmp.Compare(a.Carrier+a.Gateway, b.Carrier+b.Gateway))
	})
	return list
}

// tells prints where a call would go, for programs.
func tells(w io.Writer, j ops.RouteTrial) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false) // a URI stays readable
	return e.Encode(j)
}

// narrates prints where a call would go, for people.
func narrates(w io.Writer, j ops.RouteTrial) error {
	var b strings.Builder
	sample := ""
	if j.Sample {
		sample = "  (a sample: weights and percentages are drawn by it)"
	}
	fmt.Fprintf(&b, "call     %s%s\ntrunk    %s\nnumber   %s\nat       %s\n", j.Call, sample, j.Trunk, j.Number, j.At.Format(time.RFC3339))
	if j.Barred != nil {
		fmt.Fprintf(&b, "barred   %d %s: a call would be refused now; otherwise:\n", j.Barred.Code, j.Barred.Reason)
	}
	if j.Route == nil {
		b.WriteString("route    none matches\n")
	} else {
		var match []string
		for _, key := range slices.Sorted(maps.Keys(j.Match)) {
			match = append(match, fmt.Sprintf("%s: %v", key, j.Match[key]))
		}
		fmt.Fprintf(&b, "route    routes[%d] by %s, match {%s}\n", *j.Route, j.By, strings.Join(match, ", "))
	}
	if j.Asked != nil {
		fmt.Fprintf(&b, "asked    %s", j.Asked.URL)
		if j.Asked.Error != "" {
			fmt.Fprintf(&b, ": %s", j.Asked.Error)
			if j.Asked.Fallback {
				b.WriteString("; the fallback is taken")
			}
		}
		b.WriteString("\n")
	}
	for i, a := range j.Attempts {
		price := ""
		if a.Price != "" {
			price = strings.TrimRight("  price "+a.Price+" "+a.Currency, " ")
		}
		fmt.Fprintf(&b, "\n%-3d %s %s %s  number %s  no_response %s, no_ringing %s, no_answer %s%s\n    INVITE %s\n",
			i+1, a.Carrier, a.Gateway, a.Transport, a.Number, a.Timers.NoResponse, a.Timers.NoRinging, a.Timers.NoAnswer, price, a.URI)
		for _, h := range a.Headers {
			fmt.Fprintf(&b, "    %s: %s\n", h.Name, h.Value)
		}
	}
	if j.Refusal != nil {
		fmt.Fprintf(&b, "refused  %s\n", strings.TrimSpace(fmt.Sprint(j.Refusal.Code, " ", j.Refusal.Reason)))
	}
	for i, s := range j.Skipped {
		if i == 0 {
			b.WriteString("\nskipped\n")
		}
		fmt.Fprintf(&b, "    %s\n", strings.Join(slices.DeleteFunc([]string{s.Carrier, s.Gateway, s.Number, s.Reason}, func(s string) bool { return s == "" }), "  "))
	}
	for i, s := range j.Shares {
		if i == 0 {
			fmt.Fprintf(&b, "\nof %d such calls go first to\n", drawn)
		}
		where := strings.TrimSpace(s.Carrier + " " + s.Gateway)
		switch {
		case where == "" && s.Asks:
			where = "whom the decision names"
		case where == "":
			where = "nobody"
		}
		fmt.Fprintf(&b, "    %5.1f %%  routes[%d]  %s\n", s.Percent, s.Route, where)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
