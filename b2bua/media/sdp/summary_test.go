package sdp

import (
	"reflect"
	"testing"
)

func TestSummary(t *testing.T) {
	b, err := Parse([]byte(head + `m=audio 5004 RTP/AVP 8 101 96 97 98
a=rtpmap:101 telephone-event/8000
a=rtpmap:96 opus/48000/2
a=rtpmap:98 odd
a=ptime:20
a=recvonly
m=audio 5006 RTP/AVP 0
c=IN IP4 0.0.0.0
m=image 5008 udptl t38
c=IN IP4 gw.example.com
m=video 0 RTP/AVP 34
m=audio 5010 RTP/AVP 0
c=IN IP6 2001:db8::1
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Stream{
		{"audio", "192.0.2.10:5004", "RTP/AVP", "recvonly", []string{"PCMA/8000", "telephone-event/8000", "opus/48000/2", "97", "odd"}, 20},
		{"audio", "0.0.0.0:5006", "RTP/AVP", "sendonly", []string{"PCMU/8000"}, 0},
		{"image", "gw.example.com:5008", "udptl", "sendrecv", []string{"t38"}, 0},
		{"video", "", "RTP/AVP", "sendrecv", []string{"H263/90000"}, 0},
		{"audio", "[2001:db8::1]:5010", "RTP/AVP", "sendrecv", []string{"PCMU/8000"}, 0},
	}
	if got := b.Summary(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}
