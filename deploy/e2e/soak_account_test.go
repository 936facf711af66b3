//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// What is left of the heap when all calls are over, beside what is made once (schemas of the API,
// compressors of /metrics, the buffers of records): of each connection to Redis its buffers of 128 KiB,
// and of the most calls that were there at once a goroutine's descriptor each, which Go keeps for the
// next one (all calls are written again at once to a Redis that has come back empty), and
// places in maps, which do not shrink either.
const (
	madeOnce     = 12 << 20
	descriptors  = 10 // that may be left: connections
	aConnection  = 256 << 10
	aCallsTraces = 640
)

// flat wants as much of everything in the last third of the load as in the first, both after
// the warm-up, and at the end what there was before it. Where a load is too short for that, its
// end alone is looked at.
func (s *soak) flat(before, after seenAt) {
	s.t.Helper()
	most := 0.0 // calls that were kept at once
	for _, n := range s.samples {
		most = max(most, n.kept)
	}
	for _, f := range []struct {
		name         string
		of           func(seenAt) float64
		factor, more float64 // under load: at most so many times what it was, and so much more; 0: it is known at rest alone
		left         float64 // at the end: what may be left beyond what there was before
	}{
		{"resident memory", func(n seenAt) float64 { return n.rss }, 1.15, 24 << 20, 96 << 20},
		{"heap that lives", func(n seenAt) float64 { return n.live }, 0, 0, madeOnce + descriptors*aConnection + aCallsTraces*most},
		{"goroutines", func(n seenAt) float64 { return n.goroutines }, 1.25, 60, 10},
		{"descriptors", func(n seenAt) float64 { return n.fds }, 1.25, 20, descriptors},
		{"calls kept", func(n seenAt) float64 { return n.kept }, 1.25, 100, 0},
		{"keys of Redis", func(n seenAt) float64 { return n.keys }, 1.25, 500, 2},
		{"media ports", func(n seenAt) float64 { return n.ports }, 1.25, 40, 0},
		{"media sockets", func(n seenAt) float64 { return n.sockets }, 1.25, 80, 0},
	} {
		s.t.Logf("%-16s %11.0f before any call, %11.0f when all were over", f.name, f.of(before), f.of(after))
		if has, had := f.of(after), f.of(before); has > had+f.left {
			s.t.Errorf("%s: %.0f before any call, %.0f when all were over", f.name, had, has)
		}
		var early, late []float64
		third := (*soakFor - soakWarm) / 3
		for _, n := range s.samples {
			switch {
			case n.at > soakWarm && n.at <= soakWarm+third:
				early = append(early, f.of(n))
			case n.at > *soakFor-third:
				late = append(late, f.of(n))
			}
		}
		if f.factor == 0 || third <= 0 || len(early) < 2 || len(late) < 2 {
			continue
		}
		was, is := median(early), median(late)
		s.t.Logf("%-16s %11.0f in the first third, %11.0f in the last", f.name, was, is)
		if is > was*f.factor+f.more {
			s.t.Errorf("%s: %.0f in the first third, %.0f in the last", f.name, was, is)
		}
	}
	all := s.metrics()
	for _, never := range []string{"bulkhead_panics_total", "bulkhead_invariant_violations_total", "bulkhead_limit_used_calls"} {
		if n := of(all, never); n != 0 {
			s.t.Errorf("%s is %v", never, n)
		}
	}
	if n := of(all, "bulkhead_dropped_total", `by="record"`); n != 0 {
		s.t.Errorf("%v records were not written", n)
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// ledger is what the records say of the calls of one kind.
type ledger struct {
	calls  map[string]string // by Call-ID of the trunk: the call
	usual  int               // that went as their kind does
	others map[string]int    // how many went otherwise, and how
}

// ledgers reads all records, of rotated files too. A call has one, and an INVITE is one call.
func (s *soak) ledgers() (all map[string]*ledger, total int) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "calls*.jsonl"))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("no records: %v", err)
	}
	all, seen := map[string]*ledger{}, map[string]bool{}
	for _, k := range s.kinds {
		all[k.name] = &ledger{calls: map[string]string{}, others: map[string]int{}}
	}
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			s.t.Fatal(err)
		}
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<20)
		for ; lines.Scan(); total++ {
			s.enter(all, seen, lines.Bytes())
		}
		file.Close()
		if err := lines.Err(); err != nil {
			s.t.Fatal(err)
		}
	}
	return all, total
}

