package main

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// TestLogHasEveryLine: the library samples by default, which loses calls at a
// hundred a second.
func TestLogHasEveryLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	c := defaults("test")
	log, _, _, err := c.logger(file)
	if err != nil {
		t.Fatal(err)
	}
	const calls = 500
	for range calls {
		log.Info("call ended")
	}
	if err := log.Sync(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(text, []byte("\n")); n != calls {
		t.Errorf("%d lines for %d calls", n, calls)
	}
}

// TestKeyIsMadeOnce: nodes that start at the same moment end up with one key.
func TestKeyIsMadeOnce(t *testing.T) {
	c := Config{}
	c.KeyFile = "new/cluster.key"
	t.Chdir(t.TempDir())
	keys := make([][32]byte, 8)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			var err error
			if keys[i], err = c.key(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, key := range keys {
		if key != keys[0] || key == [32]byte{} {
			t.Errorf("%x and %x", key, keys[0])
		}
	}
	if left, err := filepath.Glob("new/*"); err != nil || len(left) != 1 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}
