package b2bua_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/carriers"
	"bulkhead/dialog"
	"bulkhead/storage"
)

// limited is a book of two carriers, all with limits.
func limited(t *testing.T, change func(*carriers.Config)) *carriers.Book {
	t.Helper()
	gateway := func(ip string) []carriers.GatewayConfig {
		return []carriers.GatewayConfig{{Address: ip + ":5060", Weight: 1}}
	}
	c := carriers.Config{
		Trunks: map[string]carriers.TrunkConfig{"pbx": {Realm: "core", From: []string{"127.0.11.0/24"}, Limits: carriers.LimitsConfig{Calls: 6}}},
		Carriers: map[string]carriers.CarrierConfig{
			"tc1": {Realm: "peering", Gateways: gateway("127.0.21.1"), Limits: carriers.LimitsConfig{Calls: 3}},
			"tc2": {Realm: "peering", Gateways: gateway("127.0.22.1"), Limits: carriers.LimitsConfig{Calls: 2}},
		},
		Routes: []carriers.RouteConfig{{Targets: []carriers.TargetConfig{{Carrier: "tc1"}, {Carrier: "tc2"}}}},
		Limits: []carriers.RangeConfig{{Number: "12*", LimitsConfig: carriers.LimitsConfig{Calls: 2, Code: 486}}},
	}
	if change != nil {
		change(&c)
	}
	book, err := carriers.NewBook(c, carriers.Realms{
		"core":    {{Transport: dialog.UDP, Address: netip.MustParseAddrPort("127.0.10.1:5060")}},
		"peering": {{Transport: dialog.UDP, Address: netip.MustParseAddrPort("127.0.20.1:5060")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return book
}

var (
	ofTrunk  = carriers.Place{Kind: carriers.OfTrunk, Name: "pbx"}
	ofTC1    = carriers.Place{Kind: carriers.OfCarrier, Name: "tc1"}
	ofTC2    = carriers.Place{Kind: carriers.OfCarrier, Name: "tc2"}
	ofRange  = carriers.Place{Kind: carriers.OfNumbers, Name: "12*"}
	sourceOf = map[string]netip.AddrPort{"tc1": netip.MustParseAddrPort("127.0.21.1:5060"), "tc2": netip.MustParseAddrPort("127.0.22.1:5060")}
)

// booth plays both sides of random calls, and so knows how many there are.
type booth struct {
	*testing.T
	node  *node
	r     *rand.Rand
	last  int
	calls map[int]*ticket
}

// ticket is one call as its peers know it.
type ticket struct {
	number  string
	invite  []byte // ours to the carrier that is being tried or has answered
	carrier string
	ok      []byte // the answer that the trunk got
}

// hear takes what the node says to both sides, and answers what has one answer.
func (b *booth) hear(n int, sent []sunk) {
	c := b.calls[n]
	for _, out := range sent {
		text := string(out.data)
		switch first, _, _ := strings.Cut(text, "\r\n"); {
		case strings.HasPrefix(first, "INVITE "):
			c.invite, c.carrier = out.data, "tc1"
			if strings.Contains(first, "127.0.22.1") {
				c.carrier = "tc2"
			}
		case strings.HasPrefix(first, "SIP/2.0 200") && strings.Contains(text, "1 INVITE"):
			c.ok = out.data
		case strings.HasPrefix(first, "SIP/2.0 "):
			if code := first[8]; code >= '3' {
				delete(b.calls, n) // and all that it had
			}
		}
	}
}

func (b *booth) carrierSays(n int, data []byte) {
	b.hear(n, b.node.fed("peering", sourceOf[b.calls[n].carrier], data))
}

// some is a call in which the trunk has been answered, or not.
func (b *booth) some(answered bool) (int, *ticket) {
	for _, n := range slices.Sorted(maps.Keys(b.calls)) {
		if c := b.calls[n]; (c.ok != nil) == answered && b.r.IntN(2) == 0 {
			return n, c
		}
	}
	return 0, nil
}

// act does something.
func (b *booth) act() string {
	switch what := b.r.IntN(12); {
	case what < 5:
		b.last++
		number := []string{"123", "555"}[b.r.IntN(2)]
		b.calls[b.last] = &ticket{number: number}
		b.hear(b.last, b.node.fed("core", trunkSource, bytes.Replace(trunkSays("INVITE", b.last, 1, "<sip:123@127.0.10.1>"), []byte("sip:123@"), []byte("sip:"+number+"@"), 1)))
		return "INVITE " + number
	case what < 7:
		n, c := b.some(false)
		if c == nil {
			return ""
		}
		b.carrierSays(n, respond(c.invite, "200 OK", "carrier"))
		b.node.fed("core", trunkSource, trunkSays("ACK", n, 1, field(c.ok, "To")))
		return "answer"
	case what < 9:
		n, c := b.some(false)
		if c == nil {
			return ""
		}
		b.carrierSays(n, respond(c.invite, "503 Full", "carrier"))
		return "503 of " + c.carrier
	case what < 10:
		n, c := b.some(true)
		if c == nil {
			return ""
		}
		sent := b.node.fed("core", trunkSource, trunkSays("BYE", n, 2, field(c.ok, "To")))
		b.node.fed("peering", sourceOf[c.carrier], respond(sentFirst(sent, "BYE"), "200 OK", ""))
		delete(b.calls, n)
		return "BYE"
	case what < 11:
		n, c := b.some(false)
		if c == nil {
			return ""
		}
		b.node.fed("peering", sourceOf[c.carrier], respond(c.invite, "180 Ringing", "carrier"))
		sent := b.node.fed("core", trunkSource, trunkSays("CANCEL", n, 1, "<sip:123@127.0.10.1>"))
		b.node.fed("peering", sourceOf[c.carrier], respond(sentFirst(sent, "CANCEL"), "200 OK", "carrier"))
		b.node.fed("peering", sourceOf[c.carrier], respond(c.invite, "487 Terminated", "carrier"))
		delete(b.calls, n)
		return "CANCEL"
	}
	return "crash"
}

// TestR16_UsageIsTheTruth plays random calls on nodes that crash: at any moment, also
// right after a takeover, of those that rest as of others, usage is what there is, and
// within the limits.
func TestR16_UsageIsTheTruth(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() || b2bua.UnderRace() {
		seeds = 10
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			store := storage.NewMemory(time.Now)
			wrap := func(b2bua.Book) b2bua.Book { return limited(t, nil) }
			b := &booth{T: t, r: rand.New(rand.NewPCG(seed, 0)), calls: map[int]*ticket{}}
			b.node = takes(t, store, "n0", wrap)
			die := b.node.serves()
			defer func() { die() }()
			refused := 0
			var story []string
			for step := range 80 {
				before := len(b.calls)
				what := b.act()
				story = append(story, what)
				switch {
				case what == "crash":
					die()
					b.node = takes(t, store, fmt.Sprint("n", step+1), wrap)
					die = b.node.serves()
					b.node.engine.Load(store)
					b.node.restores()
					<-time.After(time.Second)
					synctest.Wait()
					b.node.net.take()
				case strings.HasPrefix(what, "INVITE") && len(b.calls) == before:
					refused++
				case b.r.IntN(5) == 0 && !slices.ContainsFunc(slices.Collect(maps.Values(b.calls)), func(c *ticket) bool { return c.ok == nil }):
					<-time.After(45 * time.Second) // transactions end, calls are packed
					synctest.Wait()
					b.node.net.take()
				}
				truth := map[carriers.Place]int{}
				for _, c := range b.calls {
					truth[ofTrunk]++
					truth[carriers.Place{Kind: carriers.OfCarrier, Name: c.carrier}]++
					if strings.HasPrefix(c.number, "12") {
						truth[ofRange]++
					}
				}
				for p, most := range map[carriers.Place]int{ofTrunk: 6, ofTC1: 3, ofTC2: 2, ofRange: 2} {
					if got := b.node.engine.Used(p); got != truth[p] || got > most {
						t.Fatalf("seed %d: %v: %d used, in truth %d, of %d, after %q", seed, p, got, truth[p], most, story)
					}
				}
			}
			if refused == 0 {
				t.Errorf("seed %d: nothing was refused", seed)
			}
		})
	}
}

// limitedNode is one node of that book.
func limitedNode(t *testing.T, change func(*carriers.Config)) *node {
	n := takes(t, storage.NewMemory(time.Now), "n", func(b2bua.Book) b2bua.Book { return limited(t, change) })
	t.Cleanup(n.serves())
	return n
}

func (n *node) invites(call int) []sunk {
	return n.fed("core", trunkSource, trunkSays("INVITE", call, 1, "<sip:123@127.0.10.1>"))
}

// TestR16_ARefusedINVITEStaysRefused: its repeats hear the same bytes, also once there is
// room, since who has heard them would not acknowledge a call.
func TestR16_ARefusedINVITEStaysRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := limitedNode(t, func(c *carriers.Config) {
			c.Trunks["pbx"] = carriers.TrunkConfig{Realm: "core", From: []string{"127.0.11.0/24"}, Limits: carriers.LimitsConfig{Calls: 1}}
		})
		invite := find(t, n.invites(1), "INVITE")
		no := find(t, n.invites(2), "SIP/2.0 503")
		if field(no, "Retry-After") != "2" {
			t.Errorf("refused with\n%s", no)
		}
		n.carrier(respond(invite, "486 Busy Here", "carrier"))
		if again := find(t, n.invites(2), "SIP/2.0 503"); !bytes.Equal(no, again) {
			t.Errorf("first\n%s\nthen\n%s", no, again)
		}
		find(t, n.invites(3), "INVITE")
		<-time.After(65 * time.Second)
		synctest.Wait()
		n.net.take()
		find(t, n.invites(2), "INVITE") // nobody repeats for so long: it is another call
	})
}

