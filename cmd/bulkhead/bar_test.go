package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bulkhead/storage/storagetest"
)

// screen is what has been written to a terminal so far.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.text.String(), text)
}

// shows is what stands in the line of the cursor.
func (s *screen) shows() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.text.String()
	return strings.TrimSpace(all[strings.LastIndex(all, "\r")+1:])
}

// onScreen is a terminal, and what is written to it.
func onScreen(t *testing.T) (*screen, *os.File) {
	t.Helper()
	master, slave := pseudo(t)
	s := &screen{}
	go func() {
		part := make([]byte, 4096)
		for {
			n, err := master.Read(part)
			s.mu.Lock()
			s.text.Write(part[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s, slave
}

// TestLongWorkIsShownOnATerminal, how far it is, and nothing is left of it there.
func TestLongWorkIsShownOnATerminal(t *testing.T) {
	defer func(was time.Duration) { barAfter = was }(barAfter)
	barAfter = time.Millisecond
	s, slave := onScreen(t)
	b := newBar(slave, "scenarios", 10, false)
	b.add(3)
	storagetest.Eventually(t, "three of ten", func() bool { return s.has("scenarios") && s.has("3/10") })
	b.aside()
	storagetest.Eventually(t, "it is away", func() bool { return s.shows() == "" })
	storagetest.Eventually(t, "it is there again", func() bool { return s.shows() != "" })
	b.done()
	b.done()
	storagetest.Eventually(t, "nothing is left", func() bool { return s.shows() == "" })
}

// TestLongWorkIsShownNowhereElse: who reads the output by a program gets nothing of it, nor
// does somebody whose work is done at once.
func TestLongWorkIsShownNowhereElse(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, stream := range []any{file, &bytes.Buffer{}, nil} {
		if b := newBar(stream, "x", 1, false); b != nil {
			t.Errorf("%T is a terminal", stream)
		}
	}
	s, slave := onScreen(t)
	b := newBar(slave, "x", 1, false)
	b.add(1)
	b.done()
	if _, err := slave.WriteString("END"); err != nil {
		t.Fatal(err)
	}
	storagetest.Eventually(t, "the end", func() bool { return s.has("END") })
	if s.shows() != "END" {
		t.Errorf("%q is left", s.shows())
	}
}

// TestReconcileShowsHowFarItIs on the terminal that its errors go to, beside what it prints.
func TestReconcileShowsHowFarItIs(t *testing.T) {
	defer func(was time.Duration) { barAfter = was }(barAfter)
	barAfter = time.Millisecond
	dir := t.TempDir()
	bill, records := put(t, filepath.Join(dir, "bill.csv"), "began,number,duration\n", 0o600), filepath.Join(dir, "records")
	if err := unix.Mkfifo(records, 0o600); err != nil {
		t.Fatal(err)
	}
	s, slave := onScreen(t)
	var out bytes.Buffer
	c := cdrCommand()
	c.SetOut(&out)
	c.SetErr(slave)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs([]string{"reconcile", "--carrier", "tc1", bill, records})
	ended := make(chan error, 1)
	go func() { ended <- c.Execute() }()
	w, err := os.OpenFile(records, os.O_RDWR, 0) // does not wait for who reads
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(w, "no record"); err != nil {
		t.Fatal(err)
	}
	storagetest.Eventually(t, "the line is read", func() bool { return s.has(records + ":1: no record: ") })
	storagetest.Eventually(t, "how far it is", func() bool { return s.has("reading records") })
	w.Close()
	if err := <-ended; err == nil || err.Error() != "1 lines are no records" {
		t.Error(err)
	}
	storagetest.Eventually(t, "nothing but the fault", func() bool { return s.shows() == "" })
	if strings.Contains(out.String(), "reading records") || !s.has(records+":1: no record: ") {
		t.Errorf("%s", out.String())
	}
}
