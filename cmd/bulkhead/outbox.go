package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// outbox posts the lines of the record file, and of the file of answered calls, each at
// least once: what has not been taken waits in the files, whose place is remembered beside
// them. No call waits for it, and no other file.
type outbox struct {
	to          string // webhook, stream: in the names of its metrics
	batch       int    // lines at once, at most
	retry, most time.Duration
	post        func(context.Context, []event) error // *unacceptable: these will never be taken, as they are together
	log         *zap.Logger                          // has no record: it may not show the numbers in them, and the files keep them

	sent, rejected, failed prometheus.Counter

	mu    sync.Mutex
	since time.Time // when posting began to fail; zero: it does not
	stop  context.CancelFunc
	last  chan struct{} // closed: what waits is posted once more, and then nothing
	ended sync.WaitGroup
}

// event is what is posted of a call, with its idempotency key.
type event struct {
	ID     string          `json:"id"`   // the same whenever it is posted: CALL:start, CALL:stop
	Kind   string          `json:"kind"` // start, stop
	Record json.RawMessage `json:"record"`
}

func newOutbox(to string, batch int, retry, most time.Duration, post func(context.Context, []event) error, log *zap.Logger, r prometheus.Registerer) *outbox {
	o := &outbox{to: to, batch: batch, retry: retry, most: most, post: post, log: log, last: make(chan struct{})}
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "bulkhead", Name: "cdr_" + to + "_events_total",
		Help: "Records and answered calls posted to the " + to + ", by what became of them: sent; rejected, that it will never take.",
	}, []string{"result"})
	o.sent, o.rejected = events.WithLabelValues("sent"), events.WithLabelValues("rejected")
	o.failed = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "bulkhead", Name: "cdr_" + to + "_failures_total", Help: "Batches of records for the " + to + " that failed and are tried again.",
	})
	r.MustRegister(events, o.failed, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "bulkhead", Name: "cdr_" + to + "_failing_seconds",
		Help: "For how long records have waited since posting them to the " + to + " began to fail; 0: it does not.",
	}, func() float64 {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.since.IsZero() {
			return 0
		}
		return time.Since(o.since).Seconds()
	}))
	return o
}

// follow posts the lines of a file from now on.
func (o *outbox) follow(ctx context.Context, t *tail, kind string) {
	o.ended.Go(func() {
		defer t.close()
		o.run(ctx, t, kind)
	})
}

// run posts until the context ends, or until it is at the end of the file once last is closed.
func (o *outbox) run(ctx context.Context, t *tail, kind string) {
	wait, most := o.retry, o.batch
	ending := false
	for ctx.Err() == nil {
		lines, lost, err := t.lines(most)
		if lost {
			o.log.Error("records that were not posted yet are gone with their file", zap.String("file", t.name))
		}
		if err == nil && len(lines) == 0 {
			if ending {
				return
			}
			select {
			case <-o.last:
				ending = true // what has come meanwhile is there to be read now
			case <-ctx.Done():
			case <-time.After(exportEach):
			}
			continue
		}
		posted := 0
		if err == nil {
			posted, err = o.give(ctx, kind, lines)
		}
		final := &unacceptable{}
		switch {
		case errors.As(err, &final) && len(lines) > 1: // one of them, or all together
			most = (len(lines) + 1) / 2
			continue
		case errors.As(err, &final):
			o.rejected.Inc()
			o.log.Error("a record that the "+o.to+" will never take", zap.String("call", callOf(lines[0])), zap.String("kind", kind), zap.Error(err))
		case err != nil && ctx.Err() == nil:
			o.fails(err, wait)
			select {
			case <-ctx.Done():
			case <-o.last: // it waits in the file for the next process
				return
			case <-time.After(wait):
			}
			wait = min(2*wait, o.most)
			continue
		case err != nil:
			return
		default:
			o.sent.Add(float64(posted))
			o.rejected.Add(float64(len(lines) - posted))
		}
		o.works()
		wait, most = o.retry, min(2*most, o.batch)
		if err := t.done(); err != nil {
			o.log.Error("how far records were posted is not remembered: they will be again", zap.Error(err))
		}
	}
}

// fails tells once that posting fails.
func (o *outbox) fails(err error, wait time.Duration) {
	o.failed.Inc()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.since.IsZero() {
		o.since = time.Now()
		o.log.Warn("records are not posted; they wait in their file", zap.String("to", o.to), zap.Error(err), zap.Duration("tried again in", wait))
	}
}

// works tells once that it does again.
func (o *outbox) works() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.since.IsZero() {
		o.log.Info("records are posted again", zap.String("to", o.to), zap.Duration("failed for", time.Since(o.since)))
		o.since = time.Time{}
	}
}

// give posts those of the lines that are records, and says how many these were.
func (o *outbox) give(ctx context.Context, kind string, lines [][]byte) (posted int, err error) {
	events := make([]event, 0, len(lines))
	for _, line := range lines {
		call := callOf(line)
		if call == "" {
			o.log.Error("a line that is no record is not posted", zap.String("kind", kind), zap.Int("bytes", len(line)))
			continue
		}
		events = append(events, event{ID: call + ":" + kind, Kind: kind, Record: line})
	}
	if len(events) == 0 {
		return 0, nil
	}
	return len(events), o.post(ctx, events)
}

// callOf is the call that a line is the record of; empty: it is no record.
func callOf(line []byte) string {
	var r struct{ Call string }
	if json.Unmarshal(line, &r) != nil {
		return ""
	}
	return r.Call
}

// unacceptable is an answer that will be the same whenever a record is posted.
type unacceptable struct{ status string }

func (u *unacceptable) Error() string { return "answered " + u.status }

// close posts what waits, for a moment, and ends.
func (o *outbox) close(within time.Duration) {
	close(o.last)
	timer := time.AfterFunc(within, o.stop)
	defer timer.Stop()
	o.ended.Wait()
	o.stop()
}
