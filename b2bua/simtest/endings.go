package simtest

import "fmt"

// Descriptions of who calls, and of the two who are called, for calls of which nobody looks at what they say.
const (
	trunkAt   = `body="application/sdp|v=0\\no=x 7 1 IN IP4 192.0.2.10\\ns=-\\nc=IN IP4 192.0.2.10\\nt=0 0\\nm=audio 40000 RTP/AVP 8\\n"`
	trunkElse = `body="application/sdp|v=0\\no=x 7 2 IN IP4 192.0.2.10\\ns=-\\nc=IN IP4 192.0.2.10\\nt=0 0\\nm=audio 40010 RTP/AVP 8\\nm=video 40020 RTP/AVP 34\\n"`
	firstAt   = `body="application/sdp|v=0\\no=x 7 1 IN IP4 198.51.100.11\\ns=-\\nc=IN IP4 198.51.100.11\\nt=0 0\\nm=audio 41000 RTP/AVP 8\\n"`
	forkAt    = `body="application/sdp|v=0\\no=y 7 1 IN IP4 198.51.100.11\\ns=-\\nc=IN IP4 198.51.100.11\\nt=0 0\\nm=audio 41500 RTP/AVP 8\\n"`
	secondAt  = `body="application/sdp|v=0\\no=x 7 1 IN IP4 198.51.100.12\\ns=-\\nc=IN IP4 198.51.100.12\\nt=0 0\\nm=audio 42000 RTP/AVP 8\\n"`
)

// Endings are calls that end in as many ways, each after the trunk's INVITE to a route of carriers tc1 and tc2.
var Endings = []string{
	"tc1 200 " + firstAt + "\n+1s trunk BYE\ntc1 200 BYE",
	"tc1 486",
	"tc1 183 " + firstAt + "\n+1s tc1 503\ntc2 200 " + secondAt + "\n+1s trunk BYE\ntc2 200 BYE",
	"tc1 183 " + firstAt + "\n+1s trunk CANCEL\ntc1 200 CANCEL ; tc1 487",
	"tc1 180\n+11s tc1 200 CANCEL ; tc1 487\ntc2 486", // no answer
	"tc1 200 " + firstAt + "\n+1s trunk INVITE " + trunkElse + "\ntc1 488 INVITE\n+1s trunk BYE\ntc1 200 BYE",
	"tc1 200 " + firstAt + "\n+1s trunk BYE", // which the carrier does not answer
	"tc1 503\ntc2 503",
	"tc1 183 tag=one " + forkAt + "\ntc1 183 tag=two " + firstAt + "\n+1s tc1 200 tag=two " + firstAt + "\n+1s trunk BYE\ntc1 200 BYE tag=two",
	"tc1 200 " + firstAt + "\n+1s trunk INVITE " + trunkElse + "\ntc1 200 INVITE " + secondAt + "\n+1s tc1 BYE\ntrunk 200 BYE",
}

// LossyEndings are those of a node that is lost meanwhile: its call goes on at another, or ends without it; and of a slow one.
var LossyEndings = []string{
	"tc1 200 " + firstAt + "\nnode a lost\n+1s trunk INVITE " + trunkAt + "\ntc1 200 " + firstAt + "\nnode a back\n+1s trunk BYE\ntc1 200 BYE",
	"tc1 200 " + firstAt + "\nnode a lost\n+1s trunk BYE\ntc1 200 BYE\nnode a back",
	"tc1 183 " + firstAt + "\nnode a lost\n+1s tc1 503\ntc2 200 " + secondAt + "\nnode a back\n+1s trunk BYE\ntc2 200 BYE",
	"tc1 200 " + firstAt + "\nnode a slow=1400ms\n+1s trunk INVITE " + trunkElse + "\n+2s tc1 488 INVITE\n+3s node a slow=0s\n+1s trunk BYE\ntc1 200 BYE",
}

// End makes so many calls, one after the other, which end in these ways in turn; up, if any, is called while the first one talks.
// Then it waits until nothing is left of them.
func (s *Stage) End(calls int, endings []string, up func()) {
	s.t.Helper()
	s.Do("carrier tc1 no_answer=10s\ncarrier tc2\nroute * tc1 tc2\ntrunk auto ACK")
	s.Do("trunk INVITE +33199 " + trunkAt + "\ntc1 200 " + firstAt + "\n+1s")
	if up != nil {
		up()
	}
	s.Do("trunk BYE\ntc1 200 BYE\n+1s")
	for n := range calls - 1 {
		s.Do(fmt.Sprintf("trunk INVITE +331%06d %s\n%s\n+1s", n, trunkAt, endings[n%len(endings)]))
	}
	s.Do("settle")
	for _, fault := range s.Promises() {
		s.t.Error(fault)
	}
	if n := len(s.Records()); n != calls {
		s.t.Errorf("%d records of %d calls", n, calls)
	}
}
