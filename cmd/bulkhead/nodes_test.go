package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// TestWhoIsFit: the owner always, another node while it hears the store, none that was
// fenced with its addresses here, nor after it has left.
func TestWhoIsFit(t *testing.T) {
	var told []bool
	n := newNodes("a", storage.NewMemory(time.Now))
	n.fit = func(is bool) error { told = append(told, is); return nil }
	n.ready(true)
	n.beat(t.Context())
	n.mu.Lock()
	n.last = time.Now().Add(-2 * beatSilent)
	n.tell()
	n.mu.Unlock()
	n.serving(true)
	n.serving(false)
	n.beat(t.Context())
	n.barred = func() bool { return true }
	n.beat(t.Context())
	n.barred = func() bool { return false }
	n.beat(t.Context())
	n.unfit()
	n.serving(true)
	if want := []bool{false, true, false, true, false, true, false, true, false}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

// TestOnlyWhoLivesIsHandedTo.
func TestOnlyWhoLivesIsHandedTo(t *testing.T) {
	store := storage.NewMemory(time.Now)
	refused := func(to, why string) {
		t.Helper()
		if _, _, _, err := handover(t.Context(), store, to); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("to %q: %v, want %q", to, err, why)
		}
	}
	refused("", "no node that is alive has it")
	if _, err := store.Own(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Beat(t.Context(), "a", beatForget); err != nil {
		t.Fatal(err)
	}
	refused("", "only a is alive")
	refused("b", "b cannot take it")
	refused("a", "a cannot take it")
}

// TestAStandbyIsWell: ping says so while the store hears it and another has the unit.
func TestAStandbyIsWell(t *testing.T) {
	server := storagetest.StartRedis(t)
	config, _, err := parse("test.yaml", fmt.Appendf(nil, `
node: b
realms: {core: {listen: ["udp://192.0.2.1:5060"]}}
state: {redis: {addresses: [%q]}}
unit: {name: u}
`, server.Address), "b")
	if err != nil {
		t.Fatal(err)
	}
	store, err := config.redis()
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	well := func(want string) {
		t.Helper()
		if got := config.standsBy(t.Context()); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if _, err := store.Own(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	well("")
	if _, err := store.Beat(t.Context(), "b", beatForget); err != nil {
		t.Fatal(err)
	}
	well(`standing by: unit u is with "a"`)
	if _, err := store.Own(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	well("") // it should answer
	server.Kill()
	well("")
}
