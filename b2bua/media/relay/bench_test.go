package relay

import (
	"net/netip"
	"testing"
)

// pairOf is two joined ends with their peers, for one packet after the other.
func pairOf(t testing.TB, c *Crypto) (r *Relay, a, b *end, far *peer, near *peer) {
	r = begin(t, testPorts)
	near, far = sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	l := connect(t, r, near, far, SameIP)
	aim(t, l, B, Remote{RTP: far.at, Crypto: c})
	a, _ = r.find(l.Local(A))
	b, _ = r.find(l.Local(B))
	return r, a, b, far, near
}

// What a packet costs beside its two system calls is measured with them: they are most of it.
func forwardOne(tb testing.TB, c *Crypto) func() {
	r, a, _, _, near := pairOf(tb, c)
	w, b := new(scratch), packet(1, 0)
	seq := uint16(0)
	from := netip.AddrPortFrom(near.at.Addr(), near.at.Port())
	return func() {
		seq++
		b[2], b[3] = byte(seq>>8), byte(seq)
		a.arrived(r.now(), a.sockets[media], from, b, len(b), w)
	}
}

func TestNoAllocationAPacket(t *testing.T) {
	if !freebind {
		t.Skip("goroutines: net's own")
	}
	one := forwardOne(t, nil)
	if n := testing.AllocsPerRun(1000, one); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func BenchmarkForward(b *testing.B) {
	one := forwardOne(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}

func BenchmarkForwardSRTP(b *testing.B) {
	one := forwardOne(b, cryptoOf("AES_CM_128_HMAC_SHA1_80"))
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}

// What it takes to open a packet, beside forwarding it: as a fresh one each, since a repeat is known before.
func BenchmarkOpenSRTP(b *testing.B) {
	crypto := cryptoOf("AES_CM_128_HMAC_SHA1_80")
	says, err := keyed(crypto.Suite, crypto.Receive)
	if err != nil {
		b.Fatal(err)
	}
	all := make([][]byte, 30_000)
	for i := range all {
		if all[i], err = says.EncryptRTP(nil, packet(1, uint16(i)), nil); err != nil {
			b.Fatal(err)
		}
	}
	w, n := new(scratch), 0
	var tr *transform
	b.ReportAllocs()
	for b.Loop() {
		if n%len(all) == 0 {
			if tr, err = (*transform)(nil).rekey(crypto, false); err != nil {
				b.Fatal(err)
			}
		}
		if _, why := tr.open(w, media, all[n%len(all)]); why != passed {
			b.Fatal(why)
		}
		n++
	}
}

// What it takes to seal one.
func BenchmarkSealSRTP(b *testing.B) {
	tr, err := (*transform)(nil).rekey(cryptoOf("AES_CM_128_HMAC_SHA1_80"), false)
	if err != nil {
		b.Fatal(err)
	}
	w, one, seq := new(scratch), packet(1, 0), uint16(0)
	b.ReportAllocs()
	for b.Loop() {
		seq++
		one[2], one[3] = byte(seq>>8), byte(seq)
		if _, why := tr.seal(w, media, one); why != passed {
			b.Fatal(why)
		}
	}
}

// A call's ends, from open to closed.
func BenchmarkOpenClose(b *testing.B) {
	r := begin(b, Config{First: 23600, Last: 23999, Quarantine: 1})
	b.ReportAllocs()
	for b.Loop() {
		x, err := r.Open(ip("127.0.236.10"))
		for err != nil { // closed soon
			x, err = r.Open(ip("127.0.236.10"))
		}
		r.Close(x)
	}
}
