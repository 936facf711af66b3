package main

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"bulkhead/b2bua"
)

const (
	shelfMost = 64 << 20    // bytes of records that wait; a call of two attempts is some 1,000
	shelfEach = time.Second // how often the file is tried again
)

// shelf is where records of a node without a store wait while the file does not take them, as
// on a disk that is full: in the order in which the calls ended. (With a store they wait there.)
// It is b2bua.Records.
type shelf struct {
	file appender
	log  *zap.Logger
	lost prometheus.Counter

	mu    sync.Mutex
	lines []shelved
	bytes int
	stop  chan struct{}
	over  chan struct{}
}

// appender is *b2bua.RecordFile.
type appender interface{ Append(line []byte) error }

// shelved is a record that waits.
type shelved struct {
	call string
	line []byte
}

// newShelf writes to a file until close. What never gets there is counted by lost.
func newShelf(file appender, log *zap.Logger, lost prometheus.Counter) *shelf {
	s := &shelf{file: file, log: log, lost: lost, stop: make(chan struct{}), over: make(chan struct{})}
	go s.run()
	return s
}

// Write is b2bua.Records. The error says that the record is lost.
func (s *shelf) Write(r b2bua.Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) == 0 {
		if err = s.file.Append(line); err == nil {
			return nil
		}
		s.log.Error("records wait in memory for the record file", zap.Error(err))
	}
	if s.bytes+len(line) > shelfMost {
		return errors.New("as many records wait for the record file as may")
	}
	s.lines = append(s.lines, shelved{r.Call, line})
	s.bytes += len(line)
	return nil
}

func (s *shelf) run() {
	defer close(s.over)
	tick := time.NewTicker(shelfEach)
	defer tick.Stop()
	written := 0
	for {
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
		n, _ := s.clear()
		written += n
		if written > 0 && s.waiting() == 0 {
			s.log.Info("records that waited have been written", zap.Int("records", written))
			written = 0
		}
	}
}

// clear writes what the file takes. A call that ends meanwhile waits for one line, not for all.
func (s *shelf) clear() (written int, err error) {
	for s.waiting() > 0 {
		if err = s.first(); err != nil {
			return written, err
		}
		written++
	}
	return written, nil
}

func (s *shelf) first() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.lines[0].line // only run and close take any away, one after the other
	if err := s.file.Append(first); err != nil {
		return err
	}
	if s.lines, s.bytes = s.lines[1:], s.bytes-len(first); len(s.lines) == 0 {
		s.lines = nil
	}
	return nil
}

// waiting is how many records wait.
func (s *shelf) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines)
}

// close tries once more, and tells which records are lost. No call is there any more.
func (s *shelf) close() {
	close(s.stop)
	<-s.over
	_, err := s.clear()
	for _, l := range s.lines {
		s.lost.Inc()
		s.log.Error("record not written", zap.String("call", l.call), zap.Error(err))
	}
}
