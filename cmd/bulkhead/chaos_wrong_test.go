package main

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// wrong is a small B2BUA with one fault of the test's choice. It knows one call, which it
// hunts through two carriers, and does what the founding failure asks of it.
type wrong struct {
	fault         string
	core, peering *peer
	carriers      []netip.AddrPort

	mu      sync.Mutex
	invite  message // of the caller
	asked   []string
	refused int
	acks    int
	up      bool
}

func (w *wrong) carrier(n int, text string) { w.peering.send(w.carriers[n], text) }
func (w *wrong) caller(code int, phrase, tag, body string) {
	w.core.send(w.invite.from, strings.Replace(w.core.reply(w.invite, code, phrase, body), ";tag=core", ";tag=core"+tag, 1))
}

// ask is the INVITE of the nth carrier.
func (w *wrong) ask(n int) {
	text := compose(fmt.Sprintf("INVITE sip:%s@%s SIP/2.0", requestUser(w.invite), w.carriers[n]), []string{
		fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bKout%d", w.peering.address(), n), "Max-Forwards: 70",
		fmt.Sprintf("From: <sip:%s@%s>;tag=out%d", userOf(w.invite.uri("From")), w.peering.address(), n),
		fmt.Sprintf("To: <sip:%s@%s>", requestUser(w.invite), w.carriers[n]), fmt.Sprintf("Call-ID: out%d-%s", n, w.invite.branch()),
		"CSeq: 1 INVITE", fmt.Sprintf("Contact: <sip:%s>", w.peering.address()),
	}, w.peering.describe(4000))
	w.asked = append(w.asked, text)
	w.carrier(n, text)
}

// in is a request in the dialog with a carrier, or with its INVITE.
func (w *wrong) in(n int, method, to, branch string) {
	m := message{text: w.asked[n]}
	number := map[string]string{"BYE": "2"}[method]
	if number == "" {
		number = "1"
	}
	via := m.line("Via")
	if branch != "" {
		via = fmt.Sprintf("SIP/2.0/UDP %s;branch=z9hG4bK%s", w.peering.address(), branch)
	}
	w.carrier(n, compose(method+" "+strings.Fields(m.text)[1]+" SIP/2.0", []string{"Via: " + via, "Max-Forwards: 70",
		"From: " + m.line("From"), "To: " + to, "Call-ID: " + m.line("Call-ID"), "CSeq: " + number + " " + method}, ""))
}

// byCaller is what comes from the caller.
func (w *wrong) byCaller(m message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case is("INVITE")(m):
		w.invite = m
		w.caller(100, "Trying", "", "")
		w.ask(0)
		if w.fault == "cancels at once" {
			w.in(0, "CANCEL", message{text: w.asked[0]}.line("To"), "")
		}
	case is("BYE")(m):
		if w.fault != "is deaf to BYE" {
			w.core.send(m.from, w.core.reply(m, 200, "OK", ""))
		}
		if w.fault == "keeps the carrier" {
			return
		}
		for i := range map[bool]int{true: 2, false: 1}[w.fault == "hangs up twice"] {
			w.in(1, "BYE", w.winner(), fmt.Sprintf("bye%d", i))
		}
	}
}

// winner is the To of tc2's dialog.
func (w *wrong) winner() string {
	m, _ := w.peering.await(0, func(m message) bool { return answers("INVITE", 200, 200)(m) })
	return m.line("To")
}

