//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bulkhead/storage"
	"bulkhead/storage/storagetest"
)

// told is a history as a real Redis tells it: two owners, one after the other, whose
// Redis is started again empty under the second.
func told(t *testing.T) (lines []string) {
	t.Helper()
	server := storagetest.StartRedis(t)
	var mu sync.Mutex
	server.Monitor(func(line string) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, line)
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	connect := func() *storage.Redis {
		t.Helper()
		r, err := storage.NewRedis(storage.RedisOptions{Addresses: []string{server.Address}, Unit: "u", Timeout: 5 * time.Second})
		must(err)
		t.Cleanup(func() { r.Close() })
		return r
	}
	item := func(call int, version uint64) storage.Item {
		return storage.Item{ID: fmt.Sprint("call", call), Version: version, Data: []byte("state\x00\"\\é"), Expires: time.Now().Add(time.Hour)}
	}
	const calls = 12
	a, b := connect(), connect()
	first, err := a.Own(ctx, "a")
	must(err)
	for version := range uint64(3) {
		for call := range calls {
			must(a.Write(ctx, first, storage.Batch{Puts: []storage.Item{item(call, version+1)}}))
		}
	}
	second, err := b.Own(ctx, "b")
	must(err)
	if a.Write(ctx, first, storage.Batch{Puts: []storage.Item{item(0, 9)}}) == nil {
		t.Fatal("an old epoch writes")
	}
	end := func(calls ...int) {
		t.Helper()
		for _, call := range calls {
			must(b.Write(ctx, second, storage.Batch{Ends: []storage.Ending{{Tombstone: item(call, 4), Detail: fmt.Append(nil, "detail of ", call)}}}))
		}
	}
	end(0, 1, 2)
	server.Kill()
	server.Start()
	b = connect()
	must(b.Reclaim(ctx, "b", second))
	for call := 3; call < calls; call++ {
		must(b.Write(ctx, second, storage.Batch{Puts: []storage.Item{item(call, 3)}}))
	}
	end(2) // the last one might not have been taken
	for call := 3; call < calls; call++ {
		end(call)
	}
	server.Do("ECHO", "that was all")
	storagetest.Eventually(t, "all is heard", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains(lines[len(lines)-1], "that was all")
	})
	mu.Lock()
	defer mu.Unlock()
	return lines
}

// replayed is what a new checker says of a history.
func replayed(lines []string) *history {
	h := newHistory()
	v := h.view("redis")
	for _, line := range lines {
		v.line(line)
	}
	return h
}

// block is a script and the commands that it runs: some lines of a history.
type block struct{ at, end int }

// blocks are those whose script's line, or whose commands, have all the words.
func blocks(lines []string, words ...string) (list []block) {
	for i := 0; i < len(lines); {
		b := block{i, i + 1}
		for b.end < len(lines) && strings.Contains(lines[b.end], "[0 lua]") {
			b.end++
		}
		has := true
		for _, w := range words {
			has = has && strings.Contains(strings.Join(lines[b.at:b.end], "\n"), w)
		}
		if has {
			list = append(list, b)
		}
		i = b.end
	}
	return list
}

// seededFault is one way in which a history is wrong, and what the checker says of it.
type seededFault struct {
	says  string
	words []string // of a block that it may befall
	// wrong is what stands instead of the block.
	wrong func(block []string) []string
}

// Call 2 ends twice, before the server is lost and after: the detail of one of the two
// would not be missed.
var seededFaults = []seededFault{
	{"is written by epoch 1 in put under", []string{`"evalsha"`, `:live"`, `"SET"`, `"L0`}, func(b []string) []string {
		return append([]string{word(b[0], `"1"`, argument(b[0]))}, b[1:]...)
	}},
	{"has version", []string{`"evalsha"`, `:live"`, `"SET"`, `"L0`}, func(b []string) []string { return append(b, b...) }},
	{"lives again", []string{`"SET"`, `"E0`}, func(b []string) []string {
		return append(b, b[0], strings.Replace(line(b, `"SET"`), `"E0`, `"L0`, 1))
	}},
	{"ends twice", []string{`"SET"`, `"E0`}, func(b []string) []string { return append(b, b[0], line(b, `"SET"`)) }},
	{"2 details of", []string{`"XADD"`}, func(b []string) []string { return append(b, line(b, `"XADD"`)) }},
	{"has two details", []string{`"XADD"`}, func(b []string) []string {
		return append(b, strings.Replace(line(b, `"XADD"`), "detail of", "a retail of", 1))
	}},
	{"which has not ended", []string{`"XADD"`, `"detail of 1`}, func(b []string) []string { return []string{b[0], line(b, `"XADD"`)} }},
	{"have a detail, want", []string{`"XADD"`, `"detail of 1`}, func(b []string) []string {
		return strings.Split(strings.ReplaceAll(strings.Join(b, "\n"), `"XADD"`, `"SOMETHING"`), "\n")
	}},
	{"is given out after", []string{`"SET"`, `:epoch" "`, `"since"`}, func(b []string) []string { return append(b, b...) }},
	{"is of b and of a", []string{`"HSET"`, `:owner"`, `"b"`}, func(b []string) []string {
		set := line(b, `"HSET"`)
		return append(b, strings.Replace(set, `"node" "b"`, `"node" "a"`, 1))
	}},
	{"claims epoch", []string{`"SET"`, `:epoch" "`, `:seq"`, `"b"`}, func(b []string) []string {
		return append([]string{word(b[0], `"a"`, argument(b[0]))}, b[1:]...)
	}},
	{"a script that is not ours", []string{`"evalsha"`}, func(b []string) []string {
		return append([]string{word(b[0], `"0123"`, 1)}, b[1:]...)
	}},
}

