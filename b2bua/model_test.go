package b2bua

import (
	"cmp"
	"flag"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bulkhead/b2bua/media"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

var modelScale = flag.Float64("model.scale", 1, "how many states the model explores, as a multiple of the default")

// scale is less with -short, and much less under the race detector, which makes a state
// cost six times as much and has nothing to find in what one goroutine does.
func scale() float64 {
	switch {
	case underRace:
		return *modelScale * 0.02
	case testing.Short():
		return *modelScale * 0.15
	}
	return *modelScale
}

// underRace says that the race detector is built in.
var underRace = func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}()

// config is one exploration: who takes part and what they may do.
type config struct {
	name      string
	targets   int
	offer     bool // the trunk's INVITE carries an offer
	transport dialog.Transport
	carrier   []word       // what a carrier may answer to the INVITE
	changes   bool         // re-INVITE and UPDATE by both sides
	early     bool         // UPDATE by both sides before the answer
	infos     bool         // INFO by both sides
	refers    bool         // REFER by both sides, relayed
	follows   bool         // REFER by carriers, carried out
	timers    bool         // session timers are asked for on both sides
	audits    bool         // both sides are audited
	asks      bool         // carriers challenge
	stays     bool         // early media is the end of the hunt
	contacts  int          // of redirections that are tried
	says      string       // more header fields of the trunk's INVITE
	fails     bool         // sends may fail
	hangs     bool         // an operator may end the call
	chooses   bool         // the targets are told later, or that there are none
	falls     bool         // the node may crash, and another takes the call over
	anchored  bool         // media is
	bare      []uint8      // ways in which descriptions may fail, of shortages
	dies      bool         // it may end by itself
	modes     []media.Mode // of the carriers, in order
	judged    bool         // targets may be skipped at the moment of their attempt
	merged    bool         // the trunk's INVITE also comes by another way
	terse     bool         // leave out what other configurations have
	after     []string     // moves that are made first
	walks     int          // explore at random instead: so many walks
	states    int          // stop after so many
	depth     int          // and after so many moves
}

// explorer explores Call.Step: every order in which peers, timers, transports
// and operators can act, with the promises checked in every state.
type explorer struct {
	config
	texts   texts
	trunk   []*dialog.Message
	policy  [2]*dialog.Policy // of the trunk, of carriers
	visited [256]shardOfStates
	states  atomic.Int64
	steps   atomic.Int64
	reached int          // moves deep, every state before that explored
	quiet   atomic.Int64 // calls followed to their end with every peer silent
	longest atomic.Int64 // time that took

	mu     sync.Mutex
	broken string // what was broken first, and how it came to be
}

type shardOfStates struct {
	mu   sync.Mutex
	seen map[uint64]struct{}
}

// node is a state that waits to be explored.
type node struct {
	call  *Call
	obs   observer
	way   *way
	saved []byte // the call as it was last stored
	fell  bool   // the node has crashed once
}

// way is how a state was reached.
type way struct {
	from *way
	move move
}

// noon is the time at which all of an exploration takes place: a timer that is
// armed is in its future, whatever it is, until the model fires it.
var noon = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

// always lets every failure but a 6xx and 486 be rerouted.
type always struct{}

func (always) Reroute(c dialog.Cause) bool { return c.Code != 486 && c.Code < 600 }

func (always) Dress(s dialog.Setup, a carriers.Attempt) dialog.Setup {
	s.Number = a.Target.Number
	return s
}

