//go:build e2e

package e2e

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// peer is a UDP socket that speaks as little SIP as a test wants: for what no
// SIPp scenario can do wrong enough. It shares no code with the product.
type peer struct {
	t    *testing.T
	conn *net.UDPConn
	addr string
}

// message is one datagram.
type message struct {
	text string
	from netip.AddrPort
	at   time.Time
}

func (b *border) peerAt(host int) *peer {
	b.t.Helper()
	return &peer{b.t, b.socket(b.ip(host), b.port(host)), b.at(host)}
}

func (p *peer) send(to netip.AddrPort, text string) {
	p.t.Helper()
	if _, err := p.conn.WriteToUDPAddrPort([]byte(text), to); err != nil {
		p.t.Errorf("sending to %s: %v", to, err)
	}
}

// next is the next datagram that comes before the deadline.
func (p *peer) next(deadline time.Time) (message, bool) {
	buffer := make([]byte, 65535)
	if err := p.conn.SetReadDeadline(deadline); err != nil {
		return message{}, false
	}
	n, from, err := p.conn.ReadFromUDPAddrPort(buffer)
	return message{string(buffer[:n]), from, time.Now()}, err == nil
}

// find waits for a message that begins so; what comes before it is passed over.
func (p *peer) find(begin string, within time.Duration) message {
	p.t.Helper()
	for deadline := time.Now().Add(within); ; {
		m, ok := p.next(deadline)
		if !ok {
			p.t.Fatalf("%s: no %s in %v", p.addr, begin, within)
		}
		if strings.HasPrefix(m.text, begin) {
			return m
		}
	}
}

// header is the first header field of that name, without its name.
func (m message) header(name string) string {
	for line := range strings.Lines(m.text) {
		if n, value, ok := strings.Cut(line, ":"); ok && strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// reply is a response to the request: its Vias, From, Call-ID and CSeq; To with
// the tag if there is one. More are whole header lines; then a blank line and a
// body may follow.
func (m message) reply(status, tag string, more ...string) string {
	lines := []string{"SIP/2.0 " + status}
	for line := range strings.Lines(m.text) {
		name, _, _ := strings.Cut(line, ":")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "via", "from", "call-id", "cseq", "record-route":
			lines = append(lines, strings.TrimSpace(line))
		case "to":
			line = strings.TrimSpace(line)
			if tag != "" && !strings.Contains(line, ";tag=") {
				line += ";tag=" + tag
			}
			lines = append(lines, line)
		}
		if strings.TrimSpace(line) == "" {
			break
		}
	}
	lines = append(lines, more...)
	return strings.Join(append(lines, "Content-Length: 0", "", ""), "\r\n")
}

// request makes a request without a body.
func (p *peer) request(method, uri, branch string, headers ...string) string {
	lines := append([]string{
		method + " " + uri + " SIP/2.0",
		"Via: SIP/2.0/UDP " + p.addr + ";branch=z9hG4bK" + branch,
		"Max-Forwards: 70",
	}, headers...)
	return strings.Join(append(lines, "Content-Length: 0", "", ""), "\r\n")
}