// line is the line of a block that has a word.
func line(b []string, word string) string {
	for _, l := range b {
		if strings.Contains(l, "[0 lua] "+word) {
			return l
		}
	}
	return ""
}

// argument is the place of the first argument in a script's line.
func argument(line string) int {
	_, command, _ := strings.Cut(line, "] ")
	words, err := unquote(command)
	if err != nil || len(words) < 3 {
		return 0
	}
	return 3 + int(number64(words[2]))
}

// word is the line with another word, in quotes, at a place.
func word(line, quoted string, place int) string {
	at := strings.Index(line, "] ") + len("] ")
	for i := 0; ; i++ {
		old, err := strconv.QuotedPrefix(line[at:])
		if err != nil {
			return line
		}
		if i == place {
			return line[:at] + quoted + line[at+len(old):]
		}
		at += len(old) + len(" ")
	}
}

// A checker that cannot fail proves nothing: of a true history it says nothing, and each
// fault that is put into one, at a place that the seed draws, it names.
func TestHistoryCheckerFindsSeededFaults(t *testing.T) {
	t.Parallel()
	const calls = 12
	good := told(t)
	h := replayed(good)
	h.whole(calls)
	if len(h.faults) > 0 {
		t.Fatalf("of a true history: %q", h.faults)
	}
	if h.writes < 50 || h.refused != 1 || len(h.owners) != 2 || h.views[0].round != 2 {
		t.Fatalf("%d writes, %d refused, %d owners, lost %d times", h.writes, h.refused, len(h.owners), h.views[0].round)
	}
	draw := seeded(t)
	for _, f := range seededFaults {
		places := blocks(good, f.words...)
		if len(places) == 0 {
			t.Fatalf("no place for %q", f.says)
		}
		for range 20 {
			at := places[draw.IntN(len(places))]
			bad := slices.Concat(good[:at.at], f.wrong(slices.Clone(good[at.at:at.end])), good[at.end:])
			h := replayed(bad)
			h.whole(calls)
			if !strings.Contains(strings.Join(h.faults, "\n"), f.says) {
				t.Errorf("%q: not found in lines %d to %d: %q", f.says, at.at, at.end, h.faults)
				break
			}
		}
	}
}

// What the nodes say is held against what Redis says.
func TestHistoryCheckerReadsLogs(t *testing.T) {
	t.Parallel()
	taken := func(node string, second, epoch int) string {
		return fmt.Sprintf(`{"msg":"unit taken","time":"2026-01-01T00:00:%02d.000Z","node":%q,"epoch":%d}`+"\n", second, node, epoch)
	}
	for _, c := range []struct{ a, b, says string }{
		{taken("a", 1, 5) + taken("a", 3, 7), taken("b", 2, 6), ""},
		{taken("a", 1, 5), taken("b", 2, 5), "which Redis gave to"},
		{taken("a", 1, 5), taken("b", 2, 9), "which Redis gave to"},
		{taken("a", 4, 5), taken("b", 2, 6), "after 6"},
		{"", "unit taken", "no node says"},
	} {
		h := newHistory()
		h.owners = map[uint64]string{5: "a", 6: "b", 7: "a"}
		h.takes([]byte(c.a), []byte(c.b))
		if said := strings.Join(h.faults, "\n"); c.says == "" && said != "" || !strings.Contains(said, c.says) {
			t.Errorf("of %s%s the checker says %q, want %q", c.a, c.b, said, c.says)
		}
	}
}
