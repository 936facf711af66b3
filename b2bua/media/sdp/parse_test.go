package sdp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// What cannot be read has a name and a line.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string
		line int
	}{
		{"", Empty, 0},
		{" \r\n\r\n\t\n", Empty, 0},
		{"hello\r\n", NoSDP, 1},
		{"o=- 1 1 IN IP4 192.0.2.1\r\n", NoSDP, 1},
		{strings.Repeat("a=x\n", MaxBody/4+1), TooLong, 0},
		{"v=0\r\na=" + strings.Repeat("x", MaxLine), LineTooLong, 2},
		{"v=0\r\na=x\x00\r\n", Control, 2},
		{"v=0\r\na=x\rm=audio 1 RTP/AVP 0\r\n", Control, 2},
		{"v=1\r\n", Version, 1},
		{"v=zero\r\n", Version, 1},
		{"v=0\r\no=- 18446744073709551616 1 IN IP4 192.0.2.1\r\n", Origin, 2},
		{"v=0\r\no=- 1 99999999999999999999 IN IP4 192.0.2.1\r\n", Origin, 2},
		{"v=0\r\nc=IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.2\r\nm=audio 1 RTP/AVP 0\r\n", Connection, 3},
		{"v=0\r\nm=audio 1 RTP/AVP 0\r\nc=IN IP4 300.1.1.1\r\n", Connection, 3},
		{"v=0\r\nm=audio 1 RTP/AVP 0\r\nc=IN IP4 fe80::1%eth0\r\n", Connection, 3},
		{"v=0\r\nm=audio 1 RTP/AVP 0\r\nc=IN IP4\r\n", Connection, 3},
		{"v=0\r\nm=audio 1 RTP/AVP 0\r\nc=IN IP4 -\r\n", Connection, 3},
		{"v=0\r\nm=audio 1 RTP/AVP 0\r\nc=ATM NSAP 47.0091\r\n", Connection, 3},
		{"v=0\r\n\r\nm=audio 65536 RTP/AVP 0\r\n", Port, 3},
		{"v=0\r\nm=audio -1 RTP/AVP 0\r\n", Port, 2},
		{"v=0\r\nm=audio 1/0 RTP/AVP 0\r\n", Port, 2},
		{"v=0\r\nm=audio 1/x RTP/AVP 0\r\n", Port, 2},
		{"v=0\r\nm=audio 1 RTP/AVP\r\n", MediaLine, 2},
		{"v=0\r\nm=audio 1\r\n", MediaLine, 2},
		{"v=0\r\nm=\r\n", MediaLine, 2},
		{"v=0\r\nm=audio 1 RTP/AVP" + strings.Repeat(" 0", 129) + "\r\n", ManyFormats, 2},
		{"v=0\r\n" + strings.Repeat("m=audio 1 RTP/AVP 0\r\n", 100), ManyMedia, 34},
	} {
		_, err := Parse([]byte(c.in))
		var f *Fault
		if !errors.As(err, &f) || f.Name != c.want || f.Line != c.line {
			t.Errorf("%.60q: %v, not %s in line %d", c.in, err, c.want, c.line)
			continue
		}
		if len(f.Error()) > 300 {
			t.Errorf("%d bytes of a fault: %.60q", len(f.Error()), f.Error())
		}
		if !slices.Contains(Faults(), f.Name) {
			t.Errorf("%s has no counter", f.Name)
		}
	}
}

// What is odd and can be read.
func TestOdd(t *testing.T) {
	for _, in := range []string{
		"v=0",
		"m=audio 0 RTP/AVP",
		"v=0\no=- -5 -7 IN IP4 x\n",
		"v=0\no=- 18446744073709551615 1 IN IP4 192.0.2.1\n",
		"v=0\no=- 000000000000000000000001 1 IN IP4 192.0.2.1\n",
		"v=0\no=- 1 1 IN IP4\ns=\n",
		"v=0\no=\n",
		"v=0\nc=IN IP4 [2001:db8::1]\nm=audio 1 RTP/AVP 0",
		"v=0\nm=audio 0 RTP/AVP 0\nc=IN IP4 -\n",
		"v=0\n" + strings.Repeat("m=audio 1 RTP/AVP 0\n", MaxMedia),
		"v=0\na=" + strings.Repeat("x", MaxLine-2),
		"=\n=\nv=0\n\x01\n\xff=\n",
		"v=0\nm=audio 1 RTP/AVP 0\na=\na=:\na=rtpmap\na=rtpmap:\na=rtpmap:0\na=rtcp\na=rtcp:\na=rtcp:99999\na=rtcp:0\na=crypto:\na=fmtp:0\na=ptime:x\n",
	} {
		b, err := Parse([]byte(in))
		if err != nil {
			t.Errorf("%.60q: %v", in, err)
			continue
		}
		differs(t, in, []byte(in), anchored(b, ours4))
	}
}

