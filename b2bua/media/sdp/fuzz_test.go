package sdp

import (
	"bytes"
	"net/netip"
	"testing"
)

// Bytes are refused by name, or read, written, read and written again to the same bytes, with
// all that is not ours as it was.
func FuzzRewrite(f *testing.F) {
	for _, name := range []string{"6796fb71b49e", "5792ac7d7b29", "601668ed73b1", "2d7cfe1d9fb7", "15cad5e4f3bc", "9b9052bb4719"} {
		f.Add(bodies(f)[name], byte(0), uint16(20000), uint16(0), byte(0))
	}
	f.Add([]byte(head+"m=audio 5004 RTP/SAVP 8\nc=IN IP4 0.0.0.0\na=rtcp:1 IN IP4 10.0.0.1\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+key+"\na=rtcp-mux\n"),
		byte(KeepCrypto), uint16(20000), uint16(30001), byte(7))
	f.Fuzz(func(t *testing.T, body []byte, keep byte, port, rtcp uint16, how byte) {
		b, err := Parse(body)
		if err != nil {
			return
		}
		addr := ours4
		if how&1 != 0 {
			addr = ours6
		}
		r := anchored(b, addr)
		r.Keep = Keep(keep) & KeepAll
		for i := range r.Media {
			r.Media[i].Port, r.Media[i].RTCP, r.Media[i].Mux = port, rtcp, Mux(how>>1)%3
			if how&8 != 0 && b.Media()[i].Transport == RTP {
				r.Media[i].Proto, r.Media[i].Crypto = Secure(r.Media[i].Proto), keys
			}
			if how&16 != 0 {
				r.Media[i].Same = true
			}
		}
		if how&32 != 0 {
			r.Media = nil
		}
		if how&64 != 0 {
			r.Addr = netip.Addr{}
		}
		differs(t, "fuzzed", body, r)
		_ = b.Check(netip.Addr{}, nil)
	})
}

// An a=crypto line is refused, or written as the same line, with a key that it says.
func FuzzCrypto(f *testing.F) {
	for _, rest := range []string{"", "|2^31|1:4", "|1048576 KDR=1 -x WSH=64", ";inline:x", "=|1:4|", " FEC_KEY=inline:" + key} {
		f.Add("1 AES_CM_128_HMAC_SHA1_80 inline:" + key + rest)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ParseCrypto(value)
		if err != nil {
			return
		}
		_ = c.Usable()
		master, err := c.Master()
		if err != nil || len(master) == 0 {
			t.Fatalf("%q: no key: %v", value, err)
		}
		again, err := ParseCrypto(string(c.append(nil)))
		if err != nil || again != c {
			t.Fatalf("%q becomes %q: %+v, %v", value, c.append(nil), again, err)
		}
		if other, err := again.Master(); err != nil || !bytes.Equal(other, master) {
			t.Fatalf("%q: another key", value)
		}
	})
}
