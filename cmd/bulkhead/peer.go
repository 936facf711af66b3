package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// peer is a SIP endpoint of the demo and of chaos: a UDP socket, and what it has
// received. It shares no code with what it shows.
type peer struct {
	name string
	conn *net.UDPConn
	t1   time.Duration

	mu   sync.Mutex
	got  []message
	told chan struct{} // closed and renewed whenever something is received
}

// message is one message as a peer received it.
type message struct {
	text string
	from netip.AddrPort
	at   time.Time
}

// newPeer listens; port 0 is any that is free.
func newPeer(name string, at netip.AddrPort, t1 time.Duration) (*peer, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("peer %s: %w", name, err)
	}
	return &peer{name: name, conn: conn, t1: t1, told: make(chan struct{})}, nil
}

// address is where the peer listens.
func (p *peer) address() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// serve receives until the socket is closed.
func (p *peer) serve(handle func(message)) {
	buffer := make([]byte, 65535)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		m := message{string(buffer[:n]), from, time.Now()}
		p.mu.Lock()
		p.got = append(p.got, m)
		close(p.told)
		p.told = make(chan struct{})
		p.mu.Unlock()
		handle(m)
	}
}

// send puts a message on the wire; a demo on loopback does not lose it, and what
// is lost shows in the verdict.
func (p *peer) send(to netip.AddrPort, text string) {
	_, _ = p.conn.WriteToUDPAddrPort([]byte(text), to)
}

// await returns the first message received that matches, waiting for it.
func (p *peer) await(limit time.Duration, match func(message) bool) (message, bool) {
	timeout := time.After(limit)
	for {
		p.mu.Lock()
		told := p.told
		for _, m := range p.got {
			if match(m) {
				p.mu.Unlock()
				return m, true
			}
		}
		p.mu.Unlock()
		select {
		case <-told:
		case <-timeout:
			return message{}, false
		}
	}
}

// count counts what was received.
func (p *peer) count(match func(message) bool) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.got {
		if match(m) {
			n++
		}
	}
	return n
}

// is matches requests by their method.
func is(method string) func(message) bool {
	return func(m message) bool { return strings.HasPrefix(m.text, method+" ") }
}

// answers matches responses to a method, with codes between two bounds.
func answers(method string, low, high int) func(message) bool {
	return func(m message) bool {
		code := m.code()
		return code >= low && code <= high && strings.HasSuffix(m.line("CSeq"), " "+method)
	}
}

// code is the status code; 0: a request.
func (m message) code() (n int) {
	if _, err := fmt.Sscanf(m.text, "SIP/2.0 %d", &n); err != nil {
		return 0
	}
	return n
}

// compact is how a name may be written in short (RFC 3261 §7.3.3).
var compact = map[string]string{"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m", "Content-Length": "l", "Content-Type": "c"}

// line is the first value of a header field.
func (m message) line(name string) string {
	if all := m.lines(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// lines are the values of a header field, a line each.
func (m message) lines(name string) (list []string) {
	head, _, _ := strings.Cut(m.text, "\r\n\r\n")
	for line := range strings.SplitSeq(head, "\r\n") {
		field, value, ok := strings.Cut(line, ":")
		field = strings.TrimSpace(field)
		if ok && (strings.EqualFold(field, name) || strings.EqualFold(field, compact[name])) {
			list = append(list, strings.TrimSpace(value))
		}
	}
	return list
}

// uri is the URI between the brackets of a header field.
func (m message) uri(name string) string {
	value := m.line(name)
	if i, j := strings.IndexByte(value, '<'), strings.IndexByte(value, '>'); i >= 0 && j > i {
		return value[i+1 : j]
	}
	return value
}

// reply writes a response to a request.
func (p *peer) reply(m message, code int, phrase, body string) string {
	to := m.line("To")
	if !strings.Contains(to, ";tag=") && code > 100 {
		to += ";tag=" + p.name
	}
	return compose(fmt.Sprintf("SIP/2.0 %d %s", code, phrase), []string{
		"Via: " + m.line("Via"), "From: " + m.line("From"), "To: " + to,
		"Call-ID: " + m.line("Call-ID"), "CSeq: " + m.line("CSeq"),
		"Contact: <sip:" + p.address().String() + ">",
	}, body)
}

// compose writes a message.
func compose(start string, lines []string, body string) string {
	if body != "" {
		lines = append(lines, "Content-Type: application/sdp")
	}
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)))
	return start + "\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

// describe is an SDP with one stream of audio.
func (p *peer) describe(port int) string {
	host := p.address().Addr().String()
	return "v=0\r\no=" + p.name + " 1 1 IN IP4 " + host + "\r\ns=-\r\nc=IN IP4 " + host +
		"\r\nt=0 0\r\nm=audio " + fmt.Sprint(port) + " RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
}