func newExplorer(c config) *explorer {
	x := &explorer{config: c}
	for i := range x.visited {
		x.visited[i].seen = map[uint64]struct{}{}
	}
	seal := dialog.NewSeal([32]byte{1}, "u1")
	for i := range x.policy {
		x.policy[i] = &dialog.Policy{
			Seal: seal, Local: dialog.Local{"203.0.113.1:5060", "203.0.113.1:5060", "203.0.113.1:5061"},
			Timers:     dialog.Timers{T1: 500 * time.Millisecond, T2: 4 * time.Second, T4: 5 * time.Second},
			NoResponse: 4 * time.Second, NoRinging: 10 * time.Second, NoAnswer: 90 * time.Second, Linger: time.Minute, Relay: []string{"INFO"},
		}
	}
	if c.refers {
		for i := range x.policy {
			x.policy[i].Transfers = dialog.RelayTransfers
		}
	}
	if c.follows {
		x.policy[1].Transfers = dialog.FollowTransfers
	}
	if c.timers {
		for i := range x.policy {
			x.policy[i].SessionTimer = dialog.SessionTimer{Expires: 30 * time.Minute, Min: 90 * time.Second}
		}
	}
	x.policy[1].Stay = c.stays
	if c.asks {
		x.policy[1].Login = &dialog.Login{Username: "us", Password: "secret"}
	}
	for i := range x.policy {
		if c.audits {
			x.policy[i].Audit = auditEvery
		}
	}
	x.trunk = []*dialog.Message{parse(inviteText(c, "t")), parse(cancelText("t"))}
	if c.merged {
		x.trunk = append(x.trunk, parse(inviteText(c, "m")), parse(cancelText("m")))
	}
	return x
}

// first is the state after the trunk's INVITE.
func (x *explorer) first() (*node, string) {
	a := Admission{Trunk: "acme", Invite: x.trunk[0], From: pathOfLeg(0, x.transport), Policy: x.policy[0], Redirects: x, Setup: 3 * time.Minute, Limit: 4 * time.Minute}
	for i := range x.targets {
		a.Targets = append(a.Targets, x.target(fmt.Sprintf("192.0.2.%d", i+2), "4930123"))
	}
	a.Refusal = dialog.Cause{Why: dialog.NoRoute, Code: 404}
	var anchors *ends
	if x.anchored {
		anchors = &ends{modes: x.modes}
		a.Anchors = anchors
	}
	if a.Choosing = x.chooses; x.chooses {
		a.Targets = nil
	}
	call, actions := NewCall(x.policy[0].Seal.Call("acme", "call@trunk", "trunk", 1), noon, a)
	n := &node{call: call}
	before := clone(call)
	before.Out = nil
	return n, n.obs.check(&x.texts, &seen{now: noon, move: move{kind: waits, leg: 0xff}, before: before, after: call, actions: actions, ends: anchors})
}

// referral is where a REFER leads: what is left of three attempts.
func (x *explorer) referral(c *Call) (list []Target) {
	for n := len(c.Out) + 1; n <= 3; n++ {
		list = append(list, x.target(fmt.Sprintf("192.0.2.%d", n+1), "4931"))
	}
	return list
}

// apply makes a move in a copy of a state; empty: nothing is broken.
func (x *explorer) apply(n *node, m move, at time.Time) (*node, string) {
	next := &node{call: clone(n.call), obs: n.obs, way: n.way, saved: n.saved, fell: n.fell}
	var ev Event = Due{}
	var judge *verdicts
	if x.judged {
		judge = &verdicts{words: sayings[m.judge]}
		next.call.judge = judge
	}
	var anchors *ends
	if x.anchored {
		anchors = &ends{modes: x.modes, fails: m.bare, silent: m.kind == dies && m.tag > 0}
		next.call.anchors = anchors
	}
	switch m.kind {
	case waits:
	case falls:
		call, err := Decode(n.saved, x)
		if err != nil {
			return next, "P9: " + err.Error()
		}
		call.Resume(at)
		next.call, next.fell = call, true
		return next, ""
	case says:
		arrived := Arrived{Leg: m.leg, Received: dialog.Received{Message: m.msg, Path: pathOfLeg(m.leg, x.transport)}}
		if x.follows && m.leg > 0 && m.msg.Method == "REFER" && m.msg.Code == 0 {
			arrived.Targets = x.referral(n.call)
		}
		ev = arrived
	case fires:
		for _, t := range timers(next.call) {
			if !t.at(next.call).After(at) {
				*t.at(next.call) = at.Add(1) // due at once, but not before this one
			}
		}
		*m.timer.at(next.call) = at
	case floods:
		for _, t := range timers(next.call) {
			*t.at(next.call) = at
		}
	case fails:
		ev = Unsent{Leg: m.leg, Unsent: dialog.Unsent{Tx: m.tx, Why: "connection refused"}}
	case dies:
		ev = death(next.call, m)
	case chooses:
		ev = x.decision(m.tag)
	case hangs:
		ev = Hangup{Cause: dialog.Cause{Why: dialog.Operator, Code: 480}}
	}
	actions := next.call.Step(at, ev)
	x.steps.Add(1)
	next.store(x, actions)
	v := next.obs.check(&x.texts, &seen{move: m, now: at, before: n.call, after: next.call, actions: actions, judge: judge, ends: anchors})
	if v != "" {
		v += "\n    " + dump(next.call)
	}
	return next, v
}

