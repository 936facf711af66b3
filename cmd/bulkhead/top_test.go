package main

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua/ops"
)

// aView is a view of a node with everything.
func aView() view {
	at := time.Date(2026, 11, 27, 3, 12, 45, 0, time.UTC)
	v := view{width: 120, height: 40}
	v.live = ops.Live{
		Node: "a", Unit: "u1", State: "serving", Started: at.Add(-26 * time.Hour), At: at, Rate: 3.25,
		Calls:    []ops.CallCount{{State: "hunting", Calls: 2}, {State: "ringing", Calls: 1}, {State: "up", Calls: 40}, {State: "ending"}, {State: "settling", Calls: 7}},
		Carriers: []ops.LiveCarrier{{Name: "tc1", State: "part", Watched: 2, Well: 1, Calls: 30}, {Name: "tc2", State: "up"}, {Name: "tc3"}},
		Wrong:    []ops.Step{{At: at.Add(-time.Second), Call: "aaaaaaaaaaaaa", What: "failed", Peer: "tc1", Code: 503, Cause: "no_response", Next: "tc2"}},
	}
	v.live.Carriers[0].Lately = ops.Score{Attempts: 101, Answered: 50, NotSent: 1, ASR: 0.5, DelayCount: 9, DelayMean: 2.34, Absorbed: 119, Late: 3}
	v.calls = ops.Calls{Matched: 3, Calls: []ops.Call{
		{ID: "bbbbbbbbbbbbb", State: "up", Trunk: "pbx", From: "+33612345678", To: "+33123456789", Carrier: "tc1", Attempts: 1, Began: at.Add(-90 * time.Second)},
		{ID: "ccccccccccccc", State: "hunting", Trunk: "pbx", From: "evil\x1b[2J", To: "+33123456780", Carrier: "tc2", Attempts: 2, Began: at.Add(-2 * time.Second)},
	}}
	return v
}

func textOf(rows []row) string {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(strings.TrimRight(r.text(), " ") + "\n")
	}
	return b.String()
}

