package b2bua_test

import (
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
	"bulkhead/storage"
)

// oracle decides for tc1, after so long; without a time it never does.
type oracle struct {
	after time.Duration
	asked atomic.Int64
	now   atomic.Int64 // being asked
	most  atomic.Int64 // at once
}

// RoundTrip is http.RoundTripper.
func (o *oracle) RoundTrip(r *http.Request) (*http.Response, error) {
	o.asked.Add(1)
	o.most.Store(max(o.most.Load(), o.now.Add(1)))
	defer o.now.Add(-1)
	var answer <-chan time.Time
	if o.after > 0 {
		answer = time.After(o.after)
	}
	select {
	case <-answer:
		body := io.NopCloser(strings.NewReader(`{"targets":[{"carrier":"tc1"}]}`))
		return &http.Response{StatusCode: 200, Body: body}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// asks is a book whose only route asks.
func asks(b2bua.Book) b2bua.Book {
	book, err := carriers.NewBook(carriers.Config{
		Trunks:   map[string]carriers.TrunkConfig{"pbx": {Realm: "core", From: []string{"127.0.11.0/24"}}},
		Carriers: map[string]carriers.CarrierConfig{"tc1": {Realm: "peering", Gateways: []carriers.GatewayConfig{{Address: "127.0.21.1:5060"}}}},
		Routes:   []carriers.RouteConfig{{Ask: &carriers.AskConfig{URL: "http://decider/", Timeout: 5 * time.Second}}},
	}, carriers.Realms{
		"core":    {{Transport: dialog.UDP, Address: netip.MustParseAddrPort("127.0.10.1:5060")}},
		"peering": {{Transport: dialog.UDP, Address: netip.MustParseAddrPort("127.0.20.1:5060")}},
	})
	if err != nil {
		panic(err)
	}
	return book
}

func by(o *oracle) func(*b2bua.Config) { return func(c *b2bua.Config) { c.Ask = o } }

// TestP9_TheSurvivorAsksAgain: a node dies while it waits for a decision. The one that
// takes over asks, whatever the first one would have heard.
func TestP9_TheSurvivorAsksAgain(t *testing.T) {
	for name, c := range map[string]struct {
		wrap func(b2bua.Book) b2bua.Book // of the survivor
		asks int64
		wait time.Duration // until the INVITE leaves
	}{
		"and is answered":             {asks, 1, 300 * time.Millisecond},
		"and has other routes by now": {nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := storage.NewMemory(time.Now)
				never, soon := &oracle{}, &oracle{after: 300 * time.Millisecond}
				a := takes(t, store, "a", asks, by(never))
				die := a.serves()
				sends(t, "INVITE", a.trunk(invited...), "100 INVITE")
				<-time.After(100 * time.Millisecond)
				die()

				b := takes(t, store, "b", c.wrap, by(soon))
				defer b.serves()()
				begin := time.Now()
				b.restores()
				if c.wait > 0 {
					<-time.After(c.wait - 1 - time.Since(begin))
					synctest.Wait()
					if slices.Contains(firsts(b.net.take()), "INVITE") {
						t.Error("an INVITE before the decision")
					}
					<-time.After(5 * time.Millisecond) // the decision is stored before anybody is called
					synctest.Wait()
				}
				invite := find(t, b.net.take(), "INVITE ")
				if soon.asked.Load() != c.asks {
					t.Errorf("asked %d times", soon.asked.Load())
				}
				find(t, b.carrier(respond(invite, "200 OK", "carrier")), "SIP/2.0 200")
				<-time.After(6 * time.Second) // what the dead node asks is over
				synctest.Wait()
			})
		})
	}
}

// TestP5_CancelledAfterATakeoverBeforeTheDecision: nobody is called.
func TestP5_CancelledAfterATakeoverBeforeTheDecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		a := takes(t, store, "a", asks, by(&oracle{}))
		die := a.serves()
		a.trunk(invited...)
		die()

		b := takes(t, store, "b", asks, by(&oracle{after: time.Second}))
		defer b.serves()()
		b.restores()
		sends(t, "the takeover", b.net.take(), "100 INVITE")
		cancel := slices.Clone(invited)
		cancel[0] = strings.Replace(cancel[0], "INVITE", "CANCEL", 1)
		for i := range cancel {
			cancel[i] = strings.Replace(cancel[i], "CSeq: 1 INVITE", "CSeq: 1 CANCEL", 1)
		}
		sends(t, "CANCEL", b.trunk(cancel...), "200 CANCEL", "487 INVITE")
		<-time.After(5 * time.Second)
		synctest.Wait()
		for _, line := range firsts(b.net.take()) {
			if line != "487 INVITE" {
				t.Errorf("%s after the CANCEL", line)
			}
		}
		if n := b.records(); len(n) != 1 {
			t.Errorf("%d records", len(n))
		}
	})
}

// TestADecisionBlocksNobody: calls whose decisions wait hold up no other call, and no
// goroutine that reads.
func TestADecisionBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storage.NewMemory(time.Now)
		o := &oracle{}
		n := takes(t, store, "a", asks, by(o))
		defer n.serves()()
		begin := time.Now()
		for i := range 200 {
			if err := feed(n.engine, "core", trunkSource, trunkSays("INVITE", i, 1, "<sip:123@127.0.10.1>")); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(begin); d > 0 {
			t.Errorf("200 INVITEs were read in %s", d)
		}
		written()
		if sent := firsts(n.net.take()); len(sent) != 200 || slices.ContainsFunc(sent, func(s string) bool { return s != "100 INVITE" }) {
			t.Errorf("sent %q", sent)
		}
		<-time.After(6 * time.Second)
		synctest.Wait()
		refused := 0
		for _, line := range firsts(n.net.take()) {
			if line == "503 INVITE" {
				refused++
			}
		}
		if refused < 200 || o.most.Load() != carriers.DefaultConcurrent {
			t.Errorf("%d refusals, %d asked at once", refused, o.most.Load())
		}
	})
}

// TestTryAsksWhoDecides: what a call would do with the answer, and without one.
func TestTryAsksWhoDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, o := range []*oracle{{after: time.Second}, {}} {
			n := takes(t, storage.NewMemory(time.Now), "a", nil, by(o))
			defer n.serves()()
			n.engine.Adopt(asks(nil))
			parsed, _, err := wire.Parse([]byte(strings.Join(append(slices.Clone(invited), "Content-Length: 0", "", ""), "\r\n")), wire.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			m := dialog.Read(parsed)
			begin := time.Now()
			got, _ := n.engine.Try(begin, dialog.CallID{1}, "pbx", m, dialog.Path{Realm: "core", Remote: trunkSource}, nil)
			if got.Question == nil || got.Question.Trunk != "pbx" || got.Question.Number != got.Setup.Number {
				t.Errorf("asked %+v", got.Question)
			}
			if o.after > 0 && (got.Unanswered != nil || len(got.Attempts) != 1 || got.Attempts[0].Carrier != "tc1" || time.Since(begin) != o.after) {
				t.Errorf("answered: %+v", got)
			}
			if o.after == 0 && (got.Unanswered == nil || len(got.Attempts) != 0 || got.Refusal.Code != 503) {
				t.Errorf("not answered: %+v", got)
			}
			if len(n.net.take()) > 0 {
				t.Error("something was sent")
			}
		}
	})
}
