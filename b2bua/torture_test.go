package b2bua_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"bulkhead/b2bua"
	"bulkhead/b2bua/wire"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

const torture = "wire/testdata/torture"

// sink is a network that keeps what is sent.
type sink struct {
	mu     sync.Mutex
	broken error // why no request can be sent; nil: it can
	sent   []sunk
}

type sunk struct {
	to   wire.Hop
	data []byte
}

// Send is b2bua.Wire.
func (s *sink) Send(h, _ wire.Hop, data []byte, unsent func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil && unsent != nil {
		unsent(s.broken)
		return
	}
	s.sent = append(s.sent, sunk{h, data})
}

// Local is b2bua.Wire.
func (s *sink) Local(realm string, _ wire.Transport) (string, bool) {
	return map[string]string{"core": "127.0.10.1:5060", "peering": "127.0.20.1:5060"}[realm], true
}

// breaks says why no request can be sent from now on; nil: it can.
func (s *sink) breaks(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = why
}

func (s *sink) take() []sunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.sent
	s.sent = nil
	return out
}

type unrecorded struct{}

// Write is b2bua.Records.
func (unrecorded) Write(b2bua.Record) error { return nil }

var (
	trunkSource   = netip.MustParseAddrPort("127.0.11.5:5060")
	carrierSource = netip.MustParseAddrPort("127.0.21.1:5060")
)

// bench is an engine between a trunk and a carrier.
func bench(t testing.TB) (*b2bua.Engine, *sink, *b2bua.Metrics) {
	t.Helper()
	return benchWith(t, b2bua.Config{})
}

