//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// agent is a user agent for one call: it repeats what has no answer, answers repeats
// as before, and ends what it has (RFC 3261 §13, §15, §17). What it then does is up
// to its script.
type agent struct {
	*peer
	script func(a *agent, m message) // of a message that is not a repeat
	border netip.AddrPort

	mu      sync.Mutex
	answers map[string]string // by branch and method: the last answer
	repeats map[string]*repeat
	seen    map[string]bool
	invite  message // the last INVITE that came in; at the caller the 200
	state   string  // idle, invited, ringing, answered, up, ended
	later   []timed
	wrong   []string
	gone    chan struct{}
}

// repeat is what goes out again until something comes in.
type repeat struct {
	text string
	next time.Time
	last time.Time
}

type timed struct {
	at time.Time
	do func()
}

const (
	agentT1   = 100 * time.Millisecond
	agentLife = 64 * agentT1
	agentWait = 150 * time.Millisecond // between what an agent does by itself
)

func (b *pair) agent(host int, script func(*agent, message)) *agent {
	to := coreSide
	if host != caller {
		to = peeringSide
	}
	a := &agent{
		peer: b.peerAt(host), script: script, border: netip.MustParseAddrPort(b.at(to)), state: "idle",
		answers: map[string]string{}, repeats: map[string]*repeat{}, seen: map[string]bool{}, gone: make(chan struct{}),
	}
	go a.run()
	b.t.Cleanup(func() { // before the socket is closed
		a.conn.Close()
		<-a.gone
	})
	return a
}

func (a *agent) run() {
	defer close(a.gone)
	buffer := make([]byte, 65535)
	for {
		if a.conn.SetReadDeadline(time.Now().Add(agentT1/4)) != nil {
			return
		}
		n, from, err := a.conn.ReadFromUDPAddrPort(buffer)
		a.mu.Lock()
		if err == nil {
			a.got(message{string(buffer[:n]), from, time.Now()})
		}
		ok := a.clock(time.Now())
		a.mu.Unlock()
		if !ok {
			return
		}
	}
}

// clock repeats and does what is due; false: the socket is closed.
func (a *agent) clock(now time.Time) bool {
	for key, r := range a.repeats {
		if now.After(r.last) {
			a.wrong = append(a.wrong, "no answer to "+key)
			delete(a.repeats, key)
		} else if now.After(r.next) {
			r.next = now.Add(2 * agentT1)
			if !a.out(r.text) {
				return false
			}
		}
	}
	due := a.later
	a.later = nil
	for _, t := range due {
		if now.Before(t.at) {
			a.later = append(a.later, t)
		} else {
			t.do()
		}
	}
	return true
}

func (a *agent) out(text string) bool {
	_, err := a.conn.WriteToUDPAddrPort([]byte(text), a.border)
	return err == nil
}

func (a *agent) then(do func()) { a.later = append(a.later, timed{time.Now().Add(agentWait), do}) }

// until repeats a text until the key is settled.
func (a *agent) until(key, text string) {
	a.out(text)
	a.repeats[key] = &repeat{text, time.Now().Add(agentT1), time.Now().Add(agentLife)}
}

func (m message) method() string {
	words := strings.Fields(m.header("CSeq"))
	return words[len(words)-1]
}

func (m message) code() int {
	n := 0
	_, _ = fmt.Sscanf(m.text, "SIP/2.0 %d", &n) // a request has none
	return n
}

func (m message) key() string {
	_, branch, _ := strings.Cut(m.header("Via"), "branch=")
	branch, _, _ = strings.Cut(branch, ";")
	return branch + " " + m.header("CSeq")
}

// answer answers a request; a final answer to an INVITE is repeated until its ACK.
func (a *agent) answer(m message, status string) {
	text := m.reply(status, "tag"+a.addr, "Contact: <sip:"+a.addr+">")
	a.answers[m.key()] = text
	if m.method() == "INVITE" && status >= "2" {
		a.until("ack "+strings.Fields(m.header("CSeq"))[0], text)
	} else {
		a.out(text)
	}
}

func (a *agent) got(m message) {
	code, method := m.code(), m.method()
	switch {
	case code == 0 && method == "ACK":
		delete(a.repeats, "ack "+strings.Fields(m.header("CSeq"))[0])
	case code == 0:
		if again, ok := a.answers[m.key()]; ok {
			a.out(again)
			return
		}
	case code < 200 && method == "INVITE", code >= 200:
		delete(a.repeats, m.header("CSeq"))
	}
	// Every final response to an INVITE gets its ACK, repeats too.
	if code >= 200 && method == "INVITE" {
		a.acknowledge(m)
	}
	what := strings.SplitN(m.text, "\r\n", 2)[0] + m.key()
	if a.seen[what] {
		return
	}
	a.seen[what] = true
	a.script(a, m)
}

func (a *agent) acknowledge(m message) {
	n := strings.Fields(m.header("CSeq"))[0]
	uri, branch := target(m), "ack"+n
	if m.code() >= 300 {
		_, branch, _ = strings.Cut(m.header("Via"), "branch=z9hG4bK")
		branch, _, _ = strings.Cut(branch, ";")
	}
	a.out(a.request("ACK", uri, branch, "From: "+m.header("From"), "To: "+m.header("To"),
		"Call-ID: "+m.header("Call-ID"), "CSeq: "+n+" ACK"))
}

// target is the Contact's URI, or some URI where there is none.
func target(m message) string {
	_, uri, ok := strings.Cut(m.header("Contact"), "<")
	uri, _, _ = strings.Cut(uri, ">")
	if !ok {
		return "sip:border"
	}
	return uri
}

// ask sends a request within the dialog of which m is the other side's last word:
// the INVITE at the callee, the 200 at the caller.
func (a *agent) ask(m message, method string, cseq int, more ...string) {
	from, to := m.header("From"), m.header("To")
	if m.code() == 0 {
		from, to = to+";tag=tag"+a.addr, from
	}
	number := fmt.Sprintf("%d %s", cseq, method)
	a.until(number, a.request(method, target(m), fmt.Sprint(method, cseq), append([]string{
		"From: " + from, "To: " + to, "Call-ID: " + m.header("Call-ID"), "CSeq: " + number, "Contact: <sip:" + a.addr + ">"}, more...)...))
}

// at says what the agent is at, and what went wrong with it.
func (a *agent) at() (state string, quiet bool, wrong []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state, len(a.repeats)+len(a.later) == 0, a.wrong
}
