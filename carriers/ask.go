package carriers

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bulkhead/dialog"
)

// Ask is a route whose targets somebody else decides about, by HTTP: the Question is
// posted to URL, and the Answer is what comes back. It is never changed.
type Ask struct {
	URL        string
	Timeout    time.Duration  // above zero: for the connection, the question and the answer
	CA         *x509.CertPool // who vouches for an https server; nil: the system's authorities
	Concurrent int            // questions at once; the others wait, within the timeout
	Keep       time.Duration  // how long an answer holds; zero: it is not kept
	By         []string       // questions that agree in these keys have the same answer
	Most       int            // answers kept

	fallback []hop // where nobody answers
	route    int
}

// Question is what the other side hears of a call, as a JSON object.
type Question struct {
	Call   string    `json:"call"`   // our name of the call, as in its record
	Trunk  string    `json:"trunk"`  // who calls us
	Number string    `json:"number"` // user part of the Request-URI
	Domain string    `json:"domain"` // host of the Request-URI
	Caller string    `json:"caller"` // user part of From; empty: none
	Name   string    `json:"name"`   // display name of From; empty: none
	At     time.Time `json:"at"`     // now, in UTC
}

// askKeys are the keys of a Question that an answer may depend on.
var askKeys = []string{"trunk", "number", "domain", "caller", "name"}

// Question makes the question of a call.
func (a *Ask) Question(now time.Time, s dialog.Setup) Question {
	return Question{
		Call: s.Call.String(), Trunk: s.Trunk, Number: s.Number, Domain: s.Domain,
		Caller: s.Caller.User, Name: s.Caller.Display, At: now.UTC(),
	}
}

// Key is the same for questions that have the same answer; empty: each has its own.
func (a *Ask) Key(q Question) string {
	if a.Keep == 0 {
		return ""
	}
	var b strings.Builder
	for _, key := range a.By {
		value := map[string]string{"trunk": q.Trunk, "number": q.Number, "domain": q.Domain, "caller": q.Caller, "name": q.Name}[key]
		fmt.Fprintf(&b, "%q", value)
	}
	return b.String()
}

// Answer is a decision: where a call may go, the first first, or how it is refused. It
// comes as a JSON object; keys that are not known say nothing.
type Answer struct {
	Targets []AnsweredTarget `json:"targets"`
	Reject  *AnsweredReject  `json:"reject"`
}

// AnsweredTarget is a carrier to try.
type AnsweredTarget struct {
	Carrier string `json:"carrier"`
	Number  string `json:"number"` // to dial there; empty: as it came
}

// AnsweredReject is the answer to a call that goes nowhere.
type AnsweredReject struct {
	Code   int    `json:"code"`   // 400 to 699
	Reason string `json:"reason"` // empty: the standard phrase
}

// ReadAnswer reads a decision. The error says why it is none.
func ReadAnswer(data []byte) (Answer, error) {
	var a Answer
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(&a); err != nil {
		return Answer{}, err
	}
	if d.More() {
		return Answer{}, errors.New("something stands behind the answer")
	}
	if (len(a.Targets) > 0) == (a.Reject != nil) {
		return Answer{}, errors.New("an answer has targets, or it rejects")
	}
	if r := a.Reject; r != nil {
		if r.Code < 400 || r.Code > 699 {
			return Answer{}, fmt.Errorf("%d is not a status code that rejects: 400 to 699", r.Code)
		}
		if strings.ContainsFunc(r.Reason, func(c rune) bool { return c < ' ' || c == 0x7f }) || len(r.Reason) > longestPhrase {
			return Answer{}, errors.New("the reason is too long, or holds a control character")
		}
	}
	return a, nil
}

// Bounds of what an answer may say, in bytes.
const (
	longestPhrase = 128
	longestNumber = 128
)

// Why what an answer names is skipped.
const (
	SkipUnknown   = "unknown_carrier"
	SkipBadNumber = "bad_number"
	SkipBeyond    = "beyond_limit" // of MaxTargets
)

// Decide is the choice of a call that took a route which asks, once there is an answer,
// or an error instead. Without an answer, and where no carrier that it names is known,
// the call goes to the fallback of the route.
func (b *Book) Decide(now time.Time, s dialog.Setup, ask *Ask, a Answer, err error, j Judge) Choice {
	if err == nil && a.Reject != nil {
		return refuse(ask.route, a.Reject.Code, a.Reject.Reason)
	}
	c := Choice{Route: ask.route}
	if err == nil {
		b.answered(&c, s, a.Targets)
	}
	if len(c.Targets) == 0 {
		room := MaxTargets
		for _, h := range ask.fallback {
			room -= len(h.carrier.Gateways)
		}
		for _, h := range ask.fallback {
			c.Targets = h.carrier.append(c.Targets, s.Call, cmp.Or(h.number, s.Number), b.names, &room)
		}
	}
	c.judge(now, j)
	return c
}

// answered takes the targets of an answer that can be tried.
func (b *Book) answered(c *Choice, s dialog.Setup, targets []AnsweredTarget) {
	room := MaxTargets
	for _, t := range targets {
		if carrier := b.carriers[t.Carrier]; carrier != nil {
			room -= len(carrier.Gateways)
		}
	}
	room = max(room, 0)
	for _, t := range targets {
		carrier, number := b.carriers[t.Carrier], cmp.Or(t.Number, s.Number)
		why := ""
		switch {
		case carrier == nil:
			why = SkipUnknown
		case len(t.Number) > longestNumber || checkUser(t.Number) != nil:
			why, number = SkipBadNumber, ""
		case len(c.Targets)+len(carrier.Gateways) > MaxTargets:
			why = SkipBeyond
		}
		if why == "" {
			c.Targets = carrier.append(c.Targets, s.Call, number, b.names, &room)
		} else if len(c.Skipped) < MaxTargets {
			name := t.Carrier
			if CheckName(name) != nil {
				name = "" // nothing that a log could be broken with
			}
			c.Skipped = append(c.Skipped, Skipped{dialog.Target{Carrier: name, Number: number}, why})
		}
	}
}

// Asks are the routes that ask.
func (b *Book) Asks() (list []*Ask) {
	for i := range b.routes {
		if a := b.routes[i].ask; a != nil {
			list = append(list, a)
		}
	}
	return list
}

func newAsk(route int, c *AskConfig, authorities map[File]*x509.CertPool, carriers map[string]*Carrier) *Ask {
	if c == nil {
		return nil
	}
	a := &Ask{
		URL: c.URL, Timeout: cmp.Or(c.Timeout, DefaultAskTimeout), CA: authorities[c.CA],
		Concurrent: cmp.Or(c.Concurrent, DefaultConcurrent), route: route,
	}
	if k := c.Cache; k != nil {
		a.Keep, a.Most, a.By = k.Keep, cmp.Or(k.Most, DefaultAnswers), slices.Clone(k.By)
	}
	for _, t := range c.Fallback {
		a.fallback = append(a.fallback, hop{carriers[t.Carrier], t.Number})
	}
	return a
}
