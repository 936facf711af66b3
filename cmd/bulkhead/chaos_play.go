package main

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// play is a scenario that is being played.
type play struct {
	*stage
	scenario
	token        string // in every tag, branch and Call-ID of ours
	number, user string
	began        time.Time

	mu     sync.Mutex
	seen   []sighting
	told   chan struct{} // closed and renewed whenever something is received
	taken  map[int]bool  // of seen: answered
	heard  map[int]bool  // of seen: waited for
	legs   map[string]*chaosLeg
	ending bool // what comes is answered by itself
	serial int

	repeats sync.WaitGroup
}

// sighting is a message on the wire, as our peer saw it.
type sighting struct {
	who  string
	sent bool // by our peer
	message
}

// chaosLeg is the dialog of a peer.
type chaosLeg struct {
	id, local, remote string // Call-ID; From and To of its requests
	uri               string // of its requests
	routes            []string
	hop               netip.AddrPort
	cseq              int
	invite            string // the last INVITE that it sent
}

// patience is how long a statement waits for what it needs.
func (p *play) patience() time.Duration {
	return p.target.Timers.NoAnswer + 8*p.target.Timers.T1 + 2*time.Second
}

// run plays the scenario to its end, and ends what is left of its calls.
func (p *play) run(ctx context.Context) chaosVerdict {
	missing := ""
	for _, s := range p.steps {
		if missing = p.step(ctx, s); missing != "" {
			break
		}
	}
	p.repeats.Wait()
	p.quiet(ctx)
	p.mu.Lock()
	seen := append([]sighting(nil), p.seen...)
	p.mu.Unlock()
	v := p.judge(seen, missing)
	if v.Failed != nil {
		p.end(ctx)
		p.mu.Lock()
		seen = append(seen, p.seen[len(seen):]...)
		p.mu.Unlock()
		v.Left = leftUp(seen)
	}
	v.Ladder = p.ladder(seen)
	return v
}

// step does one statement; what it says is what did not come.
func (p *play) step(ctx context.Context, s statement) string {
	if s.after != "" && !pause(ctx, p.target.time(s.after)) {
		return "interrupted"
	}
	switch {
	case s.who == "" && s.words[0] == "repeats":
		p.repeats.Wait()
	case s.who == "":
		pause(ctx, p.target.time(s.words[0]))
	case s.words[0] == "gets":
		want := s.words[1:]
		match := is(want[0])
		if code, err := strconv.Atoi(want[0]); err == nil {
			match = answers(append(want[1:], "INVITE")[0], code, code)
		}
		kind, uri := match, strings.ReplaceAll(s.options["uri"], "self", p.peers[s.who].address().String())
		if uri != "" {
			match = func(m message) bool { return kind(m) && m.code() == 0 && strings.Fields(m.text)[1] == uri }
			want = append(want, "for "+uri)
		}
		if _, ok := p.await(ctx, s.who, p.heard, match); !ok {
			return p.missed(ctx, s, strings.Join(want, " "))
		}
	case s.words[0][0] >= '1' && s.words[0][0] <= '6':
		method := append(s.words[1:], "INVITE")[0]
		m, ok := p.await(ctx, s.who, p.taken, is(method))
		if !ok {
			return p.missed(ctx, s, method)
		}
		p.repeat(ctx, s, p.response(s, m), m.from)
	default:
		text, to, need := p.request(ctx, s)
		if need != "" {
			return p.missed(ctx, s, need)
		}
		p.repeat(ctx, s, text, to)
	}
	if ctx.Err() != nil {
		return "interrupted"
	}
	return ""
}

func (p *play) missed(ctx context.Context, s statement, what string) string {
	if ctx.Err() != nil {
		return "interrupted"
	}
	return fmt.Sprintf("line %d: %s received no %s within %s", s.line, s.who, what, brief(p.patience()))
}

