//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// streamer is a user agent over TCP for many calls. It listens, it has one connection to
// the border, and makes a new one where that is gone; it answers on the connection that
// a request came by. It shares no code with the product.
type streamer struct {
	t      *testing.T
	addr   string // where it listens, and what its Contact says
	border string
	takes  func(s *streamer, m message) (status string) // what it answers; empty: not yet

	mu    sync.Mutex
	own   net.Conn
	conns map[net.Conn]bool
	waits map[string]chan message // by Call-ID and CSeq
	acks  map[string]int          // by Call-ID
	over  bool
}

func (b *pair) streamer(host int, takes func(*streamer, message) string) *streamer {
	b.t.Helper()
	to := coreSide
	if host != caller {
		to = peeringSide
	}
	s := &streamer{t: b.t, addr: b.at(host), border: b.at(to), takes: takes, conns: map[net.Conn]bool{},
		waits: map[string]chan message{}, acks: map[string]int{}}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if s.keep(c) {
				running.Go(func() { s.read(c) })
			}
		}
	})
	b.t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		s.over = true
		for c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		running.Wait()
	})
	return s
}

// keep holds a connection for as long as the agent lives.
func (s *streamer) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		c.Close()
		return false
	}
	s.conns[c] = true
	return true
}

// read takes messages off a connection until it is gone.
func (s *streamer) read(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
		if s.own == c {
			s.own = nil
		}
	}()
	lines := bufio.NewReader(c)
	for {
		var head strings.Builder
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if head.Len() == 0 && line == "\r\n" {
				continue // a keep-alive (RFC 5626 §3.5.1)
			}
			head.WriteString(line)
			if line == "\r\n" {
				break
			}
		}
		m := message{text: head.String(), at: time.Now()}
		if _, err := io.CopyN(io.Discard, lines, int64(number64(m.header("Content-Length")))); err != nil {
			return
		}
		s.got(c, m)
	}
}

func (s *streamer) got(c net.Conn, m message) {
	id := m.header("Call-ID")
	if code := m.code(); code != 0 {
		if code < 200 {
			return
		}
		s.mu.Lock()
		wait := s.waits[id+m.header("CSeq")]
		s.mu.Unlock()
		if wait == nil {
			s.t.Errorf("%s: nobody waits for\n%s", s.addr, m.text)
			return
		}
		select {
		case wait <- m:
		default: // a repeat
		}
		return
	}
	if m.method() == "ACK" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.acks[id]++
		return
	}
	if status := s.takes(s, m); status != "" {
		s.write(c, s.reply(m, status))
	}
}

// acknowledged says that an ACK has come for a call.
func (s *streamer) acknowledged(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acks[id] > 0
}

func (s *streamer) reply(m message, status string) string {
	return m.reply(status, "tag", "Contact: <sip:"+s.addr+";transport=tcp>")
}

func (s *streamer) write(c net.Conn, text string) {
	_, _ = c.Write([]byte(text)) // a connection that is gone shows by what is missing
}

// out sends by the agent's own connection to the border, a new one if need be.
func (s *streamer) out(text string) {
	s.t.Helper()
	s.mu.Lock()
	c := s.own
	s.mu.Unlock()
	if c == nil {
		host, _, err := net.SplitHostPort(s.addr)
		if err == nil {
			from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}
			c, err = from.Dial("tcp", s.border)
		}
		if err != nil {
			s.t.Errorf("%s: %v", s.addr, err)
			return
		}
		if !s.keep(c) {
			return
		}
		s.mu.Lock()
		s.own = c
		s.mu.Unlock()
		go s.read(c)
	}
	s.write(c, text)
}

// begin sends a request.
func (s *streamer) begin(method, uri, id, from, to string, cseq int) chan message {
	s.t.Helper()
	wait := make(chan message, 1)
	s.mu.Lock()
	s.waits[id+fmt.Sprint(cseq, " ", method)] = wait
	s.mu.Unlock()
	s.out(s.request(method, uri, id, from, to, cseq))
	return wait
}

func (s *streamer) await(wait chan message, id, what string) (message, bool) {
	s.t.Helper()
	select {
	case m := <-wait:
		if m.code() != 200 {
			s.t.Errorf("%s: %s of %s is answered\n%s", s.addr, what, id, m.text)
		}
		return m, m.code() == 200
	case <-time.After(10 * time.Second):
		s.t.Fatalf("%s: no answer to %s of %s", s.addr, what, id)
		return message{}, false
	}
}

func (s *streamer) request(method, uri, id, from, to string, cseq int) string {
	return strings.Join([]string{
		method + " " + uri + " SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/TCP %s;branch=z9hG4bK%s%d%.8s", s.addr, method, cseq, id),
		"Max-Forwards: 70", "From: " + from, "To: " + to, "Call-ID: " + id, fmt.Sprint("CSeq: ", cseq, " ", method),
		"Contact: <sip:" + s.addr + ";transport=tcp>", "Content-Length: 0", "", "",
	}, "\r\n")
}

// within sends a request in the dialog that a message began: the 200 at the caller, the
// INVITE at the carrier. An INVITE is acknowledged; one that is answered 491, as where the ACK
// before it was seen by a node that has died since, is sent again a little later (RFC 3261
// §14.1).
func (s *streamer) within(m message, method string, cseq int) {
	s.t.Helper()
	from, to := m.header("From"), m.header("To")
	if m.code() == 0 {
		from, to = to+";tag=tag", from
	}
	id := m.header("Call-ID")
	for tries := 0; ; tries++ {
		wait := s.begin(method, target(m), id, from, to, cseq+tries)
		if method == "INVITE" && tries < 20 {
			select {
			case answer := <-wait:
				if answer.code() == 491 {
					ack := s.request("ACK", target(m), id, from, to, cseq+tries)
					s.out(strings.Replace(ack, "z9hG4bKACK", "z9hG4bKINVITE", 1))
					<-time.After(100 * time.Millisecond)
					continue
				}
				wait <- answer
			case <-time.After(10 * time.Second): // await says so
			}
		}
		answer, ok := s.await(wait, id, method)
		if ok && method == "INVITE" {
			s.out(s.request("ACK", target(answer), id, from, to, cseq+tries))
		}
		return
	}
}