// enter takes a record into the ledger of its kind.
func (s *soak) enter(all map[string]*ledger, seen map[string]bool, line []byte) {
	s.t.Helper()
	var r struct {
		record
		CallID string `json:"call_id"`
	}
	if err := json.Unmarshal(line, &r); err != nil {
		s.t.Fatalf("record %s: %v", line, err)
	}
	i := slices.IndexFunc(s.kinds, func(k kind) bool { return k.name == r.Trunk })
	if i < 0 {
		s.t.Fatalf("a record of trunk %q", r.Trunk)
	}
	l := all[r.Trunk]
	if seen[r.Call] {
		s.t.Errorf("a second record of call %s", r.Call)
	}
	if other, twice := l.calls[r.CallID]; twice && other != r.Call {
		s.t.Errorf("the INVITE with Call-ID %s was two calls: %s and %s", r.CallID, other, r.Call)
	}
	seen[r.Call], l.calls[r.CallID] = true, r.Call
	if s.kinds[i].expects(r.record) {
		l.usual++
		return
	}
	how := fmt.Sprintf("%s, %s, by %s", r.Result, r.Cause, r.EndedBy)
	for _, a := range r.Attempts {
		how += fmt.Sprintf("; %s %d", a.Carrier, a.Code)
	}
	l.others[how]++
}

// accounts wants one record of each call, and no other: by the border's own counters, by what
// the links have seen it answer, and where nothing is lost by what SIPp has counted.
func (s *soak) accounts(p *parties) {
	s.t.Helper()
	ledgers, total := s.ledgers()
	all := s.metrics()
	if calls, over := of(all, "bulkhead_calls_total"), of(all, "bulkhead_calls_ended_total"); float64(total) != calls || over != calls {
		s.t.Errorf("%.0f calls, %.0f counted as ended, %d records", calls, over, total)
	}
	for i, k := range s.kinds {
		l := ledgers[k.name]
		s.t.Logf("%-15s %7d records, %7d as expected; others: %v", k.name, len(l.calls), l.usual, l.others)
		if k.clean {
			created, failed := p.callers[i].figure("TotalCallCreated"), p.callers[i].failed()
			if len(l.calls) != created || failed != 0 || l.usual != created {
				s.t.Errorf("%s: SIPp made %d calls, of which %d failed; %d records, %d as expected", k.name, created, failed, len(l.calls), l.usual)
			}
			continue
		}
		answered := p.links[k.name].calls()
		for id := range answered {
			if _, ok := l.calls[id]; !ok {
				s.t.Errorf("%s: no record of the INVITE with Call-ID %s, which was answered", k.name, id)
			}
		}
		for id, call := range l.calls {
			if _, ok := answered[id]; !ok {
				s.t.Errorf("%s: a record of call %s, whose INVITE nobody has seen answered", k.name, call)
			}
		}
		// What else the network makes of a call is rare.
		if float64(l.usual) < 0.9*float64(len(l.calls)) || len(l.calls) == 0 {
			s.t.Errorf("%s: %d of %d calls went as they should", k.name, l.usual, len(l.calls))
		}
	}
}

// report prints what was done, and writes what was seen.
func (s *soak) report(p *parties) {
	s.t.Helper()
	var all lossyCount
	for _, l := range p.links {
		n := l.count()
		all.passed, all.dropped, all.late = all.passed+n.passed, all.dropped+n.dropped, all.late+n.late
	}
	if all.dropped == 0 || all.late == 0 || s.restarts == 0 || s.reloads == 0 || s.refused == 0 {
		s.t.Errorf("too little was asked of it: %+v, %d ends of Redis, %d reloads taken, %d refused", all, s.restarts, s.reloads, s.refused)
	}
	s.t.Logf("%v, %d calls a second: %d datagrams on lossy links, %d lost and %d late; Redis killed %d times; %d reloads taken, %d refused",
		*soakFor, *soakRate, all.passed+all.dropped+all.late, all.dropped, all.late, s.restarts, s.reloads, s.refused)
	var table strings.Builder
	fmt.Fprintln(&table, "elapsed_s,calls,cpu_s,rss_bytes,goroutines,fds,keys,kept,media_ports,media_sockets")
	for _, n := range s.samples {
		fmt.Fprintf(&table, "%.1f,%.0f,%.2f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f,%.0f\n",
			n.at.Seconds(), n.calls, n.cpu, n.rss, n.goroutines, n.fds, n.keys, n.kept, n.ports, n.sockets)
	}
	if *soakCSV != "" {
		if err := os.WriteFile(*soakCSV, []byte(table.String()), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	s.t.Logf("every ten seconds:\n%s", table.String())
}