// pause waits, unless the run is interrupted.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// await takes the last message received that matches and was not taken, waiting for one. A
// provisional response leaves its request to be answered again: response takes it back.
func (p *play) await(ctx context.Context, who string, taken map[int]bool, match func(message) bool) (message, bool) {
	limit := time.After(p.patience())
	for {
		p.mu.Lock()
		told := p.told
		for i := len(p.seen) - 1; i >= 0; i-- {
			if s := p.seen[i]; s.who == who && !s.sent && !taken[i] && !p.taken[i] && match(s.message) {
				taken[i] = true
				p.mu.Unlock()
				return s.message, true
			}
		}
		p.mu.Unlock()
		select {
		case <-told:
		case <-limit:
			return message{}, false
		case <-ctx.Done():
			return message{}, false
		}
	}
}

// send puts a message on the wire and into the ladder.
func (p *play) send(s statement, text string, to netip.AddrPort) {
	p.mu.Lock()
	p.seen = append(p.seen, sighting{s.who, true, message{text, to, time.Now()}})
	p.mu.Unlock()
	from := p.peers[s.who]
	if s.options["port"] == "other" {
		other, err := newPeer(s.who, netip.AddrPortFrom(from.address().Addr(), 0), 0)
		if err == nil {
			defer other.conn.Close()
			from = other
		}
	}
	from.send(to, styled(text, s.options["style"]))
}

// repeat sends a message, and again as the statement says.
func (p *play) repeat(ctx context.Context, s statement, text string, to netip.AddrPort) {
	p.send(s, text, to)
	if s.during == "" {
		return
	}
	p.repeats.Go(func() {
		wait, most := p.target.time(s.every[0]), p.target.time(s.every[1])
		for end := time.Now().Add(p.target.time(s.during)); time.Now().Add(wait).Before(end); wait = min(2*wait, most) {
			if !pause(ctx, wait) {
				return
			}
			p.send(s, text, to)
		}
	})
}

// quiet waits until nothing has been received for a while: what comes late shall be judged.
func (p *play) quiet(ctx context.Context) {
	still := 4 * p.target.Timers.T1
	for end := time.Now().Add(16 * still); time.Now().Before(end); {
		p.mu.Lock()
		told := p.told
		p.mu.Unlock()
		select {
		case <-told:
		case <-time.After(still):
			return
		case <-ctx.Done():
			return
		}
	}
}

// receive is what a socket has received for this scenario.
func (p *play) receive(who string, m message) {
	p.mu.Lock()
	p.seen = append(p.seen, sighting{who, false, m})
	l := p.legs[who]
	switch {
	case l == nil && who != "caller" && is("INVITE")(m):
		l = &chaosLeg{id: m.line("Call-ID"), remote: m.line("From"), uri: m.uri("Contact"), routes: m.lines("Record-Route")}
		l.hop = p.hop(who, l.routes, l.uri, m.from)
		p.legs[who] = l
	case l != nil && who == "caller" && m.code() > 100 && m.method() == "INVITE" && m.toTag() != "":
		l.remote = m.line("To")
		if m.line("Contact") != "" {
			l.uri = m.uri("Contact")
		}
		l.routes = nil
		for _, r := range m.lines("Record-Route") { // RFC 3261 §12.1.2: in reverse
			l.routes = append([]string{r}, l.routes...)
		}
		l.hop = p.hop(who, l.routes, l.uri, m.from)
	}
	ending := p.ending
	close(p.told)
	p.told = make(chan struct{})
	p.mu.Unlock()
	if ending {
		p.oblige(who, m)
	}
}

// hop is where a request goes: the first of its routes, or its target; or who wrote last, where
// that is not known or is nobody whom the file names.
func (p *play) hop(who string, routes []string, uri string, source netip.AddrPort) netip.AddrPort {
	to := towards(routes, uri)
	switch {
	case !to.IsValid():
		return source
	case !p.target.names(to.Addr()):
		p.astray(who, to)
		return source
	}
	return to
}

// towards says where routes lead, or a URI without any; not valid: to a name.
func towards(routes []string, uri string) netip.AddrPort {
	if len(routes) > 0 {
		uri = message{text: "X\r\nRoute: " + routes[0] + "\r\n\r\n"}.uri("Route")
	}
	_, rest, _ := strings.Cut(uri, ":")
	rest, _, _ = strings.Cut(rest, ";")
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	if at, err := netip.ParseAddrPort(rest); err == nil {
		return at
	}
	if at, err := netip.ParseAddr(rest); err == nil {
		return netip.AddrPortFrom(at, 5060)
	}
	return netip.AddrPort{}
}
