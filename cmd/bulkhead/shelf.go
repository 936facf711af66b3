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

// shelf writes the records of a node without a store to their file, in the order in which the
// calls ended. They wait in it while the file does not take them, as on a disk that is full or
// stands still, and no call waits for them. (With a store they wait there.) It is b2bua.Records.
type shelf struct {
	file appender
	log  *zap.Logger
	lost prometheus.Counter
	work chan struct{} // a record has come

	mu    sync.Mutex
	lines []shelved
	bytes int
	began time.Time // when the file was given the first of them; zero: it has none
	told  bool      // that they wait
	err   error     // the last of the file
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
	s := &shelf{file: file, log: log, lost: lost, work: make(chan struct{}, 1), stop: make(chan struct{}), over: make(chan struct{})}
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
	if s.stuck(shelfEach) {
		s.wait(errors.New("it has taken nothing for a second"))
	}
	if s.bytes+len(line) > shelfMost {
		return errors.New("as many records wait for the record file as may")
	}
	s.lines = append(s.lines, shelved{r.Call, line})
	s.bytes += len(line)
	select {
	case s.work <- struct{}{}:
	default:
	}
	return nil
}

// stuck says that the file has not taken a line for so long. Under mu.
func (s *shelf) stuck(since time.Duration) bool {
	return !s.began.IsZero() && time.Since(s.began) >= since
}

// wait tells once that records wait. Under mu.
func (s *shelf) wait(err error) {
	if s.err = err; !s.told {
		s.told = true
		s.log.Error("records wait in memory for the record file", zap.Error(err))
	}
}

func (s *shelf) run() {
	defer close(s.over)
	tick := time.NewTicker(shelfEach)
	defer tick.Stop()
	written, fails := 0, false
	for {
		select {
		case <-s.work:
			if fails {
				continue // it is tried again soon enough
			}
		case <-tick.C:
		case <-s.stop:
			s.clear()
			return
		}
		var n int
		n, fails = s.clear()
		written += n
		s.mu.Lock()
		if s.told && !fails {
			s.told = false
			s.log.Info("records that waited have been written", zap.Int("records", written))
		}
		if !s.told {
			written = 0
		}
		s.mu.Unlock()
	}
}

// clear writes what the file takes, and counts what had waited.
func (s *shelf) clear() (written int, fails bool) {
	for s.waiting() > 0 {
		waited, err := s.first()
		if err != nil {
			return written, true
		}
		if waited {
			written++
		}
	}
	return written, false
}

// first gives the first line to the file, and says whether it had waited.
func (s *shelf) first() (waited bool, err error) {
	s.mu.Lock()
	if len(s.lines) == 0 { // close has given up
		s.mu.Unlock()
		return false, nil
	}
	first := s.lines[0].line
	s.began = time.Now()
	s.mu.Unlock()
	err = s.file.Append(first)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began = time.Time{}
	if err != nil {
		s.wait(err)
		return false, err
	}
	if len(s.lines) > 0 {
		s.lines, s.bytes = s.lines[1:], s.bytes-len(first)
	}
	if len(s.lines) == 0 {
		s.lines = nil
	}
	return s.told, nil
}

// waiting is how many records wait.
func (s *shelf) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines)
}

// close tries once more, as long as the file takes lines, and tells which records are lost; the
// one that a file which stands still was given may be there. No call is there any more.
func (s *shelf) close() {
	close(s.stop)
	look := time.NewTicker(shelfEach)
	defer look.Stop()
	for over := false; !over; {
		select {
		case <-s.over:
			over = true
		case <-look.C:
			s.mu.Lock()
			if over = s.stuck(closeFor); over {
				s.err = errors.New("the record file stands still")
			}
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		s.lost.Inc()
		s.log.Error("record not written", zap.String("call", l.call), zap.Error(s.err))
	}
	s.lines = nil
}
