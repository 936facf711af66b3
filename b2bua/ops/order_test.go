package ops_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bulkhead/b2bua"
	"bulkhead/b2bua/ops"
	"bulkhead/b2bua/simtest"
	"bulkhead/carriers"
)

// ordering is a stage where orders can be given, and its cards.
func ordering(t *testing.T, scorecard *carriers.ScorecardConfig) (*simtest.Stage, *ops.Scorecards, *[]string) {
	s := simtest.Open(t, nil)
	s.Stands = &b2bua.Standings{}
	told := &[]string{}
	journal := &b2bua.Journal{Keep: time.Hour}
	cards := &ops.Scorecards{Journal: journal, Now: time.Now, Standings: s.Stands, Stands: func(carrier string, s b2bua.Stand) {
		*told = append(*told, carrier+" "+s.Standing.String()+" by "+s.By+": "+s.Reason)
	}}
	s.Watch = b2bua.Observers{journal, cards}
	s.Change = func(c *carriers.Config) {
		tc1 := c.Carriers["tc1"]
		tc1.Scorecard = scorecard
		c.Carriers["tc1"] = tc1
	}
	return s, cards, told
}

const two = "carrier tc1\ncarrier tc2\nroute * tc1 tc2\ntrunk auto ACK\ntc1 auto 486 INVITE\ntc2 auto 486 INVITE\n"

// TestR30_OrdersOnACarrier as whole calls: where they go, what the record, and why, say.
func TestR30_OrdersOnACarrier(t *testing.T) {
	order := func(carrier string, to carriers.Standing) carriers.Order {
		return carriers.Order{Carrier: carrier, Standing: to, By: "alice", Reason: "new trunk", Since: time.Now()}
	}
	for name, c := range map[string]struct {
		orders func() []carriers.Order
		after  string // what passes before the call
		went   []string
		why    []string // what of it is said
	}{
		"drained": {
			func() []carriers.Order { return []carriers.Order{order("tc1", carriers.Drained)} }, "",
			[]string{"tc2"}, []string{"tc1 was passed over: drained by operator alice: new trunk."},
		},
		"quarantined": {
			func() []carriers.Order { return []carriers.Order{order("tc1", carriers.Quarantined)} }, "",
			[]string{"tc2"}, []string{"tc1 was passed over: quarantined by operator alice: new trunk."},
		},
		"quarantined, and nobody else": {
			func() []carriers.Order {
				return []carriers.Order{order("tc1", carriers.Quarantined), order("tc2", carriers.Drained)}
			}, "",
			[]string{"tc1"}, []string{"tc2 was passed over: drained by operator alice: new trunk."},
		},
		"drained, and nobody else": {
			func() []carriers.Order {
				return []carriers.Order{order("tc1", carriers.Drained), order("tc2", carriers.Drained)}
			}, "",
			nil, []string{"Nobody could be tried for +33123456789 from trunk trunk (tc1 drained by operator alice: new trunk; tc2 drained by operator alice: new trunk): answered 503 Service Unavailable."},
		},
		"resumed": {
			func() []carriers.Order {
				o := order("tc1", carriers.InService)
				o.Since = o.Since.Add(time.Second)
				return []carriers.Order{order("tc1", carriers.Drained), o, order("tc1", carriers.Drained)} // the last one comes late
			}, "",
			[]string{"tc1"}, nil,
		},
		"its time is over": {
			func() []carriers.Order {
				o := order("tc1", carriers.Drained)
				o.Until = o.Since.Add(time.Minute)
				return []carriers.Order{o}
			}, "wait 60s\n",
			[]string{"tc1"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _, _ := ordering(t, nil)
				defer s.Close()
				s.Do(two)
				for _, o := range c.orders() {
					s.Stands.Order(o)
				}
				s.Do(c.after + "trunk INVITE +33123456789 sdp\nsettle")
				r := s.Records()[0]
				var went []string
				for _, a := range r.Attempts {
					went = append(went, a.Carrier)
				}
				if !slices.Equal(went, c.went) {
					t.Errorf("it went to %q, want %q", went, c.went)
				}
				why := ops.Why(r)
				for _, want := range c.why {
					if !slices.Contains(why, want) {
						t.Errorf("%q does not say %q", why, want)
					}
				}
				if len(c.why) == 0 && strings.Contains(strings.Join(why, ""), "passed over") {
					t.Errorf("%q", why)
				}
			})
		})
	}
}

