package sdp

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

const head = "v=0\no=- 1 2 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n"
const ours = "v=0\no=- 1 2 IN IP4 198.51.100.1\ns=-\nc=IN IP4 198.51.100.1\nt=0 0\n"
const oursV6 = "v=0\no=- 1 2 IN IP6 2001:db8:5::1\ns=-\nc=IN IP6 2001:db8:5::1\nt=0 0\n"

var (
	key  = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
	keys = []Crypto{{Tag: 1, Suite: "AES_CM_128_HMAC_SHA1_80", Key: key}}
)

// relayed are the rules of one stream at ours4.
func relayed(m MediaRules) Rules { return Rules{Addr: ours4, Media: []MediaRules{m}} }

func at6(r Rules) Rules { r.Addr = ours6; return r }

func TestRewrite(t *testing.T) {
	for name, c := range map[string]struct {
		in    string
		rules Rules
		out   string
	}{
		"our address and port, and their order": {
			head + "m=audio 5004 RTP/AVP 8 101\na=ptime:20\nx=what\nb=AS:64\na=rtpmap:101 telephone-event/8000\nwhat is this\n",
			relayed(MediaRules{Port: 20000}),
			ours + "m=audio 20000 RTP/AVP 8 101\na=ptime:20\nx=what\nb=AS:64\na=rtpmap:101 telephone-event/8000\nwhat is this\n",
		},
		"blanks in m= stay": {
			head + "m=audio  5004\tRTP/AVP  8 \n", relayed(MediaRules{Port: 20000}), ours + "m=audio  20000\tRTP/AVP  8 \n",
		},
		"RFC 8866 §5: lines that lack are added": {
			"m=audio 5004 RTP/AVP 8\n", relayed(MediaRules{Port: 20000}),
			"v=0\no=- 0 0 IN IP4 198.51.100.1\ns=-\nc=IN IP4 198.51.100.1\nt=0 0\nm=audio 20000 RTP/AVP 8\n",
		},
		"RFC 8866 §5: each in its place": {
			"v=0\nb=AS:1\na=x\nm=audio 5004 RTP/AVP 8\nc=IN IP4 192.0.2.1\n", relayed(MediaRules{Port: 20000}),
			"v=0\no=- 0 0 IN IP4 198.51.100.1\ns=-\nb=AS:1\nt=0 0\na=x\nm=audio 20000 RTP/AVP 8\nc=IN IP4 198.51.100.1\n",
		},
		"RFC 8866 §5: what goes is no place": {
			"v=0\no=- 1 2 IN IP4 192.0.2.10\ns=-\ni=x\nc=IN IP4 192.0.2.10\nb=AS:1\nm=audio 5004 RTP/AVP 8\n", relayed(MediaRules{Port: 20000}),
			"v=0\no=- 1 2 IN IP4 198.51.100.1\ns=-\nc=IN IP4 198.51.100.1\nb=AS:1\nt=0 0\nm=audio 20000 RTP/AVP 8\n",
		},
		"one c= is enough": {
			head + "m=audio 5004 RTP/AVP 8\nc=IN IP4 192.0.2.11\nc=IN IP4 192.0.2.11/127\n", relayed(MediaRules{Port: 20000}),
			ours + "m=audio 20000 RTP/AVP 8\nc=IN IP4 198.51.100.1\n",
		},
		"who wrote it is nobody's business": {
			"v=0\no=alice 1 2 IN IP4 192.0.2.10\ns=Alice's phone\ni=x\nu=http://a.example\ne=a@a.example\np=+1\n" +
				"c=IN IP4 192.0.2.10\nt=0 0\nk=clear:x\nm=audio 5004 RTP/AVP 8\ni=mine\nk=prompt\n",
			relayed(MediaRules{Port: 20000}), ours + "m=audio 20000 RTP/AVP 8\n",
		},
		"the identity of the leg": {
			head, Rules{Origin: Identity{ID: 77, Version: 3, Addr: ours4}},
			"v=0\no=- 77 3 IN IP4 198.51.100.1\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n",
		},
		"IPv4 to IPv6": {
			head + "m=audio 5004 RTP/AVP 8\nc=IN IP4 192.0.2.11\na=rtcp:5005 IN IP4 192.0.2.12\n",
			at6(relayed(MediaRules{Port: 20000})),
			oursV6 + "m=audio 20000 RTP/AVP 8\nc=IN IP6 2001:db8:5::1\na=rtcp:20001 IN IP6 2001:db8:5::1\n",
		},
		"IPv6 to IPv4": {
			oursV6 + "m=audio 5004 RTP/AVP 8\nc=IN IP6 2001:db8::9\na=rtcp:5009\n",
			relayed(MediaRules{Port: 20000}),
			ours + "m=audio 20000 RTP/AVP 8\nc=IN IP4 198.51.100.1\na=rtcp:20001\n",
		},
		"RFC 3605: RTCP elsewhere": {
			head + "m=audio 5004 RTP/AVP 8\n", relayed(MediaRules{Port: 20000, RTCP: 30001}),
			ours + "m=audio 20000 RTP/AVP 8\na=rtcp:30001\n",
		},
		"RFC 3605: one is enough": {
			head + "m=audio 5004 RTP/AVP 8\na=rtcp:5\na=rtcp:7 IN IP4 192.0.2.1\n", relayed(MediaRules{Port: 20000}),
			ours + "m=audio 20000 RTP/AVP 8\na=rtcp:20001\n",
		},
		"RFC 5761: rtcp-mux ends here": {
			head + "m=audio 5004 RTP/AVP 8\na=rtcp-mux\na=rtcp-mux-only\na=ptime:20\n", relayed(MediaRules{Port: 20000}),
			ours + "m=audio 20000 RTP/AVP 8\na=ptime:20\n",
		},
		"RFC 5761: or stays": {
			head + "m=audio 5004 RTP/AVP 8\na=rtcp-mux\n", relayed(MediaRules{Port: 20000, Mux: SameMux}),
			ours + "m=audio 20000 RTP/AVP 8\na=rtcp-mux\n",
		},
		"RFC 5761: or is said": {
			head + "m=audio 5004 RTP/AVP 8\n", relayed(MediaRules{Port: 20000, RTCP: 20000, Mux: WithMux}),
			ours + "m=audio 20000 RTP/AVP 8\na=rtcp:20000\na=rtcp-mux\n",
		},
		"RFC 3264 §8.4: hold by 0.0.0.0": {
			strings.Replace(head, "c=IN IP4 192.0.2.10", "c=IN IP4 0.0.0.0", 1) + "m=audio 5004 RTP/AVP 8\n", relayed(MediaRules{Port: 20000}),
			strings.Replace(ours, "c=IN IP4 198.51.100.1", "c=IN IP4 0.0.0.0", 1) + "m=audio 20000 RTP/AVP 8\n",
		},
		"RFC 3264 §8.4: of which IPv6 has none": {
			head + "m=audio 5004 RTP/AVP 8\nc=IN IP4 0.0.0.0\na=sendrecv\n", at6(relayed(MediaRules{Port: 20000})),
			oursV6 + "m=audio 20000 RTP/AVP 8\nc=IN IP6 2001:db8:5::1\na=sendonly\n",
		},
		"RFC 3264 §8.4: and what was received no more is inactive": {
			strings.Replace(head, "c=IN IP4 192.0.2.10", "c=IN IP4 0.0.0.0", 1) + "a=recvonly\nm=audio 5004 RTP/AVP 8\n", at6(relayed(MediaRules{Port: 20000})),
			oursV6 + "a=recvonly\nm=audio 20000 RTP/AVP 8\na=inactive\n",
		},
		"hold by direction": {
			head + "a=inactive\nm=audio 5004 RTP/AVP 8\na=sendonly\n", relayed(MediaRules{Port: 20000}),
			ours + "a=inactive\nm=audio 20000 RTP/AVP 8\na=sendonly\n",
		},
		"RFC 3264 §6: a refused stream stays where it is": {
			head + "m=audio 5004 RTP/AVP 8\nm=video 5006 RTP/AVP 34\na=rtcp:5007\nm=audio 0 RTP/AVP 0\na=rtcp:1\n",
			Rules{Addr: ours4, Media: []MediaRules{{Port: 20000}, {}, {Port: 20004}}},
			ours + "m=audio 20000 RTP/AVP 8\nm=video 0 RTP/AVP 34\nm=audio 0 RTP/AVP 0\n",
		},
		"T.38": {
			head + "m=image 5004 udptl t38\na=T38FaxVersion:0\na=T38FaxUdpEC:t38UDPRedundancy\n", relayed(MediaRules{Port: 20000, Mux: WithMux, RTCP: 7}),
			ours + "m=image 20000 udptl t38\na=T38FaxVersion:0\na=T38FaxUdpEC:t38UDPRedundancy\n",
		},
		"one port": {
			head + "m=audio 5004/1 RTP/AVP 8\n", relayed(MediaRules{Port: 20000}), ours + "m=audio 20000 RTP/AVP 8\n",
		},
		"several descriptions, each with its own": {
			head + "m=audio 5004 RTP/AVP 8\nv=0\no=bob 5 6 IN IP4 192.0.2.66\ns=x\nc=IN IP4 192.0.2.66\nt=0 0\nm=image 0 UDPTL t38\n",
			Rules{Addr: ours4, Media: []MediaRules{{Port: 20000}, {Port: 20002}}},
			ours + "m=audio 20000 RTP/AVP 8\nv=0\no=- 0 0 IN IP4 198.51.100.1\ns=-\nc=IN IP4 198.51.100.1\nt=0 0\nm=image 0 UDPTL t38\n",
		},
		"names in another case": {
			head + "m=audio 5004 RTP/AVP 8\na=Crypto:1 X inline:YQ==\na=RTCP:9 IN IP4 10.0.0.1\na=Candidate:1\na=SendRecv\n",
			relayed(MediaRules{Port: 20000}), ours + "m=audio 20000 RTP/AVP 8\na=rtcp:20001 IN IP4 198.51.100.1\na=SendRecv\n",
		},
		"o= and s= in a stream": {
			head + "m=audio 5004 RTP/AVP 8\no=alice 1 1 IN IP4 192.0.2.10\ns=x\na=y\n", relayed(MediaRules{Port: 20000}),
			ours + "m=audio 20000 RTP/AVP 8\na=y\n",
		},
		"what holds between two hops alone": {
			head + "a=group:BUNDLE 1\na=group:LS 1\na=ice-lite\na=ice-options:trickle\na=fingerprint:sha-1 AA\na=setup:actpass\na=rtcp-mux\n" +
				"m=audio 5004 RTP/AVP 8\na=mid:1\na=candidate:1 1 UDP 1 10.0.0.1 5004 typ host\na=remote-candidates:1 10.0.0.1 5004\na=end-of-candidates\n" +
				"a=ice-ufrag:x\na=ice-pwd:y\na=tls-id:z\na=setup:active\na=ssrc:1 cname:alice@10.0.0.1\na=ssrc:1 msid:a\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "\n" +
				"a=key-mgmt:mikey x\na=acap:1 crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "\na=tcap:1 RTP/SAVP\na=pcfg:1 t=1 a=1\na=altc:1 IP6 2001:db8::1 4\n" +
				"a=source-filter: incl IN IP4 * 10.0.0.1\na=ptime:20\n",
			relayed(MediaRules{Port: 20000}),
			ours + "a=group:LS 1\nm=audio 20000 RTP/AVP 8\na=mid:1\na=ssrc:1 msid:a\na=ptime:20\n",
		},
		"roles of TCP are not ours": {
			head + "m=application 5004 TCP/BFCP *\na=setup:active\na=connection:new\n", relayed(MediaRules{Port: 0}),
			ours + "m=application 0 TCP/BFCP *\na=setup:active\na=connection:new\n",
		},
		"nor those that the session has for it": {
			head + "a=setup:active\nm=application 5004 TCP/BFCP *\n", relayed(MediaRules{Port: 0}),
			ours + "a=setup:active\nm=application 0 TCP/BFCP *\n",
		},
		"our keys in the place of theirs": {
			head + "m=audio 5004 RTP/SAVP 8\na=crypto:7 F8_128_HMAC_SHA1_80 inline:" + key + "\n",
			Rules{Addr: ours4, Keep: KeepCrypto, Media: []MediaRules{{Port: 20000, Crypto: keys}}},
			ours + "m=audio 20000 RTP/SAVP 8\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "\n",
		},
		"SRTP ends here": {
			head + "m=audio 5004 RTP/SAVP 8\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "\na=ptime:20\n",
			relayed(MediaRules{Port: 20000, Proto: "RTP/AVP"}),
			ours + "m=audio 20000 RTP/AVP 8\na=ptime:20\n",
		},
		"SRTP begins here": {
			head + "m=audio 5004 RTP/AVP 8\na=crypto:7 F8_128_HMAC_SHA1_80 inline:" + key + "\na=ptime:20\n",
			relayed(MediaRules{Port: 20000, Proto: Secure("RTP/AVP"), Crypto: keys}),
			ours + "m=audio 20000 RTP/SAVP 8\na=ptime:20\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "\n",
		},
		"SRTP passes": {
			head + "m=audio 5004 RTP/SAVP 8\na=crypto:7 F8_128_HMAC_SHA1_80 inline:" + key + "\n",
			Rules{Addr: ours4, Keep: KeepCrypto, Media: []MediaRules{{Port: 20000}}},
			ours + "m=audio 20000 RTP/SAVP 8\na=crypto:7 F8_128_HMAC_SHA1_80 inline:" + key + "\n",
		},
		"other addresses hold where none of ours is named": {
			head + "m=audio 5004 RTP/AVP 8\na=altc:1 IP4 192.0.2.10 5004\n", Rules{},
			head + "m=audio 5004 RTP/AVP 8\na=altc:1 IP4 192.0.2.10 5004\n",
		},
		"bypass": {
			head + "a=group:BUNDLE 1\nm=audio 5004/2 RTP/SAVP 8\nc=IN IP4 192.0.2.11/127\na=rtcp:9 IN IP4 192.0.2.1\na=candidate:1 1 UDP 1 10.0.0.1 5004 typ host\na=rtcp-mux\na=crypto:x\n",
			Rules{Keep: KeepAll},
			head + "a=group:BUNDLE 1\nm=audio 5004/2 RTP/SAVP 8\nc=IN IP4 192.0.2.11/127\na=rtcp:9 IN IP4 192.0.2.1\na=candidate:1 1 UDP 1 10.0.0.1 5004 typ host\na=rtcp-mux\na=crypto:x\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := differs(t, name, []byte(c.in), c.rules)
			if want := strings.ReplaceAll(c.out, "\n", "\r\n"); string(got) != want {
				t.Errorf("is\n%s\nnot\n%s", got, want)
			}
		})
	}
}

