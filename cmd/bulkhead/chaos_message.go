package main

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// response writes what a statement answers a request with.
func (p *play) response(s statement, m message) string {
	code, _ := strconv.Atoi(s.words[0])
	me := p.peers[s.who].address()
	to := m.line("To")
	p.mu.Lock()
	if m.toTag() == "" && code > 100 && s.options["tag"] != "none" {
		to += ";tag=" + p.tag(s.who, s.options["tag"])
		if l := p.legs[s.who]; l != nil && is("INVITE")(m) {
			l.local = to
		}
	}
	if code < 200 { // it is to be answered again
		for i, seen := range p.seen {
			if !seen.sent && seen.text == m.text {
				p.taken[i] = false
			}
		}
	} else { // so are its repeats
		for i, seen := range p.seen {
			if seen.who == s.who && !seen.sent && seen.text == m.text {
				p.taken[i] = true
			}
		}
	}
	p.mu.Unlock()
	var lines []string
	for _, via := range m.lines("Via") {
		lines = append(lines, "Via: "+via)
	}
	lines = append(lines, "From: "+m.line("From"), "To: "+to, "Call-ID: "+m.line("Call-ID"), "CSeq: "+m.line("CSeq"))
	for _, r := range append(splitted(strings.ReplaceAll(s.options["rr"], "self", me.String())), m.lines("Record-Route")...) {
		lines = append(lines, "Record-Route: "+r)
	}
	if code > 100 {
		lines = append(lines, "Contact: "+p.contact(s, me))
	}
	return compose(fmt.Sprintf("SIP/2.0 %d %s", code, phrases[code]), append(lines, s.headers...), p.body(s))
}

var phrases = map[int]string{100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 408: "Request Timeout",
	481: "Call/Transaction Does Not Exist", 486: "Busy Here", 487: "Request Terminated", 491: "Request Pending", 503: "Service Unavailable"}

