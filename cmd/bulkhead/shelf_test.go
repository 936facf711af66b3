package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"bulkhead/b2bua"
)

// disk takes so many lines, and then no more.
type disk struct {
	mu    sync.Mutex
	room  int
	lines []string
}

func (d *disk) Append(line []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.room == 0 {
		return syscall.ENOSPC
	}
	d.room--
	d.lines = append(d.lines, string(line))
	return nil
}

// has gives it room for so many more.
func (d *disk) has(room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = room
}

// calls are those whose records are there, in order.
func (d *disk) calls() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, l := range d.lines {
		_, l, _ = strings.Cut(l, `"call":"`)
		l, _, _ = strings.Cut(l, `"`)
		all = append(all, l)
	}
	return strings.Join(all, " ")
}

func ended(call string) b2bua.Record { return b2bua.Record{Call: call} }

// TestP8_RecordsWaitForADiskThatIsFull: none is lost while there is memory, and they are written
// in their order; what is left at the end of the process is counted and named.
func TestP8_RecordsWaitForADiskThatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 1}
		core, logs := observer.New(zapcore.InfoLevel)
		lost := prometheus.NewCounter(prometheus.CounterOpts{Name: "lost"})
		s := newShelf(d, zap.New(core), lost)
		for _, call := range []string{"a", "b", "c"} {
			if err := s.Write(ended(call)); err != nil {
				t.Errorf("%s: %v", call, err)
			}
		}
		<-time.After(10 * time.Second)
		if d.calls() != "a" || s.waiting() != 2 {
			t.Errorf("%s, and %d wait", d.calls(), s.waiting())
		}
		d.has(1)
		<-time.After(2 * time.Second)
		if err := s.Write(ended("d")); err != nil {
			t.Error(err)
		}
		d.has(100)
		<-time.After(2 * time.Second)
		err := s.Write(ended("e"))
		synctest.Wait()
		if err != nil || d.calls() != "a b c d e" || s.waiting() != 0 {
			t.Errorf("%v: %s, and %d wait", err, d.calls(), s.waiting())
		}
		d.has(0)
		_, _ = s.Write(ended("f")), s.Write(ended("g"))
		synctest.Wait()
		d.has(1)
		s.close()
		if d.calls() != "a b c d e f" || testutil.ToFloat64(lost) != 1 {
			t.Errorf("at the end: %s, %v lost", d.calls(), testutil.ToFloat64(lost))
		}
		var told []string
		for _, l := range logs.All() {
			told = append(told, l.Message)
		}
		want := "records wait in memory for the record file|records that waited have been written|records wait in memory for the record file|record not written"
		if strings.Join(told, "|") != want {
			t.Errorf("logged %q", told)
		}
		if l := logs.FilterMessage("records that waited have been written").All(); l[0].ContextMap()["records"] != int64(3) {
			t.Errorf("%v", l[0].ContextMap())
		}
		if l := logs.FilterMessage("record not written").All(); l[0].ContextMap()["call"] != "g" || !strings.Contains(l[0].ContextMap()["error"].(string), "no space left") {
			t.Errorf("%v", l[0].ContextMap())
		}
	})
}

