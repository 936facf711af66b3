//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Whole calls whose media an rtpengine carries, by Debian's in user space. The parties speak SIP and RTP
// themselves.

// engines is the media section for these; calls nobody speaks in end after the timeout.
func engines(timeout string, all ...*engine) string {
	var nodes []string
	for _, e := range all {
		nodes = append(nodes, fmt.Sprintf("%q", "udp://"+e.node.Address.String()))
	}
	return fmt.Sprintf("{mode: rtpengine, relay: {ports: 31000-31999, timeout: %s}, rtpengine: {nodes: [%s]}}", timeout, strings.Join(nodes, ", "))
}

const patient = "{t1: 500ms, t2: 4s, t4: 5s}" // no repeats where the machine is slow

// pcma describes a talker of PCMA.
func (p *party) pcma(more ...string) []byte { return p.describe("RTP/AVP", "8", more...) }

// parties are a call's two, with sounds of their own.
func (b *border) parties(trunk, carrier *peer, n int) (*party, *party) {
	b.t.Helper()
	return b.calling(trunk, fmt.Sprint("call", n), talk(b.t, b.ip(caller), uint32(0x1000+n), 8, byte(0x10+n))),
		b.called(carrier, talk(b.t, b.ip(tc1), uint32(0x2000+n), 8, byte(0x80+n)))
}

// TestEngineNodeIsLost has two rtpengines, of which one is killed: its calls stay up, and go to the other one with
// their next description; new ones go there at once. Without any a call is refused with 503. One that was started
// again gets calls again, and what it does not know any more ends.
func TestEngineNodeIsLost(t *testing.T) {
	t.Parallel()
	one, two := startEngine(t, 276), startEngine(t, 277)
	o := operate(t, 276, plan{media: engines("60s", one, two), timers: patient})
	trunk, carrier := o.peerAt(caller), o.peerAt(tc1)
	type call struct{ trunk, carrier *party }
	at := map[*engine][]call{}
	n := 0
	set := func() *engine {
		t.Helper()
		a, b := o.parties(trunk, carrier, n)
		n++
		joined(a, b, a.pcma(), b.pcma())
		e := one
		if a.talker.to.Addr().String() == two.core {
			e = two
		}
		at[e] = append(at[e], call{a, b})
		return e
	}
	for len(at[one]) < 3 || len(at[two]) < 1 { // each call goes by its own name: half of them to each
		if set(); n > 40 {
			t.Fatalf("%d calls are at one and %d at the other", len(at[one]), len(at[two]))
		}
	}
	lost, kept, ends, gone := at[one][0], at[two][0], at[one][1], at[one][2]
	both(lost.trunk, lost.carrier, 10)

	one.kill()
	both(kept.trunk, kept.carrier, 10)
	for range 4 {
		if set() != two {
			t.Fatal("a new call is at the node that is lost")
		}
	}
	both(at[two][len(at[two])-1].trunk, at[two][len(at[two])-1].carrier, 10)
	if up := o.metric(fmt.Sprintf("bulkhead_rtpengine_up{node=%q}", "udp://"+one.node.Address.String())); up != 0 {
		t.Errorf("the lost node is shown as up: %v", up)
	}
	// A call of the lost node is as it was for SIP, and is anchored anew by what is described next.
	shown, told := changes(lost.trunk, lost.carrier, lost.trunk.pcma(), lost.carrier.pcma())
	lost.carrier.aim(shown.body())
	lost.trunk.aim(told.body())
	if to := lost.trunk.talker.to.Addr().String(); to != two.core {
		t.Errorf("the re-INVITE of a call of the lost node leads to %s", to)
	}
	both(lost.trunk, lost.carrier, 10)
	// The end of one whose node cannot be asked is one like any other, and what was left there is counted.
	parts(ends.trunk, ends.carrier)
	if failed := o.metric(`bulkhead_rtpengine_failures_total{doing="delete",reason="node_lost"}`); failed != 1 {
		t.Errorf("%v deletes are counted as failed", failed)
	}

	// None is left.
	two.kill()
	a, _ := o.parties(trunk, carrier, n)
	n++
	a.ask("INVITE", a.pcma())
	if m := a.confirmed("503", nil); m.header("Retry-After") == "" {
		t.Errorf("a call without an rtpengine gets %q", m.text)
	}

	// One comes back, and new calls are there. Of its own it knows none: the next description goes to it as of a new one.
	again := startEngine(t, 276)
	o.until("the node to be up", 10*time.Second, func() bool {
		return o.metric(fmt.Sprintf("bulkhead_rtpengine_up{node=%q}", "udp://"+one.node.Address.String())) == 1
	})
	a, b := o.parties(trunk, carrier, n)
	joined(a, b, a.pcma(), b.pcma())
	both(a, b, 10)
	parts(a, b)
	again.none()
	shown, told = changes(gone.trunk, gone.carrier, gone.trunk.pcma(), gone.carrier.pcma())
	gone.carrier.aim(shown.body())
	gone.trunk.aim(told.body())
	both(gone.trunk, gone.carrier, 10)
	parts(gone.trunk, gone.carrier)
	again.none()
	for _, state := range []string{"down", "up"} {
		if !regexp.MustCompile(`"msg":"rtpengine",.*"state":"` + state + `"`).MatchString(o.tail(1 << 20)) {
			t.Errorf("the log does not tell of a node that is %s", state)
		}
	}
}