func splitted(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// tag names its peer and its scenario, so that it is known wherever it turns up.
func (p *play) tag(who, more string) string { return p.token + "-" + who + more }

func (p *play) contact(s statement, me netip.AddrPort) string {
	if c := s.options["contact"]; c != "" {
		return "<" + c + ">"
	}
	return "<sip:" + s.who + "@" + me.String() + ">"
}

func (p *play) body(s statement) string {
	version := s.options["sdp"]
	if version == "" {
		return ""
	}
	return strings.Replace(p.peers[s.who].describe(20000), " 1 1 IN", " 1 "+version+" IN", 1)
}

// request writes a request of a statement, and says where it goes; or what it waits for in vain.
func (p *play) request(ctx context.Context, s statement) (text string, to netip.AddrPort, need string) {
	method := s.words[0]
	if method == "INVITE" && s.who == "caller" && p.leg(s.who) == nil {
		p.begin()
	}
	l := p.leg(s.who)
	if l == nil {
		return "", to, "INVITE"
	}
	if method == "ACK" {
		final, ok := p.final(ctx, s.who, l.invite, s.options["cseq"])
		if !ok {
			return "", to, "final response to its INVITE"
		}
		return p.acknowledge(s, l, final)
	}
	if method == "CANCEL" {
		m := message{text: l.invite}
		number, _, _ := strings.Cut(m.line("CSeq"), " ")
		uri := strings.Fields(l.invite)[1]
		return compose("CANCEL "+uri+" SIP/2.0", p.cancelled(m, number), ""), p.target.Address, ""
	}
	p.mu.Lock()
	l.cseq++
	if n, err := strconv.Atoi(s.options["cseq"]); err == nil {
		l.cseq = n
	}
	p.serial++
	lines := p.head(s, l, fmt.Sprintf("z9hG4bK%s-%s-%d", p.token, s.who, p.serial), fmt.Sprintf("%d %s", l.cseq, method))
	uri, to := l.uri, l.hop
	p.mu.Unlock()
	if method != "BYE" {
		lines = append(lines, "Contact: "+p.contact(s, p.peers[s.who].address()))
	}
	text = compose(method+" "+uri+" SIP/2.0", append(lines, s.headers...), p.body(s))
	if method == "INVITE" {
		p.mu.Lock()
		l.invite = text
		p.mu.Unlock()
	}
	return text, to, ""
}

func (p *play) leg(who string) *chaosLeg {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.legs[who]
}

// begin is the caller's leg before its INVITE.
func (p *play) begin() {
	me := p.peers["caller"].address()
	called := "sip:" + p.number + "@" + p.target.Address.String()
	l := &chaosLeg{
		id: p.token + "@" + me.Addr().String(), uri: called, hop: p.target.Address, remote: "<" + called + ">",
		local: "<sip:" + p.user + "@" + me.String() + ">;tag=" + p.tag("caller", ""),
	}
	p.stage.mu.Lock()
	p.calls[l.id] = p
	p.stage.mu.Unlock()
	p.mu.Lock()
	p.legs["caller"] = l
	p.mu.Unlock()
}

// head is the header of a request in the dialog.
func (p *play) head(s statement, l *chaosLeg, branch, cseq string) []string {
	lines := []string{
		"Via: SIP/2.0/UDP " + p.peers[s.who].address().String() + ";branch=" + branch, "Max-Forwards: 70",
		"From: " + l.local, "To: " + l.remote, "Call-ID: " + l.id, "CSeq: " + cseq,
	}
	for _, r := range l.routes {
		lines = append(lines, "Route: "+r)
	}
	return lines
}

// cancelled is the header of what goes with an INVITE (RFC 3261 §9.1).
func (p *play) cancelled(invite message, number string) []string {
	lines := []string{"Via: " + invite.line("Via"), "Max-Forwards: 70", "From: " + invite.line("From"),
		"To: " + invite.line("To"), "Call-ID: " + invite.line("Call-ID"), "CSeq: " + number + " CANCEL"}
	for _, r := range invite.lines("Route") {
		lines = append(lines, "Route: "+r)
	}
	return lines
}

// acknowledge writes the ACK of a final response.
func (p *play) acknowledge(s statement, l *chaosLeg, final message) (string, netip.AddrPort, string) {
	invite := message{text: l.invite}
	number, _, _ := strings.Cut(final.line("CSeq"), " ")
	if final.code() < 300 { // RFC 3261 §13.2.2.4
		p.mu.Lock()
		defer p.mu.Unlock()
		p.serial++
		lines := p.head(s, l, fmt.Sprintf("z9hG4bK%s-%s-%d", p.token, s.who, p.serial), number+" ACK")
		return compose("ACK "+l.uri+" SIP/2.0", lines, p.body(s)), l.hop, ""
	}
	lines := p.cancelled(invite, number) // RFC 3261 §17.1.1.3
	lines[3], lines[5] = "To: "+final.line("To"), "CSeq: "+number+" ACK"
	return compose("ACK "+strings.Fields(l.invite)[1]+" SIP/2.0", lines, ""), final.from, ""
}

// final waits for the final response to an INVITE of ours, or to the one that has a number, and
// leaves it untaken.
func (p *play) final(ctx context.Context, who, invite, number string) (message, bool) {
	branch := message{text: invite}.branch()
	of := func(m message) bool {
		return answers("INVITE", 200, 699)(m) && (number == "" && m.branch() == branch || m.line("CSeq") == number+" INVITE")
	}
	limit := time.After(p.patience())
	for {
		p.mu.Lock()
		told := p.told
		for _, s := range p.seen {
			if s.who == who && !s.sent && of(s.message) {
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

// styled writes the header its own way, as some carriers do (RFC 3261 §7.3.1, §7.3.3, §18.3).
func styled(text, style string) string {
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	for i, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		switch style {
		case "unmeasured": // up to the end of the datagram (RFC 3261 §18.3)
			if name == "Content-Length" {
				line = "X-Content-Length: " + value
			}
		case "empty": // so what follows is no body
			if name == "Content-Length" {
				line = "Content-Length: 0"
			}
		case "compact":
			if short := compact[name]; short != "" {
				name = short
			}
			line = name + ": " + value
		case "lower":
			line = strings.ToLower(name) + ": " + value
		case "spaced":
			line = name + "  : " + value
		case "folded":
			line = name + ":\r\n " + value
		}
		lines[i+1] = line
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}
