package b2bua_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"bulkhead/b2bua"
	"bulkhead/carriers"
	"bulkhead/dialog"
)

// TestR7 plays a million calls of random events, each followed by silence: from
// every state, with every peer silent, the call is gone after a bounded time, with
// one record and no timer left; and an operator's hangup ends it at once. A call
// that fails is named by its number, which plays it again.
func TestR7(t *testing.T) {
	calls := 1_000_000
	switch {
	case testing.Short(), b2bua.UnderRace(): // which makes a call ten times as long
		calls = 20_000
	}
	e := newEther()
	var next, failed atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for failed.Load() == 0 {
				n := next.Add(1)
				if n > int64(calls) {
					return
				}
				if fault := e.play(uint64(n), nil); fault != "" && failed.Add(1) == 1 {
					var story strings.Builder
					e.play(uint64(n), &story)
					t.Errorf("call %d: %s\n%s", n, fault, story.String())
				}
			}
		})
	}
	all.Wait()
}

// ether is what all calls of the test have in common.
type ether struct {
	seal     *dialog.Seal
	trunk    *dialog.Policy
	carriers []*dialog.Policy
	begin    time.Time
}

func newEther() *ether {
	e := &ether{seal: dialog.NewSeal([32]byte{7}, "u1"), begin: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	policy := func() *dialog.Policy {
		return &dialog.Policy{
			Seal: e.seal, Local: dialog.Local{"192.0.2.1:5060", "192.0.2.1:5060"}, NoAnswer: 3 * time.Minute,
			Timers: dialog.Timers{T1: 500 * time.Millisecond, T2: 4 * time.Second, T4: 5 * time.Second},
		}
	}
	e.trunk = policy()
	for i := range 3 {
		p := policy()
		p.NoResponse, p.NoRinging = time.Duration(i)*2*time.Second, time.Duration(i)*5*time.Second
		p.NoAnswer, p.Linger = time.Duration(i+1)*10*time.Second, time.Duration(i)*time.Minute
		e.carriers = append(e.carriers, p)
	}
	return e
}

// life is one random call.
type life struct {
	*ether
	dice    *rand.Rand
	now     time.Time
	call    *b2bua.Call
	id      dialog.CallID
	invite  *dialog.Message
	asked   []ask
	targets []b2bua.Target
	cseq    uint32
	records int
	fault   string
	story   *strings.Builder
}

// ask is a request that Bulkhead sent and that may be answered.
type ask struct {
	leg    uint8
	tx     uint16
	method string
}

// longest is how long a call may live on in silence: its longest duration, and
// what CANCEL, final, ACK, BYE and linger take after it.
const (
	longest = time.Hour
	after   = 15 * time.Minute
)

// play plays one call; the empty string: it kept every promise.
func (e *ether) play(seed uint64, story *strings.Builder) string {
	l := &life{ether: e, dice: rand.New(rand.NewPCG(seed, 7)), now: e.begin, story: story, cseq: 1}
	l.invite = &dialog.Message{
		Method: "INVITE", URI: sip.Uri{Scheme: "sip", User: "331", Host: "192.0.2.1"},
		Vias: []string{"SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-t1;rport"}, Branch: "z9hG4bK-t1",
		From: "<sip:a@192.0.2.10>;tag=t", FromTag: "t", To: "<sip:331@192.0.2.1>", CallID: "c1", CSeq: 1,
		Contact: "sip:a@192.0.2.10", MaxForwards: 70, Body: l.body(),
	}
	l.id = e.seal.Call("trunk", fmt.Sprint(seed), "t", 1)
	a := b2bua.Admission{Trunk: "trunk", Invite: l.invite, From: l.path(0), Policy: e.trunk, Limit: longest}
	if l.dice.IntN(8) == 0 {
		a.Choosing = true
	}
	for i := range l.dice.IntN(3) + 1 {
		l.targets = append(l.targets, b2bua.Target{
			Target:  dialog.Target{Carrier: "tc", Gateway: "g", Number: "331", Host: "198.51.100.11:5060", Path: l.path(uint8(i + 1))},
			Policy:  e.carriers[l.dice.IntN(len(e.carriers))],
			Profile: &carriers.Carrier{},
		})
	}
	if !a.Choosing {
		a.Targets = l.targets
	}
	var actions []b2bua.Action
	l.call, actions = b2bua.NewCall(l.id, l.now, a)
	l.perform(actions)
	if !a.Choosing && l.dice.IntN(2) == 0 {
		l.answered()
	}
	for range l.dice.IntN(12) {
		l.happen()
	}
	limit := longest + after
	if !l.call.Done() && l.dice.IntN(2) == 0 {
		l.step(b2bua.Hangup{Cause: dialog.Cause{Why: dialog.Operator, Code: 503}})
		if l.call.EndedAt.IsZero() {
			l.fail("a hangup did not end the call")
		}
		limit = after
	}
	l.silence(limit)
	return l.fault
}

// silence lets nothing but time pass.
func (l *life) silence(limit time.Duration) {
	begin := l.now
	for n := 0; !l.call.Done() && l.fault == ""; n++ {
		d := l.call.Deadline()
		switch {
		case d.IsZero():
			l.fail("P7: a call without a deadline")
		case d.Sub(begin) > limit || n > 1000:
			l.fail("P7: the call outlives %s of silence", limit)
		}
		if d.After(l.now) {
			l.now = d
		}
		l.step(b2bua.Due{})
	}
	if l.fault != "" {
		return
	}
	if l.records != 1 {
		l.fail("P8: %d records", l.records)
	}
	if d := l.call.Deadline(); !d.IsZero() {
		l.fail("a timer is left on a call that is done: %s", d)
	}
}

func (l *life) fail(format string, args ...any) {
	if l.fault == "" {
		l.fault = fmt.Sprintf(format, args...)
	}
}

// happen lets one thing happen.
func (l *life) happen() {
	if l.call.Done() {
		return
	}
	if l.dice.IntN(8) == 0 { // of use to a call that is choosing only
		l.decide()
		return
	}
	switch l.dice.IntN(12) {
	case 0, 1, 2, 3, 4:
		l.answer()
	case 5, 6, 7:
		l.trunkSays()
	case 8:
		l.carrierSays()
	case 9:
		if d := l.call.Deadline(); d.After(l.now) {
			l.now = d
		}
		l.step(b2bua.Due{})
	case 10:
		l.now = l.now.Add(time.Duration(l.dice.IntN(40_000)) * time.Millisecond)
		l.step(b2bua.Due{})
	case 11:
		if a, ok := l.pick(); ok {
			l.step(b2bua.Unsent{Leg: a.leg, Unsent: dialog.Unsent{Tx: a.tx, Why: "refused"}})
		}
	}
}

// decide tells where the call may go, or that it may go nowhere.
func (l *life) decide() {
	ev := b2bua.Chosen{Refusal: dialog.Cause{Why: dialog.NoRoute, Code: 404}}
	if l.dice.IntN(4) > 0 {
		ev = b2bua.Chosen{Targets: slices.Clone(l.targets)}
	}
	l.step(ev)
}

// answered lets the first carrier answer and the trunk acknowledge, so that what
// happens then happens to a call that is up.
func (l *life) answered() {
	l.reply(ask{1, dialog.First, "INVITE"}, 200, "x")
	m := *l.invite
	m.Method, m.ToTag, m.Branch, m.Body = "ACK", l.seal.Tag(dialog.ID{Call: l.id}), "z9hG4bK-ack", l.body()
	l.arrive(0, &m)
}

func (l *life) pick() (ask, bool) {
	if len(l.asked) == 0 {
		return ask{}, false
	}
	return l.asked[l.dice.IntN(len(l.asked))], true
}

var (
	finals    = []int{100, 100, 180, 183, 200, 200, 200, 302, 408, 481, 486, 487, 491, 500, 503}
	others    = []int{100, 200, 200, 200, 408, 481, 500}
	tags      = []string{"x", "x", "x", "y", ""}
	fromTrunk = []string{"CANCEL", "ACK", "ACK", "ACK", "BYE", "INVITE", "INVITE", "UPDATE", "OPTIONS", "FOO", "repeat", "merged"}
	requests  = []string{"BYE", "INVITE", "ACK", "UPDATE", "OPTIONS", "CANCEL", "FOO"}
)

// answer is a response to something that Bulkhead asked.
func (l *life) answer() {
	a, ok := l.pick()
	if !ok {
		return
	}
	codes := others
	if a.method == "INVITE" {
		codes = finals
	}
	l.reply(a, codes[l.dice.IntN(len(codes))], tags[l.dice.IntN(len(tags))])
}

func (l *life) reply(a ask, code int, tag string) {
	l.arrive(a.leg, &dialog.Message{
		Method: a.method, Code: code, Branch: l.seal.Branch(dialog.ID{Call: l.id, Leg: a.leg}, a.tx),
		ToTag: tag, To: "<sip:331@198.51.100.11>;tag=" + tag, From: "<sip:a@h>", CallID: l.callID(a.leg), CSeq: 1,
		Contact: "sip:c@198.51.100.11", MaxForwards: -1, Body: l.body(),
	})
}

// trunkSays is a request of the trunk's, in or out of order.
func (l *life) trunkSays() {
	tag := l.seal.Tag(dialog.ID{Call: l.id})
	what := fromTrunk[l.dice.IntN(len(fromTrunk))]
	m := *l.invite
	m.Body = l.body()
	switch what {
	case "repeat":
		m = *l.invite
	case "merged":
		m.Branch = "z9hG4bK-other"
	case "CANCEL":
		m.Method = what
	case "ACK":
		m.Method, m.ToTag, m.CSeq = what, tag, uint32(l.dice.IntN(int(l.cseq))+1)
		if l.dice.IntN(2) == 0 {
			m.Branch = "z9hG4bK-ack"
		}
	default:
		l.cseq++
		m.Method, m.ToTag, m.CSeq, m.Branch = what, tag, l.cseq, fmt.Sprint("z9hG4bK-", l.cseq)
	}
	l.arrive(0, &m)
}

// carrierSays is a request of a carrier's.
func (l *life) carrierSays() {
	if len(l.call.Out) == 0 {
		return // nobody is called yet
	}
	leg := uint8(l.dice.IntN(len(l.call.Out)) + 1)
	tag := tags[l.dice.IntN(len(tags))]
	l.cseq++
	l.arrive(leg, &dialog.Message{
		Method: requests[l.dice.IntN(len(requests))], Vias: []string{"SIP/2.0/UDP 198.51.100.11;branch=z9hG4bK-c"},
		Branch: fmt.Sprint("z9hG4bK-c", l.cseq-uint32(l.dice.IntN(2))), From: "<sip:331@198.51.100.11>;tag=" + tag, FromTag: tag,
		To: "<sip:a@h>", ToTag: l.seal.Tag(dialog.ID{Call: l.id, Leg: leg}), CallID: l.callID(leg), CSeq: l.cseq,
		Contact: "sip:c@198.51.100.11", MaxForwards: 70, Body: l.body(),
	})
}

func (l *life) callID(leg uint8) string {
	if leg == 0 {
		return "c1"
	}
	return l.seal.CallID(dialog.ID{Call: l.id, Leg: leg})
}

func (l *life) path(leg uint8) dialog.Path {
	return dialog.Path{Realm: "r", Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, leg}), 5060)}
}

