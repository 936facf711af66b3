package b2bua_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"bulkhead/b2bua/simtest"
)

var mediaCalls = flag.Int("media.calls", 400, "how many calls TestMediaIsGivenBack makes by each way")

const (
	trunkAt   = `body="application/sdp|v=0\\no=x 7 1 IN IP4 192.0.2.10\\ns=-\\nc=IN IP4 192.0.2.10\\nt=0 0\\nm=audio 40000 RTP/AVP 8\\n"`
	trunkElse = `body="application/sdp|v=0\\no=x 7 2 IN IP4 192.0.2.10\\ns=-\\nc=IN IP4 192.0.2.10\\nt=0 0\\nm=audio 40010 RTP/AVP 8\\nm=video 40020 RTP/AVP 34\\n"`
	firstAt   = `body="application/sdp|v=0\\no=x 7 1 IN IP4 198.51.100.11\\ns=-\\nc=IN IP4 198.51.100.11\\nt=0 0\\nm=audio 41000 RTP/AVP 8\\n"`
	secondAt  = `body="application/sdp|v=0\\no=x 7 1 IN IP4 198.51.100.12\\ns=-\\nc=IN IP4 198.51.100.12\\nt=0 0\\nm=audio 42000 RTP/AVP 8\\n"`
)

// endings are calls that end in as many ways, each after the INVITE.
var endings = []string{
	"tc1 200 " + firstAt + "\n+1s trunk BYE\ntc1 200 BYE",
	"tc1 486",
	"tc1 183 " + firstAt + "\n+1s tc1 503\ntc2 200 " + secondAt + "\n+1s trunk BYE\ntc2 200 BYE",
	"tc1 183 " + firstAt + "\n+1s trunk CANCEL\ntc1 200 CANCEL ; tc1 487",
	"tc1 180\n+11s tc1 200 CANCEL ; tc1 487\ntc2 486", // no answer
	"tc1 200 " + firstAt + "\n+1s trunk INVITE " + trunkElse + "\ntc1 488 INVITE\n+1s trunk BYE\ntc1 200 BYE",
	"tc1 200 " + firstAt + "\n+1s trunk BYE", // which the carrier does not answer
	"tc1 503\ntc2 503",
}

// lossy are those of a node that is lost meanwhile: its call goes on at another, or ends without it; and of a slow one.
var lossy = []string{
	"tc1 200 " + firstAt + "\nnode a lost\n+1s trunk INVITE " + trunkAt + "\ntc1 200 " + firstAt + "\nnode a back\n+1s trunk BYE\ntc1 200 BYE",
	"tc1 200 " + firstAt + "\nnode a lost\n+1s trunk BYE\ntc1 200 BYE\nnode a back",
	"tc1 183 " + firstAt + "\nnode a lost\n+1s tc1 503\ntc2 200 " + secondAt + "\nnode a back\n+1s trunk BYE\ntc2 200 BYE",
	"tc1 200 " + firstAt + "\nnode a slow=1400ms\n+1s trunk INVITE " + trunkElse + "\n+2s tc1 488 INVITE\n+3s node a slow=0s\n+1s trunk BYE\ntc1 200 BYE",
}

// TestMediaIsGivenBack: whatever becomes of calls, when all are over no pair of ports is open and no rtpengine has a
// call (P7).
func TestMediaIsGivenBack(t *testing.T) {
	for way, more := range map[string][]string{"relay": nil, "rtpengine nodes=2": lossy} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simtest.Open(t, nil)
				defer s.Close()
				s.Do("media " + way + " timeout=60s\ncarrier tc1 no_answer=10s\ncarrier tc2\nroute * tc1 tc2\ntrunk auto ACK")
				kinds := append(endings[:len(endings):len(endings)], more...)
				for n := range *mediaCalls {
					s.Do(fmt.Sprintf("trunk INVITE +331%06d %s\n%s\n+1s", n, trunkAt, kinds[n%len(kinds)]))
				}
				s.Do("settle")
				for _, fault := range s.Promises() {
					t.Error(fault)
				}
				if n := strings.Count(s.Record(), "->"); n != *mediaCalls {
					t.Errorf("%d records of %d calls", n, *mediaCalls)
				}
			})
		})
	}
}