// TestP7_ACopyOfAnINVITETakesNoPlace that the call has given back already.
func TestP7_ACopyOfAnINVITETakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := limitedNode(t, func(c *carriers.Config) {
			c.Routes = []carriers.RouteConfig{{Reject: &carriers.RejectConfig{Code: 404}}}
		})
		n.invites(1)
		ids := n.engine.IDs()
		if len(ids) != 1 {
			t.Fatalf("%d calls", len(ids))
		}
		n.engine.OpensLate(ids[0], "pbx", "123")
		synctest.Wait()
		if trunk, numbers := n.engine.Used(ofTrunk), n.engine.Used(ofRange); trunk != 0 || numbers != 0 {
			t.Errorf("a call that is over has %d places of the trunk, %d of the range", trunk, numbers)
		}
	})
}

// TestR16_RatesAreOfTheTrunkAndTheCarrier: the one is refused with the time until there
// is a token, the other passed over.
func TestR16_RatesAreOfTheTrunkAndTheCarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := limitedNode(t, func(c *carriers.Config) {
			c.Limits = nil
			c.Trunks["pbx"] = carriers.TrunkConfig{Realm: "core", From: []string{"127.0.11.0/24"}, Limits: carriers.LimitsConfig{CPS: 1, Burst: 3}}
			tc1, tc2 := c.Carriers["tc1"], c.Carriers["tc2"]
			tc1.Limits, tc2.Limits = carriers.LimitsConfig{CPS: 1}, carriers.LimitsConfig{CPS: 1}
			c.Carriers["tc1"], c.Carriers["tc2"] = tc1, tc2
		})
		for call, host := range []string{"127.0.21.1", "127.0.22.1"} {
			if invite := find(t, n.invites(call), "INVITE"); !bytes.Contains(invite, []byte(host)) {
				t.Errorf("call %d goes to\n%s", call, invite)
			}
		}
		if no := find(t, n.invites(2), "SIP/2.0 503"); field(no, "Retry-After") != "2" {
			t.Errorf("no carrier has a token:\n%s", no)
		}
		if no := find(t, n.invites(3), "SIP/2.0 503"); field(no, "Retry-After") != "1" {
			t.Errorf("the trunk has no token:\n%s", no)
		}
		<-time.After(time.Second)
		find(t, n.invites(4), "INVITE")
	})
}