// TestEngineForgetsACall: a node that was started again knows its calls no more; the poll finds that out, and both
// sides get their BYE.
func TestEngineForgetsACall(t *testing.T) {
	t.Parallel()
	e := startEngine(t, 278)
	b := open(t, 278, plan{media: engines("4s", e), timers: patient})
	trunk, carrier := b.peerAt(caller), b.peerAt(tc1)
	x, y := b.parties(trunk, carrier, 1)
	joined(x, y, x.pcma(), y.pcma())
	both(x, y, 10)
	e.kill()
	startEngine(t, 278)
	for _, p := range []*party{x, y} {
		bye := p.await("BYE ")
		if !strings.Contains(bye.header("Reason"), "cause=102") {
			t.Errorf("%s has %q", p.at, bye.text)
		}
		p.answers(bye, "200 OK", nil)
	}
	if r := b.record(); r.Cause != "media_timeout" || r.EndedBy != "bulkhead" {
		t.Errorf("record: %+v", r)
	}
}

// TestEngineHearsNobody: rtpengine has the call and nobody speaks in it. One that is on hold stays.
func TestEngineHearsNobody(t *testing.T) {
	t.Parallel()
	e := startEngine(t, 279)
	b := open(t, 279, plan{media: engines("4s", e), timers: patient})
	trunk, carrier := b.peerAt(caller), b.peerAt(tc1)
	x, y := b.parties(trunk, carrier, 1)
	held, holds := b.parties(trunk, carrier, 2)
	joined(held, holds, held.pcma("a=sendonly"), holds.pcma("a=recvonly"))
	joined(x, y, x.pcma(), y.pcma())
	both(x, y, 10)
	for _, p := range []*party{x, y, held, holds} {
		p.hush()
	}
	began := time.Now()
	for _, p := range []*party{x, y} {
		bye := p.await("BYE ")
		if !strings.Contains(bye.header("Reason"), "cause=102") {
			t.Errorf("%s has %q", p.at, bye.text)
		}
		p.answers(bye, "200 OK", nil)
	}
	took := time.Since(began)
	if took < 3*time.Second || took > 9*time.Second { // rtpengine says it to the second
		t.Errorf("silence was noticed after %v", took)
	}
	if r := b.record(); r.Cause != "media_timeout" || r.EndedBy != "bulkhead" {
		t.Errorf("record: %+v", r)
	}
	parts(held, holds)
	e.none()
}

