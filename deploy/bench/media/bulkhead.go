package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The addresses of calls whose media is nobody's, and of the other side of what is between them.
const (
	loadA   = "127.0.237.3"
	loadB   = "127.0.237.4"
	middleB = "127.0.237.11"
)

// program is a whole Bulkhead: calls to 7* are those whose media is measured, those to 1* are of the load.
const program = `node: bench
realms:
  core: {listen: ["udp://%[1]s:5060"]}
  peering: {listen: ["udp://%[2]s:5060"]}
trunks:
  measured: {realm: core, from: [%[3]s]}
  load: {realm: core, from: [%[5]s]}
media: {mode: bypass, relay: {ports: 20000-59999}}
carriers:
  measured: {realm: peering, gateways: [{address: "%[4]s:5060"}], media: relay}
  sink: {realm: peering, gateways: [{address: "%[6]s:5060"}], media: %[7]s}
routes:
  - {match: {number: "7*"}, targets: [{carrier: measured}]}
  - {match: {number: "1*"}, targets: [{carrier: sink}]}
security: {max_rate_per_source: 1000000}
cdr: {file: calls.jsonl}
log: {level: error}
`

// serve starts a Bulkhead, and returns when it listens.
func serve(ctx context.Context, o options) (*system, error) {
	file := filepath.Join(o.work, "bulkhead.yaml")
	text := fmt.Sprintf(program, middle, middleB, peerA, peerB, loadA, loadB, o.sipMedia)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	cmd := ordinary(ctx, o.program, "serve", "--drain", "1s", file)
	cmd.Dir, cmd.Stderr = o.work, os.Stderr
	s, err := begin(cmd)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(cold); !listening(middleB); {
		select {
		case <-s.gone:
			return nil, fmt.Errorf("%s has ended: %v", o.program, s.cmd.ProcessState)
		case <-ctx.Done():
			s.end()
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			s.end()
			return nil, fmt.Errorf("%s does not listen on %s:5060 after %v", o.program, middleB, cold)
		}
	}
	return s, nil
}

// listening says that a UDP socket of this machine has the address, port 5060.
func listening(ip string) bool {
	a := netip.MustParseAddr(ip).As4()
	text, err := os.ReadFile("/proc/net/udp")
	return err == nil && strings.Contains(string(text), fmt.Sprintf(" %02X%02X%02X%02X:13C4 ", a[3], a[2], a[1], a[0]))
}

// beginBulkhead starts a whole Bulkhead and makes the calls by SIP.
func beginBulkhead(ctx context.Context, l *load, o options) (*system, error) {
	s, err := serve(ctx, o)
	if err != nil {
		return nil, err
	}
	before := remember(s.cmd.Process.Pid)
	if err := dial(l); err != nil {
		s.end()
		return nil, err
	}
	s.memory = remember(s.cmd.Process.Pid).less(before)
	return s, nil
}

// dial makes a call for each pair of peers, one after the other.
func dial(l *load) error {
	var sides [2]*net.UDPConn
	for i, host := range [2]string{peerA, peerB} {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(host), Port: 5060})
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		sides[i] = conn
	}
	door := netip.MustParseAddrPort(middle + ":5060")
	for i := range l.calls {
		about := func(method, branch, to string) string {
			return strings.Join([]string{
				fmt.Sprintf("%s sip:7%d@%s SIP/2.0", method, i, middle),
				fmt.Sprintf("Via: SIP/2.0/UDP %s:5060;branch=z9hG4bK%s%d", peerA, branch, i), "Max-Forwards: 70",
				fmt.Sprintf("From: <sip:a@%s>;tag=%d", peerA, i), "To: " + to,
				fmt.Sprintf("Call-ID: %d@%s", i, peerA), "CSeq: 1 " + method, fmt.Sprintf("Contact: <sip:%s:5060>", peerA), "",
			}, "\r\n")
		}
		invite := about("INVITE", "i", fmt.Sprintf("<sip:7%d@%s>", i, middle)) + described(l.at(0, i))
		if _, err := sides[0].WriteToUDPAddrPort([]byte(invite), door); err != nil {
			return err
		}
		asked, from, err := await(sides[1], "INVITE ")
		if err != nil {
			return err
		}
		answer := []string{"SIP/2.0 200 OK", fmt.Sprintf("Contact: <sip:%s:5060>", peerB)}
		for line := range strings.SplitSeq(asked, "\r\n") {
			switch name, _, _ := strings.Cut(line, ":"); name {
			case "Via", "From", "Call-ID", "CSeq":
				answer = append(answer, line)
			case "To":
				answer = append(answer, line+";tag=b")
			}
		}
		if _, err := sides[1].WriteToUDPAddrPort([]byte(strings.Join(answer, "\r\n")+"\r\n"+described(l.at(1, i))), from); err != nil {
			return err
		}
		answered, _, err := await(sides[0], "SIP/2.0 200 ")
		if err != nil {
			return err
		}
		_, to, _ := strings.Cut(answered, "\r\nTo: ")
		to, _, _ = strings.Cut(to, "\r\n")
		if _, err := sides[0].WriteToUDPAddrPort([]byte(about("ACK", "a", to)+"Content-Length: 0\r\n\r\n"), door); err != nil {
			return err
		}
		for side, text := range [2]string{answered, asked} {
			if l.to[side][i], err = mediaOf(text); err != nil {
				return err
			}
		}
	}
	return nil
}