func (l *life) body() dialog.Body {
	if l.dice.IntN(2) == 0 {
		return dialog.Body{}
	}
	return dialog.Body{Type: "application/sdp", Data: []byte("v=0\r\no=a 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\nm=audio 4 RTP/AVP 8\r\n")}
}

func (l *life) arrive(leg uint8, m *dialog.Message) {
	l.step(b2bua.Arrived{Leg: leg, Received: dialog.Received{Message: m, Path: l.path(leg)}})
}

func (l *life) step(ev b2bua.Event) {
	if l.story != nil {
		what := fmt.Sprintf("%T", ev)
		if a, ok := ev.(b2bua.Arrived); ok {
			what = fmt.Sprintf("leg %d gets %s %d tag %q", a.Leg, a.Message.Method, a.Message.Code, a.Message.ToTag)
		}
		fmt.Fprintf(l.story, "%9.3f %s\n", l.now.Sub(l.begin).Seconds(), what)
	}
	l.perform(l.call.Step(l.now, ev))
	if l.call.Deadline().IsZero() && !l.call.Done() {
		l.fail("P7: a call without a deadline")
	}
}

func (l *life) perform(actions []b2bua.Action) {
	for _, a := range actions {
		switch a := a.(type) {
		case b2bua.Send:
			if a.Code == 0 && a.Method != "ACK" && !a.Repeat {
				l.asked = append(l.asked, ask{a.Leg, a.Tx, a.Method})
			}
			if l.story != nil && !a.Repeat {
				fmt.Fprintf(l.story, "          leg %d sends %s %d\n", a.Leg, a.Method, a.Code)
			}
		case b2bua.Write:
			l.records++
		case b2bua.Violation:
			l.fail("violation of %s", a.Name)
		case b2bua.Save, b2bua.Drop, b2bua.Failover, b2bua.Skip, b2bua.Untried:
		}
	}
}
