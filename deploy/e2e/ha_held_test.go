//go:build e2e

package e2e

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bulkhead/storage/storagetest"
)

// TestHeldCallsOutliveTheirNode kills the node that serves 1,000 answered calls (R11). On
// the survivor a re-INVITE and a BYE of each complete: of the caller in one run, of
// the carrier in the other.
func TestHeldCallsOutliveTheirNode(t *testing.T) {
	quiet(t)
	t.Parallel()
	for _, c := range []struct {
		name, caller, carrier, by string
		network                   int
	}{
		{"caller changes and hangs up", "uac_change.xml", "uas_changed.xml", "trunk", 205},
		{"carrier changes and hangs up", "uac_changed.xml", "uas_change.xml", "carrier", 206},
	} {
		t.Run(c.name, func(t *testing.T) { // one after the other: SIPp takes a repeat that it is slow to read for a fault
			const calls, rate, hold = 1000, 100, "14000"
			redis := storagetest.StartRedis(t)
			b := &pair{border: &border{dir: t.TempDir(), net: c.network}, redis: redis, servers: []*storagetest.Server{redis}}
			b.plan.build, b.plan.timers = "plain", "{t1: 500ms, t2: 4s, t4: 5s}"
			b.history = newHistory()
			b.history.watch("redis", redis)
			b.open(t)
			l := &load{pair: b, rate: rate, calls: calls}
			common := []string{"-m", fmt.Sprint(calls), "-timeout", seconds(2 * patience), "-d", hold, "-l", fmt.Sprint(calls), "-trace_counts"}
			l.carrier = b.sippAt(tc1, "tc1", c.carrier, nil, common...)
			l.carrier.until("tc1 to listen", 10*time.Second, func() bool { return bound("udp", b.at(tc1)) })
			l.call = b.sippAt(caller, "caller", c.caller, nil, append(common, b.at(coreSide), "-s", number, "-r", fmt.Sprint(rate))...)
			l.call.until("all calls to be held", patience, func() bool { return l.call.counted("_ACK_Sent") == calls })
			b.nodes[0].signal(syscall.SIGKILL)
			if n := l.call.counted("_BYE_"); n != 0 {
				t.Fatalf("%d calls had been hung up when the node was killed", n)
			}
			b.nodes[1].took()
			<-b.nodes[0].exited
			b.node(t, "a")
			l.ended(b.nodes[1], c.by)
		})
	}
}

// TestSurvivorKeepsTheLongestDuration kills the node before calls reach the longest that
// their trunk allows: the survivor ends each at its time, by a BYE to either side (R12).
func TestSurvivorKeepsTheLongestDuration(t *testing.T) {
	t.Parallel()
	const calls, rate, longest = 100, 50, 6.0 // seconds
	redis := storagetest.StartRedis(t)
	b := &pair{border: &border{dir: t.TempDir(), net: 209}, redis: redis, servers: []*storagetest.Server{redis}}
	b.plan = plan{build: "plain", timers: "{t1: 500ms, t2: 4s, t4: 5s}", trunk: fmt.Sprintf("max_duration: %vs", longest)}
	b.history = newHistory()
	b.history.watch("redis", redis)
	b.open(t)
	l := &load{pair: b, rate: rate, calls: calls}
	common := []string{"-m", fmt.Sprint(calls), "-timeout", seconds(2 * patience), "-trace_counts"}
	l.carrier = b.sippAt(tc1, "tc1", "uas.xml", nil, common...)
	l.carrier.until("tc1 to listen", 10*time.Second, func() bool { return bound("udp", b.at(tc1)) })
	l.call = b.sippAt(caller, "caller", "uac_hungup.xml", nil, append(common, b.at(coreSide), "-s", number, "-r", fmt.Sprint(rate))...)
	l.call.until("all calls to be held", patience, func() bool { return l.call.counted("_ACK_Sent") == calls })
	b.nodes[0].signal(syscall.SIGKILL)
	if n := len(b.cdrs()); n != 0 {
		t.Fatalf("%d calls had ended when the node was killed", n)
	}
	b.nodes[1].took()
	<-b.nodes[0].exited
	l.ended(b.nodes[1], "bulkhead")
	least, most := longest, longest
	for _, rs := range b.cdrs() {
		least, most = min(least, rs[0].Duration), max(most, rs[0].Duration)
		if rs[0].Cause != "expired" {
			t.Errorf("cause %s", rs[0].Cause)
		}
	}
	if least < longest-1 || most > longest+1 {
		t.Errorf("calls of %v to %v s, allowed are %v", least, most, longest)
	}
	t.Logf("calls of %v to %v s, allowed are %v", least, most, longest)
}

// counted is how often the first message of that name went through, by SIPp's counts.
func (s *sipp) counted(name string) int {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(s.output), fmt.Sprintf("*_%d_counts.csv", s.cmd.Process.Pid)))
	if err != nil || len(files) != 1 {
		return 0 // not written yet
	}
	f, err := os.Open(files[0])
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord = ';', -1
	rows, err := r.ReadAll()
	if err != nil || len(rows) < 2 {
		return 0 // a line is being written
	}
	for i, column := range rows[0] {
		if last := rows[len(rows)-1]; strings.Contains(column, name) && i < len(last) {
			n, _ := strconv.Atoi(last[i]) // half a line: not yet
			return n
		}
	}
	s.t.Fatalf("the counts of %s have no %s: %q", s.name, name, rows[0])
	return 0
}