func benchWith(t testing.TB, c b2bua.Config) (*b2bua.Engine, *sink, *b2bua.Metrics) {
	t.Helper()
	book, err := carriers.NewBook(carriers.Config{
		Trunks:   map[string]carriers.TrunkConfig{"pbx": {Realm: "core", From: []string{"127.0.11.0/24"}}},
		Carriers: map[string]carriers.CarrierConfig{"tc1": {Realm: "peering", Gateways: []carriers.GatewayConfig{{Address: "127.0.21.1:5060", Weight: 1}}}},
		Routes:   []carriers.RouteConfig{{Match: carriers.MatchConfig{Number: "*"}, Targets: []carriers.TargetConfig{{Carrier: "tc1"}}}},
	}, carriers.Realms{
		"core":    {{Transport: dialog.UDP, Address: netip.MustParseAddrPort("127.0.10.1:5060")}},
		"peering": {{Transport: dialog.UDP, Address: netip.MustParseAddrPort("127.0.20.1:5060")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{}
	m := b2bua.NewMetrics(prometheus.NewRegistry())
	c.Timers = dialog.Timers{T1: 500 * time.Millisecond, T2: 4 * time.Second, T4: 5 * time.Second}
	e := b2bua.New(c, book, s, unrecorded{}, zap.NewNop(), m, nil)
	return e, s, m
}

// feed gives the engine a datagram as wire would.
func feed(e *b2bua.Engine, realm string, source netip.AddrPort, raw []byte) error {
	m, fault, err := wire.Parse(raw, wire.Limits{})
	if err != nil {
		return err
	}
	hop := wire.Hop{Realm: realm, Remote: source}
	e.Receive(wire.Packet{Hop: hop, At: time.Now(), Message: m, Raw: raw, Fault: fault})
	return nil
}

// better are reactions that the RFCs' text argues for where the tables do not
// have them.
var better = map[string]string{
	"rfc4475/wsinv.dat": "481", // its To has a tag: a request within a dialog that we do not have (RFC 3261 §12.2.2)
}

// TestRFC4475_RFC5118_Reactions sends every torture message from a trunk: what
// comes back is one of the reactions that the tables accept, once, and the engine
// is as it was.
func TestRFC4475_RFC5118_Reactions(t *testing.T) {
	for _, table := range []string{"rfc4475.tsv", "rfc5118.tsv"} {
		text, err := os.ReadFile(filepath.Join(torture, table))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
			f := strings.Split(line, "\t")
			t.Run(f[0], func(t *testing.T) { react(t, f[0], f[4]) })
		}
	}
}

func react(t *testing.T, file, accepted string) {
	raw, err := os.ReadFile(filepath.Join(torture, file))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		e, s, m := bench(t)
		ctx, cancel := context.WithCancel(t.Context())
		go e.Run(ctx)
		dropped := feed(e, "core", trunkSource, raw)
		synctest.Wait()
		got := reaction(t, s.take(), dropped)
		defer cancel()
		if got == better[file] {
			return
		}
		if !slices.Contains(strings.FieldsFunc(strings.ReplaceAll(accepted, "R", "0"), func(r rune) bool { return r == ' ' || r == '/' }), got) {
			t.Errorf("reaction %s; accepted: %s", got, accepted)
		}
		if n := testutil.ToFloat64(m.Panics); n != 0 {
			t.Errorf("%v panics", n)
		}
		<-time.After(10 * time.Minute) // virtual: whatever it was is over
		synctest.Wait()
		if n := e.Strands(); n != 0 {
			t.Errorf("%d calls left", n)
		}
	})
}

// reaction is the one final status that went back to the trunk, "route" where an
// INVITE went to the carrier, "0" for silence.
func reaction(t *testing.T, sent []sunk, dropped error) string {
	var drop wire.DropError
	if dropped != nil && !errors.As(dropped, &drop) {
		t.Fatalf("dropped without a name: %v", dropped)
	}
	answer := "0"
	for _, out := range sent {
		// A 400 mirrors the very lines that it complains of (RFC 3261 §8.2.6.2).
		if _, fault, err := wire.Parse(out.data, wire.Limits{}); (err != nil || fault != nil) && !strings.HasPrefix(string(out.data), "SIP/2.0 400") {
			t.Errorf("sent what wire would not take: %v %+v\n%s", err, fault, out.data)
		}
		if out.to.Realm == "peering" {
			return "route"
		}
		if code, err := strconv.Atoi(strings.Fields(string(out.data))[1]); err == nil && code >= 200 {
			if answer != "0" {
				t.Errorf("answered %s and %d", answer, code)
			}
			answer = strconv.Itoa(code)
		}
	}
	return answer
}

// FuzzEngine sends anything from a carrier and from a trunk while a call is up
// between them: no panic, nothing of what is not the carrier's own dialog reaches
// the trunk, and the call is still there.
func FuzzEngine(f *testing.F) {
	for _, glob := range []string{"rfc4475/*.dat", "rfc5118/*.dat", "jsip/*.sip"} {
		files, err := filepath.Glob(filepath.Join(torture, glob))
		if err != nil || len(files) == 0 {
			f.Fatal("no seeds: ", glob, err)
		}
		for _, name := range files {
			raw, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw, true)
			f.Add(raw, false)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, fromTrunk bool) {
		synctest.Test(t, func(t *testing.T) {
			e, s, m := bench(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go e.Run(ctx)
			establish(t, e, s)
			realm, source := "peering", carrierSource
			if fromTrunk {
				realm, source = "core", trunkSource
			}
			err := feed(e, realm, source, raw)
			synctest.Wait()
			for _, out := range s.take() {
				if !fromTrunk && out.to.Realm == "core" {
					t.Errorf("from the carrier %q, to the trunk %q", raw, out.data)
				}
				if err != nil {
					t.Errorf("dropped with %v and answered %q", err, out.data)
				}
			}
			if n := testutil.ToFloat64(m.Panics); n != 0 {
				t.Errorf("%v panics", n)
			}
			if e.Active() < 1 {
				t.Errorf("the call is gone")
			}
		})
	})
}

// establish puts a call up between the trunk and the carrier.
func establish(t *testing.T, e *b2bua.Engine, s *sink) {
	lines := func(l ...string) []byte { return []byte(strings.Join(l, "\r\n") + "\r\n\r\n") }
	head := []string{"From: <sip:a@127.0.11.5>;tag=trunk", "Call-ID: established", "Contact: <sip:127.0.11.5>", "Max-Forwards: 70", "Content-Length: 0"}
	invite := append([]string{"INVITE sip:123@127.0.10.1 SIP/2.0", "Via: SIP/2.0/UDP 127.0.11.5;branch=z9hG4bKest", "To: <sip:123@127.0.10.1>", "CSeq: 1 INVITE"}, head...)
	if err := feed(e, "core", trunkSource, lines(invite...)); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	for _, out := range s.take() {
		if out.to.Realm != "peering" {
			continue
		}
		if err := feed(e, "peering", carrierSource, respond(out.data, "200 OK", "carrier")); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
	var to string
	for _, out := range s.take() {
		if out.to.Realm == "core" {
			for line := range strings.SplitSeq(string(out.data), "\r\n") {
				if strings.HasPrefix(line, "To:") {
					to = line
				}
			}
		}
	}
	ack := append([]string{"ACK sip:127.0.10.1 SIP/2.0", "Via: SIP/2.0/UDP 127.0.11.5;branch=z9hG4bKack", to, "CSeq: 1 ACK"}, head...)
	if err := feed(e, "core", trunkSource, lines(ack...)); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	s.take()
}
