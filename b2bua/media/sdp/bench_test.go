package sdp

import (
	"strings"
	"testing"

	pion "github.com/pion/sdp/v3"
)

// common is what a gateway offers: two codecs and digits.
const common = "v=0\r\no=- 1820000000 1820000001 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n" +
	"m=audio 30204 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n" +
	"a=fmtp:101 0-16\r\na=rtcp:30205\r\na=ptime:20\r\na=sendrecv\r\n"

func BenchmarkParseRewrite(b *testing.B) {
	body := []byte(common)
	r := Rules{Addr: ours4, Media: []MediaRules{{Port: 20000}}}
	b.ReportAllocs()
	for b.Loop() {
		d, err := Parse(body)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.Rewrite(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	body := []byte(common)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRewrite(b *testing.B) {
	d, err := Parse([]byte(common))
	if err != nil {
		b.Fatal(err)
	}
	r := Rules{Addr: ours4, Media: []MediaRules{{Port: 20000}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Rewrite(r); err != nil {
			b.Fatal(err)
		}
	}
}

// What pion alone costs on the same body, to compare.
func BenchmarkPion(b *testing.B) {
	body := strings.Clone(common)
	b.ReportAllocs()
	for b.Loop() {
		var d pion.SessionDescription
		if err := d.UnmarshalString(body); err != nil {
			b.Fatal(err)
		}
	}
}

// The longest body there may be, of attributes that speak of its formats.
func BenchmarkParseLongest(b *testing.B) {
	var w strings.Builder
	w.WriteString("v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 30204 RTP/AVP")
	for range maxFormats {
		w.WriteString(" 96")
	}
	for w.Len() < MaxBody-20 {
		w.WriteString("\r\na=rtpmap:97 x/1")
	}
	body := []byte(w.String())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(body); err != nil {
			b.Fatal(err)
		}
	}
}