// description is of audio at an address.
func description(at netip.AddrPort) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %[2]d RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n", at.Addr(), at.Port())
}

// described is the end of a message with a description.
func described(at netip.AddrPort) string {
	sdp := description(at)
	return fmt.Sprintf("Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", len(sdp), sdp)
}

// await reads until a message begins so; others are passed over.
func await(conn *net.UDPConn, begin string) (string, netip.AddrPort, error) {
	b := make([]byte, 65535)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		n, from, err := conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return "", from, fmt.Errorf("waiting for %s: %w", begin, err)
		}
		if strings.HasPrefix(string(b[:n]), begin) {
			return string(b[:n]), from, nil
		}
	}
}

// mediaOf is where a message wants audio to go.
func mediaOf(text string) (*net.UDPAddr, error) {
	at := &net.UDPAddr{}
	for line := range strings.SplitSeq(text, "\r\n") {
		if host, ok := strings.CutPrefix(line, "c=IN IP4 "); ok {
			at.IP = net.ParseIP(host)
		}
		_, _ = fmt.Sscanf(line, "m=audio %d ", &at.Port)
	}
	if at.IP == nil || at.Port == 0 {
		return nil, fmt.Errorf("no media in %q", text)
	}
	return at, nil
}

// signalling is the load beside: SIPp's calls through a Bulkhead.
type signalling struct{ ends []*exec.Cmd }

// call has SIPp make calls at a rate until end.
func call(ctx context.Context, o options) (*signalling, error) {
	s := &signalling{}
	for _, one := range [...]struct {
		scenario, ip string
		more         []string
	}{
		{"perf_uas.xml", loadB, nil},
		{"perf_uac.xml", loadA, []string{"-key", "digit", "1", "-r", fmt.Sprint(o.sip), "-l", "100000", "-d", "1000", "-trace_stat", "-stf", filepath.Join(o.work, "load.csv"), "-fd", "1", middle + ":5060"}},
	} {
		args := append([]string{"-sf", filepath.Join(o.scenarios, one.scenario), "-nostdin", "-i", one.ip, "-p", "5060"}, one.more...)
		cmd := ordinary(ctx, "sipp", args...)
		cmd.Dir, cmd.Env = o.work, append(os.Environ(), "TERM=dumb")
		if err := cmd.Start(); err != nil {
			s.end()
			return nil, err
		}
		s.ends = append(s.ends, cmd)
		for try := 0; !listening(one.ip); try++ {
			if try == 500 || ctx.Err() != nil {
				s.end()
				return nil, fmt.Errorf("SIPp does not listen: %s", one.scenario)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return s, nil
}

// end ends the calls.
func (s *signalling) end() {
	for _, cmd := range s.ends {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// figures are SIPp's own: calls answered and ended, and calls failed.
func (o options) figures() (done, failed string) {
	text, _ := os.ReadFile(filepath.Join(o.work, "load.csv"))
	rows := strings.Split(strings.TrimSpace(string(text)), "\n")
	names, last := strings.Split(rows[0], ";"), strings.Split(rows[len(rows)-1], ";")
	for i, name := range names {
		switch {
		case i >= len(last):
		case name == "SuccessfulCall(C)":
			done = last[i]
		case name == "FailedCall(C)":
			failed = last[i]
		}
	}
	return done, failed
}
