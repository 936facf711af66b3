package simtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"bulkhead/carriers"
)

// decider is who decides about the calls of routes that ask, over a network of its own.
type decider struct {
	mu     sync.Mutex
	after  time.Duration
	code   int
	text   string
	silent bool
}

// RoundTrip answers a question as the scenario has said before it came (http.RoundTripper).
func (d *decider) RoundTrip(r *http.Request) (*http.Response, error) {
	var q carriers.Question
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		return nil, err
	}
	d.mu.Lock()
	after, code, text, silent := d.after, d.code, d.text, d.silent
	d.mu.Unlock()
	if silent {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	select {
	case <-time.After(after):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	text = strings.NewReplacer("{number}", q.Number, "{caller}", q.Caller).Replace(text)
	return &http.Response{StatusCode: code, Status: strconv.Itoa(code), Body: io.NopCloser(strings.NewReader(text))}, nil
}

// decides reads "decider tc1 tc2/+337 after=300ms", "decider reject=603",
// "decider status=500", "decider silent": what questions get from now on.
func (s *Stage) decides(words []string) error {
	o, err := readOptions(words)
	if err != nil {
		return err
	}
	after, err := time.ParseDuration(o.or("after", "0s"))
	if err != nil {
		return err
	}
	code, err := strconv.Atoi(o.or("status", "200"))
	if err != nil {
		return err
	}
	var a carriers.Answer
	if reject := o.or("reject", ""); reject != "" {
		a.Reject = &carriers.AnsweredReject{}
		if a.Reject.Code, err = strconv.Atoi(reject); err != nil {
			return err
		}
	}
	silent := o.has("silent")
	for _, t := range o.bare {
		if t != "silent" {
			name, number, _ := strings.Cut(t, "/")
			a.Targets = append(a.Targets, carriers.AnsweredTarget{Carrier: name, Number: number})
		}
	}
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	s.decider.mu.Lock()
	defer s.decider.mu.Unlock()
	s.decider.after, s.decider.code, s.decider.text, s.decider.silent = after, code, string(text), silent
	return nil
}

// asks declares "ask +33* timeout=500ms keep=30s tc2": a route that asks, and its fallback.
func (s *Stage) asks(o options) error {
	if len(o.bare) == 0 {
		return fmt.Errorf("a route that asks has a pattern")
	}
	a := &carriers.AskConfig{URL: "http://decider/route"}
	a.Default()
	var err error
	if timeout := o.or("timeout", ""); timeout != "" {
		if a.Timeout, err = time.ParseDuration(timeout); err != nil {
			return err
		}
	}
	if keep := o.or("keep", ""); keep != "" {
		a.Cache = &carriers.CacheConfig{By: []string{"number"}}
		if a.Cache.Keep, err = time.ParseDuration(keep); err != nil {
			return err
		}
	}
	for _, name := range o.bare[1:] {
		a.Fallback = append(a.Fallback, carriers.TargetConfig{Carrier: name})
	}
	s.config.Routes = append(s.config.Routes, carriers.RouteConfig{Match: carriers.MatchConfig{Number: o.bare[0]}, Ask: a})
	return nil
}
