package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"bulkhead/b2bua/ops"
	"bulkhead/b2bua/wire"
)

// invites begins call n of the trunk, which nobody answers.
func (r *reloading) invites(n int) {
	r.t.Helper()
	raw := []byte(strings.Join([]string{
		"INVITE sip:+3312@127.0.190.1 SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP 127.0.191.1;branch=z9hG4bK%d", n),
		fmt.Sprintf("From: <sip:+41%02d@127.0.191.1>;tag=trunk", n), "To: <sip:+3312@127.0.190.1>", fmt.Sprintf("Call-ID: %d", n), "CSeq: 1 INVITE",
		"Contact: <sip:127.0.191.1>", "Content-Length: 0", "", "",
	}, "\r\n"))
	m, fault, err := wire.Parse(raw, wire.Limits{})
	if err != nil || fault != nil {
		r.t.Fatal(err, fault)
	}
	hop := wire.Hop{Realm: "core", Remote: netip.MustParseAddrPort("127.0.191.1:5060")}
	r.border.engine.Receive(wire.Packet{Hop: hop, At: time.Now(), Message: m, Raw: raw})
}

// TestCallsByTheCommand: in every format, narrowed and bounded; one is shown, and ended.
func TestCallsByTheCommand(t *testing.T) {
	silent, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.192.1:5060"))) // the carrier
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r := reloads(t, false)
	out, problems, err := ran(callsCommand(), r.file, "-o", "json")
	if err != nil || out != "[]\n" || problems != "" {
		t.Errorf("none: %v %q %q", err, out, problems)
	}
	for n := range 3 {
		r.invites(n)
	}
	out, _, err = ran(callsCommand(), r.file)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err != nil || len(lines) != 4 || strings.Join(strings.Fields(lines[0]), " ") != "CALL STATE AGE TRUNK FROM TO CARRIER ATTEMPTS" ||
		!strings.Contains(strings.Join(strings.Fields(lines[1]), " "), " hunting 0s pbx +4102 +3312 tc1 1") {
		t.Errorf("%v\n%s", err, out)
	}
	id := strings.Fields(lines[1])[0]
	out, problems, err = ran(callsCommand(), r.file, "--limit", "2", "-o", "jsonl")
	var one ops.Call
	if err != nil || strings.Count(out, "\n") != 2 || problems != "and 1 more: --limit says how many are shown\n" ||
		json.Unmarshal([]byte(out[:strings.Index(out, "\n")]), &one) != nil || one.ID != id {
		t.Errorf("%v %s\n%s", err, problems, out)
	}
	out, _, err = ran(callsCommand(), r.file, "--from", "+4101", "--state", "hunting,up", "--number", "+33", "--longer-than", "0s", "--attempts", "1", "--trunk", "pbx", "--carrier", "tc1", "-o", "csv")
	rows, broken := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || broken != nil || len(rows) != 2 || rows[1][3] != "+4101" || rows[1][6] != "127.0.192.1:5060" {
		t.Errorf("%v %v\n%s", err, broken, out)
	}
	out, _, err = ran(callsCommand(), r.file, "-o", "wide")
	if err != nil || strings.Count(out, "127.0.192.1:5060") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
	for _, wrong := range [][]string{{"-o", "xml"}, {"--state", "asleep"}, {"--longer-than", "soon"}} {
		if _, _, err := ran(callsCommand(), append([]string{r.file}, wrong...)...); err == nil {
			t.Errorf("%q passes", wrong)
		}
	}

	out, _, err = ran(showCommand(), r.file, id)
	text := strings.Join(strings.Fields(out), " ")
	for _, want := range []string{"call " + id + " state hunting from +4102, by trunk pbx to +3312 carrier tc1, gateway 127.0.192.1:5060, asked for +3312 began ",
		" ago node sbc-a ", " trunk pbx at 127.0.191.1:5060, UDP state trying: no carrier rings yet Call-ID 2 ",
		" attempt 1 tc1 at 127.0.192.1:5060, ", " state trying: the INVITE is sent, and nothing has come ", " call: longest setup: the call fails", " in "} {
		if err != nil || !strings.Contains(text, want) {
			t.Errorf("%v: %q is not in\n%s", err, want, out)
		}
	}
	if _, _, err := ran(showCommand(), r.file, id, "-o", "xml"); err == nil {
		t.Error("-o xml passes")
	}
	out, _, err = ran(showCommand(), r.file, id, "-o", "json")
	var d ops.CallDetail
	if err != nil || json.Unmarshal([]byte(out), &d) != nil || d.ID != id || len(d.Legs) != 2 || d.Record.Attempts[0].Carrier != "tc1" {
		t.Errorf("%v\n%s", err, out)
	}
	if _, _, err := ran(showCommand(), r.file, "nothing"); err == nil || !strings.Contains(err.Error(), `there is no call "nothing" here`) {
		t.Error(err)
	}
	if out, _, err = ran(ladderCommand(), r.file, id); err != nil || !strings.Contains(out, "INVITE") || !strings.Contains(out, "tc1") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _, err = ran(ladderCommand(), r.file, id, "-o", "svg"); err != nil || !strings.HasPrefix(out, "<svg") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, _, err = ran(whyCommand(), r.file, id); err != nil || !strings.Contains(out, "tc1") {
		t.Errorf("%v\n%s", err, out)
	}
	out, _, err = ran(hangupCommand(), r.file, id, "--cause", "31")
	if err != nil || out != "call "+id+" was hunting, and is being ended\n" {
		t.Errorf("%v %s", err, out)
	}
	if _, _, err := ran(hangupCommand(), r.file, id); err == nil || !strings.Contains(err.Error(), "the call has ended: operator") {
		t.Error(err)
	}
	if out, _, err = ran(callsCommand(), r.file, "--state", "hunting", "-o", "jsonl"); err != nil || strings.Count(out, "\n") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
}
