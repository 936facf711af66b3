package main

import (
	"encoding/json"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"bulkhead/b2bua"
)

// maxStarts is how many answered calls wait to be written.
const maxStarts = 4096

// starts writes to a file of its own which calls have been answered, so that the record file
// keeps one line a call. No call waits for it: what does not fit is counted.
type starts struct {
	file  *b2bua.RecordFile
	queue chan b2bua.Start
	stop  chan struct{}
	over  chan struct{}
	log   *zap.Logger
	lost  prometheus.Counter
}

func newStarts(file *b2bua.RecordFile, log *zap.Logger, r prometheus.Registerer) *starts {
	s := &starts{file: file, queue: make(chan b2bua.Start, maxStarts), stop: make(chan struct{}), over: make(chan struct{}), log: log}
	s.lost = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "bulkhead", Name: "cdr_starts_lost_total", Help: "Answered calls that are not in the file of them, since it was too slow or full.",
	})
	r.MustRegister(s.lost)
	go s.write()
	return s
}

// Start is b2bua.Starts.
func (s *starts) Start(r b2bua.Start) {
	select {
	case s.queue <- r:
	default:
		s.lost.Inc()
	}
}

func (s *starts) write() {
	defer close(s.over)
	for {
		select {
		case r := <-s.queue:
			s.append(r)
		case <-s.stop:
			for len(s.queue) > 0 {
				s.append(<-s.queue)
			}
			return
		}
	}
}

func (s *starts) append(r b2bua.Start) {
	line, err := json.Marshal(r)
	if err == nil {
		err = s.file.Append(line)
	}
	if err != nil {
		s.lost.Inc()
		s.log.Error("an answered call is not in the file of them", zap.String("call", r.Call), zap.Error(err))
	}
}

// close writes what waits, for a moment, and ends.
func (s *starts) close() {
	close(s.stop)
	select {
	case <-s.over:
	case <-time.After(closeFor): // the file stands still
	}
}
