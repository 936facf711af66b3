//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// record is a call as cdr.file has it, one a line: what these tests read of it.
type record struct {
	Call     string    `json:"call"`
	Trunk    string    `json:"trunk"`
	Result   string    `json:"result"`
	Code     int       `json:"code"`
	Cause    string    `json:"cause"`
	Q850     int       `json:"q850"`
	EndedBy  string    `json:"ended_by"`
	Duration float64   `json:"duration"`
	Attempts []attempt `json:"attempts"`

	Transfers []struct {
		By     string `json:"by"`
		Name   string `json:"name"`
		To     string `json:"to"`
		How    string `json:"how"`
		Status int    `json:"status"`
	} `json:"transfers"`
}

type attempt struct {
	Carrier  string `json:"carrier"`
	Number   string `json:"number"`
	Code     int    `json:"code"`
	Cause    string `json:"cause"`
	Absorbed int    `json:"absorbed"`
	Late     bool   `json:"answered_after_cancel"`
	NotSent  bool   `json:"not_sent"`
	Text     string `json:"text"`
	Gateway  string `json:"gateway"`
	Address  string `json:"address"`

	RedirectedBy int   `json:"redirected_by"`
	Skipped      []any `json:"skipped_contacts"`

	Media *struct {
		Mode    string `json:"mode"`
		Streams []struct {
			Kind    string `json:"kind"`
			Trunk   flow   `json:"trunk"`
			Carrier flow   `json:"carrier"`
		} `json:"streams"`
	} `json:"media"`
}

// flow is what was heard of a stream from one side.
type flow struct {
	Packets uint64  `json:"packets"`
	Lost    uint64  `json:"lost"`
	Foreign uint64  `json:"foreign"`
	Jitter  float64 `json:"jitter"`
	Gap     float64 `json:"gap"`
	MOS     float64 `json:"mos"`

	SRTP     string `json:"srtp"`
	Unkeyed  uint64 `json:"unkeyed"`
	Replayed uint64 `json:"replayed"`
}

// records waits until the file has n records, and fails if it has more.
func (b *border) records(n int) []record {
	b.t.Helper()
	var all []record
	b.until("the call records", 30*time.Second, func() bool {
		all = b.written()
		return len(all) >= n
	})
	if len(all) != n {
		b.t.Fatalf("%d records, want %d: %+v", len(all), n, all)
	}
	return all
}

// record is the only one.
func (b *border) record() record {
	b.t.Helper()
	return b.records(1)[0]
}

// written are the whole lines of the file.
func (b *border) written() []record {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, "calls.jsonl"))
	if err != nil {
		return nil
	}
	var all []record
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			b.t.Fatalf("record %s: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

// tried are the carriers of the attempts, with the codes that they answered.
func (r record) tried() map[string]int {
	m := map[string]int{}
	for _, a := range r.Attempts {
		m[a.Carrier] = a.Code
	}
	return m
}
