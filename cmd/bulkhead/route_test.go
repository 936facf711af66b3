package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/b2bua/simtest"
	"bulkhead/b2bua/wire"
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
var unlike = regexp.MustCompile(`(branch=z9hG4bK|;tag=|Call-ID )[a-z0-9]+`)

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
			told, err := c.try(ops.RouteAsked{Trunk: "trunk", To: number, From: caller, At: at, Call: seen.call.String(), Domain: "192.0.2.1"})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if len(told.Attempts) != len(seen.invites) {
				t.Fatalf("seed %d: %d attempts told, %d made\n%s", seed, len(told.Attempts), len(seen.invites), s.Ladder())
			}
			for i, a := range told.Attempts {
				uri, headers := headersOf(seen.invites[i])
				said, did := unlike.ReplaceAllString(fmt.Sprint(a.URI, a.Headers), "$1"), unlike.ReplaceAllString(fmt.Sprint(uri, headers), "$1")
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
		{"--trunk", "pbx", "--to", "1", "-o", "xml"}, {"--trunk", "pbx"}, {"--trunk", "pbx", "--to", "1", "another"},
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

// TestRouteTestAsksTheNode: by its configuration in force, and with what it knows.
func TestRouteTestAsksTheNode(t *testing.T) {
	r := reloads(t, false)
	try := func(args ...string) (j ops.RouteTrial) {
		t.Helper()
		out, problems, err := ran(routeCommand(), append([]string{"test", r.file, "--live", "-o", "json", "--trunk", "pbx", "--to", "+441234"}, args...)...)
		if err != nil || problems != "" {
			t.Fatalf("%v\n%s", err, problems)
		}
		if err := json.Unmarshal([]byte(out), &j); err != nil {
			t.Fatal(err)
		}
		return j
	}
	j := try()
	if j.Barred != nil || j.Route == nil || *j.Route != 0 || len(j.Attempts) != 1 || j.Attempts[0].Gateway != "127.0.192.1:5060" || time.Since(j.At).Abs() > time.Minute {
		t.Errorf("%+v", j)
	}
	// What the file says is not in force before it is taken.
	r.changed("    targets: [{carrier: tc1}]", "    targets: [{carrier: tc1, number: \"+1\"}]", "from: [127.0.191.0/24]", "from: [127.0.191.0/24], limits: {calls: 1}")
	if j := try(); j.Attempts[0].Number != "+441234" {
		t.Errorf("%+v", j.Attempts)
	}
	if _, _, err := commanded(r.file); err != nil {
		t.Fatal(err)
	}
	if j := try(); j.Attempts[0].Number != "+1" {
		t.Errorf("%+v", j.Attempts)
	}
	// What is assumed goes before what is known, and what is known is told.
	if j := try("--assume", "tc1=calls"); j.Refusal == nil || j.Refusal.Code != 503 || len(j.Skipped) != 1 || j.Skipped[0].Reason != "calls" {
		t.Errorf("%+v", j)
	}
	r.Order(t.Context(), carriers.Order{Carrier: "tc1", Standing: carriers.Drained, By: "alice", Since: time.Now()})
	if j := try(); j.Refusal == nil || len(j.Skipped) != 1 || !strings.HasPrefix(j.Skipped[0].Reason, "drained") || len(j.Attempts) > 0 {
		t.Errorf("%+v", j)
	}
	r.Order(t.Context(), carriers.Order{Carrier: "tc1", Standing: carriers.InService, By: "alice", Since: time.Now()})
	// A call takes the only place of the trunk.
	from := netip.MustParseAddrPort("127.0.191.1:5060")
	invite := strings.Join([]string{
		"INVITE sip:+449@127.0.190.1 SIP/2.0", "Via: SIP/2.0/UDP 127.0.191.1:5060;branch=z9hG4bKa", "From: <sip:1@127.0.191.1>;tag=a",
		"To: <sip:+449@127.0.190.1>", "Call-ID: a", "CSeq: 1 INVITE", "Contact: <sip:127.0.191.1>", "Max-Forwards: 70", "Content-Length: 0", "", "",
	}, "\r\n")
	m, fault, err := wire.Parse([]byte(invite), wire.Limits{})
	if err != nil || fault != nil {
		t.Fatal(err, fault)
	}
	r.Engine().Receive(wire.Packet{Hop: wire.Hop{Realm: "core", Remote: from}, Message: m, Raw: []byte(invite), At: time.Now()})
	if b := try().Barred; b == nil || b.Code != 503 || b.Reason != "trunk_calls" {
		t.Errorf("%+v", b)
	}
	text, _, err := ran(routeCommand(), "test", r.file, "--live", "--trunk", "pbx", "--to", "+441234")
	if err != nil || !strings.Contains(text, "\nbarred   503 trunk_calls: a call would be refused now; otherwise:\nroute    routes[0] by targets") {
		t.Errorf("%v\n%s", err, text)
	}
	// A node that takes no calls at all says so first.
	if err := r.Drain(&ops.Drain{By: "alice", Since: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if b := try().Barred; b == nil || b.Code != 503 || b.Reason != "draining" {
		t.Errorf("%+v", b)
	}
	if n := r.Engine().Active(); n != 1 {
		t.Errorf("the trials have made calls: %d are there", n)
	}
	for _, wrong := range []struct{ where, args string }{
		{"body.trunk", "--trunk nobody --to 1"}, {"body.to", "--trunk pbx --to 1>2"}, {"body.from", "--trunk pbx --to 1 --from a@b"},
		{"body.domain", "--trunk pbx --to 1 --domain a>b"}, {"body.headers[1]", "--trunk pbx --to 1 --header Subject:a --header nothing"},
		{"body.headers[0]", "--trunk pbx --to 1 --header CSeq:x"}, {"body.call", "--trunk pbx --to 1 --call x"}, {"body.assume", "--trunk pbx --to 1 --assume tc9=down"},
	} {
		_, problems, err := ran(routeCommand(), append([]string{"test", r.file, "--live"}, strings.Fields(wrong.args)...)...)
		if err == nil || !strings.HasPrefix(problems, wrong.where+": ") {
			t.Errorf("%s: %v\n%s", wrong.args, err, problems)
		}
	}
}

// TestRouteTestOfANodeThatStandsBy is refused: it knows nothing of the calls.
func TestRouteTestOfANodeThatStandsBy(t *testing.T) {
	r := reloads(t, true)
	if _, _, err := ran(routeCommand(), "test", r.file, "--live", "--trunk", "pbx", "--to", "1"); err == nil || !strings.Contains(err.Error(), "this node serves no calls") {
		t.Error(err)
	}
}
