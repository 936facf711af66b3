package main

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	linesMost = 4 << 20   // bytes of lines that wait; a call that ends has some 600
	linesKept = 256 << 10 // of a buffer that is used again
)

// logLines writes the lines of the log in their order. Nobody waits for it, since who reads a
// socket has lines too: what does not fit is counted, and told of when lines are taken again.
// It is zapcore.WriteSyncer.
type logLines struct {
	to   io.Writer
	tell func(lost int) []byte // the line that tells of lines that are not there
	lost prometheus.Counter
	work chan struct{}

	mu      sync.Mutex
	waiting []byte
	writing int             // bytes that are being written
	missed  int             // lines that did not fit after those that wait
	flushed []chan struct{} // each closed when what waits is written
}

// newLogLines writes as long as the process lives.
func newLogLines(to io.Writer, tell func(lost int) []byte) *logLines {
	l := &logLines{to: to, tell: tell, work: make(chan struct{}, 1)}
	l.lost = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "bulkhead", Name: "log_lines_lost_total", Help: "Lines that are not in the log, since it was too slow or full.",
	})
	go l.run()
	return l
}

// Write is zapcore.WriteSyncer. The line is the caller's again when it returns.
func (l *logLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	if l.missed > 0 || l.writing+len(l.waiting)+len(line) > linesMost { // those that are lost are so in one place
		l.missed++
		l.lost.Inc()
	} else {
		l.waiting = append(l.waiting, line...)
	}
	l.mu.Unlock()
	l.wake()
	return len(line), nil
}

// Sync is zapcore.WriteSyncer: it waits for what has been said so far, for a moment.
func (l *logLines) Sync() error {
	done := make(chan struct{})
	l.mu.Lock()
	l.flushed = append(l.flushed, done)
	l.mu.Unlock()
	l.wake()
	late := time.NewTimer(closeFor)
	defer late.Stop()
	select {
	case <-done:
		return nil
	case <-late.C:
		return errors.New("the log takes no lines")
	}
}

func (l *logLines) wake() {
	select {
	case l.work <- struct{}{}:
	default:
	}
}

func (l *logLines) run() {
	var batch []byte
	untold := 0
	for range l.work {
		l.mu.Lock()
		batch, l.waiting = l.waiting, batch[:0]
		missed, flushed := l.missed, l.flushed
		l.writing, l.missed, l.flushed = len(batch), 0, nil
		l.mu.Unlock()
		n, err := 0, error(nil)
		if len(batch) > 0 {
			n, err = l.to.Write(batch)
		}
		if err != nil {
			gone := bytes.Count(batch[n:], []byte{'\n'})
			l.lost.Add(float64(gone))
			untold += gone
		}
		if untold += missed; untold > 0 && err == nil {
			if _, err := l.to.Write(l.tell(untold)); err == nil {
				untold = 0
			}
		}
		if cap(batch) > linesKept {
			batch = nil
		}
		l.mu.Lock()
		l.writing = 0
		l.mu.Unlock()
		for _, done := range flushed {
			close(done)
		}
	}
}
