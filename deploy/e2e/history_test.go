//go:build e2e

package e2e

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/storage/storagetest"
)

// history is what all the Redis servers of a unit did, in their own words, and what
// must never be in it.
type history struct {
	mu      sync.Mutex
	scripts map[string]string // by digest
	views   []*view
	owners  map[uint64]string // who was given an epoch
	highest uint64
	details map[string]string // of calls that have ended
	faults  []string
	heard   map[string]bool // what was echoed

	writes, refused int
}

// view is one server, as MONITOR shows it.
type view struct {
	*history
	name  string
	epoch uint64
	round int // how often the server has lost what it had
	calls map[string]*kept
	runs  running
}

// kept is what the server has of a call.
type kept struct {
	version uint64
	grave   string // the tombstone's header; empty: the call lives
	round   int
	details map[int]int // by round
}

// running is the script whose commands come next.
type running struct {
	name, node string
	epoch      uint64 // whose work it is; 0: nobody's yet
	wrote      bool
}

func newHistory() *history {
	h := &history{scripts: map[string]string{}, owners: map[uint64]string{}, details: map[string]string{}, heard: map[string]bool{}}
	for _, name := range []string{"acquire", "reclaim", "lease", "put", "end", "beat"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "storage", name+".lua"))
		if err != nil {
			h.fault("the script %s: %v", name, err)
		}
		sum := sha1.Sum(text)
		h.scripts[hex.EncodeToString(sum[:])] = name
	}
	return h
}

// watch begins to listen to a server. Nothing may have been written to it yet.
func (h *history) watch(name string, s *storagetest.Server) {
	v := h.view(name)
	s.Monitor(v.line)
}

func (h *history) view(name string) *view {
	v := &view{history: h, name: name, calls: map[string]*kept{}}
	h.views = append(h.views, v)
	return v
}

func (h *history) fault(format string, a ...any) {
	if len(h.faults) < 20 {
		h.faults = append(h.faults, fmt.Sprintf(format, a...))
	}
}

// line takes one line of MONITOR:
//
//	1795704979.514176 [0 127.0.0.1:57014] "evalsha" "54e0…" "2" "bulkhead:{u}:epoch" …
//	1795704979.514244 [0 lua] "SET" "bulkhead:{u}:epoch" "1795704979514"
func (v *view) line(line string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if line == "" {
		v.epoch, v.runs = 0, running{}
		v.round++
		return
	}
	_, rest, _ := strings.Cut(line, "[")
	source, command, _ := strings.Cut(rest, "] ")
	words, err := unquote(command)
	if err != nil || len(words) == 0 {
		v.fault("%s: a line that is not MONITOR's: %.200s", v.name, line)
		return
	}
	v.command(strings.HasSuffix(source, " lua"), words)
}

// unquote reads "one" "two\x00".
func unquote(line string) (words []string, err error) {
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimLeft(line, " ") {
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, err
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		words, line = append(words, word), line[len(quoted):]
	}
	return words, nil
}

func (v *view) command(lua bool, words []string) {
	what := strings.ToLower(words[0])
	if !lua {
		if v.runs.epoch < v.epoch && !v.runs.wrote && (v.runs.name == "put" || v.runs.name == "end") {
			v.refused++
		}
		v.runs = running{}
		if what == "echo" && len(words) == 2 {
			v.heard[v.name+words[1]] = true
		}
		if what == "evalsha" || what == "eval" {
			v.script(what, words)
			return
		}
	}
	switch {
	case what == "set" && strings.HasSuffix(words[1], "}:epoch"):
		v.took(lua, number64(words[2]))
	case what == "set" && strings.Contains(words[1], "}:call:"):
		_, call, _ := strings.Cut(words[1], "}:call:")
		v.set(lua, call, words[2])
	case what == "hset" && strings.HasSuffix(words[1], "}:owner"):
		v.owner(words[2:])
	case what == "xadd" && strings.HasSuffix(words[1], "}:cdr") && len(words) == 7:
		v.added(words[4], words[6])
	}
}

// script notes which of ours runs, and with whose epoch.
func (v *view) script(what string, words []string) {
	digest := words[1]
	if what == "eval" {
		sum := sha1.Sum([]byte(words[1]))
		digest = hex.EncodeToString(sum[:])
	}
	name, ours := v.scripts[digest]
	if !ours {
		v.fault("%s: a script that is not ours: %.60q", v.name, words[1])
		return
	}
	v.runs.name = name
	args := words[3+number64(words[2]):]
	switch name {
	case "acquire":
		v.runs.node = args[0]
	case "reclaim":
		v.runs.node, v.runs.epoch = args[0], number64(args[1])
	case "put", "end", "lease":
		v.runs.epoch = number64(args[0])
	}
}

// took is an epoch that becomes the unit's.
func (v *view) took(lua bool, epoch uint64) {
	if lua && v.runs.name == "acquire" {
		if epoch <= v.highest {
			v.fault("%s: epoch %d is given out after %d", v.name, epoch, v.highest)
		}
		v.give(epoch, v.runs.node)
	}
	if lua && v.runs.name == "reclaim" {
		v.round++
		if epoch != v.runs.epoch || v.owners[epoch] != v.runs.node {
			v.fault("%s: %s claims epoch %d, which is %q's", v.name, v.runs.node, epoch, v.owners[epoch])
		}
		if epoch < v.epoch {
			v.fault("%s: epoch %d is claimed under %d", v.name, epoch, v.epoch)
		}
	}
	v.epoch = epoch
	if lua { // a replica may be heard before its master
		v.highest = max(v.highest, epoch)
	}
}

