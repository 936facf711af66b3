package media_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua/media"
	"bulkhead/dialog"

	"github.com/pion/srtp/v3"
)

const suite80, suite32 = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"

// secured is a phone that talks SRTP, by pion.
type secured struct {
	*phone
	key     []byte // its own
	in, out *srtp.Context
	mki     []byte   // that its packets have
	ssrcs   []uint32 // that it has understood
}

func newSecured(t *testing.T, ip string, seed byte) *secured {
	return &secured{phone: newPhone(t, ip), key: bytes.Repeat([]byte{seed}, 30)}
}

// line is an a=crypto line with the phone's key.
func (p *secured) line(tag int, suite, more string) string {
	return fmt.Sprintf("a=crypto:%d %s inline:%s%s\r\n", tag, suite, base64.StdEncoding.EncodeToString(p.key), more)
}

// offers is a description with one line for each suite, by their order; an answer has one.
func (p *secured) offers(suites ...string) []byte {
	var more strings.Builder
	for i, s := range suites {
		more.WriteString(p.line(i+1, s, ""))
	}
	return p.describes(more.String())
}

func (p *secured) describes(lines string) []byte {
	return bytes.Replace(p.sdp(lines), []byte("RTP/AVP"), []byte("RTP/SAVP"), 1)
}

var cryptoLine = regexp.MustCompile(`a=crypto:(\d+) (\S+) inline:(\S+)\r\n`)

// cryptos are the a=crypto lines of a description.
func cryptos(t *testing.T, sdp []byte) (tags, suites []string, keys [][]byte) {
	t.Helper()
	for _, m := range cryptoLine.FindAllSubmatch(sdp, -1) {
		key, err := base64.StdEncoding.DecodeString(string(m[3]))
		if err != nil || len(key) != 30 {
			t.Fatalf("key %q: %v", m[3], err)
		}
		tags, suites, keys = append(tags, string(m[1])), append(suites, string(m[2])), append(keys, key)
	}
	if n := bytes.Count(sdp, []byte("a=crypto")); n != len(keys) {
		t.Fatalf("%d a=crypto lines, and %d can be read, in\n%s", n, len(keys), sdp)
	}
	return tags, suites, keys
}

// takes has the phone talk with the key that it is shown.
func (p *secured) takes(suite string, theirs []byte) {
	p.t.Helper()
	profile := map[string]srtp.ProtectionProfile{suite80: srtp.ProtectionProfileAes128CmHmacSha1_80, suite32: srtp.ProtectionProfileAes128CmHmacSha1_32}[suite]
	in, err := srtp.CreateContext(theirs[:16], theirs[16:], profile, srtp.SRTPReplayProtection(64))
	out, err2 := srtp.CreateContext(p.key[:16], p.key[16:], profile, srtp.MasterKeyIndicator(p.mki))
	if err := errors.Join(err, err2); err != nil {
		p.t.Fatal(err)
	}
	p.in, p.out = in, out
}

