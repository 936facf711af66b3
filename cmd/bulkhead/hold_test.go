package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"bulkhead/storage"
)

// renewals is a store that answers each renewal as the test says.
type renewals struct {
	storage.Leaser
	next []func() error
}

func (a *renewals) Renew(context.Context, uint64, time.Duration) error {
	answer := a.next[0]
	a.next = a.next[1:]
	return answer()
}

// late answers when the lease that was renewed has run out: the process stood still
// between the question and the answer.
func late(err error) func() error {
	return func() error {
		timer := time.NewTimer(leaseFor + leaseFor/10)
		<-timer.C
		return err
	}
}

func prompt(err error) func() error { return func() error { return err } }

// An answer counts from when it was asked for: read late, it says nothing of now, and
// another node may have spoken since.
func TestALateAnswerIsNoLease(t *testing.T) {
	t.Parallel()
	silence := errors.New("no answer")
	for _, c := range []struct {
		name   string
		next   []func() error
		speaks bool
	}{
		{"fenced meanwhile", []func() error{late(nil), prompt(storage.ErrFenced)}, false},
		{"fenced meanwhile, told at the second question", []func() error{late(nil), late(nil), prompt(storage.ErrFenced)}, false},
		{"still ours", []func() error{late(nil), prompt(nil)}, true},
		{"the silence of then is none of now", []func() error{late(silence), prompt(storage.ErrFenced)}, false},
		{"the store is silent", []func() error{late(nil), late(silence), prompt(silence)}, true},
		{"the store has lost it", []func() error{late(nil), prompt(storage.ErrLost)}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			store := &renewals{next: c.next}
			h := newHold(store, 1, func() {}, func() {})
			h.mu.Lock()
			h.renew(t.Context()) // as keep does
			h.mu.Unlock()
			if got := h.speaks(); got != c.speaks {
				t.Errorf("speaks: %v", got)
			}
			if len(store.next) != 0 {
				t.Errorf("%d questions were not asked", len(store.next))
			}
		})
	}
}
