// Package storage is where calls survive: one record a call, owned by one node
// at a time.
//
// A unit is a set of calls that have one owner. Who takes a unit gets an epoch,
// higher than all before; every write names its epoch, and the write of an old
// one is refused with ErrFenced, whatever its writer believes. A record's version
// never goes back. An ended call leaves a tombstone, which no later write of the
// call overwrites; ending is the only thing that produces a call's detail record,
// and it produces it once. Every write may be sent again: a repeat changes nothing.
//
// A store may lose what it was told (an empty Redis, a replica that lagged behind
// its master). It says so with ErrLost, once it is asked to write on, and the owner
// then reclaims the unit and writes every live call again. Writer does all that.
//
// What a record says is the caller's business: here it is bytes.
package storage

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxVersion is the highest version of a record: Redis' scripts calculate with
// floating point numbers, which are exact up to here.
const MaxVersion = 1<<53 - 1

// Item is the record of one call.
type Item struct {
	ID      string // of the call
	Version uint64 // rises with every change, at most MaxVersion
	Data    []byte
	Expires time.Time // the store may forget the record from then on; zero: never. Milliseconds count.
}

// Ending is the end of one call: what stays of its record, and the detail record.
type Ending struct {
	Tombstone Item
	Detail    []byte
}

// Batch is what one Write writes. A call appears in it once.
type Batch struct {
	Puts []Item
	Ends []Ending
}

// Errors of a Store.
var (
	// ErrFenced says that another node owns the unit: the writer must stop
	// serving it.
	ErrFenced = errors.New("storage: another node owns the unit")
	// ErrLost says that the store does not know of this epoch, or of writes of
	// it: it has lost data. Nothing was written. The owner reclaims the unit and
	// writes all its calls again.
	ErrLost = errors.New("storage: the store has lost what was written")
	// ErrFull says that the store takes no new calls. It is wrapped by a
	// *FullError.
	ErrFull = errors.New("storage: the store is full")
	// ErrHeld says that another node's lease of the unit runs. It is wrapped by
	// a *HeldError.
	ErrHeld = errors.New("storage: another node holds the lease")
	// ErrEnded says that the call has ended: what there is of it is its tombstone.
	ErrEnded = errors.New("storage: the call has ended")
	// ErrNotFound says that there is no such record.
	ErrNotFound = errors.New("storage: no such call")
	// ErrUnreadable says that a record is not in a form that this version reads.
	ErrUnreadable = errors.New("storage: unreadable record")
)

// FullError names the calls of a batch that were refused because the store is
// full. Everything else in the batch is written: the states of calls already
// stored, and every end.
type FullError struct{ IDs []string }

func (e *FullError) Error() string { return fmt.Sprintf("%v: %d calls refused", ErrFull, len(e.IDs)) }

// Unwrap returns ErrFull.
func (e *FullError) Unwrap() error { return ErrFull }

// Store keeps the calls of one unit. It is safe for concurrent use.
type Store interface {
	// Own takes the unit for a node and returns the new epoch. From then on
	// writes of older epochs are fenced.
	Own(ctx context.Context, node string) (epoch uint64, err error)

	// Reclaim makes a store that has lost the unit's epoch know it again. It is
	// ErrFenced if a higher epoch is there, so of two nodes that reclaim the same
	// unit the one with the higher epoch stays, in whatever order they come.
	Reclaim(ctx context.Context, node string, epoch uint64) error

	// Write writes a batch; each of its records becomes seen whole or not at all.
	//
	// Items whose stored version is not lower, and items of calls that have ended,
	// are left as they are. A call that ends becomes its tombstone, whatever
	// version is stored, and its detail is appended to the details, empty or not;
	// of a call that has ended already nothing changes. None of that is an error.
	//
	// With ErrFenced and ErrLost nothing more is written, a *FullError tells what
	// is not; after any other error any part may be, and may be sent again.
	Write(ctx context.Context, epoch uint64, b Batch) error

	// Get returns the record of a call: ErrNotFound, or ErrEnded with the
	// tombstone.
	Get(ctx context.Context, id string) (Item, error)

	// Scan calls each for every live call in no order, until it returns an
	// error, which Scan returns. Calls that change meanwhile are seen once, in
	// one of their states. Records that cannot be read do not hide the others:
	// ErrUnreadable is returned at the end.
	Scan(ctx context.Context, each func(Item) error) error

	// Details calls each for the details not yet taken, oldest first, with the ID
	// of the call, and takes those for which it returned nil. A detail for which
	// it returned nil just before the node died is handed out to it again, and to no
	// other node: who must have it once looks at the ID. Only the owner of the unit calls it, and not
	// concurrently.
	Details(ctx context.Context, each func(id string, detail []byte) error) error

	// Close lets go of what the store holds.
	Close() error
}

// HeldError tells who holds the lease of a unit, and for how long.
type HeldError struct {
	Node string
	Left time.Duration
}

func (e *HeldError) Error() string { return fmt.Sprintf("%v: %s for %v", ErrHeld, e.Node, e.Left) }

// Unwrap returns ErrHeld.
func (e *HeldError) Unwrap() error { return ErrHeld }

// Leaser is a Store that can decide who owns the unit where no address does. All
// times are measured by the store's own clock.
type Leaser interface {
	// Acquire is Own, if the unit is free, its lease has run out, or the node has
	// it already (a new process of the node fences the old one). Otherwise it is
	// a *HeldError.
	Acquire(ctx context.Context, node string, ttl time.Duration) (epoch uint64, err error)

	// Renew prolongs the lease of this epoch, to ttl from now.
	Renew(ctx context.Context, epoch uint64, ttl time.Duration) error

	// Release gives the lease up. With a node in next, nobody else may acquire
	// the unit for the time of grace: a planned hand-over.
	Release(ctx context.Context, epoch uint64, next string, grace time.Duration) error
}