// TestSIPIsHeardWhileTheRecordFileStandsStill: a pipe that nobody reads, or a disk that does not
// answer. Calls end, and have their records when it takes them again; a process ends without.
func TestSIPIsHeardWhileTheRecordFileStandsStill(t *testing.T) {
	r := reloads(t, true)
	pipe, read := stuck(t)
	defer read()
	file, err := b2bua.OpenRecordFile(pipe, recordsMost)
	if err != nil {
		t.Fatal(err)
	}
	lost := prometheus.NewCounter(prometheus.CounterOpts{Name: "lost"})
	r.shelf, r.pair = newShelf(file, r.log, lost), false
	s, err := r.config.bind(r.log)
	if err != nil {
		t.Fatal(err)
	}
	defer s.edge.Close()
	if _, err := r.raise(s, func(c *Config) (*border, error) {
		return newBorder(c, s, [32]byte{}, r.shelf, nil, nil, nil, r.log, r.metrics, r.watch(), nil)
	}); err != nil {
		t.Fatal(err)
	}
	defer read() // before the sockets, whose readers may wait for it
	go func() { _ = r.border.run(t.Context()) }()
	at := net.UDPAddrFromAddrPort(r.config.Sockets()["core"][0].Address)
	trunk := sockAt(t, "127.0.191.5")
	for _, call := range []string{"one", "two", "three"} { // nobody is at the carrier
		ask(t, trunk, at, "INVITE", call)
		if no := said(trunk, 5*time.Second, "SIP/2.0 5"); !strings.Contains(no, "Call-ID: "+call) {
			t.Fatalf("call %s is told %q", call, no)
		}
		ask(t, trunk, at, "ACK", call)
	}
	ask(t, trunk, at, "OPTIONS", "ping")
	if ok := said(trunk, 5*time.Second, "SIP/2.0 200"); !strings.Contains(ok, "Call-ID: ping") {
		t.Errorf("OPTIONS is told %q", ok)
	}
	r.shelf.close()
	if err := file.Close(); err == nil {
		t.Error("a file is closed in the middle of a line")
	}
	if n := testutil.ToFloat64(lost); n != 3 {
		t.Errorf("%v records are lost at the end", n)
	}
}

// Append takes a line when somebody receives it.
func (h handing) Append(line []byte) error {
	_, err := h.Write(line)
	return err
}

// TestRecordsWaitForAFileThatStandsStill: it says no error. None is lost while it may move again,
// and the end of the process does not wait for that.
func TestRecordsWaitForAFileThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to, lost := make(handing), prometheus.NewCounter(prometheus.CounterOpts{Name: "lost"})
		core, logs := observer.New(zapcore.InfoLevel)
		s := newShelf(to, zap.New(core), lost)
		write := func(call string) {
			t.Helper()
			if err := s.Write(ended(call)); err != nil {
				t.Error(err)
			}
		}
		took := func(call string) {
			t.Helper()
			if line := <-to; !strings.Contains(line, `"call":"`+call+`"`) {
				t.Errorf("%s, want that of %s", line, call)
			}
		}
		write("a")
		<-time.After(2 * time.Second)
		write("b")
		write("c")
		if l := logs.FilterMessage("records wait in memory for the record file").Len(); l != 1 || s.waiting() != 3 {
			t.Errorf("told %d times, %d wait", l, s.waiting())
		}
		took("a")
		took("b")
		took("c")
		synctest.Wait()
		if l := logs.FilterMessage("records that waited have been written").All(); len(l) != 1 || l[0].ContextMap()["records"] != int64(3) || s.waiting() != 0 {
			t.Errorf("%v, %d wait", l, s.waiting())
		}
		write("d")
		write("e")
		began := time.Now()
		s.close()
		if late := time.Since(began); late > closeFor+shelfEach || testutil.ToFloat64(lost) != 2 {
			t.Errorf("%v lost after %v", testutil.ToFloat64(lost), late)
		}
		took("d") // of e it was said that it is lost, so it is
		<-s.over
	})
}

// TestWaitingRecordsAreBounded: who is beyond the bound is told so, and is not kept.
func TestWaitingRecordsAreBounded(t *testing.T) {
	s := newShelf(&disk{}, zap.NewNop(), prometheus.NewCounter(prometheus.CounterOpts{Name: "lost"}))
	large := ended(strings.Repeat("x", 10<<20))
	for n := range 10 {
		if err := s.Write(large); (err == nil) != (n < 6) {
			t.Errorf("%d: %v", n, err)
		}
	}
	if err := s.Write(ended("small")); err != nil || s.waiting() != 7 {
		t.Errorf("%v: %d wait", err, s.waiting())
	}
	s.close()
}

// TestRecordFileGoesOnAfterARotationThatFailed: the file had been renamed, and for the new one
// there was no room.
func TestRecordFileGoesOnAfterARotationThatFailed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "calls.jsonl")
	f, err := b2bua.OpenRecordFile(name, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Append([]byte(`{"call":"a"}`)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name, name+".kept"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Append([]byte("b")), f.Append([]byte("c"))); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "b\nc\n" {
		t.Errorf("%q %v", text, err)
	}
}
