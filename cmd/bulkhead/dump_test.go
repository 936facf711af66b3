package main

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"bulkhead/storage"
)

// TestGoldenRecord: a record that an earlier version has written (of a call that went
// on to its second carrier, taken from a Redis) says for ever what it said then.
func TestGoldenRecord(t *testing.T) {
	text, err := os.ReadFile("testdata/record.hex")
	if err != nil {
		t.Fatal(err)
	}
	data, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := dump(&got, storage.Item{ID: "golden", Data: data}); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/record.json"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("it says\n%s", got.Bytes())
	}
	for _, broken := range [][]byte{nil, {9}, data[:len(data)/2]} {
		if err := dump(&got, storage.Item{ID: "golden", Data: broken}); err == nil || !strings.Contains(err.Error(), "call golden") {
			t.Errorf("%d bytes: %v", len(broken), err)
		}
	}
}
