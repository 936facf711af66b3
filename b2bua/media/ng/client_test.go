package ng_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua/media/ng"
)

func TestOfferIsAnsweredWithNodeAndBody(t *testing.T) {
	f := newFake(t)
	c := newClient(t, ng.Config{}, f)
	done := offer(c, ng.Exchange{Call: "c1", From: "L0"})
	f.answer(f.next(), fine)
	r := wait(t, done)
	if r.err != nil || r.Node != "n0" || string(r.Body) != ours || r.Warning != "" {
		t.Errorf("%+v", r)
	}
}

// The bytes of a request are a contract with every rtpengine: they are looked at here.
func TestRequestsAsTheyStandOnTheWire(t *testing.T) {
	f := newFake(t)
	c := newClient(t, ng.Config{}, f)
	const flags = "5:flagsl13:trust-address13:strict-source13:port-latching10:reject-ICE21:endpoint-learning-offe"
	const replace = "7:replacel6:origin18:session-connectione8:rtcp-muxl5:demuxe"
	body := fmt.Sprintf("3:sdp%d:%s", len(sdp), sdp)
	offer(c, ng.Exchange{Call: "c1", From: "L0"})
	a := f.next()
	if want := "d4:DTLS3:off3:ICE6:remove3:TOSi184e7:call-id2:c17:command5:offer" + flags + "8:from-tag2:L0" + replace + body +
		"8:supportsl10:load limitee"; a.raw != want {
		t.Errorf("an offer:\n%q\n%q", a.raw, want)
	}
	f.answer(a, fine)
	offer(c, ng.Exchange{Node: "n0", Call: "c1", From: "L0", To: "L1", Branch: "b1", Learn: ng.LearnHeuristic, Toward: ng.Profile{
		SRTP: ng.SRTPSDES, Transcode: []string{"PCMU"}, Interfaces: [2]string{"core", "peering"}, Family: ng.FamilyIP6, Record: true,
	}})
	a = f.next()
	if want := "d4:DTLS3:off3:ICE6:remove4:SDESl19:no-AEAD_AES_128_GCM19:no-AEAD_AES_256_GCM" +
		"26:no-AES_192_CM_HMAC_SHA1_3226:no-AES_192_CM_HMAC_SHA1_8026:no-AES_256_CM_HMAC_SHA1_3226:no-AES_256_CM_HMAC_SHA1_80" +
		"22:no-F8_128_HMAC_SHA1_3222:no-F8_128_HMAC_SHA1_8020:no-NULL_HMAC_SHA1_3220:no-NULL_HMAC_SHA1_80e" +
		"3:TOSi184e14:address family3:IP67:call-id2:c15:codecd9:transcodel4:PCMUee7:command5:offer9:directionl4:core7:peeringe" +
		strings.Replace(flags, "21:endpoint-learning-off", "27:endpoint-learning-heuristic", 1) + "8:from-tag2:L011:record call2:on" + replace + body +
		"8:supportsl10:load limite6:to-tag2:L118:transport-protocol8:RTP/SAVP10:via-branch2:b1e"; a.raw != want {
		t.Errorf("an offer with everything:\n%q\n%q", a.raw, want)
	}
	f.answer(a, fine)
	go func() { // what is an offer's only does not go into the answer
		_, _ = c.Answer(context.Background(), ng.Exchange{Node: "n0", Call: "c1", From: "L0", To: "L1", Body: []byte(sdp), Toward: ng.Profile{
			SRTP: ng.SRTPOff, Transcode: []string{"PCMU"}, Interfaces: [2]string{"core", "peering"}, Family: ng.FamilyIP6,
		}})
	}()
	a = f.next()
	if want := "d4:DTLS3:off3:ICE6:remove3:TOSi184e7:call-id2:c17:command6:answer" + flags + "8:from-tag2:L0" + replace + body +
		"8:supportsl10:load limite6:to-tag2:L1e"; a.raw != want {
		t.Errorf("an answer:\n%q\n%q", a.raw, want)
	}
	f.answer(a, fine)
	go func() {
		_ = c.Release(context.Background(), ng.Exchange{Node: "n0", Call: "c1", From: "L0", To: "L1", Branch: "b1"})
	}()
	a = f.next()
	if want := "d7:call-id2:c17:command6:delete12:delete-delayi0e8:from-tag2:L06:to-tag2:L110:via-branch2:b1e"; a.raw != want {
		t.Errorf("a delete:\n%q\n%q", a.raw, want)
	}
	f.answer(a, "d6:result2:oke")
}

