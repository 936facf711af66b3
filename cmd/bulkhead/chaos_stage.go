package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// stage is where a suite is played: the sockets of our peers, which its scenarios share.
type stage struct {
	target chaosTarget
	peers  map[string]*peer // by chaosPeers

	mu         sync.Mutex
	plays      []*play
	calls      map[string]*play // by Call-ID, of every leg
	strays     int              // received, and of no scenario of this run
	stray      string           // the first of them
	unfollowed int              // received, with a way that leads elsewhere than to whom the file names
	lead       string           // of the first of them
}

// play plays scenarios, all at once, and judges each.
func (t chaosTarget) play(ctx context.Context, suite string, list []scenario, ended func()) (*chaosReport, error) {
	s := &stage{target: t, peers: map[string]*peer{}, calls: map[string]*play{}}
	for who, at := range map[string]int{"caller": -1, "tc1": 0, "tc2": 1} {
		address := t.Caller
		if at >= 0 {
			address = t.Carriers[at]
		}
		p, err := newPeer(who, address, t.Timers.T1)
		if err != nil {
			return nil, fmt.Errorf("chaos: %w", err)
		}
		defer p.conn.Close()
		s.peers[who] = p
	}
	digits := strings.TrimSuffix(t.Number, "*")
	for i, sc := range list {
		s.plays = append(s.plays, &play{
			stage: s, scenario: sc, token: "c" + strings.ToLower(rand.Text()[:8]),
			number: fmt.Sprintf("%s%04d", digits, i+1), user: fmt.Sprintf("+3361234%04d", i+1),
			began: time.Now(), told: make(chan struct{}), taken: map[int]bool{}, heard: map[int]bool{}, legs: map[string]*chaosLeg{},
		})
	}
	for who, p := range s.peers {
		go p.serve(func(m message) { s.receive(who, m) })
	}
	r := &chaosReport{Suite: suite, Target: t.Address.String(), Scenarios: make([]chaosVerdict, len(list)), began: time.Now()}
	var running sync.WaitGroup
	for i, p := range s.plays {
		running.Go(func() { r.Scenarios[i] = p.run(ctx); ended() })
	}
	running.Wait()
	for _, v := range r.Scenarios {
		if v.Failed != nil {
			r.Failed++
		}
	}
	r.Seconds = time.Since(r.began).Seconds()
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Strays, r.Stray, r.Unfollowed, r.Lead = s.strays, s.stray, s.unfollowed, s.lead
	return r, nil
}

// receive gives a message to the scenario that it is of. Whom the file does not name is of none.
func (s *stage) receive(who string, m message) {
	named := s.target.names(m.from.Addr())
	s.mu.Lock()
	var p *play
	if named {
		p = s.calls[m.line("Call-ID")]
	}
	if p == nil && named && is("INVITE")(m) {
		// A carrier may be asked for another number; the digits of ours are its last ones, or
		// the caller's are.
		for _, user := range []string{requestUser(m), userOf(m.uri("From"))} {
			i := slices.IndexFunc(s.plays, func(p *play) bool {
				return len(user) > 4 && len(p.number) > 4 && strings.HasSuffix(user, p.number[len(p.number)-4:])
			})
			if i >= 0 {
				p = s.plays[i]
				s.calls[m.line("Call-ID")] = p
				break
			}
		}
	}
	if p == nil {
		if s.strays++; s.strays == 1 {
			s.stray = who + " received " + m.title() + " from " + m.from.String()
			if !named {
				s.stray += ", whom the file does not name"
			}
		}
	}
	s.mu.Unlock()
	if p != nil {
		p.receive(who, m)
	}
}

// astray notes where a peer was led and does not go.
func (s *stage) astray(who string, to netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unfollowed++; s.unfollowed == 1 {
		s.lead = who + " to " + to.String()
	}
}

func requestUser(m message) string {
	if f := strings.Fields(m.text); len(f) > 1 {
		return userOf(f[1])
	}
	return ""
}

// userOf is the user of a URI, without parameters.
func userOf(uri string) string {
	_, rest, _ := strings.Cut(uri, ":")
	user, _, _ := strings.Cut(rest, "@")
	user, _, _ = strings.Cut(user, ";")
	return user
}

// title is the start of a message as people say it: INVITE, or 200 BYE.
func (m message) title() string {
	if code := m.code(); code > 0 {
		_, method, _ := strings.Cut(m.line("CSeq"), " ")
		return fmt.Sprintf("%d %s", code, method)
	}
	method, _, _ := strings.Cut(m.text, " ")
	return method
}

// parameter is a parameter of a header field's value, behind its URI.
func parameter(value, name string) string {
	if i := strings.LastIndexByte(value, '>'); i >= 0 {
		value = value[i:]
	}
	for part := range strings.SplitSeq(value, ";") {
		if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok && strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

func (m message) branch() string { return parameter(m.line("Via"), "branch") }
func (m message) toTag() string  { return parameter(m.line("To"), "tag") }
func (m message) method() string {
	f := strings.Fields(m.line("CSeq"))
	if len(f) < 2 {
		return ""
	}
	return f[1]
}
