//go:build e2e

package e2e

import (
	"encoding/csv"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patience is how long one SIPp may run: far beyond what any of the calls takes.
const patience = 40 * time.Second

// seconds is a duration as SIPp takes it.
func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) + "s" }

// sipp is a SIPp process.
type sipp struct {
	*process
	messages string // file of all messages, sent and received
	stats    string
	began    time.Time
}

// sippAt starts SIPp at a host of the network. The scenario is a file of
// deploy/sipp; swap are pairs of texts to replace in it.
func (b *border) sippAt(host int, name, scenario string, swap []string, args ...string) *sipp {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "sipp", scenario))
	if err != nil {
		b.t.Fatal(err)
	}
	file := filepath.Join(b.dir, name+".xml")
	if err := os.WriteFile(file, []byte(strings.NewReplacer(swap...).Replace(string(text))), 0o600); err != nil {
		b.t.Fatal(err)
	}
	s := &sipp{messages: filepath.Join(b.dir, name+".messages"), stats: filepath.Join(b.dir, name+".csv")}
	line := append(b.peers.inside(), "sipp",
		"-sf", file, "-i", b.ip(host), "-p", strconv.Itoa(b.port(host)), "-nostdin",
		"-trace_err", "-error_file", filepath.Join(b.dir, name+".errors"),
		"-trace_stat", "-stf", s.stats, "-fd", "1",
		"-timeout_error")
	if scenario == "uas.xml" { // it rings by a pause, see TestSIPpTakesARepeatWhileItRings
		line = append(line, "-pause_msg_ign")
	}
	s.began = time.Now()
	s.process = start(b.t, b.dir, name, line[0], append(line[1:], args...)...)
	return s
}

// carrierAt starts SIPp as a carrier for one call, and returns when it listens.
func (b *border) carrierAt(host int, scenario string, swap []string, args ...string) *sipp {
	b.t.Helper()
	name := map[int]string{tc1: "tc1", tc2: "tc2"}[host]
	transport, mode := "udp", "u1"
	if b.plan.carrier == "tcp" {
		transport, mode = "tcp", "t1"
	}
	args = append([]string{"-t", mode, "-m", "1", "-timeout", seconds(patience),
		"-trace_msg", "-message_file", filepath.Join(b.dir, name+".messages")}, args...)
	s := b.sippAt(host, name, scenario, swap, args...)
	s.until(name+" to listen", 10*time.Second, func() bool { return bound(transport, b.at(host)) })
	return s
}

// callerTo starts SIPp as the caller of one call.
func (b *border) callerTo(number, scenario string, swap []string, args ...string) *sipp {
	b.t.Helper()
	mode := "u1"
	if b.plan.caller == "tcp" {
		mode = "t1"
	}
	args = append([]string{b.at(coreSide), "-s", number, "-t", mode, "-m", "1", "-timeout", seconds(patience),
		"-trace_msg", "-message_file", filepath.Join(b.dir, "caller.messages")}, args...)
	return b.sippAt(caller, "caller", scenario, swap, args...)
}

// failed is how many calls went wrong, by SIPp's own statistics.
func (s *sipp) failed() int { return s.figure("FailedCall(C)") }

// figure is a column of the last line of SIPp's statistics.
func (s *sipp) figure(column string) int {
	s.t.Helper()
	f, err := os.Open(s.stats)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = ';', -1, true
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		s.t.Fatalf("statistics of %s: %v", s.name, err)
	}
	for i, name := range rows[0] {
		if name == column {
			n, err := strconv.Atoi(rows[len(rows)-1][i])
			if err != nil {
				s.t.Fatalf("statistics of %s: %v", s.name, err)
			}
			return n
		}
	}
	s.t.Fatalf("statistics of %s have no %s", s.name, column)
	return 0
}

// took is how long a scenario took from start_rtd to rtd, and when that was, since SIPp
// was started.
type took struct{ at, took time.Duration }

// times reads what -trace_rtt has written.
func (s *sipp) times() (all []took) {
	s.t.Helper()
	files, err := filepath.Glob(strings.TrimSuffix(s.stats, ".csv") + "_*_rtt.csv")
	if err != nil || len(files) != 1 {
		s.t.Fatalf("times of %s: %q, %v", s.name, files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		at, rest, _ := strings.Cut(line, ";")
		spent, _, _ := strings.Cut(rest, ";")
		a, err1 := strconv.ParseFloat(at, 64)
		b, err2 := strconv.ParseFloat(spent, 64)
		if err1 == nil && err2 == nil { // else it is the heading
			all = append(all, took{time.Duration(a * 1e6), time.Duration(b * 1e6)})
		}
	}
	return all
}

// percentile sorts.
func percentile(all []time.Duration, n int) time.Duration {
	slices.Sort(all)
	return all[(len(all)-1)*n/100]
}

// seen is one message of SIPp's own trace.
type seen struct {
	received bool
	text     string
}

// line is the first line of the message.
func (m seen) line() string {
	first, _, _ := strings.Cut(m.text, "\n")
	return strings.TrimSpace(first)
}

// trace reads all messages that SIPp sent and received, in their order.
func (s *sipp) trace() []seen {
	s.t.Helper()
	b, err := os.ReadFile(s.messages)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []seen
	for _, part := range strings.Split(string(b), "\n-----------------------------------------------") {
		head, text, ok := strings.Cut(part, "bytes :\n\n")
		if !ok {
			head, text, ok = strings.Cut(part, "bytes):\n\n") // of what was sent
		}
		if ok {
			all = append(all, seen{strings.Contains(head, "received"), strings.TrimRight(text, "\n")})
		}
	}
	return all
}

// received are the first lines of the messages that came in.
func (s *sipp) received() []string {
	s.t.Helper()
	var lines []string
	for _, m := range s.trace() {
		if m.received {
			lines = append(lines, m.line())
		}
	}
	return lines
}

// TestSIPpTakesARepeatWhileItRings: without -pause_msg_ign SIPp gives a call up for an INVITE that
// is repeated while it rings, says so to nobody, and swallows all that comes for it later: to us
// it rings on, up to no_answer.
func TestSIPpTakesARepeatWhileItRings(t *testing.T) {
	t.Parallel()
	b := open(t, 31, plan{})
	carrier := b.carrierAt(stranger, "uas.xml", []string{`milliseconds="50"`, `milliseconds="1000"`})
	us, to := b.peerAt(tc2), netip.MustParseAddrPort(b.at(stranger))
	uri := "sip:1@" + b.at(stranger)
	invite := us.request("INVITE", uri, "twice", "From: <sip:us@"+us.addr+">;tag=us", "To: <"+uri+">", "Call-ID: twice", "CSeq: 1 INVITE", "Contact: <sip:us@"+us.addr+">")
	us.send(to, invite)
	us.find("SIP/2.0 180", 5*time.Second)
	us.send(to, invite)
	us.find("SIP/2.0 200", 5*time.Second)
	carrier.terminate(time.Second)
}