// TestEngineCallOutlivesItsNode kills the node of Bulkhead: the audio goes on as rtpengine carries it, nobody is asked
// anything, and the survivor's next description goes to the same rtpengine, for the same ports.
func TestEngineCallOutlivesItsNode(t *testing.T) {
	t.Parallel()
	one, two := startEngine(t, 280), startEngine(t, 281)
	two.kill() // so that all calls are at the one, whichever they would be at by their names
	b := openPair(t, 280, nil, plan{build: "plain", media: engines("60s", one, two), timers: patient})
	trunk, carrier := b.peerAt(caller), b.peerAt(tc1)
	var all [][2]*party
	for n := range 6 {
		x, y := b.parties(trunk, carrier, n)
		joined(x, y, x.pcma(), y.pcma())
		all = append(all, [2]*party{x, y})
	}
	for _, c := range all {
		both(c[0], c[1], 10)
	}
	two = startEngine(t, 281)
	b.nodes[0].signal(syscall.SIGKILL)
	for _, c := range all { // nobody has taken them over yet
		both(c[0], c[1], 10)
	}
	b.nodes[1].took()
	for _, c := range all {
		both(c[0], c[1], 10)
	}
	for _, p := range []*peer{trunk, carrier} {
		if m, ok := p.next(time.Now().Add(100 * time.Millisecond)); ok {
			t.Errorf("%s was asked: %s", p.addr, m.text)
		}
	}
	for _, c := range all {
		x, y := c[0], c[1]
		before := [2]string{x.talker.to.String(), y.talker.to.String()}
		shown, told := changes(x, y, x.pcma(), y.pcma())
		y.aim(shown.body())
		x.aim(told.body())
		if after := [2]string{x.talker.to.String(), y.talker.to.String()}; after != before {
			t.Errorf("the ports were %v and are %v", before, after)
		}
		both(x, y, 5)
		parts(x, y)
	}
	for _, r := range b.settled(b.nodes[1], len(all)) {
		if m := r.Attempts[0].Media; m == nil || m.Mode != "rtpengine" || m.Streams[0].Trunk.Packets < 30 || m.Streams[0].Carrier.Packets < 30 {
			t.Errorf("record: %+v", r)
		}
	}
	one.none()
	two.none()
}

// TestEngineTranscodes: the trunk speaks PCMA and the carrier PCMU, as its profile has it offered.
func TestEngineTranscodes(t *testing.T) {
	t.Parallel()
	e := startEngine(t, 282)
	b := open(t, 282, plan{media: engines("60s", e), timers: patient, tc1: "media: rtpengine, transcode: [PCMU]"})
	trunk, carrier := b.peerAt(caller), b.peerAt(tc1)
	x := b.calling(trunk, "law", talk(t, b.ip(caller), 0x1111, 8, alaw))
	y := b.called(carrier, talk(t, b.ip(tc1), 0x2222, 0, ulaw))
	event := "a=rtpmap:101 telephone-event/8000"
	shown, told := joined(x, y, x.describe("RTP/AVP", "8 101", event), y.describe("RTP/AVP", "0 101", event))
	if line := shown.line("m=audio"); !strings.HasSuffix(line, " RTP/AVP 8 0 101") {
		t.Errorf("the carrier is offered %q", line)
	}
	if line := told.line("m=audio"); !strings.HasSuffix(line, " RTP/AVP 8 101") {
		t.Errorf("the trunk is answered %q", line)
	}
	y.hears(50, sounds(0, x.talker))
	x.hears(50, sounds(8, y.talker))
	parts(x, y)
	if m := b.record().Attempts[0].Media; m == nil || m.Streams[0].Trunk.Packets < 50 || m.Streams[0].Carrier.Packets < 50 {
		t.Errorf("record: %+v", m)
	}
	e.none()
}

