//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// One call over two carriers, each as its profile wants it: who calls, what of that is to be
// withheld, the number and its diversion. The trunk dials as in France.
func TestProfilesOfTwoCarriers(t *testing.T) {
	t.Parallel()
	b := open(t, 201, plan{
		trunk: "trust: true, country: FR, headers: {pass: [X-Customer-*]}",
		tc1:   `identity: pai, numbers: {format: plain, tech_prefix: "9871"}, headers: {remove: [X-Customer-Secret]}`,
		tc2:   `identity: pai, trust: true, headers: {add: {X-Attempt: "{attempt} {carrier}"}}`,
	})
	first := b.carrierAt(tc1, "uas_refuse.xml", nil)
	second := b.carrierAt(tc2, "uas.xml", nil)
	call := b.callerTo("0123456789", "uac.xml", []string{"Max-Forwards: 70", strings.Join([]string{
		"Max-Forwards: 70", `P-Asserted-Identity: "Bob" <sip:0612345679@pbx.invalid>`, "Privacy: id", "Diversion: <sip:0198765432@pbx.invalid>;reason=no-answer",
		"Identity: eyJ0.eyJ1.c2ln;info=<https://cert.invalid/1>;alg=ES256;ppt=shaken", "x-customer-id: 7", "X-Customer-Secret: 8", "X-Other: 9",
	}, "\n")}, "-d", "200")
	call.finish(patience)
	first.finish(patience)
	second.finish(patience)
	if r := b.record(); r.Result != "answered" || len(r.Attempts) != 2 || r.tried()["tc1"] != 503 || r.tried()["tc2"] != 200 {
		t.Errorf("record: %+v", r)
	}
	ours := b.at(peeringSide)
	for _, look := range []struct {
		who       *sipp
		has, none []string
	}{
		{
			first,
			[]string{
				"INVITE sip:987133123456789@" + b.at(tc1) + " SIP/2.0", `From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=`,
				"Diversion: <sip:33198765432@" + ours + ">;reason=no-answer;counter=1",
				"x-customer-id: 7",
			},
			[]string{"P-Asserted-Identity", "Privacy", "33612345679", "0612345679", "pbx.invalid", "X-Customer-Secret", "X-Other", "X-Attempt", "Identity: "}, // the caller's number can be read in it
		},
		{
			second,
			[]string{
				"INVITE sip:" + secondNumber + "@" + b.at(tc2) + " SIP/2.0", `P-Asserted-Identity: "Bob" <sip:+33612345679@` + ours + ">", "Privacy: id",
				"Diversion: <sip:+33123456789@" + ours + ">;reason=unavailable;counter=1", "Diversion: <sip:+33198765432@" + ours + ">;reason=no-answer;counter=1",
				"X-Attempt: 2 tc2", "X-Customer-Secret: 8", "Identity: eyJ0.eyJ1.c2ln;info=<https://cert.invalid/1>;alg=ES256;ppt=shaken",
			},
			[]string{"pbx.invalid", "X-Other", "9871"},
		},
	} {
		invite := ""
		for _, m := range look.who.trace() {
			if m.received && strings.HasPrefix(m.line(), "INVITE ") {
				invite = strings.ReplaceAll(m.text, "\r", "")
				break
			}
		}
		for _, text := range look.has {
			if !strings.Contains(invite, text) {
				t.Errorf("%s was not sent %q in\n%s", look.who.name, text, invite)
			}
		}
		for _, text := range look.none {
			if strings.Contains(invite, text) {
				t.Errorf("%s was sent %q in\n%s", look.who.name, text, invite)
			}
		}
	}
}
