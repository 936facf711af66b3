package relay

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

func poolOf(first, last uint16, start int) *pool {
	return &pool{first: first, last: last, start: func(int) int { return start }, by: map[netip.Addr]*ports{}}
}

func TestPortsAreTakenInTurn(t *testing.T) {
	p, at := poolOf(30000, 30006, 2), ip("192.0.2.1")
	take := func(now time.Duration, want uint16) {
		t.Helper()
		switch got, err := p.take(now, at); {
		case want == 0 && !errors.Is(err, ErrExhausted):
			t.Fatalf("%v: %d, %v; want none", now, got, err)
		case want != 0 && (err != nil || got != want):
			t.Fatalf("%v: %d, %v; want %d", now, got, err, want)
		}
	}
	take(0, 30004)
	take(0, 30006)
	p.give(10, at, 30004)
	take(0, 30000)
	take(0, 30002)
	take(0, 0)
	take(9, 0)
	p.give(12, at, 30000)
	take(10, 30004)
	take(10, 0)
	take(12, 30000)
	if _, err := p.take(0, ip("192.0.2.2")); err != nil {
		t.Errorf("another address: %v", err)
	}
	if used, free, resting := p.count(12); used != 5 || free != 3 || resting != 0 {
		t.Errorf("%d used, %d free, %d in quarantine; want 5, 3, 0", used, free, resting)
	}
}

func TestReservedPortsAreNotTaken(t *testing.T) {
	p, at := poolOf(30000, 30006, 0), ip("192.0.2.1")
	for _, port := range []uint16{30002, 30006, 20000} {
		if err := p.reserve(at, port); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.reserve(at, 30002); err == nil {
		t.Error("30002 is reserved twice")
	}
	for _, want := range []uint16{30000, 30004} {
		if got, err := p.take(0, at); err != nil || got != want {
			t.Errorf("%d, %v; want %d", got, err, want)
		}
	}
	if _, err := p.take(0, at); !errors.Is(err, ErrExhausted) {
		t.Errorf("a reserved one is taken: %v", err)
	}
	p.give(0, at, 20000) // outside the range: nobody gets it
	if _, err := p.take(0, at); !errors.Is(err, ErrExhausted) {
		t.Errorf("one outside the range is taken: %v", err)
	}
}

func TestExhaustedPorts(t *testing.T) {
	r := begin(t, Config{First: 23800, Last: 23803})
	at := ip("127.0.236.10")
	first, err := r.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(at); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(at); !errors.Is(err, ErrExhausted) {
		t.Errorf("a third: %v", err)
	}
	r.Close(first)
	until(t, "closed", func() bool { return r.Totals().Sockets == 2 })
	if c := r.Totals(); c.Ends != 1 || c.Used != 1 || c.Quarantined != 1 || c.Free != 0 {
		t.Errorf("%+v; want 1 end with its pair, and one pair in quarantine", c)
	}
	if _, err := r.Open(at); !errors.Is(err, ErrExhausted) {
		t.Errorf("in quarantine: %v", err)
	}
}

// A port that another process has is passed over.
func TestTakenPortIsPassedOver(t *testing.T) {
	r := begin(t, Config{First: 23800, Last: 23807})
	for _, port := range []uint16{23801, 23802, 23806} {
		sit(t, "127.0.236.10", port)
	}
	local, err := r.Open(ip("127.0.236.10"))
	if err != nil {
		t.Fatal(err)
	}
	if local.Port() != 23804 {
		t.Errorf("%v; want port 23804, the only one with both of its pair free", local)
	}
	if _, err := r.Open(ip("127.0.236.10")); !errors.Is(err, ErrExhausted) {
		t.Errorf("where others have all ports: %v", err)
	}
	until(t, "two sockets", func() bool { return r.Totals().Sockets == 2 })
}

func TestRangesWithoutAPair(t *testing.T) {
	for _, c := range []Config{{First: 30001, Last: 30002}, {First: 30002, Last: 30001}, {First: 30000, Last: 30000}, {First: 100, Last: 200}, {First: 65535, Last: 65535}} {
		if r, err := New(c); err == nil {
			t.Errorf("%d to %d is a range of %d to %d", c.First, c.Last, r.pool.first, r.pool.last)
		}
	}
}