func (p *secured) says(to netip.AddrPort, text string) {
	p.t.Helper()
	p.seq++
	b, err := p.out.EncryptRTP(nil, append([]byte{0x80, 8, byte(p.seq >> 8), byte(p.seq), 0, 0, 0, byte(p.seq), 5, 6, 7, 8}, text...), nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.conn.WriteToUDPAddrPort(b, to); err != nil {
		p.t.Fatal(err)
	}
}

// hears says whether a text was heard, which must not come in clear.
func (p *secured) hears(text string, within time.Duration) bool {
	p.t.Helper()
	return p.heard(within, func(packet []byte) bool {
		if bytes.Contains(packet, []byte(text)) {
			p.t.Fatalf("%q is heard in clear", text)
		}
		clear, err := p.in.DecryptRTP(nil, packet, nil)
		if err != nil || string(clear[12:]) != text {
			return false
		}
		p.ssrcs = append(p.ssrcs, binary.BigEndian.Uint32(clear[8:]))
		return true
	})
}

// who is a phone of either kind.
type who interface {
	says(to netip.AddrPort, text string)
	hears(text string, within time.Duration) bool
}

// both has them talk, each to the port that he was shown.
func both(t *testing.T, trunk, carrier who, toTrunk, toCarrier netip.AddrPort) {
	t.Helper()
	trunk.says(toTrunk, "hello there")
	if !carrier.hears("hello there", soon) {
		t.Fatal("nothing comes to the carrier")
	}
	carrier.says(toCarrier, "hi, who is it")
	if !trunk.hears("hi, who is it", soon) {
		t.Fatal("nothing comes to the trunk")
	}
}

// overTLS is a border whose legs' signalling goes by TLS.
func overTLS(t *testing.T) *border {
	b := newBorder(t, 20)
	b.legs[media.Trunk].Secure, b.legs[media.Carrier].Secure = true, true
	return b
}

func (b *border) offer(a *media.Anchor, from media.Side, sdp []byte) []byte {
	b.t.Helper()
	out, err := b.way.Offer("call", a, &b.legs, from, sdp)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *border) answer(a *media.Anchor, from media.Side, sdp []byte) []byte {
	b.t.Helper()
	out, err := b.way.Answer("call", a, &b.legs, from, sdp)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// plain wants a description without a trace of SRTP.
func plain(t *testing.T, sdp []byte) []byte {
	t.Helper()
	if s := string(sdp); strings.Contains(s, "SAVP") || strings.Contains(s, "crypto") || strings.Contains(s, "inline") {
		t.Fatalf("keys are shown to who has none:\n%s", s)
	}
	return sdp
}

// RFC 4568 §5.1.2: of an offer's lines the answer takes the first that it can, and says which; the carrier hears of none.
func TestRFC4568_5_AnswerTakesALine(t *testing.T) {
	for name, c := range map[string]struct {
		lines      func(p *secured) string
		tag, suite string
	}{
		"the first": {func(p *secured) string { return p.line(0, suite32, "|2^20 WSH=64") + p.line(1, suite80, "") }, "0", suite32},
		"with an identifier of its key": {func(p *secured) string {
			p.mki = []byte{0, 0, 0, 1}
			return p.line(3, suite80, "|2^31|1:4")
		}, "3", suite80},
		"what can be used": {func(p *secured) string {
			return p.line(1, suite80, "|2^20|256:1") + p.line(2, suite80, " UNENCRYPTED_SRTP") + p.line(7, "F8_128_HMAC_SHA1_80", "") +
				p.line(8, "AES_256_CM_HMAC_SHA1_80", "") + p.line(9, suite80, "|2^49") + "a=crypto:10 " + suite80 + " mikey:x\r\n" + p.line(42, suite80, " -x")
		}, "42", suite80},
	} {
		t.Run(name, func(t *testing.T) {
			b, a := overTLS(t), &media.Anchor{Leg: 1, Mode: media.Relay}
			caller, carrier := newSecured(t, "127.0.235.11", 1), newPhone(t, "127.0.235.21")
			toCarrier := portIn(t, plain(t, b.offer(a, media.Trunk, caller.describes(c.lines(caller)))))
			shown := b.answer(a, media.Carrier, carrier.sdp())
			tags, suites, keys := cryptos(t, shown)
			if !slices.Equal(tags, []string{c.tag}) || !slices.Equal(suites, []string{c.suite}) || !bytes.Contains(shown, []byte(" RTP/SAVP 8")) || bytes.Equal(keys[0], caller.key) {
				t.Fatalf("the caller is shown\n%s", shown)
			}
			caller.takes(c.suite, keys[0])
			both(t, caller, carrier, portIn(t, shown), toCarrier)
		})
	}
}

// A leg whose profile asks for it is offered SRTP, by two suites with a key each; its answer says which.
func TestSRTPTowardACarrier(t *testing.T) {
	for tag, suite := range map[int]string{1: suite80, 2: suite32} {
		b, a := overTLS(t), &media.Anchor{Leg: 1, Mode: media.Relay}
		b.legs[media.Carrier].SRTP = true
		caller, carrier := newPhone(t, "127.0.235.11"), newSecured(t, "127.0.235.21", 2)
		shown := b.offer(a, media.Trunk, caller.sdp())
		tags, suites, keys := cryptos(t, shown)
		if !slices.Equal(tags, []string{"1", "2"}) || !slices.Equal(suites, []string{suite80, suite32}) || bytes.Equal(keys[0], keys[1]) || !bytes.Contains(shown, []byte(" RTP/SAVP 8")) {
			t.Fatalf("the carrier is shown\n%s", shown)
		}
		toCaller := portIn(t, plain(t, b.answer(a, media.Carrier, carrier.describes(carrier.line(tag, suite, "")))))
		carrier.takes(suite, keys[tag-1])
		both(t, caller, carrier, toCaller, portIn(t, shown))
		again := b.offer(a, media.Trunk, caller.sdp()) // a refresh is the same
		if !bytes.Equal(again, shown) {
			t.Errorf("then it is shown\n%s", again)
		}
	}
}

// TestRekeying is a call with SRTP on both sides: each has keys of its own, and they stay as long as nobody says another.
func TestRekeying(t *testing.T) {
	b, a := overTLS(t), &media.Anchor{Leg: 1, Mode: media.Relay}
	b.legs[media.Carrier].SRTP = true
	caller, carrier := newSecured(t, "127.0.235.11", 1), newSecured(t, "127.0.235.21", 2)
	toCarrier := b.offer(a, media.Trunk, caller.offers(suite80))
	_, _, ofCarrier := cryptos(t, toCarrier)
	toCaller := b.answer(a, media.Carrier, carrier.offers(suite80))
	_, _, ofCaller := cryptos(t, toCaller)
	all := [][]byte{caller.key, carrier.key, ofCaller[0], ofCarrier[0], ofCarrier[1]}
	for i := range all {
		for j := range i {
			if bytes.Equal(all[i], all[j]) {
				t.Fatalf("a key is used twice: %d, %d", i, j)
			}
		}
	}
	caller.takes(suite80, ofCaller[0])
	carrier.takes(suite80, ofCarrier[0])
	one, other := portIn(t, toCaller), portIn(t, toCarrier)
	both(t, caller, carrier, one, other)
	// A re-INVITE with the same keys, and on hold: contexts, so counters, stay.
	if again := b.offer(a, media.Trunk, caller.describes(caller.line(1, suite80, "")+"a=sendonly\r\n")); !bytes.Equal(again, append(slices.Clone(toCarrier), "a=sendonly\r\n"...)) && !bytes.Contains(again, ofLine(toCarrier)) {
		t.Errorf("the carrier is shown\n%s", again)
	}
	if again := b.answer(a, media.Carrier, carrier.describes(carrier.line(1, suite80, "")+"a=recvonly\r\n")); !bytes.Contains(again, ofLine(toCaller)) {
		t.Errorf("the caller is shown\n%s", again)
	}
	both(t, caller, carrier, one, other)
	// With another key of the caller's, which is refused: what was, holds.
	before := caller.key
	caller.key = bytes.Repeat([]byte{77}, 30)
	b.offer(a, media.Trunk, caller.offers(suite32, suite80))
	b.way.Refused("call", a, &b.legs, media.Trunk)
	both(t, caller, carrier, one, other)
	// What the carrier changes by itself is answered by the line that holds.
	b.answer(a, media.Carrier, carrier.offers(suite80))
	both(t, caller, carrier, one, other)
	// With another key, by which it speaks from its number of before on.
	b.offer(a, media.Trunk, caller.offers(suite80))
	again := b.answer(a, media.Carrier, carrier.offers(suite80))
	if !bytes.Contains(again, ofLine(toCaller)) {
		t.Errorf("our key has changed: the caller is shown\n%s", again)
	}
	in := caller.in
	caller.takes(suite80, ofCaller[0])
	caller.in = in
	both(t, caller, carrier, one, other)
	if bytes.Equal(before, caller.key) || len(slices.Compact(slices.Clone(caller.ssrcs))) != 1 {
		t.Errorf("SSRCs of the carrier have changed: %d", caller.ssrcs)
	}
	// With another suite, and back: the key that there was makes no keystream again.
	caller.key = bytes.Repeat([]byte{78}, 30)
	for _, suite := range []string{suite32, suite80} {
		b.offer(a, media.Trunk, caller.offers(suite))
		_, _, keys := cryptos(t, b.answer(a, media.Carrier, carrier.offers(suite80)))
		if same := bytes.Equal(keys[0], ofCaller[0]); same != (suite == suite80) {
			t.Errorf("%s: the key of another suite", suite)
		}
		caller.takes(suite, keys[0])
		both(t, caller, carrier, one, other)
	}
	if n := slices.Compact(slices.Sorted(slices.Values(caller.ssrcs))); len(n) != 3 {
		t.Errorf("the carrier's SSRCs: %d", caller.ssrcs)
	}
	b.way.Sync("call", a)
	for side, e := range a.Streams[0].Ends {
		if e.Stats.Unkeyed != 0 || e.Stats.Replayed != 0 {
			t.Errorf("side %d: %+v", side, e.Stats)
		}
	}
	b.way.Release("call", a)
	b.baseline()
}

// ofLine is the line of keys of a description.
func ofLine(sdp []byte) []byte { return cryptoLine.Find(sdp) }

// Each attempt of a hunt, and each fork, has keys of its own; the caller has one of ours for all.
func TestKeysOfAHunt(t *testing.T) {
	b, a := overTLS(t), &media.Anchor{Leg: 1, Mode: media.Relay}
	b.legs[media.Carrier].SRTP = true
	caller := newSecured(t, "127.0.235.11", 1)
	first := b.offer(a, media.Trunk, caller.offers(suite80))
	_, _, ofFirst := cryptos(t, first)
	var shown []byte
	for seed := range byte(2) { // two forks
		fork := newSecured(t, "127.0.235.21", 10+seed)
		fork.takes(suite80, ofFirst[0])
		now := b.answer(a, media.Carrier, fork.offers(suite80))
		if _, _, keys := cryptos(t, now); shown == nil {
			caller.takes(suite80, keys[0])
		} else if !bytes.Equal(ofLine(now), ofLine(shown)) {
			t.Errorf("the caller is shown\n%sand then\n%s", shown, now)
		}
		shown = now
		fork.says(portIn(t, first), "lost") // another one has had that number, with the same SSRC
		both(t, caller, fork, portIn(t, shown), portIn(t, first))
	}
	a.Leg, a.Renew = 2, true
	second := b.offer(a, media.Trunk, caller.offers(suite80))
	_, _, ofSecond := cryptos(t, second)
	if bytes.Equal(ofFirst[0], ofSecond[0]) || bytes.Equal(ofFirst[1], ofSecond[1]) {
		t.Error("the second carrier has the first one's keys")
	}
	winner := newSecured(t, "127.0.235.22", 20)
	winner.takes(suite80, ofSecond[0])
	if again := b.answer(a, media.Carrier, winner.offers(suite80)); !bytes.Equal(ofLine(again), ofLine(shown)) {
		t.Errorf("the caller is shown\n%s", again)
	}
	winner.says(portIn(t, second), "lost")
	winner.says(portIn(t, second), "lost")
	both(t, caller, winner, portIn(t, shown), portIn(t, second))
	if n := slices.Compact(slices.Clone(caller.ssrcs)); len(n) != 2 {
		t.Errorf("the SSRCs of three who use the same: %d", caller.ssrcs)
	}
}

// A late offer is the carrier's; the caller is offered keys where its profile asks for them.
func TestKeysOfALateOffer(t *testing.T) {
	b, a := overTLS(t), &media.Anchor{Leg: 1, Mode: media.Relay}
	b.legs[media.Trunk].SRTP = true
	caller, carrier := newSecured(t, "127.0.235.11", 1), newSecured(t, "127.0.235.21", 2)
	toCaller := b.offer(a, media.Carrier, carrier.describes(carrier.line(5, suite32, "")))
	_, _, ofCaller := cryptos(t, toCaller)
	toCarrier := b.answer(a, media.Trunk, caller.offers(suite80))
	tags, suites, ofCarrier := cryptos(t, toCarrier)
	if !slices.Equal(tags, []string{"5"}) || !slices.Equal(suites, []string{suite32}) {
		t.Fatalf("the carrier is shown\n%s", toCarrier)
	}
	caller.takes(suite80, ofCaller[0])
	carrier.takes(suite32, ofCarrier[0])
	both(t, caller, carrier, portIn(t, toCaller), portIn(t, toCarrier))
}

// A stream that its peer has begun without keys goes on without, whatever its profile wants of our offers.
func TestPlainStreamStaysPlain(t *testing.T) {
	b, a := overTLS(t), &media.Anchor{Leg: 1, Mode: media.Relay}
	b.legs[media.Trunk].SRTP = true
	caller, carrier := newPhone(t, "127.0.235.11"), newPhone(t, "127.0.235.21")
	plain(t, b.offer(a, media.Trunk, caller.sdp()))
	plain(t, b.answer(a, media.Carrier, carrier.sdp()))
	plain(t, b.offer(a, media.Carrier, carrier.sdp("a=sendonly\r\n")))
	plain(t, b.answer(a, media.Trunk, caller.sdp("a=recvonly\r\n")))
	more := b.offer(a, media.Carrier, carrier.sdp("m=video 5000 RTP/AVP 34\r\n")) // another one begins
	if !bytes.Contains(more, []byte(" RTP/AVP 8\r\n")) || !bytes.Contains(more, []byte(" RTP/SAVP 34\r\n")) || bytes.Count(more, []byte("a=crypto")) != 2 {
		t.Errorf("the caller is offered\n%s", more)
	}
}

// An offer of ours that is refused was of other lines than the one that holds: that one is what the peer answers by.
func TestRefusedOfferOfKeys(t *testing.T) {
	b, a := overTLS(t), &media.Anchor{Leg: 1, Mode: media.Relay}
	caller, carrier := newSecured(t, "127.0.235.11", 1), newPhone(t, "127.0.235.21")
	b.offer(a, media.Trunk, caller.describes(caller.line(5, suite80, "")))
	toCaller := b.answer(a, media.Carrier, carrier.sdp())
	if again := b.offer(a, media.Carrier, carrier.sdp()); bytes.Count(again, []byte("a=crypto")) != 2 || !bytes.Contains(again, []byte("SAVP")) {
		t.Errorf("a stream with keys is offered without: %s", again)
	}
	b.way.Refused("call", a, &b.legs, media.Carrier)
	plain(t, b.answer(a, media.Trunk, caller.describes(caller.line(5, suite80, "")))) // unasked, by the line that holds
	if again := b.answer(a, media.Carrier, carrier.sdp()); !bytes.Equal(ofLine(again), ofLine(toCaller)) {
		t.Errorf("the caller is shown\n%s", again)
	}
}

// Ports that could not be opened by the next process are opened anew: what goes out there by the same key has an SSRC of its own.
func TestKeysAtOtherPorts(t *testing.T) {
	b, a := overTLS(t), &media.Anchor{Leg: 1, Mode: media.Relay}
	caller, carrier := newSecured(t, "127.0.235.11", 1), newPhone(t, "127.0.235.21")
	for range 2 {
		toCarrier := b.offer(a, media.Trunk, caller.offers(suite80))
		toCaller := b.answer(a, media.Carrier, carrier.sdp())
		_, _, keys := cryptos(t, toCaller)
		if caller.in == nil {
			caller.takes(suite80, keys[0])
		} else if !bytes.Contains(toCaller, keyText(keys[0])) {
			t.Errorf("the caller is shown\n%s", toCaller)
		}
		carrier.seq = 0
		both(t, caller, carrier, portIn(t, toCaller), portIn(t, toCarrier))
		b.relay.Shut()
		next := overTLS(t)
		b = next
	}
	if len(caller.ssrcs) != 2 || caller.ssrcs[0] == caller.ssrcs[1] {
		t.Errorf("the carrier's SSRCs: %d", caller.ssrcs)
	}
}

// A fork may refuse a stream that another one takes: its keys are there for that one.
func TestKeysOfAStreamThatOneForkRefuses(t *testing.T) {
	b, a := overTLS(t), &media.Anchor{Leg: 1, Mode: media.Relay}
	caller, fork := newSecured(t, "127.0.235.11", 1), newPhone(t, "127.0.235.21")
	b.offer(a, media.Trunk, append(caller.offers(suite80), "m=video 5000 RTP/SAVP 34\r\n"+caller.line(1, suite80, "")...))
	shown := string(b.answer(a, media.Carrier, fork.sdp("m=video 0 RTP/AVP 34\r\n")))
	if !strings.Contains(shown, "m=video 0 RTP/SAVP 34\r\n") || strings.Count(shown, "a=crypto") != 1 {
		t.Errorf("the caller is shown\n%s", shown)
	}
	shown = string(b.answer(a, media.Carrier, fork.sdp("m=video 6000 RTP/AVP 34\r\n")))
	if strings.Contains(shown, "m=video 0") || strings.Contains(shown, "/AVP") || strings.Count(shown, "a=crypto") != 2 {
		t.Errorf("the caller is shown\n%s", shown)
	}
}

// Of two streams of which one has keys that cannot be used, the other one is taken.
func TestStreamWhoseKeysCannotBeUsedIsRefused(t *testing.T) {
	b, a := newBorder(t, 20), &media.Anchor{Leg: 1, Mode: media.Relay} // no TLS
	caller, carrier := newSecured(t, "127.0.235.11", 1), newPhone(t, "127.0.235.21")
	both := append(caller.sdp(), "m=audio 5000 RTP/SAVP 8\r\n"+caller.line(1, suite80, "")...)
	shown := string(b.offer(a, media.Trunk, both))
	if !strings.Contains(shown, "m=audio 0 RTP/SAVP 8") || strings.Contains(shown, "crypto") {
		t.Errorf("the carrier is shown\n%s", shown)
	}
	answer := string(b.answer(a, media.Carrier, carrier.sdp("m=audio 0 RTP/SAVP 8\r\n")))
	if !strings.Contains(answer, "m=audio 0 RTP/SAVP 8") || strings.Contains(answer, "crypto") {
		t.Errorf("the caller is shown\n%s", answer)
	}
}

// What cannot be has a name, and leaves all as it was.
func TestSRTPThatIsRefused(t *testing.T) {
	caller, carrier := newSecured(t, "127.0.235.11", 1), newSecured(t, "127.0.235.21", 2)
	dtls := bytes.Replace(caller.describes("a=fingerprint:sha-256 00\r\na=setup:actpass\r\n"), []byte("RTP/SAVP"), []byte("UDP/TLS/RTP/SAVP"), 1)
	for name, c := range map[string]struct {
		border        func(b *border)
		offer, answer []byte
		want          string
	}{
		"keys without TLS":             {func(b *border) { b.legs[media.Trunk].Secure = false }, caller.offers(suite80), nil, "srtp_without_tls"},
		"a carrier without TLS":        {func(b *border) { b.legs[media.Carrier] = media.Leg{SRTP: true, Bind: b.legs[1].Bind} }, caller.sdp(), nil, "srtp_without_tls"},
		"no key":                       {nil, caller.describes(""), nil, "srtp_keys"},
		"an identifier that is longer": {nil, caller.describes(caller.line(1, suite80, "|256:1")), nil, "srtp_keys"},
		"an unknown parameter":         {nil, caller.describes(caller.line(1, suite80, " KDR=1")), nil, "srtp_keys"},
		"a suite with another key":     {nil, caller.offers("AES_256_CM_HMAC_SHA1_80"), nil, "srtp_keys"},
		"DTLS":                         {nil, dtls, nil, "srtp_keys"},
		"an answer without":            {nil, caller.sdp(), carrier.sdp(), "srtp_answer"},
		"an answer by another line":    {nil, caller.sdp(), carrier.describes(carrier.line(3, suite80, "")), "srtp_answer"},
		"an answer by another suite":   {nil, caller.sdp(), carrier.describes(carrier.line(1, suite32, "")), "srtp_answer"},
		"an answer with no key":        {nil, caller.sdp(), carrier.describes(""), "srtp_keys"},
		"an answer to none":            {func(b *border) { b.legs[media.Carrier].SRTP = false }, caller.sdp(), carrier.offers(suite80), "srtp_answer"},
		"an answer, and TLS has gone":  {nil, caller.sdp(), carrier.offers(suite80), "srtp_without_tls"},
	} {
		t.Run(name, func(t *testing.T) {
			b, a := overTLS(t), &media.Anchor{Leg: 1, Mode: media.Relay}
			b.legs[media.Carrier].SRTP = true
			if c.border != nil {
				c.border(b)
			}
			_, err := b.way.Offer("call", a, &b.legs, media.Trunk, c.offer)
			if c.answer != nil && err == nil {
				if strings.HasSuffix(name, "gone") {
					b.legs[media.Carrier].Secure = false
				}
				_, err = b.way.Answer("call", a, &b.legs, media.Carrier, c.answer)
			}
			if !errors.Is(err, media.ErrUnsupported) || media.Reason(err) != c.want {
				t.Fatalf("%v: %s", err, media.Reason(err))
			}
			for _, key := range [][]byte{caller.key, carrier.key} {
				if strings.Contains(err.Error(), base64.StdEncoding.EncodeToString(key)[:8]) {
					t.Errorf("the error has a key in it: %v", err)
				}
			}
			if c.answer == nil && (len(a.Streams) != 0 || b.relay.Totals().Ends != 0) {
				t.Errorf("left behind: %+v", a)
			}
		})
	}
}

// Another process goes on with the keys and the counters of the record, also of a caller who has been speaking for long. What it
// sends has an SSRC of its own: whatever went out before, it cannot come twice.
func TestTakeoverWithKeys(t *testing.T) {
	b, a := overTLS(t), &media.Anchor{Leg: 1, Mode: media.Relay}
	caller, carrier := newSecured(t, "127.0.235.11", 1), newPhone(t, "127.0.235.21")
	toCarrier := portIn(t, b.offer(a, media.Trunk, caller.offers(suite80)))
	shown := b.answer(a, media.Carrier, carrier.sdp())
	_, _, keys := cryptos(t, shown)
	caller.takes(suite80, keys[0])
	toCaller := portIn(t, shown)
	both(t, caller, carrier, toCaller, toCarrier)
	told := 0
	watch := func() int {
		told = 0
		b.way.Watch(time.Now(), media.Watched{Silent: func(string, netip.AddrPort) {}, Heard: func(string, netip.AddrPort) { told++ }})
		return told
	}
	watch()
	for turn := range 5 { // the caller's numbers go twice round: what is stored is told to be old each half
		for _, ahead := range []uint16{16_384, 16_384} {
			caller.seq += ahead - 1
			caller.says(toCaller, fmt.Sprint("turn ", turn))
			if !carrier.hears(fmt.Sprint("turn ", turn), soon) {
				t.Fatal("nothing comes to the carrier")
			}
		}
		if watch() != 1 || watch() != 0 {
			t.Errorf("turn %d: told %d times", turn, told)
		}
		b.way.Sync("call", a)
	}
	roc := a.Streams[0].Ends[media.Trunk].Stats.Rollovers
	if len(roc) != 1 || roc[0].ROC != 2 {
		t.Fatalf("stored: %+v", roc)
	}
	record := func(a *media.Anchor) []byte {
		state := media.State{Anchors: []media.Anchor{*a}}
		w := dialog.NewWriter(nil)
		state.Fields(w)
		return w.Data()
	}
	read := func(data []byte) *media.Anchor {
		var s media.State
		r := dialog.NewReader(data)
		if s.Fields(r); r.Err() != nil || len(r.Data()) != 0 {
			t.Fatalf("%v, %d bytes left", r.Err(), len(r.Data()))
		}
		return &s.Anchors[0]
	}
	data := record(a)
	caller.seq += 30_000 // said since then
	for name, data := range map[string][]byte{"once": data, "twice": nil} {
		if name == "twice" {
			data = record(a)
		}
		b.relay.Shut() // the node is gone
		b, a = overTLS(t), read(data)
		if err := b.way.Restore("call", a); err != nil {
			t.Fatal(err)
		}
		both(t, caller, carrier, toCaller, toCarrier)
		b.way.Sync("call", a)
	}
	if n := slices.Compact(slices.Sorted(slices.Values(caller.ssrcs))); len(n) != 3 {
		t.Errorf("the carrier's SSRCs: %d", caller.ssrcs)
	}
	// It is described anew, with the same keys: nothing of them begins again.
	again := b.offer(a, media.Trunk, caller.offers(suite80))
	plain(t, again)
	if shown := b.answer(a, media.Carrier, carrier.sdp()); !bytes.Contains(shown, keyText(keys[0])) {
		t.Errorf("the caller is shown\n%s", shown)
	}
	both(t, caller, carrier, toCaller, toCarrier)
	if e := a.Streams[0].Ends[media.Trunk]; e.Stats.Unkeyed != 0 || e.Stats.Packets < 10 || e.Stats.MOS() == 0 {
		t.Errorf("%+v", e.Stats)
	}
}

func keyText(key []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(key)) }

// TestRFC3264_6_ARefusedStreamIsOfTheOffersTransport: whatever the other side is offered and refuses.
func TestRFC3264_6_ARefusedStreamIsOfTheOffersTransport(t *testing.T) {
	b, a := overTLS(t), &media.Anchor{Leg: 1, Mode: media.Relay}
	b.legs[media.Carrier].SRTP = true
	caller, carrier := newPhone(t, "127.0.235.11"), newSecured(t, "127.0.235.21", 2)
	shown := string(b.offer(a, media.Trunk, caller.sdp("m=video 5000 RTP/AVP 34\r\nm=video 5002 RTP/SAVP 34\r\n"))) // the last has no key
	if strings.Count(shown, "m=video") != 2 || !strings.Contains(shown, "m=video 0 RTP/SAVP 34\r\n") {
		t.Fatalf("the carrier is shown\n%s", shown)
	}
	for range 2 { // as another fork says it too
		answer := carrier.describes(carrier.line(1, suite80, "") + strings.Repeat("m=video 0 RTP/SAVP 34\r\n", 2))
		shown = string(b.answer(a, media.Carrier, answer))
		if _, video, _ := strings.Cut(shown, "m=video"); !strings.HasPrefix(video, " 0 RTP/AVP 34\r\nm=video 0 RTP/SAVP 34\r\n") {
			t.Errorf("the caller is shown\n%s", shown)
		}
	}
}
