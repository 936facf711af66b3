package b2bua_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/carriers"
	"bulkhead/dialog"
	"bulkhead/storage"
)

// node is one node of a unit whose calls are in a store.
type node struct {
	t      *testing.T
	store  storage.Store
	writer *storage.Writer
	engine *b2bua.Engine
	net    *sink
}

// takes lets a node take the unit and serve, with an empty memory.
func takes(t *testing.T, store storage.Store, name string, wrap func(b2bua.Book) b2bua.Book, more ...func(*b2bua.Config)) *node {
	t.Helper()
	epoch, err := store.Own(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	book, err := carriers.NewBook(carriers.Config{
		Trunks:   map[string]carriers.TrunkConfig{"pbx": {Realm: "core", From: []string{"127.0.11.0/24"}}},
		Carriers: map[string]carriers.CarrierConfig{"tc1": {Realm: "peering", Gateways: []carriers.GatewayConfig{{Address: "127.0.21.1:5060", Weight: 1}}}},
		Routes:   []carriers.RouteConfig{{Match: carriers.MatchConfig{Number: "*"}, Targets: []carriers.TargetConfig{{Carrier: "tc1"}}}},
	}, carriers.Realms{
		"core":    {{Transport: dialog.UDP, Address: netip.MustParseAddrPort("127.0.10.1:5060")}},
		"peering": {{Transport: dialog.UDP, Address: netip.MustParseAddrPort("127.0.20.1:5060")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, store: store, net: &sink{}}
	n.writer = storage.NewWriter(store, storage.WriterOptions{Node: name, Epoch: epoch, Wait: time.Second})
	var b b2bua.Book = book
	if wrap != nil {
		b = wrap(book)
	}
	config := b2bua.Config{
		Unit: "u", Keeper: n.writer,
		Timers: dialog.Timers{T1: 500 * time.Millisecond, T2: 4 * time.Second, T4: 5 * time.Second},
	}
	for _, set := range more {
		set(&config)
	}
	n.engine = b2bua.New(config, b, n.net, unrecorded{}, zap.NewNop(), b2bua.NewMetrics(prometheus.NewRegistry()), nil)
	return n
}

// serves runs the node until the test ends or die is called.
func (n *node) serves() (die func()) {
	ctx, cancel := context.WithCancel(n.t.Context())
	ended := make(chan struct{})
	go func() {
		n.engine.Run(ctx)
		close(ended)
	}()
	return func() {
		cancel()
		<-ended
		if err := n.writer.Close(context.WithoutCancel(ctx)); err != nil {
			n.t.Error(err)
		}
	}
}

// trunk and carrier feed a message and return what the node then sends.
func (n *node) trunk(message ...string) []sunk {
	return n.fed("core", trunkSource, []byte(strings.Join(append(message, "Content-Length: 0", "", ""), "\r\n")))
}

func (n *node) carrier(response []byte) []sunk { return n.fed("peering", carrierSource, response) }

func (n *node) fed(realm string, source netip.AddrPort, data []byte) []sunk {
	n.t.Helper()
	if err := feed(n.engine, realm, source, data); err != nil {
		n.t.Fatal(err)
	}
	written()
	return n.net.take()
}

// restores takes all calls over.
func (n *node) restores() {
	n.t.Helper()
	if _, err := n.engine.Restoring(n.t.Context(), n.store, n.store.Scan); err != nil {
		n.t.Fatal(err)
	}
	written()
}

// written lets the writer write what it gathers, and waits until there is nothing to do
// but wait.
func written() {
	<-time.After(time.Millisecond)
	synctest.Wait()
}

// records are the detail records that the store has got so far.
func (n *node) records() (ids []string) {
	n.t.Helper()
	if err := n.store.Details(n.t.Context(), func(id string, _ []byte) error {
		ids = append(ids, id)
		return nil
	}); err != nil {
		n.t.Fatal(err)
	}
	return ids
}

// firsts are the first lines of what was sent, with the method that a response
// answers.
func firsts(sent []sunk) (lines []string) {
	for _, out := range sent {
		text := string(out.data)
		first, _, _ := strings.Cut(text, "\r\n")
		if code, ok := strings.CutPrefix(first, "SIP/2.0 "); ok {
			_, method, _ := strings.Cut(text, "CSeq: ")
			method, _, _ = strings.Cut(method, "\r\n")
			first = code[:3] + " " + method[strings.IndexByte(method, ' ')+1:]
		} else {
			first, _, _ = strings.Cut(first, " ")
		}
		lines = append(lines, first)
	}
	return lines
}

func sends(t *testing.T, what string, sent []sunk, want ...string) {
	t.Helper()
	if got := firsts(sent); !slices.Equal(got, want) {
		t.Errorf("%s: sent %q, want %q", what, got, want)
	}
}

// find is what was sent that begins so.
func find(t *testing.T, sent []sunk, begin string) []byte {
	t.Helper()
	for _, out := range sent {
		if strings.HasPrefix(string(out.data), begin) {
			return out.data
		}
	}
	t.Fatalf("no %s among %q", begin, firsts(sent))
	return nil
}

var invited = []string{
	"INVITE sip:123@127.0.10.1 SIP/2.0", "Via: SIP/2.0/UDP 127.0.11.5;branch=z9hG4bKone", "Max-Forwards: 70",
	"From: <sip:a@127.0.11.5>;tag=trunk", "To: <sip:123@127.0.10.1>", "Call-ID: one", "CSeq: 1 INVITE",
	"Contact: <sip:127.0.11.5>",
}

// within is a request of the trunk within the dialog that a response began.
func within(method, branch string, cseq int, response []byte) []string {
	_, to, _ := strings.Cut(string(response), "\r\nTo: ")
	to, _, _ = strings.Cut(to, "\r\n")
	return []string{
		method + " sip:127.0.10.1 SIP/2.0", "Via: SIP/2.0/UDP 127.0.11.5;branch=z9hG4bK" + branch, "Max-Forwards: 70",
		"From: <sip:a@127.0.11.5>;tag=trunk", "To: " + to, "Call-ID: one", fmt.Sprintf("CSeq: %d %s", cseq, method),
	}
}

// TestAMessageFindsItsCallBeforeRestoreDoes: the carrier answers while the node
// that has taken over is still reading calls, and has not come to this one.
func TestAMessageFindsItsCallBeforeRestoreDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		a := takes(t, store, "a", nil)
		die := a.serves()
		invite := find(t, a.trunk(invited...), "INVITE ")
		die()

		b := takes(t, store, "b", nil)
		defer b.serves()()
		reading, read := make(chan struct{}), make(chan error)
		go func() {
			_, err := b.engine.Restoring(t.Context(), store, func(ctx context.Context, each func(storage.Item) error) error {
				<-reading
				return store.Scan(ctx, each)
			})
			read <- err
		}()
		synctest.Wait()
		// The last provisional is repeated, by the clock: perhaps before this.
		find(t, b.carrier(respond(invite, "200 OK", "carrier")), "SIP/2.0 200")
		close(reading)
		if err := <-read; err != nil {
			t.Error(err)
		}
		if n := b.engine.Active(); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestAMessageFindsItsCallBeforeRestoreBegins: what has waited in the sockets is read
// before the first call is.
func TestAMessageFindsItsCallBeforeRestoreBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		a := takes(t, store, "a", nil)
		die := a.serves()
		invite := find(t, a.trunk(invited...), "INVITE ")
		die()

		b := takes(t, store, "b", nil)
		b.engine.Load(store)
		defer b.serves()()
		find(t, b.carrier(respond(invite, "200 OK", "carrier")), "SIP/2.0 200")
	})
}

// TestAnEndedCallIsKnownAfterATakeover: what its peers still send gets what the
// node that died would have sent, and there is no second call and no second
// record.
func TestAnEndedCallIsKnownAfterATakeover(t *testing.T) {
	for _, c := range []struct {
		name string
		life func(a *node) (late func(b *node))
	}{
		{"BYE of the trunk again", func(a *node) func(*node) {
			invite := find(t, a.trunk(invited...), "INVITE ")
			ok := find(t, a.carrier(respond(invite, "200 OK", "carrier")), "SIP/2.0 200")
			a.trunk(within("ACK", "ack", 1, ok)...)
			bye := within("BYE", "bye", 2, ok)
			a.carrier(respond(find(t, a.trunk(bye...), "BYE "), "200 OK", ""))
			return func(b *node) { sends(b.t, "BYE again", b.trunk(bye...), "200 BYE") }
		}},
		{"487 of the carrier again", func(a *node) func(*node) {
			sent := a.trunk(invited...)
			invite := find(t, sent, "INVITE ")
			a.carrier(respond(invite, "180 Ringing", "carrier"))
			cancel := slices.Clone(invited)
			cancel[0], cancel[6] = "CANCEL sip:123@127.0.10.1 SIP/2.0", "CSeq: 1 CANCEL"
			sent = a.trunk(cancel...)
			refused := find(t, sent, "SIP/2.0 487")
			a.carrier(respond(find(t, sent, "CANCEL "), "200 OK", "carrier"))
			a.carrier(respond(invite, "487 Request Terminated", "carrier"))
			ack := within("ACK", "one", 1, refused)
			a.trunk(ack...)
			return func(b *node) {
				sends(b.t, "487 again", b.carrier(respond(invite, "487 Request Terminated", "carrier")), "ACK")
			}
		}},
		{"INVITE of the trunk again, whose refusal was lost", func(a *node) func(*node) {
			invite := find(t, a.trunk(invited...), "INVITE ")
			a.carrier(respond(invite, "486 Busy Here", "carrier"))
			return func(b *node) { sends(b.t, "INVITE again", b.trunk(invited...), "486 INVITE") }
		}},
		{"200 of the carrier again", func(a *node) func(*node) {
			invite := find(t, a.trunk(invited...), "INVITE ")
			answer := respond(invite, "200 OK", "carrier")
			ok := find(t, a.carrier(answer), "SIP/2.0 200")
			a.trunk(within("ACK", "ack", 1, ok)...)
			a.carrier(respond(find(t, a.trunk(within("BYE", "bye", 2, ok)...), "BYE "), "200 OK", ""))
			return func(b *node) { sends(b.t, "200 again", b.carrier(answer), "ACK") }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := storage.NewMemory(time.Now)
				a := takes(t, store, "a", nil)
				die := a.serves()
				late := c.life(a)
				die()
				b := takes(t, store, "b", nil)
				defer b.serves()()
				b.restores()
				late(b)
				if ids := b.records(); len(ids) != 1 {
					t.Errorf("records: %q", ids)
				}
				if n := b.engine.Active(); n != 0 {
					t.Errorf("%d calls begun", n)
				}
			})
		})
	}
}

