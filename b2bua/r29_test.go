package b2bua_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/carriers"
	"bulkhead/storage"
)

// tenGateways is a node whose carrier has ten gateways, 127.0.21.1 to .10.
func tenGateways(t *testing.T, change func(*carriers.CarrierConfig)) *node {
	return limitedNode(t, func(c *carriers.Config) {
		c.Limits, c.Trunks["pbx"] = nil, carriers.TrunkConfig{Realm: "core", From: []string{"127.0.11.0/24"}}
		k := carriers.CarrierConfig{Realm: "peering", Health: &carriers.HealthConfig{}}
		k.Health.Default()
		k.Timers.NoResponse = 2 * time.Second
		for i := range 10 {
			k.Gateways = append(k.Gateways, carriers.GatewayConfig{Address: fmt.Sprintf("127.0.21.%d:5060", i+1), Weight: 1})
		}
		if change != nil {
			change(&k)
		}
		c.Carriers["tc1"] = k
		c.Routes = []carriers.RouteConfig{{Targets: []carriers.TargetConfig{{Carrier: "tc1"}}}}
	})
}

var hole = netip.MustParseAddrPort("127.0.21.7:5060")

// passes lets time pass, in which every gateway but the hole answers OPTIONS; it returns
// what else was sent, and how often the hole was asked.
func (n *node) passes(d time.Duration, status string) (rest []sunk, asked int) {
	n.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); {
		<-time.After(100 * time.Millisecond)
		synctest.Wait()
		for _, out := range n.net.take() {
			switch {
			case !bytes.HasPrefix(out.data, []byte("OPTIONS ")):
				rest = append(rest, out)
			case out.to.Remote == hole:
				asked++
			default:
				if err := feed(n.engine, "peering", out.to.Remote, respond(out.data, status, "x")); err != nil {
					n.t.Fatal(err)
				}
			}
		}
	}
	return rest, asked
}

// batch is how long the store of the tests takes a new call in.
const batch = time.Millisecond

// first is where the first INVITE of a new call goes.
func (n *node) first(call int) netip.AddrPort {
	n.t.Helper()
	for _, out := range n.invites(call) {
		if bytes.HasPrefix(out.data, []byte("INVITE ")) {
			if err := feed(n.engine, "peering", out.to.Remote, respond(out.data, "486 Busy Here", "x")); err != nil {
				n.t.Fatal(err)
			}
			synctest.Wait()
			n.net.take()
			return out.to.Remote
		}
	}
	n.t.Fatal("no INVITE")
	return netip.AddrPort{}
}

// TestR29_ADeadGatewayDoesNotSlowTheOthers: once its silence is known no call waits for
// it, the others' calls leave in the same instant as ever, and it comes back.
func TestR29_ADeadGatewayDoesNotSlowTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := tenGateways(t, nil)
		_, asked := n.passes(45*time.Second, "404 Not Found") // whatever is said, somebody is there
		if asked < 3 {
			t.Fatalf("asked %d times", asked)
		}
		went := map[netip.AddrPort]int{}
		for call := range 200 {
			began := time.Now()
			went[n.first(call)]++
			if d := time.Since(began); d > batch {
				t.Fatalf("call %d leaves after %s", call, d)
			}
		}
		if went[hole] > 0 || len(went) != 9 {
			t.Errorf("calls went to %v", went)
		}
		was := hole
		hole = netip.AddrPort{} // it answers again
		defer func() { hole = was }()
		n.passes(30*time.Second, "200 OK")
		for call := range 200 {
			went[n.first(1000+call)]++
		}
		if went[was] == 0 {
			t.Error("it does not come back")
		}
	})
}

// TestR29_PingsAreSpread: ten gateways are not asked in one instant.
func TestR29_PingsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := tenGateways(t, nil)
		at := map[time.Duration]int{}
		began, asked := time.Now(), 0
		for time.Since(began) < 10*time.Second {
			<-time.After(100 * time.Millisecond)
			synctest.Wait()
			for _, out := range n.net.take() {
				if bytes.HasPrefix(out.data, []byte("OPTIONS ")) {
					at[time.Since(began)]++
					asked++
					if err := feed(n.engine, "peering", out.to.Remote, respond(out.data, "200 OK", "x")); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if len(at) < 7 || asked != 10 {
			t.Errorf("%d OPTIONS in 10 s, at %v", asked, at)
		}
	})
}

