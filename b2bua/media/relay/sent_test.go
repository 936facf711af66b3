package relay

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
)

// silent is a packet of zeros: what it is encrypted to is the keystream.
func silent(ssrc uint32, seq uint16) []byte {
	b := packet(ssrc, seq)
	clear(b[12:])
	return b
}

// Whatever a plain side sends, and however often the call is taken over, by a record of whatever age, or described
// otherwise: no keystream goes out twice, and what goes out is understood.
func TestRFC3711_9_1_NoKeystreamTwice(t *testing.T) {
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		crypto := cryptoOf("AES_CM_128_HMAC_SHA1_80")
		other := cryptoOf("AES_CM_128_HMAC_SHA1_80")
		other.Send = keys(30, 77)
		far := secure(t, &peer{t: t}, crypto.Suite, crypto)
		farOther := secure(t, &peer{t: t}, crypto.Suite, other)
		tr, with := keyedWith(t, nil, crypto), far
		out := map[string]int{}
		w := new(scratch)
		sent, lost := 0, 0
		say := func(ssrc uint32, seq uint16) {
			b, why := tr.seal(w, media, silent(ssrc, seq))
			if why != passed {
				lost++
				return
			}
			sent++
			if n, is := out[string(b[12:len(b)-10])]; is {
				t.Fatalf("seed %d: packet %d of SSRC %d has the keystream of packet %d", seed, seq, ssrc, n)
			}
			out[string(b[12:len(b)-10])] = int(seq)
			if got, err := with.understands.DecryptRTP(nil, b, nil); err != nil || !slices.Equal(got[12:], silent(ssrc, seq)[12:]) {
				t.Fatalf("seed %d: packet %d of SSRC %d is not understood: %v", seed, seq, ssrc, err)
			}
		}
		seqs := [2]uint16{uint16(random.Uint32()), uint16(random.Uint32())}
		for range 4000 {
			which := random.IntN(2)
			switch random.IntN(60) {
			case 0: // another process has the call; it knows nothing of what was sent
				again := *(map[bool]*Crypto{true: crypto, false: other}[with == far])
				again.Used = true
				tr = keyedWith(t, nil, &again)
			case 1: // the source begins again
				seqs[which] = uint16(random.Uint32())
			case 2, 3: // something comes twice, or late
				say(uint32(which), seqs[which]-uint16(random.IntN(200)))
			case 4: // other keys, and perhaps those of before
				if with == far {
					tr, with = keyedWith(t, tr, other), farOther
				} else {
					tr, with = keyedWith(t, tr, crypto), far
				}
			case 5: // some are lost on the way to us
				seqs[which] += uint16(random.IntN(3000))
			}
			seqs[which]++
			say(uint32(which), seqs[which])
		}
		if lost > sent/10 {
			t.Errorf("seed %d: %d sent, %d not", seed, sent, lost)
		}
	}
}

// A source that begins again is heard from its second packet on; one that repeats itself is not taken for that.
func TestSourceThatBeginsAgain(t *testing.T) {
	crypto := cryptoOf("AES_CM_128_HMAC_SHA1_80")
	tr, w := keyedWith(t, nil, crypto), new(scratch)
	say := func(seq uint16, want Reason, own bool) {
		t.Helper()
		out, why := tr.seal(w, media, packet(7, seq))
		if why != want {
			t.Fatalf("%d: %v", seq, why)
		}
		if why == passed && (binary.BigEndian.Uint32(out[8:]) != 7) != own {
			t.Errorf("%d has SSRC %d", seq, binary.BigEndian.Uint32(out[8:]))
		}
	}
	for seq := range uint16(200) {
		say(1000+seq, passed, false)
		say(1000+seq, Spent, false) // each twice
	}
	say(1199-64, Spent, false)
	say(1202, passed, false)
	say(1201, passed, false) // late, and its index has not gone out
	say(1201, Spent, false)
	say(500, Spent, false)
	say(1203, passed, false)
	say(500, Spent, false)
	say(501, passed, true)
	say(502, passed, true)
}

// A key has so many sources, and each begins again so often; then they are not heard. Others are.
func TestSourcesOfOursAreBounded(t *testing.T) {
	crypto := cryptoOf("AES_CM_128_HMAC_SHA1_80")
	tr, w := keyedWith(t, nil, crypto), new(scratch)
	heard := 0
	for i := range 2*mostRenewed + 10 {
		seq := uint16(i%2) * 20_000 // ahead, and so far back that it must be another beginning
		for range 3 {
			if _, why := tr.seal(w, media, packet(7, seq)); why == passed {
				heard++
			}
			seq++
		}
	}
	if heard < 2*mostRenewed {
		t.Errorf("%d packets went out", heard)
	}
	if tr.sent.renewed != mostRenewed || len(tr.sent.sources) != 1 {
		t.Errorf("%d renewed, %d sources", tr.sent.renewed, len(tr.sent.sources))
	}
	for ssrc := range uint32(mostSSRC) {
		_, why := tr.seal(w, media, packet(100+ssrc, 1))
		if want := map[bool]Reason{true: passed, false: Spent}[ssrc < mostSSRC-1]; why != want {
			t.Fatalf("source %d: %v", ssrc, why)
		}
	}
}

// Reports name who has another SSRC on the way as both sides know him.
func TestReportsFollowTheSSRC(t *testing.T) {
	crypto := cryptoOf("AES_CM_128_HMAC_SHA1_80")
	crypto.Used = true
	tr, w := keyedWith(t, nil, crypto), new(scratch)
	far := secure(t, &peer{t: t}, crypto.Suite, crypto)
	out, why := tr.seal(w, media, packet(7, 1))
	if why != passed {
		t.Fatal(why)
	}
	as := binary.BigEndian.Uint32(out[8:])
	u32 := func(words ...uint32) (b []byte) {
		for _, x := range words {
			b = binary.BigEndian.AppendUint32(b, x)
		}
		return b
	}
	compound := func(own, seen uint32) []byte {
		sr := u32(0x81C8000C, own, 1, 2, 3, 4, 5, seen, 6, 7, 8, 9, 10)
		return slices.Concat(sr, u32(0x81C9_0007, own, seen, 1, 2, 3, 4, 5), u32(0x81CE_0002, own, seen), u32(0x82CB_0002, own, seen))
	}
	out, why = tr.seal(w, control, compound(7, 99))
	if why != passed {
		t.Fatal(why)
	}
	if got, err := far.understands.DecryptRTCP(nil, out, nil); err != nil || !slices.Equal(got, compound(as, 99)) {
		t.Errorf("%v\n%x, want\n%x", err, got, compound(as, 99))
	}
	sealed, err := far.says.EncryptRTCP(nil, compound(50, as), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, why := tr.open(w, control, sealed); why != passed || !slices.Equal(got, compound(50, 7)) {
		t.Errorf("%v\n%x, want\n%x", why, got, compound(50, 7))
	}
	// No SRTCP index comes twice either: with one SSRC they rise.
	again, why := tr.seal(w, control, compound(7, 99))
	if why != passed || binary.BigEndian.Uint32(again[len(again)-14:])&^(1<<31) < 2 {
		t.Errorf("%v, %x", why, again[len(again)-14:])
	}
}