func TestMedia(t *testing.T) {
	b, err := Parse([]byte(head + `a=sendonly
a=ice-ufrag:x
m=audio 5004 RTP/AVP 8 101 96 9
a=rtpmap:8 other/16000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=rtpmap: 96 opus/48000/2
a=fmtp:96 useinbandfec=1; x
a=ptime:20
a=mid:1
a=rtcp:0
m=VIDEO 5006 RTP/SAVPF 34
c=IN IP6 2001:db8::1
a=rtcp:6000 IN IP6 2001:db8::2
a=RTCP-Mux
a=SendRecv
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:` + key + `|2^20|1:4 KDR=0 UNENCRYPTED_SRTCP
a=crypto:2 AES_CM_128_HMAC_SHA1_80 mikey:x
m=image 5008/2 UDPTL t38
c=IN IP4 gw.example.com
a=rtpmap:t38 x/8000
a=rtcp:9 IN IP4 192.0.2.1
a=recvonly
m=audio 0 RTP/AVP 0
m=audio 65535 RTP/AVP 0
c=IN IP4 0.0.0.0
a=inactive
m=message 9 TCP/MSRP *
a=fingerprint:sha-1 AA
`))
	if err != nil {
		t.Fatal(err)
	}
	m := b.Media()
	v4, v6 := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::1")
	want := []Media{
		{Kind: "audio", Port: 5004, Ports: 1, Proto: "RTP/AVP", Transport: RTP, Addr: v4, RTCP: netip.AddrPortFrom(v4, 5005), Direction: SendOnly, ICE: true, Mid: "1", PTime: 20},
		{Kind: "video", Port: 5006, Ports: 1, Proto: "RTP/SAVPF", Transport: RTP, Addr: v6, RTCP: netip.MustParseAddrPort("[2001:db8::2]:6000"), Mux: true, ICE: true},
		{Kind: "image", Port: 5008, Ports: 2, Proto: "UDPTL", Transport: UDPTL, Host: "gw.example.com", Direction: RecvOnly, ICE: true},
		{Kind: "audio", Ports: 1, Proto: "RTP/AVP", Transport: RTP, Addr: v4, Direction: SendOnly, ICE: true},
		{Kind: "audio", Port: 65535, Ports: 1, Proto: "RTP/AVP", Transport: RTP, Addr: netip.IPv4Unspecified(), Direction: Inactive, ICE: true},
		{Kind: "message", Port: 9, Ports: 1, Proto: "TCP/MSRP", Addr: v4, Direction: SendOnly, ICE: true, DTLS: true},
	}
	if len(m) != len(want) {
		t.Fatal(len(m))
	}
	for i, w := range want {
		g := m[i]
		g.Formats, g.Crypto = nil, nil
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%d: %+v\nnot %+v", i, g, w)
		}
	}
	formats := []Format{
		{"8", "PCMA", 8000, 1, ""}, {"101", "telephone-event", 8000, 1, "0-16"}, {"96", "opus", 48000, 2, "useinbandfec=1; x"}, {"9", "G722", 8000, 1, ""},
	}
	if !slices.Equal(m[0].Formats, formats) {
		t.Errorf("%+v", m[0].Formats)
	}
	if f := m[2].Formats; len(f) != 1 || f[0] != (Format{Type: "t38", Channels: 1}) {
		t.Errorf("%+v", f)
	}
	crypto := Crypto{Tag: 1, Suite: "AES_CM_128_HMAC_SHA1_80", Key: key, Lifetime: "2^20", MKI: "1:4", Params: "KDR=0 UNENCRYPTED_SRTCP"}
	if !slices.Equal(m[1].Crypto, []Crypto{crypto}) || !m[1].Secured() || m[0].Secured() {
		t.Errorf("%+v", m[1].Crypto)
	}
	held := []bool{true, false, false, true, true, true}
	for i := range m {
		if m[i].Held() != held[i] || m[i].Refused() != (i == 3) {
			t.Errorf("%d: held %v, refused %v", i, m[i].Held(), m[i].Refused())
		}
	}
	if m[0].Remote() != netip.AddrPortFrom(v4, 5004) || m[2].Remote().IsValid() {
		t.Error(m[0].Remote(), m[2].Remote())
	}
}

