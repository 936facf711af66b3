package b2bua_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/media"
	"bulkhead/b2bua/media/relay"
	"bulkhead/storage"
)

// tolls are ports each of which has heard so many packets.
type tolls struct {
	open    map[netip.AddrPort]bool
	packets uint64
}

func (p *tolls) Open(at netip.Addr) (netip.AddrPort, error) {
	local := netip.AddrPortFrom(at, uint16(20000+2*len(p.open)))
	return local, p.Restore(local)
}

func (p *tolls) Restore(local netip.AddrPort) error           { p.open[local] = true; return nil }
func (*tolls) Aim(netip.AddrPort, relay.Remote) error         { return nil }
func (*tolls) Join(_, _ netip.AddrPort) error                 { return nil }
func (p *tolls) Close(local netip.AddrPort) (was relay.Stats) { was, _ = p.Stats(local); return was }
func (p *tolls) Stats(local netip.AddrPort) (relay.Stats, bool) {
	return relay.Stats{Packets: p.packets}, p.open[local]
}

// TestATakeoverCountsOn: what the node before has counted of a call that rests stays in its
// record, and what this one counts comes to it, however often the call is looked at.
func TestATakeoverCountsOn(t *testing.T) {
	const body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
	bodied := func(message string) []byte {
		head := strings.TrimSuffix(message, "Content-Length: 0\r\n\r\n")
		return fmt.Appendf(nil, "%sContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", head, len(body), body)
	}
	carrying := func(p *tolls) func(*b2bua.Config) {
		near, far := netip.MustParseAddr("127.0.10.1"), netip.MustParseAddr("127.0.20.1")
		return func(c *b2bua.Config) {
			c.Media = &b2bua.Media{
				Mode: media.Relay, Relay: media.NewRelayed(p, func(netip.AddrPort) bool { return false }, time.Hour),
				Realms: map[string]b2bua.MediaAddresses{"core": {{Said: near, Bind: near}}, "peering": {{Said: far, Bind: far}}},
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		a := takes(t, store, "a", nil, carrying(&tolls{map[netip.AddrPort]bool{}, 100}))
		die := a.serves()
		invite := find(t, a.fed("core", trunkSource, bodied(strings.Join(append(invited, "Content-Length: 0", "", ""), "\r\n"))), "INVITE ")
		ok := find(t, a.carrier(bodied(string(respond(invite, "200 OK", "carrier")))), "SIP/2.0 200")
		a.trunk(within("ACK", "ack", 1, ok)...)
		<-time.After(time.Second)
		die()

		b := takes(t, store, "b", nil, carrying(&tolls{map[netip.AddrPort]bool{}, 7}))
		defer b.serves()()
		b.restores()
		if got := b.engine.Packed(); got != 1 {
			t.Fatalf("%d packed", got)
		}
		b.carrier(respond(find(t, b.trunk(within("BYE", "bye", 2, ok)...), "BYE "), "200 OK", ""))
		<-time.After(time.Second)
		n := 0
		if err := store.Details(t.Context(), func(_ string, text []byte) error {
			n++
			var r b2bua.Record
			if err := json.Unmarshal(text, &r); err != nil {
				return err
			}
			if m := r.Attempts[0].Media; m == nil || m.Streams[0].Trunk.Packets != 107 || m.Streams[0].Carrier.Packets != 107 {
				t.Errorf("its media: %s, want 100 and 7 packets on both sides", text)
			}
			return nil
		}); err != nil || n != 1 {
			t.Errorf("%d records: %v", n, err)
		}
	})
}