// store keeps what a node that takes over would find.
func (n *node) store(x *explorer, actions []Action) {
	if !x.falls {
		return
	}
	for _, a := range actions {
		switch a.(type) {
		case Save:
			n.saved = n.call.Encode(nil)
		case Write:
			n.saved = nil // a call that is over is not taken over
		case Send, Drop, Failover, Skip, Untried, Violation:
		}
	}
}

// restored compares a move in a state with the same in that state stored and
// read again (P9).
func (x *explorer) restored(n *node, m move, next *node) string {
	call, err := Decode(clone(n.call).Encode(nil), x) // Encode writes each field as it reads it
	if err != nil {
		return "P9: " + err.Error()
	}
	if hashCall(call) != hashCall(n.call) {
		return "P9: stored and read again it is another state\n    " + dump(call)
	}
	again, v := x.apply(&node{call: call, obs: n.obs, way: n.way}, m, noon)
	if v != "" {
		return "P9: stored and read again: " + v
	}
	if again.obs != next.obs || hashCall(again.call) != hashCall(next.call) {
		return "P9: stored and read again it goes on otherwise\n    " + dump(again.call)
	}
	return ""
}

// TrunkPolicy, CarrierPolicy and Profile are Profiles.
func (x *explorer) TrunkPolicy(string, string) *dialog.Policy   { return x.policy[0] }
func (x *explorer) CarrierPolicy(string, string) *dialog.Policy { return x.policy[1] }
func (x *explorer) Profile(string) Profile                      { return always{} }

// Contacts and Redirect are Redirects: hosts of one network are gateways.
func (x *explorer) Contacts(string) int { return x.contacts }
func (x *explorer) Redirect(_, contact, number string) (Target, bool) {
	user, host, _ := strings.Cut(strings.TrimPrefix(contact, "sip:"), "@")
	if !strings.HasPrefix(host, "192.0.2.") {
		return Target{}, false
	}
	return x.target(host, cmp.Or(user, number)), true
}

// target is a gateway to try.
func (x *explorer) target(host, number string) Target {
	leg := netip.MustParseAddr(host).As4()[3] - 1
	t := dialog.Target{Carrier: fmt.Sprintf("tc%d", leg), Number: number, Host: host, Path: pathOfLeg(leg, x.transport)}
	return Target{Target: t, Policy: x.policy[1], Profile: always{}}
}

// enter says whether a state is new.
func (x *explorer) enter(n *node) (key uint64, isNew bool) {
	h := hashing{}
	h.num(hashCall(n.call))
	h.num(maphash.Comparable(seed, n.obs))
	h.bytes(n.saved)
	h.flag(n.fell)
	s := &x.visited[h.h%256]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.seen[h.h]; ok {
		return h.h, false
	}
	s.seen[h.h] = struct{}{}
	return h.h, true
}

// run explores breadth first, so that what it finds is found in the fewest
// moves. It gives back what is broken; empty: nothing.
func (x *explorer) run() string {
	start, v := x.first()
	if v != "" {
		return v
	}
	for _, name := range x.after {
		if start, v = x.named(start, name); v != "" {
			return v
		}
	}
	if x.walks > 0 {
		return x.wander(start)
	}
	x.enter(start)
	x.states.Add(1)
	frontier := []*node{start}
	for depth := 0; len(frontier) > 0 && depth < x.depth; depth++ {
		frontier = x.level(frontier)
		if x.broken != "" {
			return x.broken
		}
		if !x.over() {
			x.reached = depth + 1
		}
	}
	return ""
}