func TestRequestIsRepeatedWithItsCookieAndThenLost(t *testing.T) {
	f := newFake(t)
	c := newClient(t, ng.Config{Repeat: 10 * time.Millisecond, Timeout: 150 * time.Millisecond, Ping: never}, f)
	done := offer(c, ng.Exchange{Node: "n0", Call: "c1", From: "L0"})
	first := f.next()
	// After 10, 30, 70 ms: doubled; the next would be at 150, which is the end.
	for i := range 3 {
		if again := f.next(); again.cookie != first.cookie || again.raw != first.raw {
			t.Errorf("repeat %d differs", i)
		}
	}
	r := wait(t, done)
	if !errors.Is(r.err, ng.ErrNodeLost) || !strings.Contains(r.err.Error(), "n0") {
		t.Errorf("%v", r.err)
	}
	f.answer(first, fine)
	until(t, "a late answer", func() bool { return c.Nodes()[0].Counts.Late == 1 })
	if n := c.Nodes()[0].Counts; n.Repeated != 3 || n.Lost != 1 || n.Answered != 1 || n.Sent != 2 { // a ping among them
		t.Errorf("%+v", n)
	}
	if len(f.got) != 0 {
		t.Error("it was repeated more often")
	}
}

func TestOnlyTheAnswerThatWasAskedForIsTaken(t *testing.T) {
	f, other := newFake(t), newFake(t)
	c := newClient(t, ng.Config{Repeat: never, Timeout: 20 * time.Second, Ping: never}, f)
	until(t, "a ping", func() bool { return c.Nodes()[0].Counts.Answered == 1 })
	done := offer(c, ng.Exchange{Call: "c1", From: "L0"})
	a := f.next()
	other.answer(a, fine) // from another address, and all is right with it
	unknown := a
	unknown.cookie = "0123456789abcdef"
	f.answer(unknown, fine)
	for _, garbage := range []string{"", "x", a.cookie, a.cookie + "x" + fine, strings.ToUpper(a.cookie[:15]) + "G " + fine, "\x00" + a.cookie + " " + fine} {
		f.send(a.from, garbage)
	}
	until(t, "all to be counted", func() bool {
		n := c.Nodes()[0].Counts
		return n.Foreign == 1 && n.Stray == 1 && n.Garbled == 6
	})
	select {
	case r := <-done:
		t.Fatalf("one was taken: %+v", r)
	default:
	}
	f.answer(a, fine)
	if r := wait(t, done); r.err != nil {
		t.Error(r.err)
	}
	f.answer(a, fine)
	until(t, "a duplicate", func() bool { return c.Nodes()[0].Counts.Duplicate == 1 })
}

func TestAnswerThatCannotBeUsedIsAnError(t *testing.T) {
	f := newFake(t)
	c := newClient(t, ng.Config{Ping: never}, f)
	for body, want := range map[string]string{
		"":                              "too early",
		"d6:result2:ok":                 "too early",
		"d6:result2:okex":               "more than one",
		"i1e":                           "not a dictionary",
		"de":                            `result ""`,
		"d6:result5:maybee":             `result "maybe"`,
		"d6:resulti1ee":                 `result ""`,
		"d6:result2:oke":                "1 media lines went, 0 came",
		"d6:result2:ok3:sdp3:abce":      "1 media lines went, 0 came",
		"d6:result2:ok3:sdpl1:aee":      "1 media lines went, 0 came",
		"d6:result2:ok6:result2:oke":    "twice",
		strings.Repeat("l", 1000) + "e": "too deep",
	} {
		done := offer(c, ng.Exchange{Node: "n0", Call: "c1", From: "L0"})
		f.answer(f.next(), body)
		if r := wait(t, done); !errors.Is(r.err, ng.ErrGarbled) || !strings.Contains(r.err.Error(), want) || r.Node != "n0" {
			t.Errorf("%.30q: %v at %q, want %q", body, r.err, r.Node, want)
		}
	}
	// IPv6 was asked for, IPv4 came.
	done := offer(c, ng.Exchange{Call: "c1", From: "L0", Toward: ng.Profile{Family: ng.FamilyIP6}})
	f.answer(f.next(), fine)
	if r := wait(t, done); !errors.Is(r.err, ng.ErrGarbled) || !strings.Contains(r.err.Error(), "family IP6") || r.Node != "n0" || r.Body != nil {
		t.Errorf("%+v", r)
	}
}

func TestRefusalHasTheNodesWords(t *testing.T) {
	f := newFake(t)
	c := newClient(t, ng.Config{Ping: never}, f)
	for _, is := range []struct {
		answer string
		text   string
		kind   error
	}{
		{"d12:error-reason15:Unknown call-id6:result5:errore", "Unknown call-id", ng.ErrUnknownCall},
		{"d12:error-reason16:Ran out of ports6:result5:errore", "Ran out of ports", ng.ErrBusy},
		{"d7:message30:Parallel session limit reached6:result10:load limite", "Parallel session limit reached", ng.ErrBusy},
		{"d6:result10:load limite", "load limit", ng.ErrBusy},
		{"d12:error-reason20:Incomplete SDP specs6:result5:errore", "Incomplete SDP specs", nil},
		{"d6:result5:errore", "", nil},
	} {
		done := offer(c, ng.Exchange{Node: "n0", Call: "c1", From: "L0"})
		f.answer(f.next(), is.answer)
		r := wait(t, done)
		var e *ng.Error
		if !errors.As(r.err, &e) || e.Text != is.text || e.Node != "n0" || e.Command != "offer" || is.kind != nil && !errors.Is(r.err, is.kind) {
			t.Errorf("%s: %v", is.answer, r.err)
		}
		if is.kind == nil && (errors.Is(r.err, ng.ErrBusy) || errors.Is(r.err, ng.ErrUnknownCall)) {
			t.Errorf("%s means too much: %v", is.answer, r.err)
		}
	}
	if n := c.Nodes()[0].Counts.Refused; n != 6 {
		t.Errorf("%d refused", n)
	}
}

