package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/simtest"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// left keeps the INVITEs of attempts, in the order in which they leave.
type left struct {
	mu      sync.Mutex
	call    dialog.CallID
	invites [][]byte
}

// Saw is b2bua.Observer.
func (l *left) Saw(s b2bua.Sight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.call = s.Call
	if s.Leg > 0 && !s.In && s.Method == "INVITE" && s.Code == 0 && !slices.ContainsFunc(l.invites, func(b []byte) bool { return bytes.Equal(b, s.Data) }) {
		l.invites = append(l.invites, bytes.Clone(s.Data))
	}
}

// Hunted, Ended and Left are b2bua.Observer.
func (l *left) Hunted(dialog.CallID, b2bua.Failover) {}
func (l *left) Ended(dialog.CallID, b2bua.Record)    {}
func (l *left) Left(dialog.CallID)                   {}

// unlike are the identifiers of an INVITE, which hold the key of the node.
var unlike = regexp.MustCompile(`(branch=z9hG4bK|;tag=|Call-ID: )[a-z0-9]+`)

// drawnConfig is a configuration of drawn routes, with the addresses that a stage gives
// its trunk and four carriers.
func drawnConfig(t *testing.T, dice *rand.Rand) *Config {
	pick := func(list ...string) string { return list[dice.IntN(len(list))] }
	table := func() *carriers.Rates {
		text := "331,0.01\n"
		for _, prefix := range []string{"33", "3312", "44", "4"} {
			if dice.IntN(2) == 0 {
				text += fmt.Sprintf("%s,0.0%d\n", prefix, dice.IntN(4))
			}
		}
		r, err := carriers.ReadRates(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	c := defaults("a")
	c.Realms = map[string]RealmConfig{
		"access": {Listen: []string{"udp://192.0.2.1:5060", "tcp://192.0.2.1:5060"}},
		"core":   {Listen: []string{"udp://198.51.100.1:5060", "tcp://198.51.100.1:5060"}},
	}
	trunk := carriers.TrunkConfig{Realm: "access", From: []string{"192.0.2.10", "192.0.2.11"}}
	trunk.Default()
	c.Trunks, c.Carriers, c.Tables = map[string]carriers.TrunkConfig{"trunk": trunk}, map[string]carriers.CarrierConfig{}, map[carriers.File]*carriers.Rates{}
	for i := range 4 {
		k := carriers.CarrierConfig{Realm: "core", Rates: carriers.File(fmt.Sprint(i))}
		k.Default()
		for g := range i%3 + 1 {
			k.Gateways = append(k.Gateways, carriers.GatewayConfig{
				Address: fmt.Sprintf("198.51.100.%d:5060", 10*(g+1)+i+1), Priority: dice.IntN(2), Weight: 1 + dice.IntN(5),
			})
		}
		c.Tables[k.Rates] = table()
		c.Carriers[fmt.Sprintf("tc%d", i+1)] = k
	}
	carrier := func() string { return fmt.Sprintf("tc%d", dice.IntN(4)+1) }
	shares := func() (list []carriers.ShareConfig) {
		for _, n := range dice.Perm(4)[:dice.IntN(4)+1] {
			list = append(list, carriers.ShareConfig{Carrier: fmt.Sprintf("tc%d", n+1), Weight: dice.IntN(4)})
		}
		return list
	}
	for range dice.IntN(8) {
		r := carriers.RouteConfig{Match: carriers.MatchConfig{
			Trunk: pick("", "", "trunk"), Number: pick("", "+33*", "+331*", "*9", "+44123"), Caller: pick("", "", "+4930*", "*1"),
			Domain: pick("", "", "192.0.2.1", "elsewhere"), Percent: dice.IntN(3) * 30,
		}}
		if dice.IntN(3) == 0 {
			r.Match.Hours = []carriers.Hours{{From: uint16(dice.IntN(1440)), To: uint16(dice.IntN(1440))}}
			if h := r.Match.Hours[0]; h.From == h.To {
				r.Match.Hours = nil
			} else {
				r.Match.Zone = pick("", "Europe/Paris", "Asia/Tokyo")
			}
		}
		switch dice.IntN(5) {
		case 0:
			r.Reject = &carriers.RejectConfig{Code: 480}
		case 1:
			r.Spread = shares()
		case 2:
			r.LeastCost = &carriers.LeastCostConfig{Carriers: shares(), MaxPrice: carriers.Price(dice.IntN(3) * 10_000_000)}
		default:
			for range dice.IntN(3) + 1 {
				r.Targets = append(r.Targets, carriers.TargetConfig{Carrier: carrier(), Number: pick("", "", "+999")})
			}
		}
		if len(r.Targets) == 0 && r.Reject == nil && dice.IntN(2) == 0 {
			r.OnFailure = []string{carrier()}
		}
		c.Routes = append(c.Routes, r)
	}
	return &c
}

// TestRouteTestSaysWhatTheNextCallDoes draws configurations and calls: what route test
// says of a call is what leaves when it is made, target by target and header by header,
// and what the caller is told where nobody is called.
func TestRouteTestSaysWhatTheNextCallDoes(t *testing.T) {
	attempts, refused := 0, 0
	for seed := range uint64(300) {
		dice := rand.New(rand.NewPCG(seed, 1))
		c := drawnConfig(t, dice)
		number := []string{"+33123", "+33129", "+33900", "+44123", "+1"}[dice.IntN(5)]
		caller := []string{"+4930", "+491", "+1"}[dice.IntN(3)]
		after := time.Duration(dice.IntN(48*60)) * time.Minute
		synctest.Test(t, func(t *testing.T) {
			seen := &left{}
			s := simtest.Open(t, nil)
			s.Watch = seen
			s.Wrap = func(b2bua.Book) b2bua.Book {
				book, err := carriers.NewBook(c.Config, c.Sockets())
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				return book
			}
			defer s.Close()
			s.Do(`carrier tc1
carrier tc2 gateways=2
carrier tc3 gateways=3
carrier tc4
trunk auto ACK
tc1 auto 503 INVITE ; tc2 auto 503 INVITE ; tc3 auto 503 INVITE ; tc4 auto 503 INVITE`)
			s.Do("wait " + after.String())
			at := time.Now()
			s.Do(fmt.Sprintf(`trunk INVITE %s user=%s "s/\"Alice\" //"`, number, caller))
			s.Do("settle")
			told, err := c.try(tried{trunk: "trunk", to: number, from: caller, at: at, call: seen.call.String(), domain: "192.0.2.1"})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if len(told.Attempts) != len(seen.invites) {
				t.Fatalf("seed %d: %d attempts told, %d made\n%s", seed, len(told.Attempts), len(seen.invites), s.Ladder())
			}
			for i, a := range told.Attempts {
				said, did := unlike.ReplaceAllString(string(a.Invite), "$1"), unlike.ReplaceAllString(string(seen.invites[i]), "$1")
				if said != did {
					t.Fatalf("seed %d: attempt %d: told\n%s\nmade\n%s", seed, i+1, said, did)
				}
			}
			attempts += len(seen.invites)
			if len(told.Attempts) == 0 {
				refused++
				if code := s.Records()[0].Code; code != told.Refusal.Code {
					t.Fatalf("seed %d: told %d, refused with %d", seed, told.Refusal.Code, code)
				}
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d attempts, %d calls refused", attempts, refused)
	if attempts < 300 || refused < 30 {
		t.Errorf("only %d attempts and %d refusals", attempts, refused)
	}
}

// routeTest is what the command prints.
func routeTest(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, problems bytes.Buffer
	cmd := routeCommand()
	cmd.SetOut(&out)
	cmd.SetErr(&problems)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append([]string{"test", beside(t, "../../deploy/config.yaml", "wholesale", "tc2")}, args...))
	err := cmd.Execute()
	return out.String(), err
}

func TestRouteTestTellsPeople(t *testing.T) {
	got, err := routeTest(t, "--trunk", "pbx", "--to", "+441234", "--from", "+331", "--at", "2026-03-06T10:00", "--assume", "127.0.21.1:5060=full", "--call", "aeaaaaaaaaaaa")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"call     aeaaaaaaaaaaa\ntrunk    pbx\nnumber   +441234\nat       2026-03-06T10:00:00Z\nroute    routes[2] by least_cost, match {caller: +33*, days: [mon tue wed thu fri], ",
		"tc1 127.0.21.2:5060 udp  number +441234  no_response 2s, no_ringing 8s, no_answer 10s  price 0.007 EUR\n    INVITE sip:+441234@127.0.21.2:5060\n",
		"    From: <sip:+331@127.0.20.1:5060>;tag=",
		"\nskipped\n    tc1  127.0.21.1:5060  +441234  full\n",
		"\nof 10000 such calls go first to\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
	for _, args := range [][]string{
		{"--trunk", "nobody", "--to", "1"}, {"--trunk", "pbx", "--to", "1", "--at", "noon"}, {"--trunk", "pbx", "--to", "1", "--assume", "tc9=down"},
		{"--trunk", "pbx", "--to", "1", "--assume", "tc1"}, {"--trunk", "pbx", "--to", "1", "--call", "x"}, {"--trunk", "pbx", "--to", "1\r\nX: y"},
		{"--trunk", "pbx", "--to", "1", "-o", "xml"}, {"--trunk", "pbx"},
	} {
		if got, err := routeTest(t, args...); err == nil {
			t.Errorf("%q: %s", args, got)
		}
	}
}

func TestRouteTestTellsPrograms(t *testing.T) {
	type told struct {
		Route    *int
		By       string
		Attempts []struct {
			Carrier, Number, URI string
			Headers              []struct{ Name, Value string }
		}
		Skipped []struct{ Carrier, Reason string }
		Refusal *struct{ Code int }
		Shares  []struct {
			Carrier string
			Percent float64
		}
		Asked *struct{ URL, Error string }
	}
	test := func(args ...string) (j told) {
		t.Helper()
		text, err := routeTest(t, append(args, "--trunk", "pbx", "-o", "json")...)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text), &j); err != nil {
			t.Fatal(err)
		}
		return j
	}
	j := test("--to", "+33123", "--header", "P-Early-Media: supported")
	if *j.Route != 0 || j.By != "targets" || len(j.Attempts) != 3 || j.Attempts[2].Number != "+33789456" || len(j.Shares) != 2 {
		t.Errorf("%+v", j)
	}
	if !slices.ContainsFunc(j.Attempts[0].Headers, func(h struct{ Name, Value string }) bool { return h.Name == "P-Early-Media" }) {
		t.Errorf("what the trunk says is not passed: %+v", j.Attempts[0].Headers)
	}
	if j = test("--to", "112"); j.By != "reject" || j.Refusal == nil || j.Refusal.Code != 404 || len(j.Attempts) > 0 {
		t.Errorf("%+v", j)
	}
	if j = test("--to", "+33123", "--assume", "tc1=calls", "--assume", "tc2=cps"); j.Refusal == nil || j.Refusal.Code != 503 || len(j.Skipped) != 3 {
		t.Errorf("%+v", j)
	}
	// Nobody listens there, so the fallback is told, and why.
	if j = test("--to", "+39123"); j.By != "ask" || j.Asked == nil || j.Asked.Error == "" || len(j.Attempts) != 2 || j.Attempts[0].Carrier != "tc1" {
		t.Errorf("%+v", j)
	}
}
