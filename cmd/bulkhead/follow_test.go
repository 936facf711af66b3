package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// following is a unit of two addresses, of which the test says whether they are here.
func following(t *testing.T, node string, store unitStore) (*unit, *follower, netip.AddrPort) {
	t.Helper()
	at := somewhere(t)
	config, _, err := parse("test.yaml", fmt.Appendf(nil, `
node: %s
realms: {core: {listen: ["udp://%s"]}}
trunks: {pbx: {realm: core, from: [127.0.0.0/8]}}
state: {redis: {addresses: ["127.0.0.1:1"]}}
unit: {name: u, mode: address, address: ["%s", "203.0.113.9"]}
`, node, at, at.Addr()), node)
	if err != nil {
		t.Fatal(err)
	}
	u := newUnit(config, [32]byte{}, zap.NewNop(), store, time.Second, t.Context())
	return u, u.claim.(*follower), at
}

// listed waits until the follower has seen what this host really has.
func listed(t *testing.T, f *follower) {
	t.Helper()
	storagetest.Eventually(t, "the addresses are listed", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.here[netip.MustParseAddr("127.0.0.1")]) > 0
	})
}

func (f *follower) come(is bool) {
	for _, a := range f.want {
		f.change(a, 1, is)
	}
}

func owner(t *testing.T, store storage.Assembly) string {
	t.Helper()
	o, err := store.Owner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o.Node
}

// TestWhatComesBeforeTheEpochWaits: the sockets are bound before the addresses are
// here, and the first packet is read when the unit is ours, not before.
func TestWhatComesBeforeTheEpochWaits(t *testing.T) {
	store := newFailing()
	u, f, at := following(t, "a", store)
	runs(t, u)
	listed(t, f)
	storagetest.Eventually(t, "the sockets are bound", func() bool { return bound(at) })
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	asked := strings.Join([]string{
		"OPTIONS sip:" + at.String() + " SIP/2.0", "Via: SIP/2.0/UDP " + conn.LocalAddr().String() + ";branch=z9hG4bKearly",
		"Max-Forwards: 1", "From: <sip:a@b>;tag=1", "To: <sip:a@b>", "Call-ID: early", "CSeq: 1 OPTIONS", "Content-Length: 0", "", "",
	}, "\r\n")
	if _, err := conn.Write([]byte(asked)); err != nil {
		t.Fatal(err)
	}
	f.change(f.want[0], 1, true) // one of two
	if o := owner(t, store); o != "" {
		t.Fatalf("%s has the unit without all its addresses", o)
	}
	f.change(f.want[1], 1, true)
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 2048)
	n, err := conn.Read(answer)
	if err != nil || !strings.HasPrefix(string(answer[:n]), "SIP/2.0 200") {
		t.Fatalf("%q, %v", answer[:n], err)
	}
	if o := owner(t, store); o != "a" {
		t.Fatalf("answered while the owner was %q", o)
	}
}

// TestAUnitGoesWithItsAddresses, of which one is enough, and comes back with them.
func TestAUnitGoesWithItsAddresses(t *testing.T) {
	store := newFailing()
	u, f, _ := following(t, "a", store)
	runs(t, u)
	listed(t, f)
	f.come(true)
	storagetest.Eventually(t, "a serves", func() bool { return owner(t, store) == "a" && store.scans.Load() == 1 })
	f.change(f.want[1], 1, false)
	f.change(f.want[1], 1, true)
	storagetest.Eventually(t, "a serves again", func() bool { return store.scans.Load() == 2 })
}

// TestAFencedNodeWaitsForTheEdge: the addresses are on two nodes. Who came first stops,
// and takes the unit again when they have left it and come back, not before.
func TestAFencedNodeWaitsForTheEdge(t *testing.T) {
	store := newFailing()
	u, f, _ := following(t, "a", store)
	runs(t, u)
	listed(t, f)
	f.come(true)
	storagetest.Eventually(t, "a serves", func() bool { return store.scans.Load() == 1 })
	epoch, err := store.Own(t.Context(), "b")
	if err != nil || store.Renew(t.Context(), epoch, time.Hour) != nil {
		t.Fatal(err)
	}
	spent := func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.spent == f.arrived
	}
	storagetest.Eventually(t, "a has seen that it is fenced", spent)

	ctx, cancel := context.WithTimeout(t.Context(), 3*leaseAsk)
	defer cancel()
	if _, err := f.take(ctx); err == nil || owner(t, store) != "b" {
		t.Fatalf("a takes what is b's: %v, owner %s", err, owner(t, store))
	}
	f.come(false)
	f.come(true)
	storagetest.Eventually(t, "a serves again", func() bool { return owner(t, store) == "a" && store.scans.Load() == 2 })
}