// TestADrainedCarrierKeepsItsCalls: what runs goes on; a call that hunts does not go there
// any more.
func TestADrainedCarrierKeepsItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := ordering(t, nil)
		defer s.Close()
		s.Do(`
carrier tc1
carrier tc2
route +331* tc1
route * tc2 tc1
trunk auto ACK
trunk auto 200 BYE
tc1 auto 200 BYE
trunk INVITE +33123456789 sdp
tc1 100 ; tc1 180 ; +1s tc1 200 sdp
`)
		s.Stands.Order(carriers.Order{Carrier: "tc1", Standing: carriers.Drained, By: "alice", Since: time.Now()})
		s.Do("wait 60s\ntc1 BYE\nsettle")
		r := s.Records()[0]
		if r.Result != "answered" || r.EndedBy != "carrier" || r.Duration < 60 {
			t.Errorf("%+v", r)
		}
	})
}

// TestAScorecardKeepsBackAndLetsGo a carrier that answers what was given up: whole calls go
// to the other one first, but for the floor, and come back when it behaves.
func TestAScorecardKeepsBackAndLetsGo(t *testing.T) {
	for _, then := range []string{"deprioritise", "quarantine"} {
		t.Run(then, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rules := &carriers.ScorecardConfig{Late: 0.1}
				rules.Default()
				rules.Attempts, rules.Then, rules.Floor = 20, then, 0.1
				s, _, told := ordering(t, rules)
				defer s.Close()
				s.Do("carrier tc1 no_answer=2s linger=1s\ncarrier tc2\nroute * tc1 tc2\ntrunk auto ACK\ntc2 auto 486 INVITE\ntc1 auto 200 BYE\ntc1 auto 200 CANCEL\n")
				calls := func(n int, script string) (went map[string]int) {
					before := len(s.Records())
					went = map[string]int{}
					for range n {
						_, was := s.Count("tc1", "INVITE sdp")
						s.Do("trunk INVITE +33123456789 sdp")
						if _, is := s.Count("tc1", "INVITE sdp"); is > was {
							s.Do(script)
						}
						s.Do("wait 3s")
					}
					s.Do("wait 120s")
					for _, r := range s.Records()[before:] {
						went[r.Attempts[0].Carrier]++
					}
					return went
				}
				const late, good = "tc1 100 ; tc1 180\n+2s tc1 200 sdp", "tc1 100 ; tc1 486"
				if went := calls(20, late); went["tc1"] != 20 {
					t.Fatalf("%v before anything was known", went)
				}
				if len(*told) != 1 || !strings.HasPrefix((*told)[0], "tc1 "+then+"d by scorecard: answered_after_cancel ") {
					t.Fatalf("told: %q", *told)
				}
				if went := calls(200, late); went["tc1"] == 0 || went["tc1"] > 60 {
					t.Errorf("%v of 200 calls to a carrier whose floor is a tenth of them", went)
				}
				if s.Stands.Of(time.Now(), "tc1").Standing == carriers.InService {
					t.Fatal("it is taken back although it is no better")
				}
				s.Do("wait 1000s") // what it did leaves the window
				for range 4 {
					calls(100, good)
				}
				if at := s.Stands.Of(time.Now(), "tc1"); at.Standing != carriers.InService {
					t.Errorf("it is well again, and stands %+v", at)
				}
				if went := calls(20, good); went["tc1"] != 20 || len(*told) != 2 {
					t.Errorf("%v after it was taken back; %q", went, *told)
				}
			})
		})
	}
}

// Standings is ops.Controls.
func (n *node) Standings() *b2bua.Standings { return &n.standings }

// Order is ops.Controls.
func (n *node) Order(_ context.Context, o carriers.Order) bool {
	n.standings.Order(o)
	return true
}

// does asks with a body.
func (s *served) does(as, method, path, body string) says {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.Addr()+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	return s.answer(http.DefaultClient, as, request)
}