func TestManyRequestsInFlightOnOneSocket(t *testing.T) {
	const n = 150 // datagrams that the kernel has room for
	f := newFake(t)
	c := newClient(t, ng.Config{Timeout: 20 * time.Second, Ping: never}, f)
	done := make(chan error, n)
	for i := range n {
		go func() {
			// The m-line's port is the call's number: nobody may get another's answer.
			body := strings.Replace(sdp, "4000", fmt.Sprint(10000+i), 1)
			r, err := c.Offer(context.Background(), ng.Exchange{Call: fmt.Sprint("c", i), From: "L0", Body: []byte(body)})
			if err == nil && string(r.Body) != body {
				err = fmt.Errorf("call %d got %q", i, r.Body)
			}
			done <- err
		}()
	}
	requests, seen := make([]asked, 0, n), map[string]bool{}
	for len(requests) < n {
		if a := f.next(); !seen[a.cookie] { // or the repeat of one
			seen[a.cookie] = true
			requests = append(requests, a)
		}
	}
	if w := c.Nodes()[0].Waiting; w < n {
		t.Errorf("%d wait", w)
	}
	for i := range requests { // the last first
		a := requests[n-1-i]
		body := a.str("sdp")
		f.answer(a, fmt.Sprintf("d6:result2:ok3:sdp%d:%se", len(body), body))
	}
	for range n {
		if err := wait(t, done); err != nil {
			t.Error(err)
		}
	}
	until(t, "none to wait", func() bool { return c.Nodes()[0].Waiting == 0 })
}

func TestCallerMayStopWaiting(t *testing.T) {
	f := newFake(t)
	c := newClient(t, ng.Config{Repeat: never, Timeout: never, Ping: never}, f)
	ctx, cancel := context.WithCancel(context.Background())
	done := offerIn(ctx, c, ng.Exchange{Call: "c1", From: "L0"})
	a := f.next()
	cancel()
	if r := wait(t, done); !errors.Is(r.err, context.Canceled) {
		t.Error(r.err)
	}
	f.answer(a, fine)
	until(t, "a late answer", func() bool { return c.Nodes()[0].Counts.Late == 1 })
}

func TestCloseEndsWhatWaits(t *testing.T) {
	f := newFake(t)
	c := newClient(t, ng.Config{Repeat: never, Timeout: never, Ping: never}, f)
	done := offer(c, ng.Exchange{Call: "c1", From: "L0"})
	f.next()
	c.Close()
	if r := wait(t, done); !errors.Is(r.err, ng.ErrClosed) {
		t.Error(r.err)
	}
	if _, err := c.Offer(context.Background(), ng.Exchange{Call: "c1", From: "L0", Body: []byte(sdp)}); !errors.Is(err, ng.ErrClosed) {
		t.Error(err)
	}
}

func TestRequestMustFitIntoADatagram(t *testing.T) {
	f := newFake(t)
	c := newClient(t, ng.Config{Ping: never}, f)
	_, err := c.Offer(context.Background(), ng.Exchange{Call: "c1", From: "L0", Body: []byte(sdp + strings.Repeat("a=x\r\n", 14000))})
	if !errors.Is(err, ng.ErrTooLong) || errors.Is(err, ng.ErrNodeLost) {
		t.Error(err)
	}
}

func TestNodesThatCannotBeAreRefused(t *testing.T) {
	at := netip.MustParseAddrPort
	for want, nodes := range map[string][]ng.Node{
		"no rtpengine nodes":                   nil,
		`"a": stands twice`:                    {{Name: "a", Address: at("127.0.0.1:1")}, {Name: "a", Address: at("127.0.0.1:2")}},
		`"b": 127.0.0.1:1 is node "a"`:         {{Name: "a", Address: at("127.0.0.1:1")}, {Name: "b", Address: at("[::ffff:127.0.0.1]:1")}},
		"address 0.0.0.0:1 is not that":        {{Address: at("0.0.0.0:1")}},
		"address 127.0.0.1:0 is not that":      {{Address: at("127.0.0.1:0")}},
		"address [ff02::1]:1 is not that":      {{Address: at("[ff02::1]:1")}},
		"address invalid AddrPort is not that": {{Name: "x"}},
	} {
		c, err := ng.New(ng.Config{Nodes: nodes})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if c != nil {
			c.Close()
		}
	}
}