// TestR29_AllDownAreTriedAnyway: what is known of health is a guess.
func TestR29_AllDownAreTriedAnyway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := tenGateways(t, func(k *carriers.CarrierConfig) { k.Gateways = k.Gateways[:2] })
		n.passes(60*time.Second, "503 Service Unavailable")
		n.first(1)
	})
}

// TestR29_RefusedINVITEs: three in a row open the circuit of a gateway that answers OPTIONS.
func TestR29_RefusedINVITEs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := tenGateways(t, nil)
		n.passes(15*time.Second, "200 OK")
		failed, last := map[netip.AddrPort]int{}, netip.AddrPort{}
		for call := 0; call < 400; call++ {
			for _, out := range n.invites(call) {
				if !bytes.HasPrefix(out.data, []byte("INVITE ")) {
					continue
				}
				status := "486 Busy Here"
				if out.to.Remote.Addr() == netip.MustParseAddr("127.0.21.2") {
					failed[out.to.Remote]++
					status, last = "503 Full", out.to.Remote
				}
				for _, out := range n.fed("peering", out.to.Remote, respond(out.data, status, "x")) {
					if bytes.HasPrefix(out.data, []byte("INVITE ")) { // the next target
						n.fed("peering", out.to.Remote, respond(out.data, "486 Busy Here", "x"))
					}
				}
			}
		}
		if failed[last] != 3 {
			t.Errorf("%d calls at a gateway that refuses three in a row", failed[last])
		}
	})
}

// TestR30_AFewCallsStillGoToWhoIsCapped, and none is refused for it.
func TestR30_AFewCallsStillGoToWhoIsCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quality := &carriers.QualityConfig{ASR: 0.5}
		quality.Default()
		n := limitedNode(t, func(c *carriers.Config) {
			c.Limits, c.Trunks["pbx"] = nil, carriers.TrunkConfig{Realm: "core", From: []string{"127.0.11.0/24"}}
			tc1, tc2 := c.Carriers["tc1"], c.Carriers["tc2"]
			tc1.Quality, tc1.Limits, tc2.Limits = quality, carriers.LimitsConfig{}, carriers.LimitsConfig{}
			c.Carriers["tc1"], c.Carriers["tc2"] = tc1, tc2
		})
		went := map[string]int{}
		for call := range 1000 {
			went[n.first(call).Addr().String()]++
		}
		if tc1 := went["127.0.21.1"]; tc1 < 50+20 || tc1 > 50+90 || tc1+went["127.0.22.1"] != 1000 {
			t.Errorf("%v", went)
		}
	})
}

// TestR30_CredentialsThatAreRefusedAreFailures of the carrier's (ITU-T E.425): no callee
// has been reached.
func TestR30_CredentialsThatAreRefusedAreFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quality := &carriers.QualityConfig{NER: 0.5}
		quality.Default()
		n := limitedNode(t, func(c *carriers.Config) {
			c.Limits, c.Trunks["pbx"] = nil, carriers.TrunkConfig{Realm: "core", From: []string{"127.0.11.0/24"}}
			tc1, tc2 := c.Carriers["tc1"], c.Carriers["tc2"]
			tc1.Quality, tc1.Limits, tc2.Limits = quality, carriers.LimitsConfig{}, carriers.LimitsConfig{}
			c.Carriers["tc1"], c.Carriers["tc2"] = tc1, tc2
		})
		asked := 0
		for call := range 400 {
			for _, out := range n.invites(call) {
				if !bytes.HasPrefix(out.data, []byte("INVITE ")) {
					continue
				}
				status := "486 Busy Here"
				if out.to.Remote.Addr().String() == "127.0.21.1" {
					status, asked = "407 Proxy Authentication Required", asked+1
				}
				for _, next := range n.fed("peering", out.to.Remote, respond(out.data, status, "x")) {
					if bytes.HasPrefix(next.data, []byte("INVITE ")) {
						n.fed("peering", next.to.Remote, respond(next.data, "486 Busy Here", "x"))
					}
				}
			}
		}
		if asked > 200 {
			t.Errorf("%d of 400 calls tried first at a carrier that takes none", asked)
		}
	})
}

// TestR29_WhoTakesOverKnowsNothing: gateways begin as unknown, and calls go to them.
func TestR29_WhoTakesOverKnowsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := tenGateways(t, nil)
		n.passes(45*time.Second, "200 OK")
		m := tenGateways(t, nil)
		went := map[netip.AddrPort]int{}
		for call := range 200 {
			went[m.first(call)]++
		}
		if went[hole] == 0 {
			t.Error("the new owner knows what nobody has told it")
		}
	})
}

