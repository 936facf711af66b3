package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"bulkhead/storage"
)

// streamBatch is how many records are given to the stream at once.
const streamBatch = 100

// How long after a failure they are given to it again, at first and at most. Tests are in a
// hurry.
var streamRetry, streamMost = time.Second, 30 * time.Second

// streams is where records are streamed to: a *storage.Redis.
type streams interface {
	Stream(ctx context.Context, most int64, list []storage.Streamed) error
}

// newStream gives records, and answered calls, to the unit's stream in Redis.
func newStream(store streams, node string, log *zap.Logger, r prometheus.Registerer) *outbox {
	return newOutbox("stream", streamBatch, streamRetry, streamMost, func(ctx context.Context, events []event) error {
		list := make([]storage.Streamed, 0, len(events))
		for _, e := range events {
			list = append(list, storage.Streamed{ID: e.ID, Kind: e.Kind, Node: node, Record: e.Record})
		}
		return store.Stream(ctx, storage.StreamMost, list)
	}, log, r)
}
