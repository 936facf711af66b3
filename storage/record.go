package storage

import (
	"fmt"
	"strconv"
	"time"
)

// A stored record is a header and the data. The header is text of fixed width, for
// the scripts and for who looks with redis-cli:
//
//	L0000000000000003019a3f2b7c10
//	|                \ expires, Unix milliseconds in 12 hex digits; 0: never
//	| version, 16 hex digits
//	L live, E ended
//
// Another first byte is another layout, which this version cannot read: ErrUnreadable.
const (
	live  = 'L'
	ended = 'E'

	versionEnd = 1 + 16
	headerSize = versionEnd + 12
	maxExpires = 1<<48 - 1
)

// encode appends the stored form of an item.
func encode(b []byte, state byte, it Item) []byte {
	b = append(b, state)
	b = digits(b, versionEnd-1, it.Version)
	expires := uint64(0)
	if !it.Expires.IsZero() {
		expires = uint64(min(max(it.Expires.UnixMilli(), 1), maxExpires))
	}
	return append(digits(b, headerSize-versionEnd, expires), it.Data...)
}

// digits appends the last n hex digits of v.
func digits(b []byte, n int, v uint64) []byte {
	for n--; n >= 0; n-- {
		b = append(b, "0123456789abcdef"[v>>(4*n)&15])
	}
	return b
}

// arena is memory for the records of one batch, used again for the next.
type arena struct{ b []byte }

// encode is the stored form of an item, good until the arena is used again.
func (a *arena) encode(state byte, it Item) []byte {
	from := len(a.b)
	a.b = encode(a.b, state, it)
	return a.b[from:len(a.b):len(a.b)]
}

// decode reads a stored record; the item's data is a copy.
func decode(id, record string) (Item, byte, error) {
	if len(record) < headerSize || record[0] != live && record[0] != ended {
		return Item{}, 0, fmt.Errorf("%w of call %q: %q", ErrUnreadable, id, record[:min(len(record), headerSize)])
	}
	version, err := strconv.ParseUint(record[1:versionEnd], 16, 64)
	if err != nil || version > MaxVersion {
		return Item{}, 0, fmt.Errorf("%w of call %q: version %q", ErrUnreadable, id, record[1:versionEnd])
	}
	expires, err := strconv.ParseUint(record[versionEnd:headerSize], 16, 64)
	if err != nil {
		return Item{}, 0, fmt.Errorf("%w of call %q: expires %q", ErrUnreadable, id, record[versionEnd:headerSize])
	}
	it := Item{ID: id, Version: version, Data: []byte(record[headerSize:])}
	if expires != 0 {
		it.Expires = time.UnixMilli(int64(expires))
	}
	return it, record[0], nil
}
