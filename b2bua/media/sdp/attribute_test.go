package sdp

import (
	"strings"
	"testing"
)

// What is between two hops goes, in a stream and in the session, and stays where the rules
// keep just that.
func TestAttributesOfOneHop(t *testing.T) {
	for keep, list := range map[Keep]string{
		KeepICE: `candidate:1 1 UDP 1 10.0.0.1 5 typ host|remote-candidates:1 10.0.0.1 5|end-of-candidates|ice-ufrag:x|ice-pwd:y
			|ice-lite|ice-options:trickle|ice-mismatch|ice-pacing:50`,
		KeepDTLS:   "fingerprint:sha-1 AA|tls-id:x|dtls-id:x|identity:x|setup:actpass|connection:new",
		KeepCrypto: "crypto:1 X inline:YQ==|key-mgmt:mikey YQ==",
		KeepCNAME:  "ssrc:1 cname:alice@10.0.0.1",
		KeepBundle: "group:BUNDLE 1 2|bundle-only",
		KeepOther: `altc:1 IP4 10.0.0.1 5|alt:1 1 : a b 10.0.0.1 5|source-filter: incl IN IP4 * 10.0.0.1|visited-realm:1 a IN IP4 10.0.0.1 5
			|secondary-realm:1 a IN IP4 10.0.0.1 5|omr-m-cksum:1|omr-s-cksum:1`,
		KeepOther | KeepCrypto: `acap:1 crypto:1 X inline:YQ==|tcap:1 RTP/SAVP|pcfg:1 t=1|acfg:1 t=1|csup:cap-v0|creq:cap-v0|rmcap:1 x/1|omcap:1 x
			|mfcap:1 x|mscap:1 x y|lcfg:1 mt=1|sescap:1 1|ccap:1 IN IP4 10.0.0.1 5|bcap:1 AS:1|icap:1 x`,
	} {
		for a := range strings.SplitSeq(list, "|") {
			a = "a=" + strings.TrimSpace(a)
			for _, in := range []string{
				head + "m=audio 5004 RTP/AVP 8\n" + a + "\na=x\n",
				head + a + "\nm=audio 5004 RTP/AVP 8\na=x\n",
			} {
				written := func(k Keep) bool {
					r := relayed(MediaRules{Port: 20000})
					r.Keep = k
					if strings.HasPrefix(a, "a=crypto") && strings.Index(in, a) < strings.Index(in, "m=") {
						r.Media = nil // a session's is not looked at by anybody
					}
					return strings.Contains(string(differs(t, a, []byte(in), r)), a+"\r\n")
				}
				for without := KeepICE; without <= KeepOther; without <<= 1 {
					if keep&without != 0 && written(KeepAll&^without) {
						t.Errorf("%s goes out", a)
					}
				}
				if written(0) {
					t.Errorf("%s goes out of itself", a)
				}
				if !written(KeepAll) || !written(keep) {
					t.Errorf("%s does not go out", a)
				}
			}
		}
	}
}

// What says nothing of a hop stays.
func TestAttributesOfTheEnds(t *testing.T) {
	for _, a := range []string{
		"group:LS 1 2", "group:ANAT 1 2", "mid:1", "ssrc:1 msid:a b", "ssrc-group:FID 1 2", "msid:a b", "rtcp-fb:* nack", "extmap:1 urn:x", "ptime:20",
		"maxptime:40", "silenceSupp:off - - - -", "T38FaxVersion:0", "rtcp-xr:voip-metrics", "x-nt:1", "content:main", "label:1", "des:qos mandatory local sendrecv",
		"zrtp-hash:1.10 fe", "candidates:1", "curr:qos local none",
	} {
		in := head + "m=audio 5004 RTP/AVP 8\na=" + a + "\n"
		if out := differs(t, a, []byte(in), relayed(MediaRules{Port: 20000})); !strings.Contains(string(out), "\r\na="+a+"\r\n") {
			t.Errorf("%s does not go out", a)
		}
	}
}
