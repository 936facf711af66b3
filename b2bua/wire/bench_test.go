package wire_test

import (
	"strings"
	"testing"

	"bulkhead/b2bua/wire"
)

// invite is what a carrier's INVITE looks like, some 1.3 KB.
func invite() []byte {
	body := "v=0\r\no=- 20518 0 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\n" +
		"m=audio 54400 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\n" +
		"a=fmtp:18 annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
	raw := string(message("INVITE", "7f3c1b2a9d4e5f60718293a4b5c6d7e8", len(body)))
	raw = strings.Replace(raw, "Content-Type: text/plain\r\n",
		"Record-Route: <sip:198.51.100.10:5060;lr;ftag=as58f4201b>\r\nVia: SIP/2.0/UDP 198.51.100.20:5060;received=198.51.100.20;rport=5060;branch=z9hG4bK1d32hash43298asd\r\n"+
			"Supported: 100rel, timer, replaces\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, REFER, NOTIFY, INFO\r\n"+
			"Session-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\nUser-Agent: carrier softswitch 7.2.1\r\n"+
			"P-Asserted-Identity: <sip:+33987654321@198.51.100.20;user=phone>\r\nContent-Type: application/sdp\r\n", 1)
	return []byte(raw[:strings.Index(raw, "\r\n\r\n")+4] + body)
}

func BenchmarkParse(b *testing.B) {
	raw := invite()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, fault, err := wire.Parse(raw, wire.Limits{}); fault != nil || err != nil {
			b.Fatal(fault, err)
		}
	}
}

// BenchmarkParse_Hostile is a message made of separators, as long as one may be.
func BenchmarkParse_Hostile(b *testing.B) {
	raw := with("X-Y: " + strings.Repeat(`;"\`, 5000))
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		_, _, _ = wire.Parse(raw, wire.Limits{})
	}
}
