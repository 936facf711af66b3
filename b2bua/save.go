package b2bua

import (
	"encoding/json"
	"time"

	"go.uber.org/zap"

	"bulkhead/storage"
)

// Keeper is where the states of calls are kept so that another node can go on
// with them: a *storage.Writer. done is called once, from any goroutine; nil:
// nobody waits.
type Keeper interface {
	Put(it storage.Item, done func(error))
	End(e storage.Ending, done func(error))
}

// keepAfter is how long a record stays beyond the call's last deadline, for an
// owner that is slow to renew it.
const keepAfter = time.Hour

// save stores the state of the call; with wait, it returns when the state is
// safe or the time for that is over.
func (s *strand) save(wait bool) {
	keeper := s.engine.config.Keeper
	if keeper == nil {
		return
	}
	s.await(wait, func(done func(error)) { keeper.Put(s.item(), done) })
}

// record gives the record out: to the store, which ends the call there and hands
// the record on exactly once, or without a store straight to the records.
func (s *strand) record(r Record) {
	e := s.engine
	failed := func(err error) {
		e.metrics.Dropped.WithLabelValues("record", "not_written").Inc()
		e.log.Error("record not written", zap.Stringer("call", s.id), zap.Error(err))
	}
	if e.config.Keeper == nil || s.call == nil {
		if err := e.records.Write(r); err != nil {
			failed(err)
		}
		return
	}
	detail, err := json.Marshal(r)
	if err != nil {
		failed(err)
		return
	}
	s.await(true, func(done func(error)) {
		e.config.Keeper.End(storage.Ending{Tombstone: s.item(), Detail: detail}, done)
	})
}

// await does what takes a done, and waits for it within the budget.
func (s *strand) await(wait bool, do func(done func(error))) {
	budget := s.engine.config.Wait
	if !wait || budget == 0 {
		do(nil)
		return
	}
	done := make(chan error, 1)
	do(func(err error) { done <- err })
	timer := time.NewTimer(budget)
	defer timer.Stop()
	select {
	case err := <-done:
		if err == nil {
			return
		}
	case <-timer.C:
	}
	s.engine.metrics.Unprotected.Inc()
}

// item is the call as it is stored. It expires after the call could still be
// there; every Save moves that on.
func (s *strand) item() storage.Item {
	deadline := s.call.Deadline()
	if e := s.call.Expires; e.After(deadline) {
		deadline = e
	}
	if deadline.IsZero() {
		deadline = time.Now()
	}
	return storage.Item{
		ID: s.id.String(), Version: s.call.Version,
		Data: s.call.Encode(nil), Expires: deadline.Add(keepAfter),
	}
}
