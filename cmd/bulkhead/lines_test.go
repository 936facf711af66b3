package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
)

// stuck is a pipe that is full, and that nobody reads before read is called.
func stuck(t *testing.T) (name string, read func()) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	for _, size := range []int{1 << 20, 1} {
		if err := f.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(make([]byte, size)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the pipe is not full: ", err)
		}
	}
	return name, func() {
		_ = f.SetDeadline(time.Time{})
		go func() { _, _ = io.Copy(io.Discard, f) }()
	}
}

// ask sends a request of a call of its own.
func ask(t *testing.T, from net.PacketConn, at net.Addr, method, id string) {
	t.Helper()
	if _, err := from.WriteTo([]byte(strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(strings.Join([]string{
		"METHOD sip:123@" + at.String() + " SIP/2.0", "Via: SIP/2.0/UDP LOCAL;branch=z9hG4bKTHIS", "Max-Forwards: 70",
		"From: <sip:a@b>;tag=1", "To: <sip:123@b>", "Call-ID: THIS", "CSeq: 1 METHOD", "Contact: <sip:a@LOCAL>", "Content-Length: 0", "", "",
	}, "\r\n"), "LOCAL", from.LocalAddr().String()), "THIS", id), "METHOD", method)), at); err != nil {
		t.Fatal(err)
	}
}

// TestSIPIsHeardWhileNobodyReadsTheLog: standard error of a node whose journald or container
// runtime stands still. What strangers send is told of by who reads the socket.
func TestSIPIsHeardWhileNobodyReadsTheLog(t *testing.T) {
	r := reloads(t, true)
	pipe, read := stuck(t)
	defer read()
	var err error
	if r.log, _, _, err = r.config.logger(pipe); err != nil {
		t.Fatal(err)
	}
	r.pair = false
	r.raised(r.config)
	go func() { _ = r.border.run(t.Context()) }()
	at := net.UDPAddrFromAddrPort(r.config.Sockets()["core"][0].Address)
	trunk := sockAt(t, "127.0.191.5")
	ask(t, sockAt(t, "127.0.199.9"), at, "OPTIONS", "stranger")
	ask(t, trunk, at, "INVITE", "call")
	ask(t, trunk, at, "OPTIONS", "ping")
	if ok := said(trunk, 5*time.Second, "SIP/2.0 200"); !strings.Contains(ok, "Call-ID: ping") {
		t.Errorf("OPTIONS is told %q", ok)
	}
}

// pausing takes lines while it is not paused, or says that it cannot.
type pausing struct {
	mu     sync.Mutex // held: it is paused
	taken  []byte
	broken bool
}

func (p *pausing) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken {
		return 0, syscall.ENOSPC
	}
	p.taken = append(p.taken, b...)
	return len(b), nil
}

// TestLinesThatDoNotFitAreCounted: nobody waits, order is kept, and in the place of those that
// are lost is a line of how many they are.
func TestLinesThatDoNotFitAreCounted(t *testing.T) {
	to := &pausing{}
	l := newLogLines(to, func(lost int) []byte { return fmt.Appendf(nil, "%d lost\n", lost) })
	buffer := make([]byte, 0, 1024) // used again for each line
	say := func(n int) {
		t.Helper()
		buffer = append(fmt.Appendf(buffer[:0], "%07d", n), bytes.Repeat([]byte{'.'}, 1024-8)...)
		buffer = append(buffer, '\n')
		if n, err := l.Write(buffer); n != 1024 || err != nil {
			t.Fatal(n, err)
		}
	}
	to.mu.Lock()
	const fits, more = linesMost / 1024, 100
	for n := range fits + more {
		say(n)
	}
	if n := testutil.ToFloat64(l.lost); n != more {
		t.Errorf("%v are counted", n)
	}
	to.mu.Unlock()
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	say(fits + more)
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	told, next, lost := 0, 0, 0
	for line := range bytes.Lines(to.taken) {
		n := 0
		if count, err := fmt.Sscanf(string(line), "%d lost", &n); count == 1 && err == nil {
			told, lost, next = told+1, lost+n, next+n
			continue
		}
		if len(line) != 1024 || !strings.HasPrefix(string(line), fmt.Sprintf("%07d", next)) {
			t.Fatalf("after %d: %q", next, line)
		}
		next++
	}
	if told != 1 || lost != more || next != fits+more+1 {
		t.Errorf("told %d times of %d, %d in all", told, lost, next)
	}

	to.broken, to.taken = true, nil
	say(1)
	_ = l.Sync()
	to.mu.Lock()
	to.broken = false
	to.mu.Unlock()
	say(2)
	_ = l.Sync()
	if !strings.HasPrefix(string(to.taken), "0000002") || !strings.HasSuffix(string(to.taken), "\n1 lost\n") || testutil.ToFloat64(l.lost) != more+1 {
		t.Errorf("after a disk that was full: %q", to.taken)
	}
}

// handing takes a write when somebody receives it.
type handing chan string

func (h handing) Write(b []byte) (int, error) {
	h <- string(b)
	return len(b), nil
}

// TestTheEndWaitsForTheLogAMomentOnly: a process whose log nobody reads ends as well.
func TestTheEndWaitsForTheLogAMomentOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := make(handing)
		l := newLogLines(to, nil)
		_, _ = l.Write([]byte("a line\n"))
		began := time.Now()
		if err := l.Sync(); err == nil || time.Since(began) != closeFor {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if line := <-to; line != "a line\n" {
			t.Errorf("%q", line)
		}
		if err := l.Sync(); err != nil || time.Since(began) != closeFor {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(l.work)
	})
}

// BenchmarkLine is a line of the log, for who has it to say.
func BenchmarkLine(b *testing.B) {
	c := defaults("test")
	log, _, _, err := c.logger(os.DevNull)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		log.Info("call ended", zap.String("call", "abc"))
	}
}