// give notes who has an epoch.
func (h *history) give(epoch uint64, node string) {
	if had, ok := h.owners[epoch]; ok && had != node {
		h.fault("epoch %d is of %s and of %s", epoch, had, node)
	}
	h.owners[epoch] = node
}

func (v *view) owner(fields []string) {
	node, epoch := "", uint64(0)
	for i := 0; i+1 < len(fields); i += 2 {
		switch fields[i] {
		case "node":
			node = fields[i+1]
		case "epoch":
			epoch = number64(fields[i+1])
		}
	}
	if epoch != 0 {
		v.give(epoch, node)
	}
}

// set is a record that is written: its header is L or E, and 16 digits of a version.
func (v *view) set(lua bool, call, record string) {
	if len(record) < 29 {
		v.fault("%s: the record of call %s is %q", v.name, call, record)
		return
	}
	version, err := strconv.ParseUint(record[1:17], 16, 64)
	if err != nil {
		v.fault("%s: the record of call %s is %q", v.name, call, record[:29])
	}
	k := v.calls[call]
	if k == nil {
		k = &kept{details: map[int]int{}}
		v.calls[call] = k
	}
	if lua { // else it comes from a master, where it was looked at
		v.wrote(call, k, record[:29], version)
	}
	k.version, k.round = version, v.round
	if record[0] == 'E' {
		k.grave = record[:29]
	}
}

// wrote looks at what a script of ours does to a record.
func (v *view) wrote(call string, was *kept, header string, version uint64) {
	v.writes++
	v.runs.wrote = true
	if v.runs.epoch != v.epoch {
		v.fault("%s: call %s is written by epoch %d in %s under %d", v.name, call, v.runs.epoch, v.runs.name, v.epoch)
	}
	again := was.round < v.round // the server had lost it
	switch ends := header[0] == 'E'; {
	case was.grave != "" && !ends:
		v.fault("%s: call %s lives again, version %d", v.name, call, version)
	case was.grave != "" && !again:
		v.fault("%s: call %s ends twice", v.name, call)
	case was.grave != "" && was.grave[:17] != header[:17]:
		v.fault("%s: call %s ended as %s, and again as %s", v.name, call, was.grave, header)
	case version < was.version, version == was.version && !ends && !again:
		v.fault("%s: call %s has version %d after %d", v.name, call, version, was.version)
	}
}

// added is a detail record.
func (v *view) added(call, detail string) {
	if had, ok := v.details[call]; ok && had != detail {
		v.fault("%s: call %s has two details: %s and %s", v.name, call, had, detail)
	}
	v.details[call] = detail
	k := v.calls[call]
	if k == nil || k.grave == "" {
		v.fault("%s: a detail of call %s, which has not ended", v.name, call)
		return
	}
	if k.details[v.round]++; k.details[v.round] > 1 {
		v.fault("%s: %d details of call %s", v.name, k.details[v.round], call)
	}
}

func number64(s string) uint64 {
	n, _ := strconv.ParseUint(s, 10, 64) // no number: no epoch, which is a fault
	return n
}

// takes reads the log of the nodes: who says that it has taken the unit has been given
// that epoch, and the later in time has the higher epoch.
func (h *history) takes(logs ...[]byte) {
	type taken struct {
		Time  time.Time
		Msg   string
		Node  string
		Epoch uint64
	}
	var all []taken
	for _, log := range logs {
		for line := range bytes.Lines(log) {
			var t taken
			if json.Unmarshal(line, &t) == nil && t.Msg == "unit taken" {
				all = append(all, t)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b taken) int { return a.Time.Compare(b.Time) })
	last := uint64(0)
	for _, t := range all {
		if h.owners[t.Epoch] != t.Node {
			h.fault("%s serves epoch %d, which Redis gave to %q", t.Node, t.Epoch, h.owners[t.Epoch])
		}
		if t.Epoch <= last {
			h.fault("%s takes epoch %d at %v, after %d", t.Node, t.Epoch, t.Time, last)
		}
		last = t.Epoch
	}
	if len(all) == 0 {
		h.fault("no node says that it has taken the unit")
	}
}

// whole wants so many calls to have ended.
func (h *history) whole(calls int) {
	if len(h.details) != calls {
		h.fault("%d calls have a detail, want %d", len(h.details), calls)
	}
}

// verify looks at the whole, once nothing more is written: so many calls have ended,
// each with its detail.
func (h *history) verify(t *testing.T, calls int, servers []*storagetest.Server, logs ...[]byte) {
	t.Helper()
	for i, s := range servers {
		mark := fmt.Sprint("heard up to here: ", h.views[i].name)
		storagetest.Eventually(t, "what "+h.views[i].name+" did is heard", func() bool {
			_, err := s.Try("ECHO", mark)
			h.mu.Lock()
			defer h.mu.Unlock()
			return err != nil || h.heard[h.views[i].name+mark] // a dead one has said all
		})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.takes(logs...)
	h.whole(calls)
	for _, f := range h.faults {
		t.Error("history:", f)
	}
	t.Logf("history: %d writes of %d calls, %d scripts of an old epoch refused, %d epochs", h.writes, len(h.details), h.refused, len(h.owners))
}

// seeded draws what a test leaves to chance. The seed is logged, and BULKHEAD_SEED in the
// environment gives it.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("BULKHEAD_SEED"); given != "" {
		n, err := strconv.ParseUint(given, 10, 64)
		if err != nil {
			t.Fatalf("BULKHEAD_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("BULKHEAD_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
