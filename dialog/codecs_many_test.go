package dialog

import (
	"fmt"
	"strings"
	"testing"
)

// TestMoreFormatsThanRTPHas: a payload type has seven bits (RFC 3550 §5.1), so a stream that
// names more than 128 of them is not one to look for codecs in, which would take the product of
// its formats and attributes.
func TestMoreFormatsThanRTPHas(t *testing.T) {
	body := func(formats int) Body {
		var b strings.Builder
		b.WriteString("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8")
		for n := range formats - 1 {
			fmt.Fprintf(&b, " %d", 1000+n)
		}
		b.WriteString("\r\na=rtpmap:8 PCMA/8000\r\n")
		return Body{Type: "application/sdp", Data: []byte(b.String())}
	}
	p := &Policy{Codecs: Codecs{Allow: []string{"PCMA"}}}
	if !p.Suits(body(128)) {
		t.Error("128 formats, one of them PCMA, are refused")
	}
	if p.Suits(body(129)) {
		t.Error("129 formats are taken")
	}
}
