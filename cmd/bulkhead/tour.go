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
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// tour is where a call would go, to be told.
type tour struct {
	b2bua.Trial
	config *Config
	book   *carriers.Book
	call   tried
	id     dialog.CallID
}

// The JSON form of a tour.
type (
	tourJSON struct {
		Call     string         `json:"call"`
		Sample   bool           `json:"sample"` // of the id
		Trunk    string         `json:"trunk"`
		Number   string         `json:"number"` // that the routes have seen
		At       time.Time      `json:"at"`
		Route    *int           `json:"route"` // from 0; null: none matches
		Match    map[string]any `json:"match,omitempty"`
		By       string         `json:"by,omitempty"` // targets, spread, least_cost, ask, reject
		Asked    *askedJSON     `json:"asked,omitempty"`
		Attempts []attemptJSON  `json:"attempts"`
		Skipped  []skippedJSON  `json:"skipped"`
		Refusal  *refusalJSON   `json:"refusal,omitempty"` // where there are no attempts
		Shares   []shareJSON    `json:"shares,omitempty"`  // of all calls like this one
	}
	askedJSON struct {
		URL      string            `json:"url"`
		Question carriers.Question `json:"question"`
		Error    string            `json:"error,omitempty"`
	}
	attemptJSON struct {
		Carrier   string       `json:"carrier"`
		Gateway   string       `json:"gateway"`
		Transport string       `json:"transport"`
		Number    string       `json:"number"`
		Price     string       `json:"price,omitempty"`
		Currency  string       `json:"currency,omitempty"`
		Timers    timersJSON   `json:"timers"`
		URI       string       `json:"uri"`
		Headers   []headerJSON `json:"headers"`
	}
	timersJSON struct {
		NoResponse string `json:"no_response"`
		NoRinging  string `json:"no_ringing"`
		NoAnswer   string `json:"no_answer"`
	}
	headerJSON struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	skippedJSON struct {
		Carrier string `json:"carrier"`
		Gateway string `json:"gateway,omitempty"`
		Number  string `json:"number,omitempty"`
		Reason  string `json:"reason"`
	}
	refusalJSON struct {
		Code   int    `json:"code"`
		Reason string `json:"reason,omitempty"`
	}
	shareJSON struct {
		Route   int     `json:"route"`
		Carrier string  `json:"carrier,omitempty"` // tried first; empty: none is
		Gateway string  `json:"gateway,omitempty"`
		Percent float64 `json:"percent"`
	}
)

// told is the tour in its JSON form.
func (t *tour) told() tourJSON {
	j := tourJSON{
		Call: t.id.String(), Sample: t.call.call == "", Trunk: t.call.trunk, Number: t.Setup.Number, At: t.call.at,
		Attempts: []attemptJSON{}, Skipped: []skippedJSON{}, Shares: t.shares(),
	}
	if t.Route != carriers.NoRoute {
		j.Route, j.Match, j.By = &t.Route, matched(t.config.Routes[t.Route].Match), way(t.config.Routes[t.Route])
	}
	if t.Question != nil {
		j.Asked = &askedJSON{URL: t.config.Routes[t.Route].Ask.URL, Question: *t.Question}
		if t.Unanswered != nil {
			j.Asked.Error = t.Unanswered.Error()
		}
	}
	for _, a := range t.Attempts {
		x := attemptJSON{
			Carrier: a.Carrier, Gateway: a.Gateway, Transport: strings.ToLower(a.Path.Transport.String()), Number: a.Number,
			Timers: timersJSON{patience(a.Timers.NoResponse), patience(a.Timers.NoRinging), patience(a.Timers.NoAnswer)},
		}
		if rates := t.book.Carrier(a.Carrier).Rates; j.By == "least_cost" {
			if price, ok := rates.Price(t.call.at, t.Setup.Number); ok {
				x.Price, x.Currency = price.String(), rates.Currency
			}
		}
		x.URI, x.Headers = headersOf(a.Invite)
		j.Attempts = append(j.Attempts, x)
	}
	for _, s := range t.Skipped {
		j.Skipped = append(j.Skipped, skippedJSON{s.Carrier, s.Gateway, s.Number, s.Why})
	}
	if len(j.Attempts) == 0 {
		j.Refusal = &refusalJSON{t.Refusal.Code, t.Refusal.Phrase}
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
func headersOf(invite []byte) (uri string, list []headerJSON) {
	head, _, _ := bytes.Cut(invite, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	uri = strings.TrimSuffix(strings.TrimPrefix(lines[0], "INVITE "), " SIP/2.0")
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		list = append(list, headerJSON{name, value})
	}
	return uri, list
}

// drawn is how many calls are drawn to tell the shares of all.
const drawn = 10_000

// shares are where calls like this one go first, if not all of them to the same.
func (t *tour) shares() (list []shareJSON) {
	setup, count := t.Setup, map[shareJSON]int{}
	for i := range uint64(drawn) {
		binary.BigEndian.PutUint64(setup.Call[:], i*0x9e3779b97f4a7c15)
		c := t.book.Select(t.call.at, setup, assumptions(t.call.assume))
		to := shareJSON{Route: c.Route}
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
	slices.SortFunc(list, func(a, b shareJSON) int {
		return cmp.Or(cmp.Compare(a.Route, b.Route), -cmp.Compare(a.Percent, b.Percent), cmp.Compare(a.Carrier+a.Gateway, b.Carrier+b.Gateway))
	})
	return list
}

func (t *tour) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false) // a URI stays readable
	return e.Encode(t.told())
}

// text tells the tour for people.
func (t *tour) text(w io.Writer) error {
	j := t.told()
	var b strings.Builder
	sample := ""
	if j.Sample {
		sample = "  (a sample: weights and percentages are drawn by it)"
	}
	fmt.Fprintf(&b, "call     %s%s\ntrunk    %s\nnumber   %s\nat       %s\n", j.Call, sample, j.Trunk, j.Number, j.At.Format(time.RFC3339))
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
			if len(t.config.Routes[t.Route].Ask.Fallback) > 0 {
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
		case where == "" && s.Route != carriers.NoRoute && t.config.Routes[s.Route].Ask != nil:
			where = "whom the decision names"
		case where == "":
			where = "nobody"
		}
		fmt.Fprintf(&b, "    %5.1f %%  routes[%d]  %s\n", s.Percent, s.Route, where)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