// byCarrier is what comes from a carrier.
func (w *wrong) byCarrier(m message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	if m.from == w.carriers[1] {
		n = 1
	}
	switch code := m.code(); {
	case m.method() != "INVITE" || is("ACK")(m):
	case code == 180 && n == 0:
		w.caller(180, "Ringing", "", "")
		time.AfterFunc(100*time.Millisecond, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.in(0, "CANCEL", message{text: w.asked[0]}.line("To"), "")
			if w.fault != "does not hunt" {
				w.ask(1)
			}
		})
	case code == 487:
		w.refused++
		if w.refused == 1 || w.fault != "ACKs one copy" {
			to := m.line("To")
			if w.fault == "ACKs with other bytes" {
				to += fmt.Sprint(";n=", w.refused)
			}
			w.in(0, "ACK", to, "")
		}
		if w.refused != 5 {
			return
		}
		switch w.fault {
		case "relays to the caller":
			w.caller(487, "Request Terminated", "", "")
		case "relays to tc2":
			w.carrier(1, m.text)
		case "hangs up on the caller":
			w.core.send(w.invite.from, compose("BYE "+w.invite.uri("Contact")+" SIP/2.0", []string{
				fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bKwhy", w.core.address()), "From: " + w.invite.line("To") + ";tag=core",
				"To: " + w.invite.line("From"), "Call-ID: " + w.invite.line("Call-ID"), "CSeq: 1 BYE"}, ""))
		case "cancels again":
			text := compose("CANCEL "+strings.Fields(w.asked[1])[1]+" SIP/2.0", []string{"Via: " + message{text: w.asked[1]}.line("Via"),
				"From: " + message{text: w.asked[1]}.line("From"), "To: " + message{text: w.asked[1]}.line("To"),
				"Call-ID: " + message{text: w.asked[1]}.line("Call-ID"), "CSeq: 1 CANCEL"}, "")
			w.carrier(1, text)
		}
	case code == 200 && n == 1:
		if w.acks++; w.acks == 1 || w.fault != "ACKs one 200" {
			w.in(1, "ACK", m.line("To"), "ack")
		}
		if w.up {
			return
		}
		w.up = true
		w.caller(200, "OK", map[bool]string{true: "other"}[w.fault == "has two To-tags"], w.core.describe(4002))
		if w.fault == "answers again otherwise" {
			w.caller(200, "OK", "", w.core.describe(4004))
		}
	}
}

// wrongCall is the founding failure, in which nothing is waited for that a check is to find.
const wrongCall = `
== wrong: TC1 is deaf, TC2 has the call (RFC 3261 §17.1.1.2)
caller INVITE sdp
+t1 tc1 180
tc1 gets CANCEL
tc1 200 CANCEL
tc1 487 every t1..t2 for 30t1
tc2 100 ; tc2 200 sdp every t1 for 6t1
caller ACK
wait repeats
caller BYE
`

// openWrong starts a border in network 127.214.network.0.
func openWrong(t *testing.T, network int, fault string) chaosTarget {
	t.Helper()
	at := func(host int) netip.AddrPort {
		return netip.MustParseAddrPort(fmt.Sprintf("127.214.%d.%d:5060", network, host))
	}
	target := chaosTarget{
		Address: at(1), Caller: at(11), Carriers: []netip.AddrPort{at(21), at(22)}, Number: "+33123*",
		Timers: chaosTimers{T1: 30 * time.Millisecond, T2: 120 * time.Millisecond, NoAnswer: 500 * time.Millisecond},
	}
	w := &wrong{fault: fault, carriers: target.Carriers}
	for host, side := range map[int]struct {
		peer **peer
		name string
	}{1: {&w.core, "core"}, 2: {&w.peering, "peering"}} {
		p, err := newPeer(side.name, at(host), 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.conn.Close() })
		*side.peer = p
	}
	go w.core.serve(w.byCaller)
	go w.peering.serve(w.byCarrier)
	return target
}

// Each check finds the border that breaks it, and blames no other.
func TestChaosFindsTheFaultsOfWrongBorders(t *testing.T) {
	t.Parallel()
	for i, c := range []struct{ fault, check string }{
		{"", ""},
		{"relays to the caller", "one-final"},
		{"relays to tc2", "contained"},
		{"answers again otherwise", "one-final"},
		{"has two To-tags", "one-to-tag"},
		{"ACKs one copy", "final-acked"},
		{"ACKs with other bytes", "final-acked"},
		{"ACKs one 200", "2xx-acked"},
		{"hangs up twice", "one-bye"},
		{"cancels at once", "cancel-in-time"},
		{"cancels again", "cancel-in-time"},
		{"hangs up on the caller", "stays-up"},
		{"does not hunt", "goes-on"},
		{"is deaf to BYE", "answered"},
		{"keeps the carrier", "ended"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			target := openWrong(t, i, c.fault)
			list, err := readScenarios(wrongCall)
			if err != nil {
				t.Fatal(err)
			}
			r, err := target.play(t.Context(), "wrong", list, func() {})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if f := r.Scenarios[0].Failed; f != nil {
				got = f.Name
			}
			if got != c.check {
				var out strings.Builder
				if err := r.text(&out, true); err != nil {
					t.Error(err)
				}
				t.Errorf("the check that failed is %q, want %q\n%s", got, c.check, out.String())
			}
		})
	}
}
