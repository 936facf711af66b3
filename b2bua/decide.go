package b2bua

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"bulkhead/b2bua/ask"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// choose asks the routes and the judge. Of a choice with an Ask nothing is
// known yet: who decides has to be asked.
func (p *profiles) choose(now time.Time, setup dialog.Setup, j carriers.Judge) carriers.Choice {
	c, known := p.pick(now, setup, j)
	if known {
		p.engine.metrics.Decisions.WithLabelValues("known").Inc()
	}
	return c
}

// pick is choose, uncounted; known: who decides has said it before.
func (p *profiles) pick(now time.Time, setup dialog.Setup, j carriers.Judge) (c carriers.Choice, known bool) {
	c = p.Select(now, setup, j)
	if c.Ask == nil {
		return c, false
	}
	a, known := p.asks[c.Ask].Known(now, c.Ask.Question(now, setup))
	if !known {
		return c, false
	}
	return p.Decide(now, setup, c.Ask, a, nil, j), true
}

// decide has somebody else decide about a call of this strand. What follows from the
// decision is an item of the strand.
func (s *strand) decide(now time.Time, a *carriers.Ask, setup dialog.Setup, then func(carriers.Choice) item) {
	p := s.profiles
	p.asks[a].Ask(a.Question(now, setup), func(answer carriers.Answer, err error) {
		p.engine.notes(a, answer, err)
		s.put(item{decided: func(now time.Time) item {
			return then(p.Decide(now, setup, a, answer, err, chooser{p.engine, setup.Call}))
		}})
	})
}

// chosen is the item that gives a call its targets.
func (p *profiles) chosen(c carriers.Choice) item {
	return item{command: Chosen{Targets: p.list(c), Skipped: c.Skipped, Refusal: c.Refusal}}
}

// list is the targets of a choice with how to behave there.
func (p *profiles) list(c carriers.Choice) []Target {
	list := make([]Target, 0, len(c.Targets))
	for _, t := range c.Targets {
		list = append(list, p.target(t))
	}
	return list
}

// choosing goes on with a call that has been taken over before its targets were known. The
// clock may wake the call meanwhile, so nothing of it is touched.
func (s *strand) choosing(now time.Time, setup dialog.Setup) {
	c := s.profiles.choose(now, setup, chooser{s.engine, setup.Call})
	if c.Ask == nil { // it is known here, or the routes are others
		s.put(s.profiles.chosen(c))
		return
	}
	s.decide(now, c.Ask, setup, s.profiles.chosen)
}

// notes counts a decision, and tells of one that was none.
func (e *Engine) notes(a *carriers.Ask, answer carriers.Answer, err error) {
	result := "targets"
	switch {
	case errors.Is(err, ask.ErrTimeout):
		result = "timeout"
	case err != nil:
		result = "failed"
	case answer.Reject != nil:
		result = "reject"
	}
	e.metrics.Decisions.WithLabelValues(result).Inc()
	if err == nil {
		return
	}
	if n := e.notices.due("ask "+a.URL+result, time.Now()); n > 0 {
		e.log.Warn("no decision", zap.String("url", a.URL), zap.Int("calls", n), zap.Error(err))
	}
}
