package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// sockAt is a peer's socket.
func sockAt(t *testing.T, host string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// said waits for a message that begins so; empty: it did not come.
func said(c *net.UDPConn, within time.Duration, begins ...string) string {
	_ = c.SetReadDeadline(time.Now().Add(within))
	b := make([]byte, 65536)
	for {
		n, err := c.Read(b)
		if err != nil {
			return ""
		}
		for _, p := range begins {
			if strings.HasPrefix(string(b[:n]), p) {
				return string(b[:n])
			}
		}
	}
}

// calling is a unit with a trunk, a carrier, and an INVITE that the trunk sends.
func calling(t *testing.T, mode string, store unitStore, drain time.Duration) (u *unit, trunk, carrier *net.UDPConn, invite string) {
	t.Helper()
	at := somewhere(t)
	trunk, carrier = sockAt(t, "127.0.190.2"), sockAt(t, "127.0.190.3")
	config, _, err := parse("test.yaml", fmt.Appendf(nil, `
node: a
realms: {core: {listen: ["udp://%s"]}}
trunks: {pbx: {realm: core, from: [127.0.190.2]}}
carriers: {tc1: {realm: core, gateways: [{address: "%s"}]}}
routes:
  - match: {number: "*"}
    targets: [{carrier: tc1}]
state: {redis: {addresses: ["127.0.0.1:1"]}}
timers: {t1: 20ms, t2: 160ms, t4: 200ms}
%s
`, at, carrier.LocalAddr(), strings.ReplaceAll(mode, "AT", at.Addr().String())), "a")
	if err != nil {
		t.Fatal(err)
	}
	u = newUnit(config, [32]byte{}, zap.NewNop(), store, drain, t.Context())
	invite = strings.ReplaceAll(strings.Join([]string{
		"INVITE sip:+3312345678@" + at.String() + " SIP/2.0", "Via: SIP/2.0/UDP LOCAL;branch=z9hG4bKcall1",
		"Max-Forwards: 70", "From: <sip:a@b>;tag=1", "To: <sip:+3312345678@b>", "Call-ID: call1", "CSeq: 1 INVITE",
		"Contact: <sip:a@LOCAL>", "Content-Length: 0", "", "",
	}, "\r\n"), "LOCAL", trunk.LocalAddr().String())
	return u, trunk, carrier, invite
}

// The address leaves while the node drains: the calls are the next owner's, not to be ended.
func TestADrainEndsWithItsAddress(t *testing.T) {
	store := newFailing()
	u, trunk, carrier, invite := calling(t, `unit: {name: u, mode: address, address: ["AT", "203.0.113.9"]}`, store, time.Minute)
	f := u.claim.(*follower)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.run(ctx) }()
	listed(t, f)
	storagetest.Eventually(t, "bound", func() bool { u.nodes.mu.Lock(); defer u.nodes.mu.Unlock(); return u.nodes.bound })
	f.come(true)
	storagetest.Eventually(t, "a serves", func() bool { return store.scans.Load() == 1 })
	_, _ = trunk.WriteTo([]byte(invite), net.UDPAddrFromAddrPort(u.config.Sockets()["core"][0].Address))
	if said(carrier, 5*time.Second, "INVITE") == "" {
		t.Fatal("no INVITE")
	}
	cancel() // no other node: it drains
	f.come(false)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := said(trunk, 100*time.Millisecond, "SIP/2.0 4", "SIP/2.0 5", "SIP/2.0 6"); got != "" {
		t.Errorf("the call was ended: %.60q", got)
	}
	live := 0
	_ = store.Memory.Scan(t.Context(), func(storage.Item) error { live++; return nil })
	if live != 1 {
		t.Errorf("%d calls are left for the next owner, want 1", live)
	}
}