// leading is a DNS that knows one name.
type leading struct{ to netip.AddrPort }

func (l *leading) Lead(carriers.Name) carriers.Lead {
	return carriers.Lead{Addresses: []carriers.Address{{Remote: l.to}}}
}

func (l *leading) At(netip.Addr) []carriers.Name { return nil }

// TestR29_GatewaysOfANameAreWatchedWhereItLeads: also before a call has gone there.
func TestR29_GatewaysOfANameAreWatchedWhereItLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dns := &leading{netip.MustParseAddrPort("127.0.21.1:5060")}
		n := takes(t, storage.NewMemory(time.Now), "n", func(b2bua.Book) b2bua.Book {
			book := limited(t, func(c *carriers.Config) {
				c.Limits, c.Trunks["pbx"] = nil, carriers.TrunkConfig{Realm: "core", From: []string{"127.0.11.0/24"}}
				k := carriers.CarrierConfig{Realm: "peering", Health: &carriers.HealthConfig{}, Gateways: []carriers.GatewayConfig{{Address: "sip.tc1.example:5060"}}}
				k.Health.Default()
				c.Carriers["tc1"] = k
				c.Routes = []carriers.RouteConfig{{Targets: []carriers.TargetConfig{{Carrier: "tc1"}}}}
			})
			book.Resolve(dns)
			return book
		})
		t.Cleanup(n.serves())
		asked := func() map[netip.AddrPort]int {
			to := map[netip.AddrPort]int{}
			for range 30 {
				<-time.After(time.Second)
				synctest.Wait()
				for _, out := range n.net.take() {
					if bytes.HasPrefix(out.data, []byte("OPTIONS ")) {
						to[out.to.Remote]++
					}
				}
			}
			return to
		}
		if got := asked(); len(got) != 1 || got[dns.to] == 0 {
			t.Errorf("asked %v", got)
		}
		dns.to = netip.MustParseAddrPort("127.0.21.2:5060")
		if got := asked(); got[dns.to] == 0 {
			t.Errorf("after the name leads elsewhere asked %v", got)
		}
	})
}

// TestOverloadShedsNewCalls: with so many calls not answered yet, others are refused with
// 503 and Retry-After, their repeats as well; calls that are there and emergency calls
// are not touched, and new ones are let in again afterwards.
func TestOverloadShedsNewCalls(t *testing.T) {
	config := b2bua.Config{Overload: b2bua.Overload{Setups: 10, Emergency: []string{"112"}}}
	running(t, config, func(t *testing.T, e *b2bua.Engine, s *sink) {
		up := talking(t, e, s, 1000)
		var invites [][]byte
		for n := range 20 {
			say(t, e, "core", trunkSays("INVITE", n, 1, "<sip:123@127.0.10.1>"))
			invites = append(invites, sentFirst(s.take(), "INVITE"))
		}
		<-time.After(5 * time.Second)
		synctest.Wait()
		s.take()
		say(t, e, "core", trunkSays("INVITE", 100, 1, "<sip:123@127.0.10.1>"))
		no := sentFirst(s.take(), "SIP/2.0 503")
		if no == nil || field(no, "Retry-After") == "" {
			t.Fatalf("overloaded, and an INVITE hears\n%s", no)
		}
		say(t, e, "core", bytes.Replace(trunkSays("INVITE", 101, 1, "<sip:112@127.0.10.1>"), []byte("sip:123@"), []byte("sip:112@"), 1))
		if sentFirst(s.take(), "INVITE sip:112@") == nil {
			t.Error("an emergency call is shed")
		}
		say(t, e, "core", trunkSays("BYE", 1000, 2, up))
		if sentFirst(s.take(), "SIP/2.0 200") == nil {
			t.Error("a BYE is shed")
		}
		for _, invite := range invites {
			say(t, e, "peering", respond(invite, "486 Busy Here", "carrier"))
		}
		<-time.After(5 * time.Second)
		synctest.Wait()
		s.take()
		say(t, e, "core", trunkSays("INVITE", 100, 1, "<sip:123@127.0.10.1>"))
		if again := sentFirst(s.take(), "SIP/2.0 503"); !bytes.Equal(no, again) {
			t.Errorf("a repeat hears\n%s", again)
		}
		say(t, e, "core", trunkSays("INVITE", 102, 1, "<sip:123@127.0.10.1>"))
		if sentFirst(s.take(), "INVITE") == nil {
			t.Error("still shedding")
		}
	})
}