// TestR16_ARangeOfNumbersAnswersAsConfigured: with 486, before there is a call.
func TestR16_ARangeOfNumbersAnswersAsConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := limitedNode(t, nil)
		find(t, n.invites(1), "INVITE")
		find(t, n.invites(2), "INVITE")
		find(t, n.invites(3), "SIP/2.0 486")
		if n.engine.Active() != 2 || n.engine.Used(ofTrunk) != 2 {
			t.Errorf("%d calls, %d counted", n.engine.Active(), n.engine.Used(ofTrunk))
		}
		book := limited(t, func(c *carriers.Config) { c.Limits[0].Number, c.Limits[0].Calls = "1*", 3 })
		n.engine.Adopt(book)
		synctest.Wait()
		wide := carriers.Place{Kind: carriers.OfNumbers, Name: "1*"}
		if n.engine.Used(wide) != 2 || n.engine.Used(ofRange) != 0 {
			t.Errorf("another range: %d, the old one: %d", n.engine.Used(wide), n.engine.Used(ofRange))
		}
		find(t, n.invites(4), "INVITE")
		find(t, n.invites(5), "SIP/2.0 486")
	})
}

// TestR16_NewCallsWaitUntilAllAreKnown: after a takeover, and not for long.
func TestR16_NewCallsWaitUntilAllAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		wrap := func(b2bua.Book) b2bua.Book { return limited(t, func(c *carriers.Config) { c.Limits[0].Calls = 1 }) }
		a := takes(t, store, "a", wrap)
		die := a.serves()
		find(t, a.invites(1), "INVITE")
		die()
		b := takes(t, store, "b", wrap)
		defer b.serves()()
		b.engine.Load(store)
		sends(t, "a new call while calls are restored", b.invites(2))
		b.restores()
		find(t, b.net.take(), "SIP/2.0 486")

		c := takes(t, store, "c", wrap)
		defer c.serves()()
		c.engine.Load(store) // and nothing comes of it
		sends(t, "a new call while calls are restored", c.invites(3))
		<-time.After(6 * time.Second)
		synctest.Wait()
		find(t, c.net.take(), "INVITE")
	})
}