// TestWhoWasFencedIsLate, also when the addresses leave and come back before it has
// begun to wait for that: what is in the sockets by then may be old.
func TestWhoWasFencedIsLate(t *testing.T) {
	_, f, _ := following(t, "a", newFailing())
	f.come(true)
	take := func() {
		t.Helper()
		if _, err := f.take(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if take(); f.late() {
		t.Error("late at its first arrival")
	}
	f.fenced()
	f.come(false)
	f.come(true)
	if take(); !f.late() {
		t.Error("not late, though the unit was another's while the addresses were here")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	f.left(over) // as an owner that waits for it
	f.come(false)
	f.fenced()
	f.come(true)
	if take(); f.late() {
		t.Error("late, though the unit was another's only while the addresses were elsewhere")
	}
}

// TestHandedOver: the owner hears that it is asked, tells whoever moves the address,
// serves until it has gone, and ends.
func TestHandedOverWithItsAddress(t *testing.T) {
	store := newFailing()
	u, f, _ := following(t, "a", store)
	var mu sync.Mutex
	var told []bool
	u.nodes.fit = func(is bool) error {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, is)
		if !is && len(told) > 1 {
			go f.come(false)
		}
		return nil
	}
	ended := make(chan error, 1)
	go func() { ended <- u.run(t.Context()) }()
	listed(t, f)
	f.come(true)
	storagetest.Eventually(t, "a serves", func() bool { return store.scans.Load() == 1 })
	if _, err := store.Beat(t.Context(), "b", beatForget); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() { // b, which gets the address
		if f.until(ctx, func() bool { return len(f.here[f.want[0]]) == 0 }) == nil {
			_, _ = store.Own(ctx, "b") // Owner tells
		}
	}()
	from, next, _, err := handover(ctx, store, "")
	if err != nil || from != "a" || next != "b" {
		t.Fatalf("from %q to %q: %v", from, next, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := []bool{false, true, false}; !slices.Equal(told, want) && !slices.Equal(told, want[1:]) {
		t.Errorf("told %v, want %v", told, want)
	}
}

// TestAFencedNodeServesWhenNobodyElseDoes: who had taken the unit has given it up, and
// the addresses have never left. What came in meanwhile is not answered: it is old.
func TestAFencedNodeServesWhenNobodyElseDoes(t *testing.T) {
	store := newFailing()
	u, f, at := following(t, "a", store)
	runs(t, u)
	listed(t, f)
	f.come(true)
	storagetest.Eventually(t, "a serves", func() bool { return store.scans.Load() == 1 })
	epoch, err := store.Own(t.Context(), "b")
	if err != nil || store.Renew(t.Context(), epoch, time.Hour) != nil {
		t.Fatal(err)
	}
	storagetest.Eventually(t, "a is barred, and bound again", func() bool { return f.barred() && bound(at) })
	f.mu.Lock()
	f.came = time.Now().Add(-2 * staleFor)
	f.mu.Unlock()
	if err := store.Release(t.Context(), epoch, "", 0); err != nil {
		t.Fatal(err)
	}
	storagetest.Eventually(t, "a serves again", func() bool { return owner(t, store) == "a" && store.scans.Load() == 2 })
}

// TestAHandOverThatNobodyTakes is taken back: the other node is heard, and the address
// does not go to it.
func TestAHandOverThatNobodyTakes(t *testing.T) {
	store := newFailing()
	u, f, _ := following(t, "a", store)
	told := make(chan bool, 10)
	u.nodes.fit = func(is bool) error { told <- is; return nil }
	runs(t, u)
	listed(t, f)
	f.come(true)
	storagetest.Eventually(t, "a serves", func() bool { return store.scans.Load() == 1 })
	for len(told) > 0 {
		<-told
	}
	if _, err := store.Beat(t.Context(), "b", beatForget); err != nil {
		t.Fatal(err)
	}
	if err := store.Wish(t.Context(), "b", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if <-told || !<-told || owner(t, store) != "a" {
		t.Errorf("a lets the address go, and then not any more; owner %s", owner(t, store))
	}
}