// TestOrdersOnCarriers by the API: who may, what is refused, what is told and audited.
func TestOrdersOnCarriers(t *testing.T) {
	s := serve(t)
	s.does("viewer", "POST", "/v1/carriers/tc1/drain", `{}`).problem(t, 403)
	s.does("operator", "POST", "/v1/carriers/tc9/drain", `{}`).problem(t, 404)
	for body, want := range map[string]string{
		`{"for":"soon"}`:          "body.for",
		`{"for":"-1h"}`:           "body.for",
		`{"reason":"two\nlines"}`: "body.reason",
		`{"reason":"` + strings.Repeat("x", 201) + `"}`: "body.reason",
		`{"fro":"1h"}`: "body.fro",
	} {
		p := s.does("operator", "POST", "/v1/carriers/tc1/drain", body).problem(t, 422)
		if len(p.Errors) != 1 || p.Errors[0].Location != want {
			t.Errorf("%s: %+v", body, p)
		}
	}
	if at := s.node.standings.Of(time.Now(), "tc1"); at.Standing != carriers.InService {
		t.Fatalf("refused, and done: %+v", at)
	}
	var done ops.Ordered
	a := s.does("operator", "POST", "/v1/carriers/tc1/drain", `{"for":"1h","reason":"new trunk"}`)
	if json.Unmarshal([]byte(a.text), &done) != nil || done.Standing != carriers.Drained || done.By != "operator operator-name" || done.Reason != "new trunk" || !done.Shared ||
		done.Until.Sub(done.Since).Round(time.Second) != time.Hour {
		t.Errorf("%s %s", a.Status, a.text)
	}
	var list []ops.Carrier
	if a := s.ask("viewer", "GET", "/v1/carriers"); json.Unmarshal([]byte(a.text), &list) != nil || !reflect.DeepEqual(list[0].Stands, done.Stand) || list[1].Stands.Standing != carriers.InService {
		t.Errorf("%s", a.text)
	}
	if a := s.ask("operator", "POST", "/v1/carriers/tc1/resume"); a.StatusCode != 200 || s.node.standings.Of(time.Now(), "tc1").Standing != carriers.InService {
		t.Errorf("%s %s", a.Status, a.text)
	}
	lines := s.logs.FilterMessage("audit").All()
	last := lines[len(lines)-1].ContextMap()
	if last["action"] != "resume-carrier" || last["who"] != "operator-name" || last["path"] != "/v1/carriers/tc1/resume" {
		t.Errorf("%v", last)
	}
}

// Now is ops.Controls.
func (n *node) Now() ops.NodeState {
	return ops.NodeState{Node: "sbc-a", State: n.state, Ready: n.ready, Drain: n.drain}
}

// Drain is ops.Controls.
func (n *node) Drain(d *ops.Drain) error {
	if n.refuses != nil {
		return n.refuses
	}
	n.drain = d
	return nil
}

// Handover is ops.Controls.
func (n *node) Handover(_ context.Context, to string) (ops.Handover, error) {
	return ops.Handover{Unit: "u1", From: "a", To: to}, n.refuses
}

// TestNodeIsDrainedByTheAPI: who may, what is refused, and what reaches the node.
func TestNodeIsDrainedByTheAPI(t *testing.T) {
	s := serve(t)
	s.does("viewer", "POST", "/v1/node/drain", `{}`).problem(t, 403)
	p := s.does("operator", "POST", "/v1/node/drain", `{"within":"soon"}`).problem(t, 422)
	if len(p.Errors) != 1 || p.Errors[0].Location != "body.within" || s.node.drain != nil {
		t.Errorf("%+v", p)
	}
	if a := s.does("operator", "POST", "/v1/node/drain", `{"within":"10m","reason":"kernel"}`); a.StatusCode != 200 || s.node.drain == nil ||
		s.node.drain.By != "operator-name" || s.node.drain.Reason != "kernel" || s.node.drain.Ends.Sub(s.node.drain.Since) != 10*time.Minute {
		t.Errorf("%s %s %+v", a.Status, a.text, s.node.drain)
	}
	var is ops.NodeState
	if a := s.ask("viewer", "GET", "/v1/node"); json.Unmarshal([]byte(a.text), &is) != nil || is.Drain == nil || is.Drain.Reason != "kernel" {
		t.Errorf("%s", a.text)
	}
	if a := s.ask("operator", "POST", "/v1/node/resume"); a.StatusCode != 200 || s.node.drain != nil {
		t.Errorf("%s %s", a.Status, a.text)
	}
	s.node.refuses = ops.Conflict("only a is alive: nobody could take it")
	if p := s.does("operator", "POST", "/v1/node/handover", `{"to":"b"}`).problem(t, 409); !strings.Contains(p.Detail, "only a is alive") {
		t.Errorf("%+v", p)
	}
	s.node.refuses = context.DeadlineExceeded
	s.does("operator", "POST", "/v1/node/handover", `{}`).problem(t, 503)
	s.node.refuses = nil
	if a := s.does("operator", "POST", "/v1/node/handover", `{"to":"b"}`); a.StatusCode != 200 || !strings.Contains(a.text, `"to":"b"`) {
		t.Errorf("%s %s", a.Status, a.text)
	}
}