// TestRFC3261_9_2_CancelOfAnINVITEThatWaits: a new call that waits until all are known after
// a takeover, and is cancelled, is not made (P5). Repeats hear what has been said.
func TestRFC3261_9_2_CancelOfAnINVITEThatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		b := takes(t, store, "b", func(b2bua.Book) b2bua.Book { return limited(t, nil) })
		defer b.serves()()
		b.engine.Load(store)
		cancel := func(call int) []sunk {
			return b.fed("core", trunkSource, trunkSays("CANCEL", call, 1, "<sip:123@127.0.10.1>"))
		}
		sends(t, "CANCEL of nothing", cancel(1), "481 CANCEL")
		sends(t, "two new calls while calls are restored", append(b.invites(1), b.invites(2)...))
		other := bytes.Replace(trunkSays("CANCEL", 1, 1, "<sip:123@127.0.10.1>"), []byte("z9hG4bK"), []byte("z9hG4bKother"), 1)
		sends(t, "CANCEL of another transaction", b.fed("core", trunkSource, other), "481 CANCEL")
		first := cancel(1)
		sends(t, "CANCEL", first, "200 CANCEL", "487 INVITE")
		ok, no := find(t, first, "SIP/2.0 200"), find(t, first, "SIP/2.0 487")
		if field(ok, "To") != field(no, "To") {
			t.Errorf("To of the CANCEL %q, of the INVITE %q", field(ok, "To"), field(no, "To"))
		}
		again := append(b.invites(1), cancel(1)...)
		sends(t, "both again", again, "487 INVITE", "200 CANCEL")
		if !bytes.Equal(find(t, again, "SIP/2.0 200"), ok) || !bytes.Equal(find(t, again, "SIP/2.0 487"), no) {
			t.Errorf("other bytes than\n%s%s", ok, no)
		}
		<-time.After(5100 * time.Millisecond)
		synctest.Wait()
		sends(t, "when all are known", b.net.take(), "100 INVITE", "INVITE")
		if n := b.engine.Active(); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}
