package b2bua_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"bulkhead/b2bua"
	"bulkhead/b2bua/simtest"
)

// TestARealmWithoutAMediaAddressGets488, on either side: descriptions would name the other side's peer, with a port of ours.
func TestARealmWithoutAMediaAddressGets488(t *testing.T) {
	for _, realm := range []string{"access", "core"} {
		t.Run(realm, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := simtest.Open(t, nil)
				defer s.Close()
				s.Carry = func(m *b2bua.Media) {
					m.Realms[realm] = b2bua.MediaAddresses{{Bind: netip.IPv4Unspecified()}}
				}
				s.Do(`media relay
carrier tc1
route * tc1
detail body
trunk auto ACK
trunk INVITE +33123456789 body="application/sdp|v=0\\no=x 7 1 IN IP4 192.0.2.10\\ns=-\\nc=IN IP4 192.0.2.10\\nt=0 0\\nm=audio 40000 RTP/AVP 8\\n"
settle`)
				ladder := s.Ladder()
				if strings.Count(ladder, "INVITE") != 1 || !strings.Contains(ladder, "|<------ 488 -------|") {
					t.Errorf("\n%s", ladder)
				}
				if n := s.Counter("media_not_anchored_total", "relay", "unsupported"); n != 1 {
					t.Errorf("%v counted", n)
				}
			})
		})
	}
}