// RFC 4568 §9.1: the key is base64 of key and salt; it is written as it was read.
func TestRFC4568_Crypto(t *testing.T) {
	for _, value := range []string{
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key,
		"4294967295 AES_CM_128_HMAC_SHA1_32 inline:" + key + "|2^31|1:4",
		"2 AEAD_AES_256_GCM inline:" + key + "|1:4 KDR=1 UNAUTHENTICATED_SRTP",
		"2 X inline:YWI=|1048576",
	} {
		c, err := ParseCrypto(value)
		if err != nil || string(c.append(nil)) != value {
			t.Errorf("%q: %v, %q", value, err, c.append(nil))
			continue
		}
		master, err := c.Master()
		if err != nil || base64.StdEncoding.EncodeToString(master) != c.Key {
			t.Errorf("%q: %x, %v", value, master, err)
		}
	}
	for _, value := range []string{
		"", "1", "1 X", "x X inline:" + key, "1 X inline:", "1 X inline:!!!!", "1 X mikey:" + key,
		"1 X inline:" + key + "|1:4;inline:" + key + "|2:4", "-1 X inline:" + key, "4294967296 X inline:" + key,
		"1 X inline:" + key + "|2^20|2^30", "1 X inline:" + key + "|1:4|2:4",
	} {
		if c, err := ParseCrypto(value); !errors.Is(err, ErrCrypto) {
			t.Errorf("%q: %+v", value, c)
		}
	}
}

// RFC 4568 §6.1, §6.3: what changes the packets in a way that nobody here knows is not passed over.
func TestRFC4568_6_UsableLines(t *testing.T) {
	for rest, usable := range map[string]bool{
		"": true, "|2^20": true, "|2^48": true, "|2^0": true, "|1": true, "|281474976710656": true, " WSH=64": true, " WSH=1024 -x -Y=2": true,
		"|2^49": false, "|0": false, "|281474976710657": false, "|2^": false, "|x": false, "|-1": false, "|2^20|1:4": true, "|1:1": true, "|255:1": true, "|256:1": false, "|1:0": false, "|1:129": false, "|1:": false, "|:4": false, "|x:4": false, "|-1:4": false,
		" KDR=0": false, " KDR=24": false, " UNENCRYPTED_SRTP": false, " UNENCRYPTED_SRTCP": false, " UNAUTHENTICATED_SRTP": false,
		" FEC_ORDER=FEC_SRTP": false, " FEC_KEY=inline:x": false, " WSH=63": false, " WSH=": false, " WSH=x": false, " x": false, " WSH=64 KDR=1": false,
	} {
		c, err := ParseCrypto("1 AES_CM_128_HMAC_SHA1_80 inline:" + key + rest)
		if err != nil {
			t.Errorf("%q: %v", rest, err)
		} else if err := c.Usable(); (err == nil) != usable || err != nil && !errors.Is(err, ErrUnusable) {
			t.Errorf("%q: %v", rest, err)
		}
	}
}

func TestProfiles(t *testing.T) {
	for plain, secure := range map[string]string{"RTP/AVP": "RTP/SAVP", "RTP/AVPF": "RTP/SAVPF", "udptl": "udptl", "TCP/MSRP": "TCP/MSRP"} {
		if Secure(plain) != secure || Plain(secure) != plain {
			t.Errorf("%s: %s, %s", plain, Secure(plain), Plain(secure))
		}
	}
	if Plain("UDP/TLS/RTP/SAVPF") != "RTP/AVPF" || Secure("UDP/TLS/RTP/SAVP") != "RTP/SAVP" || Plain("rtp/savp") != "RTP/AVP" {
		t.Error("DTLS stays")
	}
}

func TestRFC4568_6_1_Identifier(t *testing.T) {
	for mki, want := range map[string][]byte{"": nil, "1:4": {0, 0, 0, 1}, "258:2": {1, 2}, "7:1": {7}, "18446744073709551615:9": {0, 255, 255, 255, 255, 255, 255, 255, 255}} {
		if got, err := (&Crypto{MKI: mki}).Identifier(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q is %v, %v", mki, got, err)
		}
	}
}
