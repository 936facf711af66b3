package main

import (
	"context"
	"time"
)

// end leaves nothing behind at the target: what rings is cancelled, what is up is hung up,
// and what it asks of us meanwhile is answered. It also runs when the run is interrupted.
func (p *play) end(ctx context.Context) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), p.patience())
	defer stop()
	p.repeats.Wait()
	p.mu.Lock()
	p.ending = true
	seen := append([]sighting(nil), p.seen...)
	p.mu.Unlock()
	for i, s := range seen {
		if !s.sent && s.code() == 0 && !p.replied(seen, i) {
			p.oblige(s.who, s.message)
		}
	}
	l := p.leg("caller")
	if l == nil || l.invite == "" {
		return
	}
	var rang, up, over, acked, cancelled bool
	for _, s := range seen {
		if s.who != "caller" {
			continue
		}
		rang = rang || !s.sent && answers("INVITE", 100, 199)(s.message)
		up = up || !s.sent && answers("INVITE", 200, 299)(s.message)
		over = over || is("BYE")(s.message) || !s.sent && answers("INVITE", 300, 699)(s.message)
		acked = acked || s.sent && is("ACK")(s.message)
		cancelled = cancelled || s.sent && is("CANCEL")(s.message)
	}
	say := func(method string) {
		s := statement{who: "caller", words: []string{method}, options: map[string]string{}}
		if text, to, need := p.request(ctx, s); need == "" {
			p.send(s, text, to)
		}
	}
	if up && !acked {
		say("ACK")
	}
	switch {
	case over:
	case up:
		say("BYE")
	case rang && !cancelled:
		say("CANCEL")
	}
	for end := time.Now().Add(20 * p.target.Timers.T1); time.Now().Before(end); {
		p.mu.Lock()
		told := p.told
		p.mu.Unlock()
		select {
		case <-told:
		case <-time.After(4 * p.target.Timers.T1):
			return
		}
	}
}

// replied says that a request has had its final response, or needs none.
func (p *play) replied(seen []sighting, request int) bool {
	r := seen[request]
	if is("ACK")(r.message) {
		return true
	}
	for _, s := range seen[request:] {
		if s.sent && s.who == r.who && s.code() >= 200 && s.branch() == r.branch() && s.method() == r.method() {
			return true
		}
	}
	return is("INVITE")(r.message) // its CANCEL will come, and obliges
}

// oblige answers what comes while the calls are being ended.
func (p *play) oblige(who string, m message) {
	say := func(to message, code string, method string) {
		s := statement{who: who, words: []string{code, method}, options: map[string]string{}}
		p.send(s, p.response(s, to), to.from)
	}
	switch {
	case is("INVITE")(m):
		say(m, "487", "INVITE")
	case is("CANCEL")(m):
		say(m, "200", "CANCEL")
		p.mu.Lock()
		seen := append([]sighting(nil), p.seen...)
		p.mu.Unlock()
		done := false
		for _, s := range seen {
			done = done || s.who == who && s.sent && answers("INVITE", 200, 699)(s.message) && s.branch() == m.branch()
		}
		for _, s := range seen {
			if !done && s.who == who && !s.sent && is("INVITE")(s.message) && s.branch() == m.branch() {
				say(s.message, "487", "INVITE")
				break
			}
		}
	case m.code() == 0 && !is("ACK")(m):
		say(m, "200", m.method())
	case answers("INVITE", 200, 699)(m) && who == "caller":
		s := statement{who: who, words: []string{"ACK"}, options: map[string]string{}}
		if text, to, need := p.acknowledge(s, p.leg(who), m); need == "" {
			p.send(s, text, to)
		}
		if m.code() < 300 { // it crossed our CANCEL (RFC 3261 §9.1)
			s.words[0] = "BYE"
			if text, to, need := p.request(context.Background(), s); need == "" {
				p.send(s, text, to)
			}
		}
	}
}

// leftUp says what of the caller's call could not be ended; empty: it has ended, or never began.
func leftUp(seen []sighting) string {
	invited, refused, answered, hungUp := false, false, false, false
	for _, s := range seen {
		if s.who != "caller" {
			continue
		}
		invited = invited || s.sent && is("INVITE")(s.message)
		refused = refused || !s.sent && answers("INVITE", 300, 699)(s.message)
		answered = answered || !s.sent && answers("INVITE", 200, 299)(s.message)
		hungUp = hungUp || answers("BYE", 200, 699)(s.message)
	}
	switch {
	case answered && !hungUp:
		return "the caller's call may still be up: no BYE of it was answered"
	case invited && !answered && !refused:
		return "the caller's INVITE may still be pending: it has no final response"
	}
	return ""
}