// named makes the move of that name.
func (x *explorer) named(n *node, name string) (*node, string) {
	for _, m := range x.moves(n) {
		if m.String() != name {
			continue
		}
		next, v := x.apply(n, m, noon)
		next.way = &way{n.way, m}
		return next, v
	}
	return n, "no such move: " + name
}

// wander walks at random and far, for what lies deeper than breadth reaches.
func (x *explorer) wander(start *node) string {
	var at atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := at.Add(1); i <= int64(float64(x.walks)*scale()); i = at.Add(1) {
				x.walk(start, rand.New(rand.NewPCG(uint64(i), 0)))
			}
		})
	}
	wg.Wait()
	return x.broken
}

// walk makes moves at random until the call is done or the walk is deep enough,
// and then lets silence end it.
func (x *explorer) walk(n *node, r *rand.Rand) {
	for range x.depth {
		if n.call.Done() {
			return
		}
		list := x.moves(n)
		m := list[r.IntN(len(list))]
		if m.kind != says && r.IntN(3) > 0 {
			m = list[r.IntN(len(list))] // timers and operators end calls too soon for a long walk
		}
		next, v := x.apply(n, m, noon)
		next.way = &way{n.way, m}
		if v != "" {
			x.fail(next.way, v)
			return
		}
		if _, isNew := x.enter(next); isNew {
			x.states.Add(1)
		}
		n = next
	}
	if v := x.silence(n); v != "" {
		x.fail(n.way, v)
	}
}

// level makes every move in every state of a frontier.
func (x *explorer) level(frontier []*node) (next []*node) {
	var at atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			var mine []*node
			for {
				i := int(at.Add(1)) - 1
				if i >= len(frontier) || x.over() {
					break
				}
				mine = x.expand(frontier[i], mine)
				frontier[i] = nil
			}
			x.mu.Lock()
			next = append(next, mine...)
			x.mu.Unlock()
		})
	}
	wg.Wait()
	return next
}