// deaf is a store that cannot be read.
type deaf struct{}

func (deaf) Get(context.Context, string) (storage.Item, error) {
	return storage.Item{}, errors.New("no answer")
}

// TestNobodyIsToldThatACallIsGoneWhileItCannotBeLookedFor: a 481 would end it for
// its peer, and a repeat may find it. A call that begins is not held up.
func TestNobodyIsToldThatACallIsGoneWhileItCannotBeLookedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		a := takes(t, store, "a", nil)
		die := a.serves()
		invite := find(t, a.trunk(invited...), "INVITE ")
		answer := respond(invite, "200 OK", "carrier")
		ok := find(t, a.carrier(answer), "SIP/2.0 200")
		die()

		b := takes(t, store, "b", nil)
		defer b.serves()()
		nothing := func(context.Context, func(storage.Item) error) error { return nil }
		if _, err := b.engine.Restoring(t.Context(), deaf{}, nothing); err != nil {
			t.Fatal(err)
		}
		sends(t, "BYE", b.trunk(within("BYE", "bye", 2, ok)...))
		sends(t, "200", b.carrier(answer))
		other := slices.Clone(invited)
		other[1], other[5] = "Via: SIP/2.0/UDP 127.0.11.5;branch=z9hG4bKtwo", "Call-ID: two"
		sends(t, "INVITE", b.trunk(other...), "100 INVITE", "INVITE")
	})
}