// A peer that was being restarted comes back a moment after the signal.
func TestADrainEndsWhenAPeerComes(t *testing.T) {
	store := newFailing()
	u, trunk, carrier, invite := calling(t, "", store, time.Minute)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.run(ctx) }()
	storagetest.Eventually(t, "a serves", func() bool { return store.scans.Load() == 1 })
	_, _ = trunk.WriteTo([]byte(invite), net.UDPAddrFromAddrPort(u.config.Sockets()["core"][0].Address))
	rings(t, u, carrier)
	cancel()
	beats := time.NewTicker(100 * time.Millisecond)
	defer beats.Stop()
	go func() {
		for t.Context().Err() == nil {
			select {
			case <-beats.C:
				_, _ = store.Beat(t.Context(), "b", beatForget) // the owner hears it, or the test fails
			case <-t.Context().Done():
			}
		}
	}()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := said(trunk, 100*time.Millisecond, "SIP/2.0 4", "SIP/2.0 5", "SIP/2.0 6"); got != "" {
		t.Errorf("the call was ended although b was there to take it: %.60q", got)
	}
	live := 0
	_ = store.Memory.Scan(t.Context(), func(storage.Item) error { live++; return nil })
	if live != 1 {
		t.Errorf("%d calls are left for the next owner, want 1", live)
	}
}

// rings lets the carrier answer the INVITE, which it returns, with 180.
func rings(t *testing.T, u *unit, carrier *net.UDPConn) (invite string) {
	t.Helper()
	if invite = said(carrier, 5*time.Second, "INVITE"); invite == "" {
		t.Fatal("no INVITE")
	}
	replies(u, carrier, invite, "180 Ringing")
	return invite
}

func replies(u *unit, carrier *net.UDPConn, invite, status string) {
	lines := []string{"SIP/2.0 " + status}
	for _, l := range strings.Split(invite, "\r\n") {
		for _, h := range []string{"Via:", "From:", "Call-ID:", "CSeq:"} {
			if strings.HasPrefix(l, h) {
				lines = append(lines, l)
			}
		}
		if strings.HasPrefix(l, "To:") {
			lines = append(lines, l+";tag=c1")
		}
	}
	lines = append(lines, "Contact: <sip:c@"+carrier.LocalAddr().String()+">", "Content-Length: 0", "", "")
	_, _ = carrier.WriteTo([]byte(strings.Join(lines, "\r\n")), net.UDPAddrFromAddrPort(u.config.Sockets()["core"][0].Address))
}

// The other node has just left; this one is told to leave within the same beat, as when
// both are stopped at once.
func TestNothingIsHandedToWhoHasLeft(t *testing.T) {
	store := newFailing()
	u, trunk, carrier, invite := calling(t, "", store, time.Second)
	other, _, _, _ := calling(t, "", store, time.Second)
	other.config.Node, other.nodes.node = "b", "b"
	other.claim.(*lease).node = "b"
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.run(ctx) }()
	storagetest.Eventually(t, "a serves", func() bool { return store.scans.Load() == 1 })
	stop := runs(t, other)
	_, _ = trunk.WriteTo([]byte(invite), net.UDPAddrFromAddrPort(u.config.Sockets()["core"][0].Address))
	rings(t, u, carrier)
	storagetest.Eventually(t, "a hears of b", func() bool { return u.nodes.peer() == "b" })
	stop()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	live := 0
	_ = store.Memory.Scan(t.Context(), func(storage.Item) error { live++; return nil })
	if live != 0 {
		t.Errorf("a handed %d calls over to b, which had left before; nobody has them", live)
	}
}

// What arrived while another node had the unit is read when the addresses come back,
// however much later.
func TestWhatIsOldIsNoCall(t *testing.T) {
	store := newFailing()
	u, trunk, carrier, invite := calling(t, `unit: {name: u, mode: address, address: ["AT", "203.0.113.9"]}`, store, time.Second)
	f := u.claim.(*follower)
	runs(t, u)
	listed(t, f)
	f.come(true)
	storagetest.Eventually(t, "a serves", func() bool { return store.scans.Load() == 1 })
	epoch, err := store.Own(t.Context(), "b")
	if err != nil || store.Renew(t.Context(), epoch, time.Hour) != nil {
		t.Fatal(err)
	}
	at := u.config.Sockets()["core"][0].Address
	storagetest.Eventually(t, "a is fenced and stands by", func() bool { return !bound(at) })
	storagetest.Eventually(t, "a is fenced and stands by", func() bool { return bound(at) })
	_, _ = trunk.WriteTo([]byte(invite), net.UDPAddrFromAddrPort(at))
	f.come(false)
	f.come(true)
	storagetest.Eventually(t, "a serves again", func() bool { return store.scans.Load() == 2 })
	if got := said(carrier, time.Second, "INVITE"); got != "" {
		t.Error("an INVITE that came while the unit was another's makes a call")
	}
}