// over says that the exploration has come to its bound, or found something.
func (x *explorer) over() bool {
	if x.states.Load() >= int64(float64(x.config.states)*scale()) {
		return true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.broken != ""
}

// expand makes every move in one state and adds what is new to a list.
func (x *explorer) expand(n *node, list []*node) []*node {
	for _, m := range x.moves(n) {
		next, v := x.apply(n, m, noon)
		if v != "" {
			x.fail(&way{n.way, m}, v)
			return list
		}
		if m.kind != falls && (x.steps.Load()%16 == 0 || !n.call.Choosing.IsZero()) {
			if v := x.restored(n, m, next); v != "" {
				x.fail(&way{n.way, m}, v)
				return list
			}
		}
		key, isNew := x.enter(next)
		if !isNew {
			continue
		}
		next.way = &way{n.way, m}
		if x.states.Add(1) <= 2000 || key%16 == 0 {
			if v := x.silence(next); v != "" {
				x.fail(next.way, v)
				return list
			}
		}
		if !next.call.Done() {
			list = append(list, share(next, n))
		}
	}
	return list
}

// share lets a state hold the legs of the one before it where they are the
// same, to be kind to the memory.
func share(next, before *node) *node {
	if hashLeg(next.call.In) == hashLeg(before.call.In) {
		next.call.In = before.call.In
	}
	for i := range before.call.Out {
		if hashLeg(next.call.Out[i]) == hashLeg(before.call.Out[i]) {
			next.call.Out[i] = before.call.Out[i]
		}
	}
	return next
}

// silence follows a call to its end with every peer silent, by its own clock
// (P7).
func (x *explorer) silence(n *node) string {
	now := noon
	for range 1000 {
		if n.call.Done() {
			x.quiet.Add(1)
			if d := int64(now.Sub(noon)); d > x.longest.Load() {
				x.longest.Store(d)
			}
			return ""
		}
		if d := n.call.Deadline(); d.After(now) {
			now = d
		}
		if now.Sub(noon) > 20*time.Minute {
			return "P7: not done after 20 minutes of silence"
		}
		next, v := x.apply(n, move{kind: waits, leg: 0xff}, now)
		if v != "" {
			return "in silence: " + v
		}
		n = next
	}
	return "P7: not done after 1000 timers in silence"
}

// fail notes what is broken, with the way to it.
func (x *explorer) fail(w *way, v string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.broken != "" {
		return
	}
	var moves []string
	for ; w != nil; w = w.from {
		moves = append([]string{w.move.String()}, moves...)
	}
	x.broken = v + "\n  " + strings.Join(moves, "\n  ")
}

// timing is what a peer says of the session timer.
const timing = "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n"

// What carriers may say to an INVITE.
var (
	hostile = []word{
		{code: 100}, {code: 180, tag: 1}, {code: 180, tag: 2}, {code: 183, tag: 1, body: "2001"},
		{code: 200, tag: 1, body: "2001"}, {code: 200, tag: 2, body: "2002"},
		{code: 486, tag: 1}, {code: 487}, {code: 487, tag: 2}, {code: 503, tag: 1},
	}
	plain = []word{{code: 180, tag: 1}, {code: 200, tag: 1, body: "2001"}, {code: 200, tag: 2, body: "2002"}, {code: 487, tag: 1}, {code: 503, tag: 1}}
	sure  = []word{
		{code: 180, tag: 1, rseq: "1"}, {code: 183, tag: 1, body: "2001", rseq: "1"}, {code: 183, tag: 1, body: "2001", rseq: "2"},
		{code: 180, tag: 2, rseq: "7"}, {code: 200, tag: 1}, {code: 200, tag: 1, body: "2001"}, {code: 503, tag: 1},
	}
	forked = []word{
		{code: 183, tag: 1, body: "2001", rseq: "1"}, {code: 183, tag: 2, body: "2002", rseq: "7"},
		{code: 200, tag: 1, body: "2001"}, {code: 200, tag: 2, body: "2002"}, {code: 503, tag: 1},
	}
	renewed = []word{
		{code: 183, tag: 1, body: "2001", rseq: "1"}, {code: 180, tag: 1, rseq: "2"}, {code: 200, tag: 1}, {code: 503, tag: 1},
	}
	timed   = []word{{code: 200, tag: 1, body: "2001", extra: timing}, {code: 422, tag: 1, extra: "Min-SE: 3600\r\n"}}
	heard   = []word{{code: 180, tag: 1}, {code: 183, tag: 1}, {code: 199, tag: 1}, {code: 199, tag: 2}, {code: 183, tag: 2, body: "2001"}, {code: 200, tag: 2, body: "2001"}, {code: 503, tag: 1}}
	moved   = []word{{code: 180, tag: 1}, {code: 200, tag: 1, body: "2001"}, {code: 302, tag: 1, extra: redirection}, {code: 486, tag: 1, extra: "Reason: Q.850;cause=17\r\n"}, {code: 603, tag: 2}}
	civil   = []word{{code: 200, tag: 1, body: "2001"}}
	reached = []word{{code: 180, tag: 1}, {code: 200, tag: 1, body: "2001"}, {code: 200, tag: 1}, {code: 200, tag: 2, body: "2002"}, {code: 486, tag: 1}, {code: 503, tag: 1}}
)

// Where the deeper explorations begin.
var (
	secondAnswered = []string{`carrier 1: 180 to INVITE 1 tag "a"`, `leg 1: timer no answer`, `carrier 1: 487 to INVITE 1 tag "b"`, `carrier 2: 200 to INVITE 1 tag "a"`, `trunk: ACK k tag ""`}
	thirdTried     = []string{`carrier 1: 503 to INVITE 1 tag "a"`, `leg 2: timer no response`}
	thirdAnswered  = append(thirdTried[:2:2], `carrier 3: 200 to INVITE 1 tag "a"`, `trunk: ACK k tag ""`)
	pracked        = []string{`carrier 1: 183 to INVITE 1 tag "a"`, `trunk: PRACK prack86257015 tag ""`}
	referred       = append(confirmed[:2:2], `carrier 1: REFER tag "a"`)
	confirmed      = []string{`carrier 1: 200 to INVITE 1 tag "a"`, `trunk: ACK k tag ""`}
)

var configs = []config{
	{name: "one hostile carrier", targets: 1, offer: true, carrier: hostile, fails: true, hangs: true, merged: true, states: 60000, depth: 100},
	{name: "three carriers", targets: 3, offer: true, carrier: plain, terse: true, states: 100000, depth: 100},
	{name: "three carriers, the third tried", targets: 3, offer: true, carrier: plain, states: 70000, depth: 100, after: thirdTried},
	{name: "three carriers, the third answered", targets: 3, offer: true, carrier: plain, states: 70000, depth: 100, after: thirdAnswered},
	{name: "two carriers", targets: 2, offer: true, carrier: hostile, hangs: true, states: 70000, depth: 100},
	{name: "two carriers, the second answered", targets: 2, offer: true, carrier: hostile, hangs: true, states: 70000, depth: 100, after: secondAnswered},
	{name: "no offer", targets: 2, carrier: plain, hangs: true, states: 60000, depth: 100},
	{name: "reliable", targets: 2, offer: true, transport: dialog.TCP, carrier: plain, fails: true, states: 60000, depth: 100},
	{name: "changes", targets: 1, offer: true, carrier: civil, changes: true, hangs: true, fails: true, states: 80000, depth: 100, after: confirmed},
	{name: "infos", targets: 1, offer: true, carrier: civil, infos: true, hangs: true, fails: true, states: 40000, depth: 100, after: confirmed},
	{name: "reliable provisionals", targets: 2, offer: true, carrier: sure, says: "Require: 100rel\r\n", states: 50000, depth: 100},
	{name: "reliable provisionals, no offer", targets: 2, carrier: sure, says: "Supported: 100rel\r\n", terse: true, states: 50000, depth: 100},
	{name: "reliable provisionals and a takeover", targets: 2, offer: true, carrier: sure, says: "Require: 100rel\r\n", falls: true, terse: true, states: 30000, depth: 100},
	{name: "reliable provisionals, far", targets: 3, offer: true, carrier: append(sure[:len(sure):len(sure)], hostile...), says: "Require: 100rel\r\n", changes: true, infos: true, hangs: true, fails: true, depth: 50, walks: 3000},
	{name: "early updates", targets: 2, offer: true, carrier: forked, early: true, says: "Require: 100rel\r\n", states: 60000, depth: 100, after: pracked},
	{name: "early updates, no offer", targets: 2, carrier: forked, early: true, says: "Supported: 100rel\r\n", terse: true, states: 40000, depth: 100, after: pracked},
	{name: "early updates and a takeover", targets: 2, offer: true, carrier: forked, early: true, says: "Require: 100rel\r\n", falls: true, terse: true, states: 40000, depth: 100, after: pracked},
	{name: "offers in PRACKs", targets: 2, offer: true, carrier: renewed, early: true, says: "Supported: 100rel\r\n", fails: true, terse: true, states: 50000, depth: 100, after: pracked[:1]},
	{name: "early updates, far", targets: 3, offer: true, carrier: append(forked[:len(forked):len(forked)], sure...), early: true, changes: true, says: "Require: 100rel\r\n", fails: true, hangs: true, falls: true, depth: 60, walks: 4000},
	{name: "session timers", targets: 1, offer: true, carrier: timed, timers: true, says: timing, hangs: true, states: 40000, depth: 100, after: confirmed},
	{name: "session timers and changes, far", targets: 2, offer: true, carrier: append(timed[:1:1], plain...), timers: true, says: timing, changes: true, infos: true, fails: true, hangs: true, falls: true, depth: 50, walks: 3000},
	{name: "audits", targets: 1, offer: true, carrier: civil, audits: true, terse: true, fails: true, falls: true, states: 40000, depth: 100, after: confirmed},
	{name: "audits, timers and changes, far", targets: 1, offer: true, carrier: timed[:1:1], audits: true, timers: true, changes: true, infos: true, fails: true, hangs: true, falls: true, depth: 50, walks: 2000},
	{name: "forks that end", targets: 2, offer: true, carrier: heard, terse: true, states: 30000, depth: 100},
	{name: "early media and a takeover", targets: 2, stays: true, offer: true, carrier: heard, terse: true, falls: true, states: 30000, depth: 100},
	{name: "redirections", targets: 1, contacts: 3, offer: true, carrier: moved, terse: true, falls: true, states: 50000, depth: 100},
	{name: "one redirection and another target", targets: 2, contacts: 1, offer: true, carrier: moved, terse: true, falls: true, hangs: true, states: 50000, depth: 100},
	{name: "targets that are skipped", targets: 3, offer: true, carrier: plain, judged: true, terse: true, fails: true, states: 60000, depth: 100},
	{name: "contacts that are skipped", targets: 1, contacts: 2, offer: true, carrier: moved, judged: true, terse: true, falls: true, states: 40000, depth: 100},
	{name: "transfers to who is skipped", targets: 1, offer: true, carrier: reached, follows: true, judged: true, terse: true, states: 40000, depth: 100, after: confirmed},
	{name: "referrals", targets: 1, offer: true, carrier: civil, refers: true, hangs: true, fails: true, states: 60000, depth: 100, after: confirmed},
	{name: "referrals, far", targets: 2, offer: true, carrier: plain, refers: true, changes: true, infos: true, fails: true, falls: true, depth: 50, walks: 3000},
	{name: "transfers", targets: 1, offer: true, carrier: reached, follows: true, hangs: true, fails: true, terse: true, states: 80000, depth: 100, after: confirmed},
	{name: "transfers and a takeover", targets: 1, offer: true, carrier: reached, follows: true, falls: true, terse: true, states: 40000, depth: 100, after: confirmed},
	{name: "transfers and requests", targets: 1, offer: true, carrier: civil, follows: true, changes: true, infos: true, terse: true, states: 60000, depth: 100, after: referred},
	{name: "transfers, far", targets: 1, offer: true, carrier: append(reached[:len(reached):len(reached)], hostile...), follows: true, changes: true, infos: true, fails: true, hangs: true, falls: true, depth: 60, walks: 6000, after: confirmed},
	{name: "challenges", targets: 2, offer: true, carrier: asking, asks: true, terse: true, hangs: true, states: 60000, depth: 100},
	{name: "challenges and a takeover", targets: 1, offer: true, carrier: asking, asks: true, terse: true, falls: true, fails: true, states: 40000, depth: 100},
	{name: "challenges, far", targets: 2, carrier: append(asking[:len(asking):len(asking)], plain...), asks: true, changes: true, infos: true, hangs: true, fails: true, depth: 50, walks: 3000},
	{name: "a takeover", targets: 2, offer: true, carrier: plain, falls: true, hangs: true, states: 70000, depth: 100},
	{name: "a takeover, far", targets: 3, offer: true, carrier: hostile, changes: true, infos: true, falls: true, merged: true, depth: 40, walks: 3000},
	{name: "a decision", targets: 2, chooses: true, offer: true, carrier: plain, fails: true, hangs: true, merged: true, terse: true, states: 40000, depth: 100},
	{name: "a decision and a takeover", targets: 2, chooses: true, offer: true, carrier: plain, hangs: true, falls: true, terse: true, states: 40000, depth: 100},
	{name: "anchored", targets: 2, anchored: true, offer: true, carrier: hostile, fails: true, hangs: true, states: 60000, depth: 100},
	{name: "anchored, the third tried", targets: 3, anchored: true, offer: true, carrier: plain, terse: true, states: 40000, depth: 100, after: thirdTried},
	{name: "anchored, no offer", targets: 2, anchored: true, carrier: sure, says: "Supported: 100rel\r\n", terse: true, falls: true, states: 40000, depth: 100},
	{name: "anchored, reliable provisionals", targets: 2, anchored: true, offer: true, carrier: forked, early: true, says: "Require: 100rel\r\n", terse: true, states: 40000, depth: 100, after: pracked},
	{name: "anchored, changes", targets: 1, anchored: true, offer: true, carrier: civil, changes: true, hangs: true, fails: true, states: 40000, depth: 100, after: confirmed},
	{name: "anchored, transfers", targets: 1, anchored: true, offer: true, carrier: reached, follows: true, hangs: true, fails: true, terse: true, states: 40000, depth: 100, after: confirmed},
	{name: "anchored, far", targets: 3, anchored: true, offer: true, carrier: append(forked[:len(forked):len(forked)], hostile...), early: true, changes: true, follows: true, says: "Supported: 100rel\r\n", fails: true, hangs: true, falls: true, depth: 60, walks: 6000},
	{name: "no port is free", targets: 2, anchored: true, bare: []uint8{1}, offer: true, carrier: plain, terse: true, hangs: true, states: 40000, depth: 100},
	{name: "no port is free for what carriers offer", targets: 2, anchored: true, bare: []uint8{1}, carrier: sure, says: "Supported: 100rel\r\n", terse: true, states: 40000, depth: 100},
	{name: "an rtpengine that is lost", targets: 2, anchored: true, bare: []uint8{2, 3}, dies: true, offer: true, carrier: append(plain[:len(plain):len(plain)], word{code: 183, tag: 1, body: "2001"}), terse: true, hangs: true, states: 15000, depth: 100},
	{name: "an rtpengine that is lost in a call", targets: 1, anchored: true, bare: []uint8{2, 3, 4}, dies: true, offer: true, carrier: civil, changes: true, terse: true, states: 15000, depth: 100, after: confirmed},
	{name: "an rtpengine that is lost, and a takeover", targets: 2, anchored: true, bare: []uint8{2, 4}, dies: true, carrier: forked, early: true, says: "Supported: 100rel\r\n", terse: true, falls: true, states: 15000, depth: 100},
	{name: "an rtpengine that is lost in a transfer", targets: 1, anchored: true, bare: []uint8{2, 3}, dies: true, offer: true, carrier: reached, follows: true, terse: true, states: 15000, depth: 100, after: confirmed},
	{name: "media by three ways", targets: 3, anchored: true, modes: []media.Mode{media.RTPEngine, media.Bypass, media.Relay}, bare: []uint8{2}, dies: true, offer: true, carrier: plain, terse: true, states: 15000, depth: 100},
	{name: "media by three ways, far", targets: 3, anchored: true, modes: []media.Mode{media.Relay, media.RTPEngine, media.Bypass}, bare: []uint8{1, 2, 3, 4}, dies: true, offer: true, carrier: append(forked[:len(forked):len(forked)], hostile...), early: true, changes: true, says: "Supported: 100rel\r\n", fails: true, hangs: true, falls: true, depth: 60, walks: 2000},
	{name: "no target", targets: 0, offer: true, merged: true, hangs: true, states: 10000, depth: 100},
	{name: "everything, far", targets: 3, offer: true, carrier: hostile, changes: true, infos: true, refers: true, fails: true, hangs: true, merged: true, depth: 60, walks: 6000},
	{name: "everything, far, no offer", targets: 3, carrier: hostile, changes: true, fails: true, hangs: true, merged: true, depth: 60, walks: 3000},
}

// TestModel explores every configuration.
func TestModel(t *testing.T) {
	for _, c := range configs {
		t.Run(c.name, func(t *testing.T) {
			x := newExplorer(c)
			began := time.Now()
			if v := x.run(); v != "" {
				t.Error(v)
			}
			t.Logf("%s: %d states, %d transitions, %d followed in silence (at most %v), %d different messages, complete to %d moves, %v",
				c.name, x.states.Load(), x.steps.Load(), x.quiet.Load(), time.Duration(x.longest.Load()), len(x.texts.all), x.reached, time.Since(began).Round(time.Millisecond))
		})
	}
}