// TestEngineSpeaksSRTP: the carrier's SIP goes by TLS, and its media by SRTP with keys of SDES, which the test decrypts; the trunk's
// is plain, and sees no key.
func TestEngineSpeaksSRTP(t *testing.T) {
	t.Parallel()
	e := startEngine(t, 284)
	b := &border{dir: t.TempDir(), net: 284, plan: plan{media: engines("60s", e), timers: patient}}
	at := b.ip(tc1) + ":5061"
	carrier := listenTLS(t, b.dir, b.ip(peeringSide), at)
	text := b.config()
	for from, to := range map[string]string{
		fmt.Sprintf("  peering: {listen: [%q, %q]}", "udp://"+b.at(peeringSide), "tcp://"+b.at(peeringSide)): fmt.Sprintf(
			"  peering: {listen: [%q], tls: {certificate: peering.pem, key: peering.key, client_ca: ca.pem}}", "tls://"+b.ip(peeringSide)+":5061"),
		fmt.Sprintf("gateways: [{address: %q, transport: udp}]}", b.at(tc1)): fmt.Sprintf("gateways: [{address: %q, transport: tls}], media: rtpengine, srtp: true}", at),
		fmt.Sprintf("gateways: [{address: %q, transport: udp}]}", b.at(tc2)): fmt.Sprintf("gateways: [{address: %q, transport: tls}]}", b.ip(tc2)+":5061"),
	} {
		if !strings.Contains(text, from) {
			t.Fatalf("no %s in\n%s", from, text)
		}
		text = strings.Replace(text, from, to, 1)
	}
	file := filepath.Join(b.dir, "bulkhead.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.process = start(t, b.dir, "bulkhead", built("race"), "serve", "--drain", "1s", file)
	t.Cleanup(func() { b.terminate(20 * time.Second) })
	b.ready()

	x := b.calling(b.peerAt(caller), "srtp", talk(t, b.ip(caller), 0x1111, 8, 0x11))
	y := &party{talker: talk(t, b.ip(tc1), 0x2222, 8, 0x22), b: b, sip: carrier, at: at, via: "TLS"}
	x.ask("INVITE", x.pcma())
	m := y.invited()
	lines := cryptoLine.FindAllStringSubmatch(string(m.body()), -1)
	if len(lines) == 0 || !strings.HasSuffix(m.line("m=audio"), " RTP/SAVP 8") {
		t.Fatalf("the carrier is offered\n%s", m.body())
	}
	own := []byte("0123456789abcdefghijklmnopqrst")
	in, out := secured(t, lines[0], own)
	y.mu.Lock()
	y.in, y.out = in, out
	y.mu.Unlock()
	y.aim(m.body())
	key := "a=crypto:" + lines[0][1] + " AES_CM_128_HMAC_SHA1_80 inline:" + base64.StdEncoding.EncodeToString(own)
	y.answers(m, "200 OK", y.describe("RTP/SAVP", "8", key))
	told := x.confirmed("200", nil)
	if noKeys.Match(told.body()) || !strings.HasSuffix(told.line("m=audio"), " RTP/AVP 8") {
		t.Errorf("the trunk is answered\n%s", told.body())
	}
	x.aim(told.body())
	y.await("ACK ")
	both(x, y, 50)
	// On hold and back: the keys stay.
	shown, _ := changes(x, y, x.pcma("a=sendonly"), y.describe("RTP/SAVP", "8", key, "a=recvonly"))
	if again := cryptoLine.FindStringSubmatch(string(shown.body())); len(again) == 0 || again[3] != lines[0][3] {
		t.Errorf("the key was %q and is %q", lines[0][3], again)
	}
	y.hears(10, x.says)
	changes(x, y, x.pcma(), y.describe("RTP/SAVP", "8", key))
	both(x, y, 20)
	y.mu.Lock()
	if y.bad > 0 {
		t.Errorf("%d packets could not be decrypted", y.bad)
	}
	y.mu.Unlock()
	parts(x, y)
	if m := b.record().Attempts[0].Media; m == nil || m.Streams[0].Trunk.Packets < 60 || m.Streams[0].Carrier.Packets < 60 {
		t.Errorf("record: %+v", m)
	}
	e.none()
}
