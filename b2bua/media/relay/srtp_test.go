package relay

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/pion/srtp/v3"
)

// keys are those of a direction: bytes that differ.
func keys(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i)*7
	}
	return b
}

// phone is the far end of a leg with SRTP, by pion's own contexts.
type phone struct {
	*peer
	says, understands *srtp.Context
}

func secure(t *testing.T, p *peer, suite string, c *Crypto) *phone {
	t.Helper()
	profile := suites[suite]
	n, _ := profile.KeyLen()
	says, err := srtp.CreateContext(c.Receive[:n], c.Receive[n:], profile, srtp.MasterKeyIndicator(c.MKI))
	understands, err2 := srtp.CreateContext(c.Send[:n], c.Send[n:], profile, srtp.SRTPReplayProtection(window), srtp.SRTCPReplayProtection(window))
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return &phone{p, says, understands}
}

func (p *phone) sealed(b []byte) []byte {
	p.t.Helper()
	out, err := p.says.EncryptRTP(nil, b, nil)
	if b[1] == 200 {
		out, err = p.says.EncryptRTCP(nil, b, nil)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// understand waits for a packet, which must not be plain.
func (p *phone) understand(want []byte) {
	p.t.Helper()
	b, _ := p.hear()
	if bytes.Contains(b, want[20:]) {
		p.t.Fatalf("heard in clear: %x", b)
	}
	got, err := p.understands.DecryptRTP(nil, b, nil)
	if want[1] == 200 {
		got, err = p.understands.DecryptRTCP(nil, b, nil)
	}
	if err != nil || !slices.Equal(got, want) {
		p.t.Fatalf("understood %x, %v; want %x", got, err, want)
	}
}

func cryptoOf(suite string) *Crypto {
	n, _ := suites[suite].KeyLen()
	salt, _ := suites[suite].SaltLen()
	return &Crypto{Suite: suite, Send: keys(n+salt, 1), Receive: keys(n+salt, 99)}
}

// SRTP to the one leg, plain to the other, both ways, in every suite.
func TestRFC4568_Suites(t *testing.T) {
	for i, suite := range slices.Sorted(maps.Keys(suites)) {
		mki := keys([]int{0, 1, 4}[i%3], 5) // of who speaks SRTP: some have none
		t.Run(fmt.Sprint(suite, ", an identifier of ", len(mki), " bytes"), func(t *testing.T) {
			r := begin(t, testPorts)
			a, bare := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
			ac := sit(t, "127.0.236.1", 5001)
			s := connect(t, r, a, bare, SameIP)
			c := cryptoOf(suite)
			c.MKI = mki
			b := secure(t, bare, suite, c)
			aim(t, s, B, Remote{RTP: b.at, Crypto: c, Mux: true})
			for i := range uint16(20) {
				a.say(s.Local(A), packet(1, 65530+i)) // over the end of the numbers
				b.understand(packet(1, 65530+i))
				b.say(s.Local(B), b.sealed(packet(2, 65520+i)))
				a.hears(packet(2, 65520+i), s.Local(A))
			}
			b.say(s.Local(B), b.sealed(report(2)))
			ac.hears(report(2), rtcpOf(s.Local(A)))
			ac.say(rtcpOf(s.Local(A)), report(1))
			b.understand(report(1))
			if st := s.Stats()[B]; st.Packets != 20 || st.RTCP != 1 || st.Dropped != 0 || len(st.Rollovers) != 1 {
				t.Errorf("heard %+v", st)
			}
		})
	}
}

// What does not authenticate, repeats or is plain is heard by nobody, and takes nothing over.
func TestSRTPThatIsNone(t *testing.T) {
	const suite = "AES_CM_128_HMAC_SHA1_80"
	r := begin(t, testPorts)
	a, bare := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	s := connect(t, r, a, bare, SameIP)
	c := cryptoOf(suite)
	b := secure(t, bare, suite, c)
	aim(t, s, B, Remote{RTP: b.at, Crypto: c})
	other := sit(t, "127.0.236.2", 6002) // the right address
	other.say(s.Local(B), packet(2, 1))
	dropped(t, r, Unkeyed, 1)
	good := b.sealed(packet(2, 1))
	bad := slices.Clone(good)
	bad[20] ^= 1
	b.say(s.Local(B), bad)
	dropped(t, r, Unkeyed, 2)
	if st := s.Stats()[B]; st.Heard.IsValid() || st.Packets != 0 || len(st.Rollovers) != 0 {
		t.Errorf("heard %+v", st)
	}
	b.say(s.Local(B), good)
	a.hears(packet(2, 1), s.Local(A))
	b.say(s.Local(B), good)
	dropped(t, r, Replayed, 1)
	b.say(s.Local(B), good[:15])
	dropped(t, r, Unkeyed, 3)
	if st := s.Stats()[B]; st.Unkeyed != 3 || st.Replayed != 1 || st.Dropped != 4 {
		t.Errorf("counted %+v", st)
	}
	// The keys of before go on, with what has been seen.
	aim(t, s, B, Remote{RTP: b.at, Crypto: cryptoOf(suite), Held: true})
	b.say(s.Local(B), good)
	dropped(t, r, Replayed, 2)
	// So many sources a key has, and no more: each keeps memory.
	for ssrc := uint32(100); ssrc < 100+mostSSRC; ssrc++ {
		b.say(s.Local(B), b.sealed(packet(ssrc, 1)))
		if ssrc < 99+mostSSRC {
			a.hears(packet(ssrc, 1), s.Local(A))
		}
	}
	dropped(t, r, Unkeyed, 4)
	a.quiet()
}

func TestKeysThatCannotBeUsed(t *testing.T) {
	r := begin(t, testPorts)
	a, b := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
	s := connect(t, r, a, b, SameIP)
	short, unknown := cryptoOf("AEAD_AES_128_GCM"), cryptoOf("AEAD_AES_128_GCM")
	short.Receive = short.Receive[1:]
	unknown.Suite = "F8_128_HMAC_SHA1_80"
	for name, to := range map[string]Remote{
		"short": {RTP: b.at, Crypto: short}, "unknown": {RTP: b.at, Crypto: unknown}, "UDPTL": {RTP: b.at, UDPTL: true, Crypto: cryptoOf("AEAD_AES_128_GCM")},
	} {
		if err := s.Aim(B, to); !errors.Is(err, ErrCrypto) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a.say(s.Local(A), packet(1, 1))
	b.hears(packet(1, 1), s.Local(B)) // as it was
}

// Another process goes on with the counters that were stored, however much was said since, also over the end of the numbers.
func TestTakeoverWithRollovers(t *testing.T) {
	const suite = "AES_CM_128_HMAC_SHA1_80"
	for name, c := range map[string]struct {
		stored, next uint32 // packets said until then
	}{
		"at once":                       {3, 4},
		"in the same half":              {70_000, 98_000},
		"in the next half":              {70_000, 100_000},
		"over the end":                  {131_000, 131_080},
		"over the end, twice around":    {197_000, 226_000},
		"just begun again":              {131_100, 160_000},
		"one behind, by the first half": {65_536 - 900, 65_536 + 64_000}, // ahead of what likely takes for the next
	} {
		t.Run(name, func(t *testing.T) {
			crypto := cryptoOf(suite)
			one := keyedWith(t, nil, crypto)
			far := secure(t, &peer{t: t}, suite, crypto)
			step := func(from, to uint32, tr *transform) { // not each of them: numbers may be left out
				for i := from; i <= to; i = min(i+997, max(to, i+1)) {
					tr.hears(t, far.sealed(packet(8, uint16(i))), packet(8, uint16(i)))
				}
			}
			step(1, c.stored, one)
			crypto.Rollovers = one.rollovers()
			if len(crypto.Rollovers) != 1 || crypto.Rollovers[0].ROC != c.stored>>16 || crypto.Rollovers[0].Half != (c.stored>>15&1 == 1) {
				t.Fatalf("stored %+v after %d packets", crypto.Rollovers, c.stored)
			}
			step(c.stored+1, c.next-1, one)
			step(c.next, c.next+70_000, keyedWith(t, nil, crypto))
		})
	}
}

// The first packet that comes after a takeover may be one that was late, from before the numbers began again.
func TestTakeoverWithALatePacket(t *testing.T) {
	crypto := cryptoOf("AES_CM_128_HMAC_SHA1_80")
	far := secure(t, &peer{t: t}, crypto.Suite, crypto)
	crypto.Rollovers = []Rollover{{SSRC: 8, ROC: 2}}
	far.says.SetROC(8, 1)
	late, next := far.sealed(packet(8, 65_535)), far.sealed(packet(8, 0))
	tr := keyedWith(t, nil, crypto)
	tr.hears(t, late, packet(8, 65_535))
	tr.hears(t, next, packet(8, 0))
}

// A forged packet of whatever number is no reason to take the wrong rollover counter: the next one that is true says which.
func TestTakeoverIsNotMisledByForgedNumbers(t *testing.T) {
	const suite = "AES_CM_128_HMAC_SHA1_80"
	crypto := cryptoOf(suite)
	far := secure(t, &peer{t: t}, suite, crypto)
	crypto.Rollovers = []Rollover{{SSRC: 8, ROC: 1<<32 - 3, Half: true}}
	tr := keyedWith(t, nil, crypto)
	far.says.SetROC(8, 1<<32-2) // one more than was stored
	w := new(scratch)
	for _, seq := range []uint16{0, 1, 20_000, 32_767, 32_768, 50_000, 65_535} {
		for range 3 {
			if _, why := tr.open(w, media, append(packet(8, seq), make([]byte, 10)...)); why != Unkeyed {
				t.Fatalf("a forged packet %d: %v", seq, why)
			}
		}
	}
	tr.hears(t, far.sealed(packet(8, 40_000)), packet(8, 40_000))
	if got := tr.rollovers(); got[0] != (Rollover{8, 1<<32 - 2, true}) {
		t.Errorf("it counts %+v", got)
	}
	repeat := far.sealed(packet(8, 40_001))
	tr.hears(t, repeat, packet(8, 40_001))
	if _, why := tr.open(w, media, repeat); why != Replayed {
		t.Errorf("a repeat: %v", why)
	}
	if _, why := tr.open(w, media, append(packet(8, 3), make([]byte, 10)...)); why != Unkeyed { // would be of the next ROC
		t.Error("a forged packet is taken")
	}
	tr.hears(t, far.sealed(packet(8, 40_002)), packet(8, 40_002))
}

// A key of the far end's that changes begins with a counter of its own; one that stays goes on.
func TestNewKeysBeginAnew(t *testing.T) {
	const suite = "AES_CM_128_HMAC_SHA1_80"
	first := cryptoOf(suite)
	far := secure(t, &peer{t: t}, suite, first)
	tr := keyedWith(t, nil, first)
	for _, seq := range []uint16{1, 30_000, 60_000, 5, 6} {
		tr.hears(t, far.sealed(packet(8, seq)), packet(8, seq))
	}
	tr = keyedWith(t, tr, cryptoOf(suite))
	if got := tr.rollovers(); len(got) != 1 || got[0].ROC != 1 {
		t.Errorf("with the same keys it counts %+v", got)
	}
	tr.hears(t, far.sealed(packet(8, 7)), packet(8, 7))
	second := cryptoOf(suite)
	second.Receive = keys(30, 55)
	far = secure(t, &peer{t: t}, suite, second)
	tr = keyedWith(t, tr, second)
	if got := tr.rollovers(); len(got) != 0 {
		t.Errorf("with a new key it counts %+v", got)
	}
	tr.hears(t, far.sealed(packet(8, 8)), packet(8, 8))
}

func keyedWith(t *testing.T, was *transform, c *Crypto) *transform {
	t.Helper()
	tr, err := was.rekey(c, was != nil)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// hears wants a packet to be what was said.
func (t *transform) hears(tt *testing.T, sealed, want []byte) {
	tt.Helper()
	if got, why := t.open(new(scratch), media, sealed); why != passed || !slices.Equal(got, want) {
		tt.Fatalf("%x is not heard: %v", want[:4], why)
	}
}
