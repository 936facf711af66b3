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
	stranger      *peer // whom no file names
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
	text := strings.Replace(w.core.reply(w.invite, code, phrase, body), ";tag=core", ";tag=core"+tag, 1)
	switch own, elsewhere := w.core.address().String(), w.stranger.address().String(); w.fault {
	case "has a stranger's Contact":
		text = strings.Replace(text, "Contact: <sip:"+own, "Contact: <sip:"+elsewhere, 1)
	case "is routed by a stranger":
		text = strings.Replace(text, "Contact:", "Record-Route: <sip:"+elsewhere+";lr>\r\nContact:", 1)
	}
	w.core.send(w.invite.from, text)
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

// strange is a stranger's INVITE to the first carrier, for the number of the first scenario.
func (w *wrong) strange() {
	w.stranger.send(w.carriers[0], compose("INVITE sip:+331230001@"+w.carriers[0].String()+" SIP/2.0", []string{
		"Via: SIP/2.0/UDP " + w.stranger.address().String() + ";branch=z9hG4bKstrange", "Max-Forwards: 70",
		"From: <sip:x@192.0.2.9>;tag=x", "To: <sip:+331230001@192.0.2.9>", "Call-ID: strange", "CSeq: 1 INVITE",
		"Contact: <sip:x@" + w.stranger.address().String() + ">"}, w.stranger.describe(4000)))
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
		if w.fault == "lets a stranger in" {
			w.strange()
		}
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
func openWrong(t *testing.T, network int, fault string) (chaosTarget, *wrong) {
	t.Helper()
	at := func(host int) netip.AddrPort {
		return netip.MustParseAddrPort(fmt.Sprintf("127.214.%d.%d:5060", network, host))
	}
	target := chaosTarget{
		Address: at(1), From: []netip.Addr{at(2).Addr()}, Caller: at(11), Carriers: []netip.AddrPort{at(21), at(22)}, Number: "+33123*",
		Timers: chaosTimers{T1: 30 * time.Millisecond, T2: 120 * time.Millisecond, NoAnswer: 500 * time.Millisecond},
	}
	w := &wrong{fault: fault, carriers: target.Carriers}
	for host, side := range map[int]struct {
		peer **peer
		name string
	}{1: {&w.core, "core"}, 2: {&w.peering, "peering"}, 99: {&w.stranger, "stranger"}} {
		p, err := newPeer(side.name, at(host), 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.conn.Close() })
		*side.peer = p
	}
	go w.core.serve(w.byCaller)
	go w.peering.serve(w.byCarrier)
	go w.stranger.serve(func(message) {})
	return target, w
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
			target, _ := openWrong(t, i, c.fault)
			r := target.plays(t)
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

// plays plays the call that a wrong border gets wrong.
func (t chaosTarget) plays(test *testing.T) *chaosReport {
	test.Helper()
	list, err := readScenarios(wrongCall)
	if err != nil {
		test.Fatal(err)
	}
	r, err := t.play(test.Context(), "wrong", list, func() {})
	if err != nil {
		test.Fatal(err)
	}
	return r
}

// Who is not named by the file hears nothing, whatever he sends and wherever the border leads;
// the call goes on without him, and the report tells.
func TestChaosKeepsToWhomItsFileNames(t *testing.T) {
	t.Parallel()
	for i, c := range []struct{ fault, want string }{
		{"lets a stranger in", "1 messages were of no scenario; the first: tc1 received INVITE from 127.214.40.99:5060, whom the file does not name"},
		{"has a stranger's Contact", "led elsewhere than to whom the file names, and were not followed; the first: caller to 127.214.41.99:5060"},
		{"is routed by a stranger", "led elsewhere than to whom the file names, and were not followed; the first: caller to 127.214.42.99:5060"},
		{"", "1 scenarios, 0 failed"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			target, w := openWrong(t, 40+i, c.fault)
			r := target.plays(t)
			w.core.send(w.stranger.address(), "LAST")
			if _, ok := w.stranger.await(5*time.Second, func(m message) bool { return m.text == "LAST" }); !ok {
				t.Fatal("the stranger is deaf")
			}
			if n := w.stranger.count(func(message) bool { return true }) - 1; n > 0 {
				t.Errorf("the stranger has heard %d messages, first %s", n, w.stranger.got[0].title())
			}
			var out strings.Builder
			if err := r.text(&out, true); err != nil {
				t.Error(err)
			}
			if r.Failed > 0 || !strings.Contains(out.String(), c.want) || c.fault == "" && (r.Strays > 0 || r.Unfollowed > 0) {
				t.Errorf("want %s:\n%s", c.want, out.String())
			}
		})
	}
}
