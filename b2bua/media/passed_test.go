package media

import (
	"errors"
	"strings"
	"testing"
)

// TestAKeyPassesByTLSAlone: what nobody carries is passed on byte for byte, but that no key is written where all can read it.
func TestAKeyPassesByTLSAlone(t *testing.T) {
	const session = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
	const more = "a=rtpmap:8 PCMA/8000\r\na=rtcp:4005 IN IP4 192.0.2.10\r\na=rtcp-mux\r\na=candidate:1 1 UDP 1 10.0.0.1 4000 typ host\r\na=ssrc:1 cname:x\r\n"
	const fingerprint = "a=fingerprint:sha-1 AA\r\na=setup:actpass\r\n"
	savp := strings.Replace(plain, "RTP/AVP", "RTP/SAVP", 1)
	cut := func(body string, lines ...string) string {
		for _, l := range lines {
			body = strings.Replace(body, l, "", 1)
		}
		return body
	}
	for name, c := range map[string]struct {
		body, want string // without TLS
		err        error
	}{
		"no key":               {"o=x\n" + plain + fingerprint + "k=prompt\n", "o=x\n" + plain + fingerprint + "k=prompt\n", nil},
		"SRTP by no key":       {savp, savp, nil},
		"no description":       {"hello", "hello", nil},
		"one key":              {plain + crypto + more, plain + more, nil},
		"spelled otherwise":    {plain + "a=Crypto:1 X inline:YQ==\r\n" + more, plain + more, nil},
		"of the session":       {cut(session, "t=0 0\r\n") + "t=0 0\r\n" + crypto + "m=audio 4000 RTP/AVP 8\r\n", session + "m=audio 4000 RTP/AVP 8\r\n", nil},
		"of a capability":      {plain + "a=tcap:1 RTP/SAVP\r\na=acap:1 " + crypto[2:] + "a=pcfg:1 t=1 a=1\r\n" + more, plain + more, nil},
		"beside DTLS":          {plain + "m=audio 4002 UDP/TLS/RTP/SAVPF 8\r\n" + crypto + fingerprint, plain + "m=audio 4002 UDP/TLS/RTP/SAVPF 8\r\n" + fingerprint, nil},
		"of a refused stream":  {plain + "m=audio 0 RTP/SAVP 8\r\n" + crypto, plain + "m=audio 0 RTP/SAVP 8\r\n", nil},
		"SRTP":                 {savp + crypto, "", ErrUnsupported},
		"SRTP of one stream":   {plain + "m=audio 4002 RTP/SAVPF 8\r\n" + crypto, "", ErrUnsupported},
		"what cannot be read":  {at("192.0.2.9", 492170, crypto), "", ErrUnreadable},
		"one without a stream": {"hello\n" + crypto, "", ErrUnreadable},
	} {
		if out, err := Passed([]byte(c.body), true); err != nil || string(out) != c.body {
			t.Errorf("%s, by TLS: %v, %q", name, err, out)
		}
		out, err := Passed([]byte(c.body), false)
		if !errors.Is(err, c.err) || string(out) != c.want {
			t.Errorf("%s: %v, %q", name, err, out)
		}
		if c.err == ErrUnsupported && (Reason(err) != "no_keys" || !errors.Is(err, ErrInsecure)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
