//go:build e2e

package e2e

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// tlsPeer is who listens for SIP over TLS, and answers by the connection that came last.
type tlsPeer struct {
	t   *testing.T
	got chan message

	mu   sync.Mutex
	conn net.Conn
}

// listenTLS has one listen at an address. The files of the border are made beside it.
func listenTLS(t *testing.T, dir, us, at string) *tlsPeer {
	t.Helper()
	l, err := tls.Listen("tcp", at, &tls.Config{Certificates: []tls.Certificate{certified(t, dir, us, at)}})
	if err != nil {
		t.Fatal(err)
	}
	p := &tlsPeer{t: t, got: make(chan message, 100)}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			p.conn = conn
			p.mu.Unlock()
			work.Go(func() { p.read(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		if p.conn != nil {
			p.conn.Close()
		}
		p.mu.Unlock()
		work.Wait()
	})
	return p
}

// read takes messages off a connection until it is gone.
func (p *tlsPeer) read(conn net.Conn) {
	defer conn.Close()
	lines := bufio.NewReader(conn)
	for {
		var head strings.Builder
		for !strings.HasSuffix(head.String(), "\r\n\r\n") {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if head.Len() > 0 || line != "\r\n" { // else a keep-alive (RFC 5626 §3.5.1)
				head.WriteString(line)
			}
		}
		m := message{text: head.String(), from: conn.RemoteAddr().(*net.TCPAddr).AddrPort(), at: time.Now()}
		length, err := strconv.Atoi(m.header("Content-Length"))
		if err != nil {
			p.t.Errorf("a message by TLS without its length: %q", m.text)
			return
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(lines, body); err != nil {
			return
		}
		m.text += string(body)
		p.got <- m
	}
}

func (p *tlsPeer) send(_ netip.AddrPort, text string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		p.t.Fatal("nobody has connected")
	}
	if _, err := io.WriteString(p.conn, text); err != nil {
		p.t.Errorf("sending by TLS: %v", err)
	}
}

func (p *tlsPeer) next(deadline time.Time) (message, bool) {
	select {
	case m := <-p.got:
		return m, true
	case <-time.After(time.Until(deadline)):
		return message{}, false
	}
}
