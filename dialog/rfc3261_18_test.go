package dialog_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"bulkhead/dialog"
)

// long is an offer that no datagram should carry.
var long = offer + strings.Repeat("a=rtpmap:96 a-codec-with-a-long-name/8000\r\n", 30)

// byTCP is a leg whose INVITE, with this offer, is made for UDP and may go by TCP.
func byTCP(t *testing.T, offer string) *rig {
	p := policy()
	p.LargeByTCP = true
	return outbound(t, p, path("198.51.100.1:5060", dialog.UDP), offer)
}

func TestRFC3261_18_1_1_LargeInviteGoesByTCP(t *testing.T) {
	r := byTCP(t, long)
	s := r.sent[0]
	m := r.read(s)
	if s.Path.Transport != dialog.TCP || s.Path.Remote != r.path.Remote || !strings.HasPrefix(m.Vias[0], "SIP/2.0/TCP 203.0.113.7:5060;branch=") {
		t.Errorf("by %s to %s, Via %s", s.Path.Transport, s.Path.Remote, m.Vias[0])
	}
	if strings.Contains(m.Contact, "transport") || strings.Contains(m.URI.String(), "transport") {
		t.Errorf("to %s, Contact %s: more than the Via has changed", m.URI.String(), m.Contact)
	}
	r.gets(r.response(s, 180, "b", ""), "Progress 180")
	r.told(dialog.End{Cause: dialog.Cause{Why: dialog.Cancelled, Code: 487}}, "CANCEL")
	if c := r.find("CANCEL", 0); c.Path != s.Path || r.last().Vias[0] != m.Vias[0] {
		t.Errorf("CANCEL by %+v, Via %s", c.Path, r.last().Vias[0])
	}
	r.gets(r.response(s, 487, "b", ""), "ACK")
	if a := r.find("ACK", 0); a.Path != s.Path || r.last().Vias[0] != m.Vias[0] {
		t.Errorf("ACK by %+v, Via %s", a.Path, r.last().Vias[0])
	}
}

func TestRFC3261_18_1_1_WhatFitsOrMayNotGoesByUDP(t *testing.T) {
	for what, leg := range map[string]func() *rig{
		"what fits":      func() *rig { return byTCP(t, offer) },
		"by the profile": func() *rig { return outbound(t, policy(), path("198.51.100.1:5060", dialog.UDP), long) },
		"without TCP": func() *rig {
			p := policy()
			p.LargeByTCP, p.Local[dialog.TCP] = true, ""
			return outbound(t, p, path("198.51.100.1:5060", dialog.UDP), long)
		},
	} {
		if r := leg(); r.sent[0].Path != r.path {
			t.Errorf("%s went by %+v", what, r.sent[0].Path)
		}
	}
}

// Where TCP cannot be, the same transaction goes on by UDP, with its timers from then on;
// where that cannot be either, it was not sent.
func TestRFC3261_18_1_1_BackToUDP(t *testing.T) {
	r := byTCP(t, long)
	r.now = began.Add(100 * time.Millisecond)
	r.does(r.leg.Step(r.now, dialog.Unsent{Tx: r.sent[0].Tx, Why: "connection refused"}), "INVITE")
	first, second := r.sent[0], r.sent[1]
	if second.Path != r.path || second.Tx != first.Tx || !second.Promise {
		t.Errorf("again by %+v", second)
	}
	if want := bytes.Replace(first.Data, []byte("SIP/2.0/TCP"), []byte("SIP/2.0/UDP"), 1); !bytes.Equal(second.Data, want) {
		t.Errorf("more than the Via has changed:\n%s", second.Data)
	}
	r.waits(600*time.Millisecond, "INVITE again") // Timer A
	r.does(r.leg.Step(r.now, dialog.Unsent{Tx: first.Tx, Why: "connection refused"}), "End not_sent 503")
}

// P5: a call that has been cancelled meanwhile is not tried again.
func TestRFC3261_18_1_1_NotBackToUDPOnceCancelled(t *testing.T) {
	r := byTCP(t, long)
	r.told(dialog.End{Cause: dialog.Cause{Why: dialog.Cancelled, Code: 487}}, "")
	r.does(r.leg.Step(r.now, dialog.Unsent{Tx: r.sent[0].Tx, Why: "connection refused"}), "")
	if got := r.idles(); got != "" {
		t.Errorf("then %s", got)
	}
}

// A restored leg goes on by TCP, and back as well.
func TestRFC3261_18_1_1_Restored(t *testing.T) {
	r := byTCP(t, long)
	w := dialog.NewWriter(nil)
	r.leg.Fields(w)
	again := &dialog.Leg{}
	again.Fields(dialog.NewReader(w.Data()))
	again.Policy = r.leg.Policy
	r.leg = again
	r.does(r.leg.Step(r.now, dialog.Unsent{Tx: r.sent[0].Tx, Why: "connection refused"}), "INVITE")
	if r.sent[1].Path != r.path {
		t.Errorf("by %+v", r.sent[1].Path)
	}
}