// TestAFencedNodeSaysNothing: its calls are another's, who alone may speak.
func TestAFencedNodeSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		a := takes(t, store, "a", nil)
		defer a.serves()()
		invite := find(t, a.trunk(invited...), "INVITE ")
		if _, err := store.Own(t.Context(), "b"); err != nil {
			t.Fatal(err)
		}
		sends(t, "200 to the fenced node", a.carrier(respond(invite, "200 OK", "carrier")))
		sends(t, "and again", a.carrier(respond(invite, "200 OK", "carrier")))
	})
}

// asked is a book that lets something happen while a call is being admitted.
type asked struct {
	b2bua.Book
	meanwhile func()
}

func (a *asked) Select(now time.Time, s dialog.Setup, j carriers.Judge) carriers.Choice {
	a.meanwhile()
	return a.Book.Select(now, s, j)
}

// TestLiveWaitsForNoCallThatIsNone: what cannot be admitted has no state, and
// whoever asks for all states is not kept waiting for it.
func TestLiveWaitsForNoCallThatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		var n *node
		states := make(chan int)
		n = takes(t, store, "a", func(b b2bua.Book) b2bua.Book {
			return &asked{b, func() {
				go func() {
					count := 0
					n.engine.Live(func(storage.Item) { count++ })
					states <- count
				}()
				synctest.Wait()
				panic("a defect")
			}}
		})
		defer n.serves()()
		if err := feed(n.engine, "core", trunkSource, []byte(strings.Join(append(slices.Clone(invited), "", ""), "\r\n"))); err != nil {
			t.Fatal(err)
		}
		if count := <-states; count != 0 {
			t.Errorf("%d states", count)
		}
		n.engine.Stop(t.Context())
	})
}
