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

// encode is the stored form of an item.
func encode(state byte, it Item) []byte {
	b := make([]byte, headerSize, headerSize+len(it.Data))
	b[0] = state
	digits(b[1:versionEnd], it.Version)
	if !it.Expires.IsZero() {
		digits(b[versionEnd:], uint64(min(max(it.Expires.UnixMilli(), 1), maxExpires)))
	}
	return append(b, it.Data...)
}

// digits fills b with the last digits of v.
func digits(b []byte, v uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = "0123456789abcdef"[v&15]
		v >>= 4
	}
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
