//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Fifty thousand datagrams a second from a source that nobody knows, for ten
// seconds, among fifty calls a second: no call fails, memory stays (R30).
func TestGarbageFloodTouchesNoCall(t *testing.T) {
	const (
		rate, calls = 50, 50 * 25
		second      = 50_000 // datagrams
		flood       = 10 * time.Second
	)
	// GOGC: memory that is only not collected yet would hide what grows.
	b := open(t, 151, plan{build: "plain", env: []string{"GOGC=100"}, timers: "{t1: 500ms, t2: 4s, t4: 5s}"})
	carrier := b.sippAt(tc1, "tc1", "uas.xml", nil, "-m", fmt.Sprint(calls), "-timeout", seconds(2*patience))
	carrier.until("tc1 to listen", 10*time.Second, func() bool { return bound("udp", b.at(tc1)) })
	call := b.sippAt(caller, "caller", "uac.xml", nil, b.at(coreSide), "-s", number, "-d", "1000",
		"-r", fmt.Sprint(rate), "-m", fmt.Sprint(calls), "-timeout", seconds(2*patience))
	// What calls cost in memory they cost before the flood too.
	b.until("the first calls", patience, func() bool { return len(b.written()) >= 5*rate })

	before := b.resident()
	sent := pour(t, b.ip(stranger), b.at(coreSide), second, flood)
	during := b.resident()
	call.finish(2 * patience)
	carrier.finish(2 * patience)
	t.Logf("%d datagrams poured; resident %d KiB before, %d KiB at the end of the flood, %d KiB after", sent, before, during, b.resident())

	if n := call.failed() + carrier.failed(); n != 0 {
		t.Errorf("%d failed calls", n)
	}
	all := b.records(calls)
	for _, r := range all {
		if r.Result != "answered" {
			t.Errorf("record: %+v", r)
		}
	}
	if grown := during - before; grown > 16<<10 {
		t.Errorf("memory has grown by %d KiB", grown)
	}
}

// pour sends garbage of several kinds as fast as asked, and returns how many
// datagrams that was.
func pour(t *testing.T, from, to string, perSecond int, lasting time.Duration) int {
	t.Helper()
	kinds := [][]byte{
		[]byte("\x00\x01\x02\x03not SIP at all"),
		[]byte("INVITE sip:100@1.1.1.1 SIP/2.0\r\nVia: SIP/2.0/UDP 1.1.1.1:5060;branch=z9hG4bK-1\r\nFrom: \"sipvicious\"<sip:100@1.1.1.1>;tag=1\r\nTo: <sip:100@1.1.1.1>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:100@1.1.1.1>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"),
		[]byte("OPTIONS sip:100@1.1.1.1 SIP/2.0\r\n" + strings.Repeat("X: ;;;;;;;;;;;;;;;;\r\n", 40) + "\r\n"),
		[]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 1.1.1.1;branch=z9hG4bK-1\r\n\r\n"),
	}
	local, err := net.ResolveUDPAddr("udp", net.JoinHostPort(from, "0"))
	if err != nil {
		t.Fatal(err)
	}
	remote, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUDP("udp", local, remote)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), lasting)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	sent := 0
	for begun := time.Now(); ; {
		select {
		case <-ctx.Done():
			return sent
		case now := <-tick.C:
			for due := int(now.Sub(begun).Seconds() * float64(perSecond)); sent < due; sent++ {
				if _, err := conn.Write(kinds[sent%len(kinds)]); err != nil {
					t.Fatalf("pouring: %v", err)
				}
			}
		}
	}
}

// resident is the memory of the process, in KiB.
func (p *process) resident() int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var n int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &n); err == nil {
			return n
		}
	}
	p.t.Fatal("no VmRSS")
	return 0
}
