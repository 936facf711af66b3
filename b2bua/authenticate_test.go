package b2bua

import (
	"testing"
	"time"

	"bulkhead/dialog"
)

// TestNoncesOfEitherNode: two nodes of a unit take each other's nonces, for half a minute and
// for the trunk that they were made for; those of another unit or key are nobody's.
func TestNoncesOfEitherNode(t *testing.T) {
	a, b := newNonces([32]byte{1}, "u1"), newNonces([32]byte{1}, "u1")
	n := a.nonce(noon, "pbx")
	for _, c := range []struct {
		at         time.Duration
		ours, good bool
	}{{0, true, true}, {29 * time.Second, true, true}, {30 * time.Second, true, false}, {-4 * time.Second, true, true}, {-time.Minute, true, false}} {
		if ours, good := b.made(noon.Add(c.at), "pbx", n); ours != c.ours || good != c.good {
			t.Errorf("after %v: %v %v", c.at, ours, good)
		}
	}
	for name, ours := range map[string]bool{n: true, n[:39] + "0": n[39] == '0', n[:38]: false, "": false, "0" + n[1:]: n[0] == '0'} {
		if got, _ := b.made(noon, "pbx", name); got != ours {
			t.Errorf("%q: %v", name, got)
		}
	}
	if ours, _ := b.made(noon, "other", n); ours {
		t.Error("another trunk's")
	}
	for _, g := range []*nonces{newNonces([32]byte{2}, "u1"), newNonces([32]byte{1}, "u2")} {
		if ours, _ := g.made(noon, "pbx", n); ours {
			t.Error("of another unit or key")
		}
	}
}

// TestNoncesAreSpentOnce: by one call and count, for as long as they are good; and what is
// remembered is bounded.
func TestNoncesAreSpentOnce(t *testing.T) {
	g := newNonces([32]byte{1}, "u1")
	c := dialog.Credentials{Nonce: g.nonce(noon, "pbx"), NC: "00000001"}
	one, other := dialog.CallID{1}, dialog.CallID{2}
	for i, step := range []struct {
		at   time.Duration
		nc   string
		call dialog.CallID
		want int
	}{
		{0, "00000001", one, unspent}, {0, "00000001", one, unspent}, {0, "00000001", other, spentElsewhere},
		{time.Second, "00000002", other, unspent}, {29 * time.Second, "00000001", other, spentElsewhere},
		{36 * time.Second, "00000001", other, spentElsewhere}, {80 * time.Second, "00000001", other, unspent},
	} {
		c.NC = step.nc
		if got := g.spend(noon.Add(step.at), c, step.call); got != step.want {
			t.Errorf("step %d: %d, want %d", i, got, step.want)
		}
	}
	at := noon.Add(time.Hour)
	c.Nonce = g.nonce(at, "pbx")
	for n := range maxSpent {
		c.NC = string([]byte{byte(n), byte(n >> 8), byte(n >> 16), 'x', 'x', 'x', 'x', 'x'})
		if got := g.spend(at, c, one); got != unspent {
			t.Fatalf("%d: %d", n, got)
		}
	}
	c.NC = "one more"
	if got := g.spend(at, c, one); got != spentFull {
		t.Errorf("beyond the bound: %d", got)
	}
	if got := g.spend(at.Add(nonceFor+nonceSkew), c, one); got != unspent {
		t.Errorf("a while later: %d", got)
	}
}
