// Package storage is where calls survive: one record a call, owned by one node
// at a time.
//
// A unit is a set of calls that have one owner. Who takes a unit gets an epoch,
// one higher than the last; every write names its epoch, and the write of an old
// one is refused with ErrFenced, whatever its writer believes. A record's version
// never goes back. An ended call leaves a tombstone, which no later write of the
// call overwrites; ending is the only thing that produces a call's detail record,
// and it produces it once.
//
// What a record says is the caller's business: here it is bytes.
package storage

import (
	"context"
	"errors"
	"time"
)

// Item is the record of one call.
type Item struct {
	ID      string // of the call
	Version uint64 // rises with every change
	Data    []byte
	Expires time.Time // the store may forget the record from then on
}

// Errors of a Store.
var (
	// ErrFenced says that another node owns the unit: the writer must stop
	// serving it.
	ErrFenced = errors.New("storage: another node owns the unit")
	// ErrEnded says that the call has ended: nothing is written for it any more.
	ErrEnded = errors.New("storage: the call has ended")
	// ErrNotFound says that there is no such record.
	ErrNotFound = errors.New("storage: no such call")
)

// Store keeps the calls of one unit. It is safe for concurrent use.
type Store interface {
	// Own takes the unit for a node and returns the new epoch. From then on
	// writes of older epochs are fenced.
	Own(ctx context.Context, node string) (epoch uint64, err error)

	// Put writes records, all or none. Items whose stored version is not lower,
	// and items of calls that have ended, are left as they are: that is no error.
	Put(ctx context.Context, epoch uint64, items []Item) error

	// End ends a call: its record becomes a tombstone with the data of the item,
	// kept until the item expires, and detail is appended to the details. Ending
	// a call again returns ErrEnded and appends nothing.
	End(ctx context.Context, epoch uint64, tombstone Item, detail []byte) error

	// Get returns the record of a call: ErrNotFound, or ErrEnded with the
	// tombstone.
	Get(ctx context.Context, id string) (Item, error)

	// Scan calls each for every live call in no order, until it returns an
	// error, which Scan returns. Calls that change meanwhile are seen once, in
	// one of their states.
	Scan(ctx context.Context, each func(Item) error) error

	// Details calls each for the details not yet taken, oldest first, and takes
	// those for which it returned nil.
	Details(ctx context.Context, each func(detail []byte) error) error

	// Close lets go of what the store holds.
	Close() error
}
