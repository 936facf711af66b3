//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dissected is what tshark makes of a packet.
type dissected struct{ from, to, what, comment string }

// tshark dissects a file. Every packet must be SIP, and none may be malformed.
func tshark(t *testing.T, file string) (all []dissected) {
	t.Helper()
	out, err := exec.Command("tshark", "-r", file, "-T", "fields", "-E", "separator=|",
		"-e", "ip.src", "-e", "ip.dst", "-e", "sip.Method", "-e", "sip.Status-Code", "-e", "frame.comment", "-e", "_ws.malformed", "-e", "udp.checksum.status").Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimRight(line, "\n"), "|")
		if len(f) != 7 || f[2]+f[3] == "" || f[5] != "" {
			t.Fatalf("tshark does not take this for SIP: %q", line)
		}
		all = append(all, dissected{f[0], f[1], f[2] + f[3], f[4]})
	}
	return all
}

// TestTraceIsReadByTshark: a live trace, and the capture of a call that has ended, are SIP to
// tshark, between the addresses that there were, with what was absorbed and the leg that
// lost; the capture is replayed by the program itself, byte for byte, without a key.
func TestTraceIsReadByTshark(t *testing.T) {
	t.Parallel()
	const network = 230
	b := open(t, network, plan{more: "api: {socket: api.sock}", tc1: "timers: {no_answer: 500ms}"})
	run := func(args ...string) string {
		t.Helper()
		c := exec.Command(built("race"), args...)
		c.Dir = b.dir
		var said strings.Builder
		c.Stderr = &said
		out, err := c.Output()
		if err != nil {
			t.Fatalf("bulkhead %s: %v\n%s%s", strings.Join(args, " "), err, out, &said)
		}
		return string(out)
	}
	live := filepath.Join(b.dir, "live.pcapng")
	trace := start(t, b.dir, "trace", built("race"), "trace", "--socket", "api.sock", "--carrier", "tc2", "--for", "1m", "-w", live)
	trace.until("the trace to begin", patience, func() bool { i, err := os.Stat(live); return err == nil && i.Size() > 0 })
	if out := run("trace", "start", "--socket", "api.sock", "--trunk", "pbx", "--number", number, "--for", "1m"); !strings.Contains(out, "captures 100 calls at most") {
		t.Error(out)
	}
	first := b.peerAt(tc1)
	second := b.carrierAt(tc2, "uas.xml", nil)
	call := b.callerTo(number, "uac.xml", nil, "-d", "200")
	invite := first.find("INVITE ", patience)
	first.send(invite.from, invite.reply("100 Trying", ""))
	first.send(invite.from, invite.reply("180 Ringing", "deaf", "Contact: <sip:deaf@"+first.addr+">"))
	cancel := first.find("CANCEL ", patience)
	first.send(cancel.from, cancel.reply("200 OK", "deaf"))
	for range 3 {
		first.send(invite.from, invite.reply("487 Request Terminated", "deaf"))
		first.find("ACK ", patience)
	}
	call.finish(patience)
	second.finish(patience)
	r := b.record()
	listed := run("trace", "list", "--socket", "api.sock")
	if !strings.Contains(listed, "carrier=tc2") || !strings.Contains(listed, "trunk=pbx number="+number) || !strings.Contains(listed, "1 calls are captured") {
		t.Error(listed)
	}
	run("trace", "stop", "--socket", "api.sock", "c1")
	trace.finish(patience)
	if said := trace.tail(1000); !strings.Contains(said, " messages, 0 missed: somebody has stopped it") {
		t.Error(said)
	}
	ended := filepath.Join(b.dir, "call.pcapng")
	run("trace", "call", "--socket", "api.sock", r.Call, "-w", ended)
	old := filepath.Join(b.dir, "call.pcap")
	run("trace", "call", "--socket", "api.sock", r.Call, "--format", "pcap", "-w", old)

	for _, file := range []string{live, ended, old} {
		got := tshark(t, file)
		between := func(from, to int, what, note string) (n int) {
			for _, p := range got {
				if p.from == b.ip(from) && p.to == b.ip(to) && p.what == what && strings.Contains(p.comment, note) {
					n++
				}
			}
			return n
		}
		absorbed := "absorbed"
		if file == old {
			absorbed = "" // the old form has no comments
		}
		for _, want := range []struct {
			from, to   int
			what, note string
		}{
			{caller, coreSide, "INVITE", ""}, {coreSide, caller, "100", ""}, {coreSide, caller, "200", ""}, {caller, coreSide, "ACK", ""}, {caller, coreSide, "BYE", ""},
			{peeringSide, tc1, "INVITE", ""}, {peeringSide, tc1, "CANCEL", ""}, {tc1, peeringSide, "487", absorbed}, {peeringSide, tc1, "ACK", ""},
			{peeringSide, tc2, "INVITE", ""}, {tc2, peeringSide, "200", ""}, {peeringSide, tc2, "ACK", ""}, {peeringSide, tc2, "BYE", ""},
		} {
			if between(want.from, want.to, want.what, want.note) == 0 {
				t.Errorf("%s: no %s from %s to %s %s", filepath.Base(file), want.what, b.ip(want.from), b.ip(want.to), want.note)
			}
		}
		if t.Failed() {
			for _, p := range got {
				t.Logf("%s: %+v", filepath.Base(file), p)
			}
		}
	}

	capture := filepath.Join(b.dir, "call.jsonl")
	text := run("trace", "capture", "--socket", "api.sock", r.Call)
	if err := os.WriteFile(capture, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.terminate(20 * time.Second)
	if out := run("replay", capture); !strings.Contains(out, "each has come to the same, byte for byte") || !strings.Contains(out, "absorbed") {
		t.Error(out)
	}
	if out := run("replay", capture, "--what-if", "tc1.no_answer=300ms"); !strings.Contains(out, "as it would be:   answered 200 after 0.3") {
		t.Error(out)
	}
}

// TestLogOfOneNumber: of the calls to one number every message has a line, and of others none,
// at the level that the node has; then at debug those of all. Nothing is restarted.
func TestLogOfOneNumber(t *testing.T) {
	t.Parallel()
	const network = 231
	b := open(t, network, plan{more: "api: {socket: api.sock}\nlog: {level: info, redact: {numbers: last4}}"})
	run := func(args ...string) string {
		t.Helper()
		c := exec.Command(built("race"), args...)
		c.Dir = b.dir
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("bulkhead %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	call := func(number string) {
		t.Helper()
		carrier := b.carrierAt(tc1, "uas.xml", nil)
		caller := b.callerTo(number, "uac.xml", nil, "-d", "100")
		caller.finish(patience)
		carrier.finish(patience)
	}
	said := func() (messages, whole int) {
		text := b.tail(1 << 20)
		return strings.Count(text, `"msg":"message"`), strings.Count(text, number)
	}
	if out := run("log", "debug", "--socket", "api.sock", "--number", number, "--for", "1m"); !strings.Contains(out, "level info") || !strings.Contains(out, "number="+number) {
		t.Error(out)
	}
	call("+33199999")
	if n, _ := said(); n != 0 {
		t.Errorf("%d messages of another number are logged", n)
	}
	call(number)
	b.until("the messages of the call in the log", patience, func() bool { n, _ := said(); return n >= 14 })
	n, whole := said()
	if whole != 0 {
		t.Errorf("the number is whole in the log %d times", whole)
	}
	run("log", "quiet", "--socket", "api.sock", "c1")
	call(number)
	if again, _ := said(); again != n {
		t.Errorf("%d messages are logged after it was ended, %d before", again, n)
	}
	if out := run("log", "level", "--socket", "api.sock", "debug"); !strings.Contains(out, "level debug") {
		t.Error(out)
	}
	call("+33199999")
	b.until("the messages of the call in the log", patience, func() bool { all, _ := said(); return all >= n+14 })
}
