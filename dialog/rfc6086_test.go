package dialog_test

import (
	"fmt"
	"strings"
	"testing"

	"bulkhead/dialog"
)

// relaying is a policy that lets INFO and MESSAGE pass.
func relaying() *dialog.Policy {
	p := policy()
	p.Relay = []string{"INFO", "MESSAGE"}
	return p
}

// Two requests of the other side's are under way at once: each answer goes to its
// own, in whatever order they come.
func TestRFC6086_4_2_AnswersOutOfOrder(t *testing.T) {
	r := outbound(t, relaying(), path("198.51.100.1:5060", dialog.UDP), offer).up()
	body := dialog.Body{Type: "application/dtmf-relay", Data: []byte("Signal=5")}
	r.told(dialog.Info{Ref: 7, Method: "INFO", Body: body, Headers: []dialog.Header{{Name: "Info-Package", Value: "dtmf"}}}, "INFO")
	one := r.find("INFO", 0)
	if m := r.read(one); m.CSeq != 2 || m.Body.Type != body.Type || string(m.Body.Data) != "Signal=5" || m.Value("Info-Package") != "dtmf" || m.Contact != "" {
		t.Errorf("the INFO is\n%s", one.Data)
	}
	r.told(dialog.Info{Ref: 9, Method: "INFO", Body: body}, "INFO")
	two := r.find("INFO", 0)
	if got := refs(r, two, 200); got != "9 200" {
		t.Errorf("the answer to the second is told as %q", got)
	}
	if got := refs(r, one, 415); got != "7 415" {
		t.Errorf("the answer to the first is told as %q", got)
	}
	r.gets(r.response(one, 415, "b", ""), "(absorbed)")
}

// refs answers a request and says whose answer is told.
func refs(r *rig, to dialog.Send, code int) string {
	var told []string
	for _, a := range r.leg.Step(r.now, dialog.Received{Message: r.response(to, code, "b", ""), Path: r.path}) {
		if i, ok := a.(dialog.Informed); ok {
			told = append(told, fmt.Sprintf("%d %d", i.Ref, i.Code))
		}
	}
	return strings.Join(told, ", ")
}

func TestRFC6086_4_2_2_Failures(t *testing.T) {
	for code, want := range map[int]string{
		481: "End peer_lost 481, BYE", 408: "Informed 504", 469: "Informed 469", 503: "Informed 503",
	} {
		r := outbound(t, relaying(), path("198.51.100.1:5060", dialog.UDP), offer).up()
		r.told(dialog.Info{Ref: 7, Method: "INFO"}, "INFO")
		r.gets(r.response(r.find("INFO", 0), code, "b", ""), want)
	}
	r := outbound(t, relaying(), path("198.51.100.1:5060", dialog.UDP), offer).up()
	r.told(dialog.Info{Ref: 7, Method: "INFO"}, "INFO")
	r.does(r.leg.Step(r.now, dialog.Unsent{Tx: r.find("INFO", 0).Tx, Why: "refused"}), "Informed 503")
	r.told(dialog.Info{Ref: 8, Method: "INFO"}, "INFO")
	r.told(dialog.End{}, "BYE")
	r.gets(r.response(r.find("INFO", 0), 200, "b", ""), "") // the other side has its 487
}

// What is not on the list does not pass, whoever asks (RFC 3261 §8.2.1).
func TestRFC3261_8_2_1_WhatPassesWithinADialog(t *testing.T) {
	r := inbound(t, relaying(), path("192.0.2.1:5060", dialog.UDP), trunkInvite)
	r.gets(r.trunk("INFO", true, 2, "early", ""), "500 to INFO") // nobody is there yet
	r.talks()
	r.gets(r.trunk("INFO", true, 3, "i", "", "Require: foo"), "420 to INFO")
	r.gets(r.trunk("MESSAGE", true, 4, "m", ""), "Info MESSAGE")
	r.gets(r.trunk("MESSAGE", true, 4, "m", ""), "(absorbed)")
	r.gets(r.trunk("NOTIFY", true, 5, "n", ""), "405 to NOTIFY")
	if allow := r.last().Value("Allow"); allow != dialog.Methods+", INFO, MESSAGE" {
		t.Errorf("Allow: %s", allow)
	}
	r.gets(r.trunk("FROBNICATE", true, 6, "f", ""), "501 to FROBNICATE")
	r.told(dialog.Info{Ref: 4, Method: "NOTIFY"}, "Informed 405")
	r.told(dialog.Info{Ref: 4, Method: "FROBNICATE"}, "Informed 501")
	r.told(dialog.End{}, "BYE, 487 to MESSAGE") // RFC 3261 §15.1.2
	r.gets(r.trunk("INFO", true, 7, "late", ""), "481 to INFO")
	r.told(dialog.Info{Ref: 9, Method: "INFO"}, "")
}

// A peer may have so many waiting, and no more.
func TestRFC6086_BoundOfWhatWaits(t *testing.T) {
	r := inbound(t, relaying(), path("192.0.2.1:5060", dialog.UDP), trunkInvite).talks()
	for i := range 8 {
		r.gets(r.trunk("INFO", true, 2+i, fmt.Sprint("i", i), ""), "Info INFO")
	}
	r.gets(r.trunk("INFO", true, 20, "more", ""), "500 to INFO")
	if r.last().RetryAfter == 0 {
		t.Error("no Retry-After")
	}
}
