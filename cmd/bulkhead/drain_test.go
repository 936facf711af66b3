package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua/ops"
	"bulkhead/storage/storagetest"
)

// TestR28_ADeadlineThatHoldsNoMoreEndsNothing: of a drain that was resumed, or that has
// another deadline by now. The one that holds ends what is left.
func TestR28_ADeadlineThatHoldsNoMoreEndsNothing(t *testing.T) {
	r := reloads(t, false)
	at := net.UDPAddrFromAddrPort(r.config.Sockets()["core"][0].Address)
	trunk := sockAt(t, "127.0.191.5")
	invite := func(id string) {
		t.Helper()
		if _, err := trunk.WriteTo([]byte(strings.ReplaceAll(strings.ReplaceAll(strings.Join([]string{
			"INVITE sip:+3312345678@" + at.String() + " SIP/2.0", "Via: SIP/2.0/UDP LOCAL;branch=z9hG4bKTHIS", "Max-Forwards: 70",
			"From: <sip:a@b>;tag=1", "To: <sip:+3312345678@b>", "Call-ID: THIS", "CSeq: 1 INVITE", "Contact: <sip:a@LOCAL>", "Content-Length: 0", "", "",
		}, "\r\n"), "LOCAL", trunk.LocalAddr().String()), "THIS", id)), at); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _ = r.border.run(t.Context()) }()
	carrier, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 192, 1), Port: 5060})
	if err != nil {
		t.Fatal(err)
	}
	defer carrier.Close()
	invite("one")
	if said(carrier, 5*time.Second, "INVITE") == "" {
		t.Fatal("no INVITE")
	}
	ends := func() int { return r.logs.FilterMessage("the time for calls to end by themselves is over").Len() }
	first, second := &ops.Drain{By: "alice", Ends: time.Now().Add(time.Hour)}, &ops.Drain{By: "bob", Ends: time.Now().Add(time.Hour)}
	if r.Drain(first) != nil || r.Drain(nil) != nil {
		t.Fatal("not drained and resumed")
	}
	r.endDrained(first)
	if r.Drain(first) != nil || r.Drain(second) != nil {
		t.Fatal("not drained again")
	}
	r.endDrained(first)
	if n := ends(); n != 0 || r.border.engine.Active() != 1 {
		t.Errorf("ended %d times by a deadline that holds no more", n)
	}
	if state, ready := r.State(); state != "draining" || ready || r.Now().Drain != second {
		t.Errorf("%s %v", state, ready)
	}
	invite("two")
	if no := said(trunk, 5*time.Second, "SIP/2.0 503"); !strings.Contains(no, "\r\nRetry-After: 30\r\n") || !strings.Contains(no, "Call-ID: two") {
		t.Errorf("a new call is told %q", no)
	}
	r.endDrained(second)
	if no := said(trunk, 5*time.Second, "SIP/2.0 503"); !strings.Contains(no, "Call-ID: one") || ends() != 1 {
		t.Errorf("the call that is left is told %q", no)
	}
	r.leaving.Store(true)
	if r.Drain(nil) == nil {
		t.Error("a process that is about to end is in service again")
	}
	storagetest.Eventually(t, "nothing left", func() bool { return r.border.engine.Active() == 0 || said(carrier, time.Millisecond, "CANCEL") != "" })
}