// Configuration is ops.Configured.
func (n *node) Configuration() (ops.Configuration, error) {
	return ops.Configuration{Generation: 2, File: "bulkhead.yaml", Text: "node: sbc-a\n", Tag: `"2-ab"`}, nil
}

// Look is ops.Configured.
func (n *node) Look(text []byte, _ string) (ops.Looked, error) {
	n.given = string(text)
	return ops.Looked{Changes: []ops.Change{}}, n.refuses
}

// Apply is ops.Configured.
func (n *node) Apply(text []byte, tag, _ string) (ops.Reloaded, error) {
	n.given = tag + " " + string(text)
	return ops.Reloaded{Generation: 3, Tag: `"3-cd"`}, n.refuses
}

// Rollback is ops.Configured.
func (n *node) Rollback(to int, tag string) (ops.Reloaded, error) {
	n.given = fmt.Sprint(tag, " ", to)
	return ops.Reloaded{Generation: 3, Tag: `"3-cd"`}, n.refuses
}

// Generations is ops.Configured.
func (n *node) Generations() ([]ops.Generation, error) {
	return []ops.Generation{{Number: 2, Current: true}, {Number: 1}}, nil
}

// Kept is ops.Configured.
func (n *node) Kept(generation int) ([]byte, error) {
	if generation != 1 {
		return nil, ops.ErrNotKept
	}
	return []byte("node: old\n"), nil
}

// TestConfigurationByTheAPI: who may, what must be said, and what each refusal is.
func TestConfigurationByTheAPI(t *testing.T) {
	s := serve(t)
	do := func(as, path, tag string) says {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.Addr()+path, strings.NewReader("node: sbc-b\n"))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/yaml")
		if tag != "" {
			request.Header.Set("If-Match", tag)
		}
		return s.answer(http.DefaultClient, as, request)
	}
	for _, act := range []string{"validate", "diff", "apply", "rollback"} {
		do("operator", "/v1/config/"+act, "*").problem(t, 403)
	}
	if a := s.ask("viewer", "GET", "/v1/config"); a.Header.Get("ETag") != `"2-ab"` || !strings.Contains(a.text, `"text":"node: sbc-a\n"`) {
		t.Errorf("%v %s", a.Header, a.text)
	}
	for _, act := range []string{"validate", "diff"} {
		if a := do("admin", "/v1/config/"+act, ""); a.StatusCode != 200 || s.node.given != "node: sbc-b\n" {
			t.Errorf("%s %s: %q", act, a.Status, s.node.given)
		}
	}
	s.node.given = ""
	do("admin", "/v1/config/apply", "").problem(t, 428)
	do("admin", "/v1/config/rollback", "").problem(t, 428)
	if s.node.given != "" {
		t.Errorf("the node was given %q", s.node.given)
	}
	if a := do("admin", "/v1/config/apply", `"2-ab"`); a.StatusCode != 200 || a.Header.Get("ETag") != `"3-cd"` || s.node.given != `"2-ab" node: sbc-b`+"\n" {
		t.Errorf("%s %v: %q", a.Status, a.Header, s.node.given)
	}
	if a := do("admin", "/v1/config/rollback?to=1", "*"); a.StatusCode != 200 || s.node.given != "* 1" {
		t.Errorf("%s: %q", a.Status, s.node.given)
	}
	for code, err := range map[int]error{
		412: ops.ErrStale, 409: ops.Conflict("not ours to write"), 404: ops.ErrNotKept, 500: io.ErrShortWrite,
		422: &ops.Refused{Faults: []ops.Fault{{File: "bulkhead.yaml", Line: 1, Column: 7, Key: "node", Message: "is changed, which needs a restart"}}},
	} {
		s.node.refuses = err
		p := do("admin", "/v1/config/apply", "*").problem(t, code)
		if code == 422 && (len(p.Errors) != 1 || p.Errors[0].Location != "bulkhead.yaml:1:7") {
			t.Errorf("%+v", p)
		}
	}
	if a := s.ask("admin", "GET", "/v1/config/generations/1"); a.text != "node: old\n" || a.Header.Get("Content-Type") != "application/yaml" {
		t.Errorf("%v %q", a.Header, a.text)
	}
	s.ask("admin", "GET", "/v1/config/generations/9").problem(t, 404)
	s.ask("viewer", "GET", "/v1/config/generations/1").problem(t, 403)
}