// Rules that cannot be are said to be so, and nothing is written.
func TestRulesThatDoNotFit(t *testing.T) {
	savp := head + "m=audio 5004 RTP/SAVP 8\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key + "\n"
	for name, c := range map[string]struct {
		in    string
		rules Rules
		want  string
	}{
		"keys are taken out and SRTP stays": {savp, relayed(MediaRules{Port: 20000}), NoKeys},
		"DTLS is taken out and SRTP stays": {
			head + "m=audio 5004 UDP/TLS/RTP/SAVPF 8\na=fingerprint:sha-1 A\n", relayed(MediaRules{Port: 20000}), NoKeys,
		},
		"SRTP without keys":       {head + "m=audio 5004 RTP/AVP 8\n", relayed(MediaRules{Port: 20000, Proto: "RTP/SAVP"}), NoKeys},
		"a rule too few":          {head + "m=audio 5004 RTP/AVP 8\nm=audio 5006 RTP/AVP 8\n", relayed(MediaRules{Port: 20000}), BadRules},
		"a rule too many":         {head, relayed(MediaRules{Port: 20000}), BadRules},
		"a line in a transport":   {head + "m=audio 5004 RTP/AVP 8\n", relayed(MediaRules{Port: 20000, Proto: "RTP/AVP\r\na=x"}), BadRules},
		"a line in another one":   {head + "m=message 9 TCP/MSRP *\n", relayed(MediaRules{Port: 20000, Proto: "TCP/X\r\na=x"}), BadRules},
		"fax is to be speech":     {head + "m=image 5004 udptl t38\n", relayed(MediaRules{Port: 20000, Proto: "RTP/AVP"}), BadRules},
		"a line in a key":         {head + "m=audio 5004 RTP/AVP 8\n", relayed(MediaRules{Port: 20000, Crypto: []Crypto{{Key: "x\n"}}}), BadRules},
		"a line in its parameter": {head + "m=audio 5004 RTP/AVP 8\n", relayed(MediaRules{Port: 20000, Crypto: []Crypto{{Params: "x\r"}}}), BadRules},
	} {
		b, err := Parse([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		out, err := b.Rewrite(c.rules)
		var f *Fault
		if !errors.As(err, &f) || f.Name != c.want || out != nil {
			t.Errorf("%s: %v, not %s", name, err, c.want)
		}
	}
	refusedOne, err := Parse([]byte(savp))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := refusedOne.Rewrite(relayed(MediaRules{})); err != nil || strings.Contains(string(out), "crypto") {
		t.Errorf("a refused stream needs no keys: %v, %s", err, out)
	}
}

// Media goes to one host, which is not ourselves.
func TestCheck(t *testing.T) {
	own := func(a netip.AddrPort) bool { return a.Addr() == ours4 && a.Port() >= 20000 && a.Port() < 30000 }
	for _, c := range []struct{ addr, stream, want string }{
		{"192.0.2.1", "m=audio 5004 RTP/AVP 8", ""},
		{"127.0.0.1", "m=audio 5004 RTP/AVP 8", Address},
		{"192.0.2.1", "m=audio 5004 RTP/AVP 8\na=rtcp:5005 IN IP4 127.1.2.3", Address},
		{"192.0.2.1", "m=audio 5004 RTP/AVP 8\na=rtcp:5005 IN IP4 127.1.2.3\na=rtcp:5005", Address},
		{"192.0.2.1", "m=audio 5004 RTP/AVP 8\na=rtcp:5005\na=RTCP: 5005 IN IP4 127.1.2.3 x", Address},
		{"192.0.2.1", "m=audio 0 RTP/AVP 8\na=rtcp:5005 IN IP4 127.1.2.3", ""},
		{"0.0.0.0", "m=audio 5004 RTP/AVP 8", ""},
		{"0.0.0.0", "m=audio 5004 RTP/AVP 8\na=rtcp:5005 IN IP6 ::1", Address},
		{"0.0.0.0", "m=audio 5004 RTP/AVP 8\na=rtcp:20001 IN IP4 198.51.100.1", Loop},
		{"gw.example.com", "m=audio 5004 RTP/AVP 8", ""},
		{"192.0.2.1", "m=audio 65535 RTP/AVP 8", ""},
		{"192.0.2.1", "m=audio 5004/2 RTP/AVP 8", PortCount},
		{"224.2.1.1/127", "m=audio 5004 RTP/AVP 8", Multicast},
		{"224.2.1.1/127", "m=audio 0 RTP/AVP 8", ""},
		{"255.255.255.255", "m=audio 5004 RTP/AVP 8", Address},
		{"0.1.2.3", "m=audio 5004 RTP/AVP 8", Address},
		{"198.51.100.1", "m=audio 20000 RTP/AVP 8", Loop},
		{"198.51.100.1", "m=audio 30000 RTP/AVP 8", ""},
		{"198.51.100.1", "m=audio 19999 RTP/AVP 8", Loop}, // its RTCP
		{"192.0.2.1", "m=audio 5004 RTP/AVP 8\na=rtcp:20001 IN IP4 198.51.100.1", Loop},
		{"192.0.2.1", "m=audio 5004 RTP/AVP 8\na=rtcp:20001 IN IP4 239.0.0.1", Multicast},
		{"192.0.2.1", "m=audio 5004 RTP/AVP 8\nm=audio 20000 RTP/AVP 8\nc=IN IP6 ::ffff:198.51.100.1", Loop},
	} {
		b, err := Parse([]byte("v=0\nc=IN IP4 " + c.addr + "\n" + c.stream))
		if err != nil {
			t.Errorf("%s %s: %v", c.addr, c.stream, err)
			continue
		}
		err = b.Check(netip.MustParseAddr("192.0.2.7"), own)
		var f *Fault
		if errors.As(err, &f) && (f.Name != c.want || f.Line < 3) || err == nil && c.want != "" {
			t.Errorf("%s %s: %v, not %q", c.addr, c.stream, err, c.want)
		}
		if err := b.Check(netip.MustParseAddr("192.0.2.7"), nil); c.want == Loop && err != nil {
			t.Error(err)
		}
		if err := b.Check(netip.MustParseAddr("::1"), nil); (strings.Contains(c.addr+c.stream, "127.") || strings.Contains(c.stream, "::1")) && err != nil {
			t.Errorf("%s %s: of who is on it himself: %v", c.addr, c.stream, err)
		}
	}
}
