package ng_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"bulkhead/b2bua/media/ng"
)

// fake is a node that does what no rtpengine can be made to do. What it must do as
// one is tried with the real one, in deploy/e2e.
type fake struct {
	t       *testing.T
	udp     *net.UDPConn
	address netip.AddrPort
	got     chan asked // all but pings
	pings   chan asked // nil: pings are answered
}

// asked is a request and who asked.
type asked struct {
	cookie string
	of     ng.Value
	raw    string
	from   netip.AddrPort
}

func (a asked) str(key string) string { return string(a.of.Get(key).Bytes()) }

// newFake answers pings by itself and leaves the rest to the test.
func newFake(t *testing.T) *fake { return newFakeAt(t, "127.0.0.1:0", nil) }

func newFakeAt(t *testing.T, at string, pings chan asked) *fake {
	t.Helper()
	udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t, udp, udp.LocalAddr().(*net.UDPAddr).AddrPort(), make(chan asked, 1000), pings}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 1<<16)
		for {
			n, from, err := udp.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			b := append([]byte(nil), buf[:n]...)
			_, rest, ok := ng.CookieOf(b)
			v, err := ng.Parse(rest)
			if !ok || err != nil {
				t.Errorf("request %q: %v", b, err)
				return
			}
			if got := v.Canonical(); string(got) != string(rest) {
				t.Errorf("not canonical: %q", rest)
			}
			a := asked{string(b[:16]), v, string(rest), from}
			to := f.got
			if a.str("command") == "ping" {
				to = f.pings
			}
			if to == nil {
				f.answer(a, "d6:result4:ponge")
				continue
			}
			select {
			case to <- a:
			case <-t.Context().Done(): // the test takes no more
			}
		}
	}()
	t.Cleanup(func() { f.close(); <-ended })
	return f
}

func (f *fake) close() { _ = f.udp.Close() }

// answer sends an answer to a request.
func (f *fake) answer(a asked, body string) { f.send(a.from, a.cookie+" "+body) }

func (f *fake) send(to netip.AddrPort, datagram string) {
	if _, err := f.udp.WriteToUDPAddrPort([]byte(datagram), to); err != nil && !errors.Is(err, net.ErrClosed) {
		f.t.Errorf("the fake node: %v", err)
	}
}

// next is the next request.
func (f *fake) next() asked {
	f.t.Helper()
	select {
	case a := <-f.got:
		return a
	case <-time.After(10 * time.Second):
		f.t.Fatal("no request came")
		return asked{}
	}
}

// newClient has nodes named n0, n1 and so on at the fakes' addresses.
func newClient(t *testing.T, config ng.Config, nodes ...*fake) *ng.Client {
	t.Helper()
	for i, f := range nodes {
		config.Nodes = append(config.Nodes, ng.Node{Name: "n" + string(rune('0'+i)), Address: f.address})
	}
	c, err := ng.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

const (
	sdp   = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
	ours  = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 30000 RTP/AVP 8\r\n"
	never = time.Hour
)

var fine = fmt.Sprintf("d6:result2:ok3:sdp%d:%se", len(ours), ours)

// outcome is what a call of the client came to.
type outcome struct {
	ng.Result
	err error
}

// offer offers in the background.
func offer(c *ng.Client, x ng.Exchange) <-chan outcome {
	return offerIn(context.Background(), c, x)
}

func offerIn(ctx context.Context, c *ng.Client, x ng.Exchange) <-chan outcome {
	done := make(chan outcome, 1)
	if x.Body == nil {
		x.Body = []byte(sdp)
	}
	go func() {
		r, err := c.Offer(ctx, x)
		done <- outcome{r, err}
	}()
	return done
}

func wait[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came for 10 s")
		panic("unreachable")
	}
}

// until polls for a fact.
func until(t *testing.T, what string, fact func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !fact() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
