//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/storage/storagetest"
)

// TestLimitsOutliveTheirNode kills the node that holds 50 of the 60 calls that the trunk
// may have (R16): within 5 s the survivor lets in 10 more and not one beyond them, so
// what it takes for used is what there is.
func TestLimitsOutliveTheirNode(t *testing.T) {
	t.Parallel()
	const held, most, tried = 50, 60, 30
	redis := storagetest.StartRedis(t)
	b := &pair{border: &border{dir: t.TempDir(), net: 211}, redis: redis, servers: []*storagetest.Server{redis}}
	b.plan = plan{build: "plain", timers: "{t1: 500ms, t2: 4s, t4: 5s}", trunk: fmt.Sprintf("limits: {calls: %d}", most)}
	b.history = newHistory()
	b.history.watch("redis", redis)
	b.open(t)
	common := []string{"-timeout", seconds(2 * patience), "-trace_counts"}
	carrier := b.sippAt(tc1, "tc1", "uas.xml", nil, common...)
	carrier.until("tc1 to listen", 10*time.Second, func() bool { return bound("udp", b.at(tc1)) })
	call := b.sippAt(caller, "caller", "uac.xml", nil, append(common, "-m", fmt.Sprint(held), "-d", "60000", b.at(coreSide), "-s", number, "-r", "50")...)
	call.until("all calls to be held", patience, func() bool { return call.counted("_ACK_Sent") == held })
	b.nodes[0].signal(syscall.SIGKILL)
	<-b.nodes[0].exited
	b.nodes[1].took()
	began := time.Now()

	local := &net.UDPAddr{IP: net.ParseIP(b.ip(caller)), Port: 5099}
	remote, err := net.ResolveUDPAddr("udp", b.at(coreSide))
	if err != nil {
		t.Fatal(err)
	}
	trunk, err := net.DialUDP("udp", local, remote)
	if err != nil {
		t.Fatal(err)
	}
	defer trunk.Close()
	for n := range tried {
		if _, err := fmt.Fprintf(trunk, "INVITE sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKlimit%d;rport\r\nMax-Forwards: 70\r\n"+
			"From: <sip:a@%s>;tag=t%d\r\nTo: <sip:%s@%s>\r\nCall-ID: limit%d\r\nCSeq: 1 INVITE\r\nContact: <sip:a@%s>\r\nContent-Length: 0\r\n\r\n",
			number, remote, local, n, local, n, number, remote, n, local); err != nil {
			t.Fatal(err)
		}
	}
	told := map[string]string{} // what each call heard first
	buffer := make([]byte, 4096)
	for len(told) < tried {
		if err := trunk.SetReadDeadline(began.Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := trunk.Read(buffer)
		if err != nil {
			t.Fatalf("%d of %d INVITEs answered within 5 s of the takeover: %v", len(told), tried, err)
		}
		text := string(buffer[:n])
		_, id, _ := strings.Cut(text, "Call-ID: ")
		id, _, _ = strings.Cut(id, "\r\n")
		if code, ok := strings.CutPrefix(text, "SIP/2.0 "); ok && told[id] == "" {
			told[id] = code[:3]
		}
	}
	count := map[string]int{}
	for _, code := range told {
		count[code]++
	}
	t.Logf("%v after the takeover: %v", time.Since(began).Round(time.Millisecond), count)
	if count["100"] != most-held || count["503"] != tried-(most-held) {
		t.Errorf("%d calls are held of %d: of %d more, %v", held, most, tried, count)
	}
}
