package storagetest

import (
	"context"
	"testing"

	"bulkhead/storage"
)

// testOrders: what one node has ordered the others read, whoever owns the unit.
func testOrders(t *testing.T, s storage.Store, _ Clock) {
	l, ok := s.(storage.Orders)
	if !ok {
		t.Fatalf("%T keeps no orders", s)
	}
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	want := func(want map[string]string) {
		t.Helper()
		got, err := l.Ordered(ctx)
		must(err)
		if len(got) != len(want) {
			t.Fatalf("%d orders, want %d: %q", len(got), len(want), got)
		}
		for name, text := range want {
			if string(got[name]) != text {
				t.Errorf("%s: %q, want %q", name, got[name], text)
			}
		}
	}
	want(nil)
	text := []byte("one")
	must(l.Order(ctx, "tc1", text))
	text[0] = 'x'
	must(l.Order(ctx, "tc2", []byte("two")))
	want(map[string]string{"tc1": "one", "tc2": "two"})
	must(l.Order(ctx, "tc1", []byte("three")))
	own(t, s, "a")
	own(t, s, "b") // another owner, the same orders
	want(map[string]string{"tc1": "three", "tc2": "two"})
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if l.Order(gone, "tc1", []byte("four")) == nil {
		t.Error("an order is kept although nobody waits for it")
	}
}
