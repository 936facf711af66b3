package wire_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua/wire"
)

// closer is a peer that closes each connection when it has answered one request.
type closer struct {
	acceptor
	came chan string // Call-IDs of the requests
}

func closing(t *testing.T) *closer {
	p := &closer{accepting(t, "127.0.0.1"), make(chan string, 4096)}
	go func() {
		for {
			nc, err := p.l.Accept()
			if err != nil {
				return
			}
			go p.serve(nc)
		}
	}()
	return p
}

func (p *closer) serve(nc net.Conn) {
	defer nc.Close()
	var head strings.Builder
	for lines := bufio.NewReader(nc); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		head.WriteString(line)
	}
	_, id, _ := strings.Cut(head.String(), "Call-ID: ")
	id, _, _ = strings.Cut(id, "\r\n")
	p.came <- id
	_, text, _ := strings.Cut(head.String(), "\r\n")
	_, _ = fmt.Fprintf(nc, "SIP/2.0 200 OK\r\n%s", text) // what the border sent ends with Content-Length: 0
}

// TestTCP_PeerThatClosesAfterEachTransaction: what follows an answer at once, as an ACK does, is
// written to a connection that the peer is about to close. It is not lost.
func TestTCP_PeerThatClosesAfterEachTransaction(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	p := closing(t)
	to := wire.Hop{Realm: "core", Transport: wire.TCP, Remote: p.addr()}
	for i := range 500 {
		id := fmt.Sprintf("closed-%d", i)
		e.Send(to, wire.Hop{}, message("OPTIONS", id, 0), func(err error) { t.Errorf("%s: %v", id, err) })
		if got := take(t, p.came); got != id {
			t.Fatalf("%s came, want %s", got, id)
		}
		if got := callID(take(t, r.packets)); got != id {
			t.Fatalf("%s is answered, want %s", got, id)
		}
	}
}

// Who reads a request and closes without a word gets it once more, and no more often, then
// its sender is told; who has answered does not.
func TestTCP_ClosedUponARequest(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	far := accepting(t, "127.0.0.1")
	to := wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}
	answered, silent := message("INVITE", "answered", 0), message("BYE", "silent", 0)
	e.Send(to, wire.Hop{}, answered, func(err error) { t.Error(err) })
	nc := far.accept()
	gets(t, nc, string(answered))
	_, text, _ := strings.Cut(string(answered), "\r\n")
	put(t, nc, []byte("SIP/2.0 486 Busy Here\r\n"+text))
	take(t, r.packets)
	unsent := make(chan error, 1)
	e.Send(to, wire.Hop{}, silent, func(err error) { unsent <- err })
	gets(t, nc, string(silent))
	nc.Close()
	again := far.accept()
	gets(t, again, string(silent))
	again.Close()
	if err := take(t, unsent); !errors.Is(err, wire.ErrGone) {
		t.Error(err)
	}
	next := message("OPTIONS", "next", 0)
	for e.Connections() > 0 {
		runtime.Gosched()
	}
	e.Send(to, wire.Hop{}, next, nil)
	gets(t, far.accept(), string(next))
}

// A request by the connection that a trunk has opened goes to where the trunk listens.
func TestTCP_ClosedByWhoHasOpenedIt(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	far := accepting(t, "127.0.0.1")
	nc := dial(t, e)
	put(t, nc, message("OPTIONS", "trunk", 0))
	from := take(t, r.packets).Hop
	bye := message("BYE", "bye", 0)
	e.Send(from, wire.Hop{Realm: "core", Transport: wire.TCP, Remote: far.addr()}, bye, func(err error) { t.Error(err) })
	gets(t, nc, string(bye))
	nc.Close()
	other := far.accept()
	gets(t, other, string(bye))
	put(t, other, response(200, "BYE", "bye"))
	take(t, r.packets)
}

// Many share a connection that is closed after the first of them: none is lost.
func TestTCP_ManyToAPeerThatClosesAfterEachTransaction(t *testing.T) {
	e, r := listen(t, wire.Config{}, "tcp://127.0.0.1:0")
	p := closing(t)
	to := wire.Hop{Realm: "core", Transport: wire.TCP, Remote: p.addr()}
	const most, all = 4, 400
	missing := map[string]bool{}
	for sent := 0; sent < all || len(missing) > 0; {
		for ; sent < all && len(missing) < most; sent++ {
			id := fmt.Sprintf("many-%d", sent)
			missing[id] = true
			e.Send(to, wire.Hop{}, message("OPTIONS", id, 0), func(err error) {
				if !errors.Is(err, wire.ErrClosed) { // it came, its response has not when the test ends
					t.Errorf("%s: %v", id, err)
				}
			})
		}
		select {
		case id := <-p.came:
			delete(missing, id)
		case <-r.packets:
		case <-time.After(patience):
			t.Fatalf("lost: %v", missing)
		}
	}
}