// TestTopBoard is what an operator reads.
func TestTopBoard(t *testing.T) {
	v := aView()
	const want = `bulkhead a of unit u1: serving, up 26h0m   03:12:45Z

2 hunting   1 ringing   40 up   0 ending   7 settling   3.2 ended a second

CARRIER  STATE          CALLS  ANSWERED                          DELAY  ABSORBED  LATE 200  WHY
tc1      1 of 2 up         30  █████░░░░░   50.0%    50 of 100    2.3s       119         3  1 of 2 gateways take calls
tc2      up                 0  ░░░░░░░░░░       -       0 of 0       -         0         0
tc3                         0  ░░░░░░░░░░       -       0 of 0       -         0         0

WENT WRONG LAST
03:12:44  aaaaaaaaaaaaa  tc1: no response (503), now tc2

3 calls
CALL           STATE        AGE  TRUNK       FROM             TO               CARRIER     TRIED
bbbbbbbbbbbbb  up         1m30s  pbx         +33612345678     +33123456789     tc1             1
ccccccccccccc  hunting       2s  pbx         evil?[2J         +33123456780     tc2             2
and 1 more
`
	if got := textOf(v.board()); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestTopOfACluster: each node, whose each call is and whether that node tells of it, and who
// is missing; n goes from one to the next, and to all again.
func TestTopOfACluster(t *testing.T) {
	v := aView()
	l, c := v.live, v.calls
	l.Nodes = []ops.LiveNode{{Node: "b", Unit: "u2", State: "serving", Calls: 1}, {Node: "a", Unit: "u1", State: "dead", Calls: 2}, {Unit: "u3", State: "none", Calls: 1}}
	l.Wrong[0].Node = "b"
	l.Carriers[1].State, l.Carriers[1].At, l.Carriers[1].Stands = "drained", []string{"b"}, ops.Stand{By: "operator bob", Reason: "evil\x1b[2J"}
	c.Calls[0].Node = "b"
	c.Calls[1].Node, c.Calls[1].Owner, c.Calls[1].Stored, c.Calls[1].Age = "a", "dead", l.At, 12
	c.Incomplete = []ops.Gap{{Node: "a", Unit: "u1", Reason: "refused"}}
	v.take(l, c, false)
	const want = `bulkhead, 3 nodes   03:12:45Z
  b of unit u2: serving, 1 call
  a of unit u1: dead, 2 calls as the store has them
  unit u3: no node has it, 1 call as the store has them

2 hunting   1 ringing   40 up   0 ending   7 settling   3.2 ended a second

CARRIER  STATE          CALLS  ANSWERED                          DELAY  ABSORBED  LATE 200  WHY
tc1      1 of 2 up         30  █████░░░░░   50.0%    50 of 100    2.3s       119         3  1 of 2 gateways take calls
tc2      drained            0  ░░░░░░░░░░       -       0 of 0       -         0         0  no new attempts, by operator bob: evil?[2J (node b)
tc3                         0  ░░░░░░░░░░       -       0 of 0       -         0         0

WENT WRONG LAST
03:12:44  aaaaaaaaaaaaa  tc1: no response (503), now tc2  at b

3 calls
CALL           STATE        AGE  TRUNK       FROM             TO               CARRIER     TRIED  NODE
bbbbbbbbbbbbb  up         1m30s  pbx         +33612345678     +33123456789     tc1             1  b
ccccccccccccc  hunting       2s  pbx         evil?[2J         +33123456780     tc2             2  a dead, as stored 12s ago
incomplete: node a: refused
and 1 more
`
	if got := textOf(v.board()); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for _, want := range []string{"state=up node=a", "state=up node=b", "state=up", "state=up node=a"} {
		if v.filter == "" {
			v.filter = "state=up"
		}
		if v.filter = v.nextNode(); v.filter != want {
			t.Errorf("%q, want %q", v.filter, want)
		}
		one := l
		one.Nodes = l.Nodes[:1]
		v.take(one, c, strings.Contains(v.filter, "node=")) // which leaves the others known
		if !strings.Contains(v.filter, "node=") {
			v.take(l, c, false)
		}
	}
	if foot := v.rows()[v.height-1].text(); !strings.Contains(foot, "n node") {
		t.Error(foot)
	}
}

// TestTopFitsTheTerminal: however small it is, and with what is chosen on it.
func TestTopFitsTheTerminal(t *testing.T) {
	for _, height := range []int{1, 2, 5, 12, 24, 60} {
		v := aView()
		for i := range 100 {
			v.calls.Calls = append(v.calls.Calls, ops.Call{ID: "d", State: "up", Began: v.live.At, Attempts: i})
		}
		v.height = height
		for v.at = range len(v.ids()) {
			rows := v.rows()
			if len(rows) != height {
				t.Fatalf("%d rows on a terminal of %d", len(rows), height)
			}
			if height > 4 && v.chosenRow(rows) < 0 {
				t.Fatalf("of %d rows none is chosen, with number %d", height, v.at)
			}
		}
		v.of, v.what, v.scroll = "bbbbbbbbbbbbb", "ladder", 1000
		v.story = make([]string, 100)
		v.story[99] = "the end"
		if rows := v.rows(); len(rows) != height || height > 2 && !strings.Contains(textOf(rows), "the end") {
			t.Errorf("the end of a ladder is not to be seen on %d rows", height)
		}
	}
}

func TestTopFilter(t *testing.T) {
	for text, want := range map[string]url.Values{
		"":                          {},
		" +33 ":                     {"number": {"+33"}},
		"state=up,hunting tc=":      nil,
		"state=up carrier=tc1 +331": {"state": {"up"}, "carrier": {"tc1"}, "number": {"+331"}},
		"longer-than=90s":           {"longer_than": {"90s"}},
		"colour=red":                nil,
	} {
		got, err := parseFilter(text)
		if want == nil && err == nil || want != nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
}
