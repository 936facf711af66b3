package media

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/b2bua/media/ng"
)

const plain = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"

// engine is an rtpengine that knows little: what it is asked, and what it says to an offer.
type engine struct {
	conn net.PacketConn
	says string // to offers and answers

	mu    sync.Mutex
	asked []string // commands, but for pings
}

func newEngine(t *testing.T, says string) *engine {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &engine{conn: conn, says: says}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 65535)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			cookie, request, _ := bytes.Cut(buffer[:n], []byte(" "))
			_, _ = conn.WriteTo([]byte(string(cookie)+" "+e.reply(string(request))), from)
		}
	}()
	return e
}

func (e *engine) reply(request string) string {
	_, command, _ := strings.Cut(request, "7:command")
	_, command, _ = strings.Cut(command, ":")
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case strings.HasPrefix(command, "ping"):
		return "d6:result4:ponge"
	case strings.HasPrefix(command, "offer"):
		e.asked = append(e.asked, "offer")
	case strings.HasPrefix(command, "answer"):
		e.asked = append(e.asked, "answer")
	default:
		e.asked = append(e.asked, command[:6])
		return "d6:result2:oke"
	}
	return fmt.Sprintf("d6:result2:ok3:sdp%d:%se", len(e.says), e.says)
}

func (e *engine) heard() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.asked, " ")
}

func (e *engine) node(name string) ng.Node {
	return ng.Node{Name: name, Address: netip.MustParseAddrPort(e.conn.LocalAddr().String())}
}

func engined(t *testing.T, nodes ...ng.Node) *Engined {
	t.Helper()
	client, err := ng.New(ng.Config{Nodes: nodes, Repeat: 10 * time.Millisecond, Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return NewEngined(client, time.Minute)
}

func sides() *Legs {
	at := netip.MustParseAddr("198.51.100.1")
	return &Legs{{Address: at, Bind: at}, {Number: 1, Address: at, Bind: at}}
}

// lost is a node where nobody is.
func lost(t *testing.T) ng.Node {
	t.Helper()
	e := newEngine(t, plain)
	n := e.node("lost")
	e.conn.Close()
	return n
}

// TestALostNodeHangsNobodyUp: that an rtpengine cannot be asked is no proof that its calls are
// silent; who hears nothing hangs up.
func TestALostNodeHangsNobodyUp(t *testing.T) {
	e := engined(t, lost(t))
	if e.Silent("call", &Anchor{Leg: 1, Root: 1, Mode: RTPEngine, Node: "lost", Agreed: true}) {
		t.Error("a call of a node that does not answer is taken for silent")
	}
}

// TestAnOfferLeavesALostNode: what a call describes after its node was lost goes to another
// one, as of a new call there; so a re-INVITE brings the media back, and the next carrier is tried.
func TestAnOfferLeavesALostNode(t *testing.T) {
	other := newEngine(t, plain)
	for _, a := range []*Anchor{
		{Leg: 1, Root: 1, Mode: RTPEngine, Node: "lost", Agreed: true},
		{Leg: 2, Root: 1, Was: 1, Renew: true, Mode: RTPEngine, Node: "lost"},
	} {
		e := engined(t, lost(t), other.node("other"))
		if _, err := e.Offer("call", a, sides(), Trunk, []byte(plain)); err != nil {
			t.Errorf("attempt %d: %v", a.Leg, err)
		}
		if a.Node != "other" || a.Agreed {
			t.Errorf("attempt %d is at node %q", a.Leg, a.Node)
		}
	}
	if got := other.heard(); got != "offer offer" {
		t.Errorf("the other node was asked for: %s", got)
	}
}

// TestARefusedDescriptionIsDeleted: what rtpengine has opened ports for goes with the call,
// also where its description could not be shown to anybody.
func TestARefusedDescriptionIsDeleted(t *testing.T) {
	node := newEngine(t, strings.Replace(plain, "RTP/AVP", "RTP/SAVP", 1)) // without a key
	e := engined(t, node.node("a"))
	a := &Anchor{Leg: 1, Mode: RTPEngine}
	if _, err := e.Offer("call", a, sides(), Trunk, []byte(plain)); err == nil {
		t.Fatal("no error")
	}
	e.Release("call", a)
	if got := node.heard(); !strings.HasPrefix(got, "offer ") || !strings.Contains(got, "delete") {
		t.Errorf("the node was asked for: %s", got)
	}
}
