package relay

import (
	"bytes"
	"errors"
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
	says, err := srtp.CreateContext(c.Receive[:n], c.Receive[n:], profile)
	understands, err2 := srtp.CreateContext(c.Send[:n], c.Send[n:], profile, srtp.SRTPReplayProtection(64), srtp.SRTCPReplayProtection(64))
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
	for suite := range suites {
		t.Run(suite, func(t *testing.T) {
			r := begin(t, testPorts)
			a, bare := sit(t, "127.0.236.1", 5000), sit(t, "127.0.236.2", 6000)
			ac := sit(t, "127.0.236.1", 5001)
			s := connect(t, r, a, bare, SameIP)
			c := cryptoOf(suite)
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
			if st := s.Stats()[B]; st.Packets != 20 || st.RTCP != 1 || st.Dropped != 0 || len(st.Rollovers) != 2 {
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
	dropped(t, r, Unkeyed, 3)
	b.say(s.Local(B), good[:15])
	dropped(t, r, Unkeyed, 4)
	// The keys of before go on, with what has been seen.
	aim(t, s, B, Remote{RTP: b.at, Crypto: cryptoOf(suite), Held: true})
	b.say(s.Local(B), good)
	dropped(t, r, Unkeyed, 5)
	// So many sources a key has, and no more: each keeps memory.
	for ssrc := uint32(100); ssrc < 100+mostSSRC; ssrc++ {
		b.say(s.Local(B), b.sealed(packet(ssrc, 1)))
		if ssrc < 99+mostSSRC {
			a.hears(packet(ssrc, 1), s.Local(A))
		}
	}
	dropped(t, r, Unkeyed, 6)
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
		stored, next uint32 // packets said until then, of either side
	}{
		"at once":                    {3, 4},
		"in the same half":           {70_000, 98_000},
		"in the next half":           {70_000, 100_000},
		"over the end":               {131_000, 131_080},
		"over the end, twice around": {197_000, 226_000},
		"just begun again":           {131_100, 160_000},
	} {
		t.Run(name, func(t *testing.T) {
			crypto := cryptoOf(suite)
			one, err := (*transform)(nil).rekey(crypto)
			if err != nil {
				t.Fatal(err)
			}
			far := secure(t, &peer{t: t}, suite, crypto)
			w := new(scratch)
			say := func(tr *transform, i uint32) {
				t.Helper()
				b := packet(7, uint16(i))
				out, why := tr.seal(w, media, b)
				if why != passed {
					t.Fatalf("%d is not sent: %v", i, why)
				}
				if got, err := far.understands.DecryptRTP(nil, out, nil); err != nil || !slices.Equal(got, b) {
					t.Fatalf("%d is not understood: %v", i, err)
				}
				b = packet(8, uint16(i))
				if got, why := tr.open(w, media, far.sealed(b)); why != passed || !slices.Equal(got, b) {
					t.Fatalf("%d is not heard: %v", i, why)
				}
			}
			step := func(from, to uint32, tr *transform) { // not each of them: numbers may be left out
				for i := from; i < to; i += 997 {
					say(tr, i)
				}
				if from <= to {
					say(tr, to)
				}
			}
			step(1, c.stored, one)
			crypto.Rollovers = one.rollovers()
			if len(crypto.Rollovers) != 2 || crypto.Rollovers[0].ROC != c.stored>>16 || crypto.Rollovers[0].Half != (c.stored>>15&1 == 1) {
				t.Fatalf("stored %+v after %d packets", crypto.Rollovers, c.stored)
			}
			step(c.stored+1, c.next-1, one)
			two, err := (*transform)(nil).rekey(crypto)
			if err != nil {
				t.Fatal(err)
			}
			step(c.next, c.next+70_000, two)
		})
	}
}

// No number of SRTCP is used twice with a key, though few of them are stored.
func TestTakeoverLeavesSRTCPNumbersOut(t *testing.T) {
	crypto := cryptoOf("AES_CM_128_HMAC_SHA1_80")
	far := secure(t, &peer{t: t}, crypto.Suite, crypto)
	w := new(scratch)
	for range 3 {
		tr, err := (*transform)(nil).rekey(crypto)
		if err != nil {
			t.Fatal(err)
		}
		crypto.Rollovers = tr.rollovers() // what is said from here on is not stored
		for i := range 50 {
			out, why := tr.seal(w, control, report(1))
			if why != passed {
				t.Fatal(why)
			}
			if _, err := far.understands.DecryptRTCP(nil, out, nil); err != nil {
				t.Fatalf("report %d: %v", i, err)
			}
			if i == 0 {
				crypto.Rollovers = tr.rollovers()
			}
		}
	}
}
